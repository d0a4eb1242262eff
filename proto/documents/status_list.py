"""W3C Bitstring Status List v1.0: the bits, their places, the entry and the list that name them. No key, no clock.

Why our entries have the purpose `revocation`, though it also stands for suspended and void credentials. The Open Badges
schema allows one `credentialStatus`, so one bit of one purpose must make everybody refuse what does not hold. Tried
against third-party checkers (tests/interop, `test_which_purpose_makes_checkers_refuse`):

| purpose of entry and list | verifier-core 1.0 | vc-bitstring-status-list 2.0 | openvc-core 1.37 |
|---|---|---|---|
| `revocation` | refuses, step `revocation_status` | status set | refuses: revoked |
| `suspension` | refuses, step `suspension_status` | status set | refuses: suspended |
| `message`, `refresh`, any other | refuses, step `<purpose>_status` | status set | **accepts** |
| a list of purposes in the entry | refuses also when the bit is clear | the same | the same |
| a list of purposes in the list | refuses also when the bit is clear | the same | the same |

So only the first two are safe, and programs built on verifier-core look for the one step that it names itself,
`revocation_status`. The price: the specification calls revocation "not reversible", and our bit is cleared when a
suspension is lifted. A checker that remembers a revocation for ever then refuses a credential that holds again, which
is the safe side; what the state really is, the verifier says from the log. `statusSize` above 1 does not help: all
three read a single bit whatever it says.
"""

import base64
import binascii
import functools
import hashlib
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from proto.documents.open_badge_context import VC_CONTEXT
from proto.ids import URI_PATTERN, Did
from proto.moment import Moment, as_written
from proto.problem import InvalidProblem

PURPOSE: Final = "revocation"
"""The one purpose of our entries and lists: its bit is set for credentials that are revoked, suspended or void."""
ENTRY_TYPE: Final = "BitstringStatusListEntry"
LIST_TYPE: Final = "BitstringStatusListCredential"
ENTRY_COUNT_MIN: Final = 131_072
LIST_BYTES_MAX: Final = 4_194_304
TTL_MS_MAX: Final = 31_536_000_000
LIST_POINTER: Final = "/credentialSubject/encodedList"
_BITS: Final = 8
_GZIP: Final = 31
_ENCODED_MAX: Final = LIST_BYTES_MAX * 4 // 3 + 1024
_BASE64URL = re.compile(r"^u[A-Za-z0-9_-]+\Z")
_URL = re.compile(URI_PATTERN)
_ROUND_COUNT: Final = 10
_LISTS_KEPT: Final = 16
"""Of so many lists the rounds are remembered, a quarter of a megabyte each at most."""
_SECRET_BYTES: Final = 32


class MalformedStatusProblem(InvalidProblem):
    """A status entry or list that is not what the specification says it must be (its MALFORMED_VALUE_ERROR)."""

    slug = "malformed-status"
    title = "The credential's status cannot be read"


class UnsupportedStatusProblem(InvalidProblem):
    """A status of another kind than one bit of a Bitstring Status List: nothing is known about it."""

    slug = "unsupported-status"
    title = "This kind of credential status is not supported"


class StatusListMismatchProblem(InvalidProblem):
    """The list does not speak for this entry: other purpose, issuer, address or time (STATUS_VERIFICATION_ERROR)."""

    slug = "status-list-mismatch"
    title = "The status list does not speak for this credential"


class StatusListLengthProblem(InvalidProblem):
    """The list is shorter than 131,072 entries and would not hide whom it is about (STATUS_LIST_LENGTH_ERROR)."""

    slug = "status-list-length"
    title = "The status list has a length that is not allowed"


class StatusIndexProblem(InvalidProblem):
    """The index lies outside the list (RANGE_ERROR)."""

    slug = "status-index"
    title = "The status list has no such entry"


def empty_bits(entry_count: int = ENTRY_COUNT_MIN) -> bytes:
    """Return the bits of a list in which nothing is set; raises `StatusListLengthProblem` for a count not allowed."""
    if entry_count % _BITS:
        raise StatusListLengthProblem(f"A list has whole bytes; {entry_count} is no multiple of {_BITS}")
    _check_length(entry_count // _BITS)
    return bytes(entry_count // _BITS)


def with_bits(bits: bytes, changes: Mapping[int, bool]) -> bytes:
    """Return `bits` with the places of `changes` set or cleared; raises `StatusIndexProblem`."""
    changed = bytearray(bits)
    for index, is_set in changes.items():
        place, mask = _place(bits, index)
        changed[place] = changed[place] | mask if is_set else changed[place] & ~mask
    return bytes(changed)


def is_set(bits: bytes, index: int) -> bool:
    """Tell whether the bit at `index` is set; index 0 is the left-most bit of the first byte (section 3.4)."""
    place, mask = _place(bits, index)
    return bool(bits[place] & mask)


def _place(bits: bytes, index: int) -> tuple[int, int]:
    if not 0 <= index < len(bits) * _BITS:
        raise StatusIndexProblem(f"Entry {index} is outside a list of {len(bits) * _BITS}")
    place, offset = divmod(index, _BITS)
    return place, 0x80 >> offset


def _check_length(byte_count: int) -> None:
    if not ENTRY_COUNT_MIN <= byte_count * _BITS <= LIST_BYTES_MAX * _BITS:
        raise StatusListLengthProblem(
            f"A list has {ENTRY_COUNT_MIN:,} to {LIST_BYTES_MAX * _BITS:,} entries; this one has {byte_count * _BITS:,}"
        )


def encode_list(bits: bytes) -> str:
    """Return the `encodedList` of `bits`: multibase `u`, base64url without padding, GZIP; the same bits, the same text.

    Raises `StatusListLengthProblem`.
    """
    _check_length(len(bits))
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    packed = packer.compress(bits) + packer.flush()
    return "u" + base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def decode_list(encoded: str) -> bytes:
    """Return the bits of an `encodedList`; never inflates beyond `LIST_BYTES_MAX`.

    Raises `MalformedStatusProblem` for another multibase, padding, a GZIP stream that is cut off, altered or followed
    by more, and `StatusListLengthProblem` for a list that is too short or too long.
    """
    packed = _decode_base64url(encoded)
    unpacker = zlib.decompressobj(_GZIP)
    try:
        bits = unpacker.decompress(packed, LIST_BYTES_MAX + 1)
    except zlib.error as error:
        raise MalformedStatusProblem(f"encodedList is not GZIP: {error}", pointer=LIST_POINTER) from error
    _check_length(len(bits))
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedStatusProblem("encodedList is not exactly one whole GZIP stream", pointer=LIST_POINTER)
    return bits


def _decode_base64url(encoded: str) -> bytes:
    if len(encoded) > _ENCODED_MAX:
        raise StatusListLengthProblem(f"encodedList has more than {_ENCODED_MAX:,} characters", pointer=LIST_POINTER)
    if not _BASE64URL.match(encoded):
        raise MalformedStatusProblem("encodedList is not multibase base64url (u…, no padding)", pointer=LIST_POINTER)
    text = encoded[1:]
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise MalformedStatusProblem(f"encodedList is not base64url: {error}", pointer=LIST_POINTER) from error
    if base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii") != text:
        raise MalformedStatusProblem("encodedList is not the one text of its bytes", pointer=LIST_POINTER)
    return packed


def status_entry(list_url: str, index: int) -> dict[str, str]:
    """Return the `credentialStatus` of a credential whose status stands at `index` of the list at `list_url`.

    With an `id`, which the Open Badges schema requires. Raises `MalformedStatusProblem` and `StatusIndexProblem`.
    """
    if not _URL.match(list_url) or "#" in list_url:
        raise MalformedStatusProblem("The address of a status list is an http(s) URL without a fragment")
    if not 0 <= index < LIST_BYTES_MAX * _BITS:
        raise StatusIndexProblem(f"No list has an entry {index}")
    return {
        "id": f"{list_url}#{index}",
        "type": ENTRY_TYPE,
        "statusPurpose": PURPOSE,
        "statusListIndex": str(index),
        "statusListCredential": list_url,
    }


def build_list_credential(
    *, list_url: str, issuer: Did, bits: bytes, valid_from: Moment, valid_until: Moment, ttl_ms: int
) -> dict[str, Any]:
    """Return the unsigned `BitstringStatusListCredential` that stands at `list_url`; sign it as any other document.

    `issuer` is that of the credentials that point at it (checkers refuse another); `ttl_ms` is how long it may be kept
    before it is asked for again, and lies within its validity. Raises `MalformedStatusProblem` and
    `StatusListLengthProblem`.
    """
    if not _URL.match(list_url) or "#" in list_url:
        raise MalformedStatusProblem("The address of a status list is an http(s) URL without a fragment", pointer="/id")
    if not as_written(valid_from) < as_written(valid_until):
        raise MalformedStatusProblem("A status list ends after it begins", pointer="/validUntil")
    if not 0 < ttl_ms <= TTL_MS_MAX:
        raise MalformedStatusProblem(f"ttl is 1 to {TTL_MS_MAX} milliseconds", pointer="/credentialSubject/ttl")
    return {
        "@context": [VC_CONTEXT],
        "id": list_url,
        "type": ["VerifiableCredential", LIST_TYPE],
        "issuer": issuer,
        "validFrom": as_written(valid_from),
        "validUntil": as_written(valid_until),
        "credentialSubject": {
            "id": f"{list_url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": PURPOSE,
            "encodedList": encode_list(bits),
            "ttl": ttl_ms,
        },
    }


def allocated_index(secret: bytes, position: int, entry_count: int = ENTRY_COUNT_MIN) -> int:
    """Return the place of the `position`-th credential (from 0) of a list: random to who lacks `secret`, never twice.

    A secret permutation of the list's places, so that the store need only count: it adds one to (or, for a batch, n
    to) the list's counter in the transaction that stores the credential, and what is rolled back is given to the next.
    The cost does not depend on how full the list is, and no place tells when, or before whom, a credential was issued.
    `secret` is 32 random bytes of this list alone. After a restore from a backup a new list is begun, because the
    counter has gone back. Raises `StatusIndexProblem` when the list is full.

    A Feistel network of ten rounds with keyed BLAKE2 over the next even power of two, walked until it falls inside
    the list (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
    """
    if len(secret) != _SECRET_BYTES:
        raise StatusIndexProblem(f"A list's secret has {_SECRET_BYTES} bytes")
    if not 0 <= position < entry_count:
        raise StatusIndexProblem(f"The list is full: it has {entry_count:,} places")
    half_bits = max(1, ((entry_count - 1).bit_length() + 1) // 2)
    place = _permuted(secret, position, half_bits)
    while place >= entry_count:
        place = _permuted(secret, place, half_bits)
    return place


@functools.lru_cache(maxsize=_LISTS_KEPT)
def _rounds(_secret: bytes, _half_bits: int) -> tuple[dict[int, int], ...]:
    """Return what each round makes of each half, as far as it was asked: a list of 131,072 places has 512 halves."""
    return tuple({} for _ in range(_ROUND_COUNT))


def _permuted(secret: bytes, value: int, half_bits: int) -> int:
    mask = (1 << half_bits) - 1
    left, right = value >> half_bits, value & mask
    for number, known in enumerate(_rounds(secret, half_bits)):
        found = known.get(right)
        if found is None:
            digest = hashlib.blake2s(bytes([number]) + right.to_bytes(8), key=secret, digest_size=8).digest()
            found = known[right] = int.from_bytes(digest) & mask
        left, right = right, left ^ found
    return left << half_bits | right
