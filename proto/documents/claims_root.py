"""The claims root of a document: one hash over the digests by which a wallet will show its claims one by one. Pure.

A claim is a member of the document's subject (but `type`), or the document's `evidence` or `otherIdentifier`. Its
disclosure and the digest of that are those of SD-JWT (RFC 9901), its salt comes from the document's own random seed. So
who has the seed can show each claim by itself, and nobody without it can guess what a digest stands for (DESIGN 9).
"""

import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from proto.canonical import canonical_json
from proto.documents.open_badge_names import IRIS, with_names
from proto.ids import HEX_256_PATTERN
from proto.problem import InvalidProblem

SEED_BYTES = 32
SALT_BYTES = 16
CLAIMS_ROOT_TERM = IRIS["claimsRoot"]
"""The member of a document that says its claims root, 64 lower-case hexadecimal digits."""
ACHIEVEMENT_CLAIM = "achievement"
"""The claim that all documents of one achievement have in common."""
_SALT_HEAD = b"credentify/salt/v2\n"
_ROOT_HEAD = b"credentify/claims-root/v2\n"
_OF_THE_DOCUMENT = ("evidence", IRIS["otherIdentifier"])
_HEX_256 = re.compile(HEX_256_PATTERN)
_TO_THREES = b"\0\0"
"""Behind a salt, so that base64 of several is that of each, one behind the other."""
_SALT_LETTERS, _SALT_STEP = 22, 24
"""Base64 of a salt, and of a salt with what is put behind it."""
_HEAD_LETTERS = 32
"""Base64 of `["` and a salt."""
_DIGEST_LETTERS = 43
"""Base64 of 32 bytes, without the sign that fills it up."""
_BLOCK_BYTES = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
_sha256 = hashlib.sha256
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_ENCODE = msgspec.json.Encoder().encode


class ClaimsRootProblem(InvalidProblem):
    """The document says a claims root that is none."""

    slug = "claims-root-malformed"
    title = "The document's claims root cannot be read"


def claims_of(document: Mapping[str, Any], *, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the claims of a document by their short names, without those in `without`; their order says nothing."""
    left = {"type", *without}
    subject = {name: value for name, value in document["credentialSubject"].items() if name not in left}
    further = {name: document[name] for name in _OF_THE_DOCUMENT if name in document}
    found: dict[str, Any] = with_names(subject | further)
    return found


def _salt(seed: bytes, name: str) -> bytes:
    """Return the salt of a claim: 16 bytes of HMAC-SHA-256 under the document's seed, in base64url."""
    return _base64url(hmac.digest(seed, _SALT_HEAD + name.encode(), "sha256")[:SALT_BYTES])


def disclosure(seed: bytes, name: str, value: bytes) -> bytes:
    """Return the disclosure of a claim: base64url of the array [salt, name, value]; `value` is canonical JSON."""
    return _base64url(b'["%s",%s,%s]' % (_salt(seed, name), _ENCODE(name), value))


def digest_of(disclosed: bytes) -> str:
    """Return the digest of a disclosure as it stands in `_sd`: base64url of SHA-256 over its characters."""
    return _digest(disclosed).decode()


def _digest(disclosed: bytes) -> bytes:
    return _base64url(hashlib.sha256(disclosed).digest())


def claims_root(document: Mapping[str, Any], seed: bytes, *, achievement: bytes | None = None) -> bytes:
    """Return the 32 bytes of SHA-256 over a document's sorted digests; its claims root and its proof are no claims.

    `achievement` is the canonical JSON of that claim where it was made before.
    """
    return root_of(claim_values(document, achievement=achievement), seed)


def claim_values(document: Mapping[str, Any], *, achievement: bytes | None = None) -> dict[str, bytes]:
    """Return the canonical JSON of each claim of a document, by its short name; `achievement` as `claims_root` does."""
    known = {} if achievement is None else {ACHIEVEMENT_CLAIM: achievement}
    return {name: canonical_json(value) for name, value in claims_of(document, without=known).items()} | known


def root_of(values: Mapping[str, bytes], seed: bytes) -> bytes:
    """Return the claims root that claims in canonical JSON, by their short names, make under a document's seed."""
    digests = sorted([_digest(disclosure(seed, name, value)) for name, value in values.items()])
    return hashlib.sha256(b"".join((_ROOT_HEAD, *(each + b"\n" for each in digests)))).digest()


class ClaimsOfMany:
    """Claims of which most are the same in many documents: what is said of those is encoded once.

    A disclosure begins with 24 bytes, of which the salt is 22, so base64 of what follows depends on no seed.
    """

    __slots__ = ("_fixed", "_open", "_salt_texts")

    def __init__(self, fixed: Mapping[str, bytes], open_names: Iterable[str]) -> None:
        """`fixed` are values in canonical JSON by their short names; `open_names` those that each document has anew."""
        names = [*fixed, *sorted(open_names)]
        self._salt_texts = [_SALT_HEAD + name.encode() for name in names]
        self._fixed = [_after_salt(name, value) for name, value in fixed.items()]
        self._open = [(name, b'",%s,' % _ENCODE(name)) for name in names[len(fixed) :]]

    def root(self, seed: bytes, values: Mapping[str, bytes]) -> bytes:
        """Return `root_of` all claims under a document's seed; `values` are those of the open ones."""
        after = [*self._fixed, *[_base64url(b"%s%s]" % (begun, values[name])) for name, begun in self._open]]
        salted = _base64url(b"".join([each[:SALT_BYTES] + _TO_THREES for each in _hmacs(seed, self._salt_texts)]))
        heads = b"".join([b'["' + salted[place : place + _SALT_LETTERS] for place in range(0, len(salted), _SALT_STEP)])
        begun = _base64url(heads)
        places = range(0, len(begun), _HEAD_LETTERS)
        hashed = [
            _sha256(begun[place : place + _HEAD_LETTERS] + rest).digest()
            for place, rest in zip(places, after, strict=True)
        ]
        written = _base64url(b"\0".join((*hashed, b"")))
        digests = [written[place : place + _DIGEST_LETTERS] for place in range(0, len(written), _DIGEST_LETTERS + 1)]
        digests.sort()
        return _sha256(b"\n".join((_ROOT_HEAD[:-1], *digests, b""))).digest()


def _hmacs(key: bytes, texts: Iterable[bytes]) -> list[bytes]:
    """Return HMAC-SHA-256 of each text under a key of at most 64 bytes, as RFC 2104 defines it.

    `hmac.digest` sets itself up anew for each, which takes twice as long as to hash.
    """
    block = key.ljust(_BLOCK_BYTES, b"\0")
    inner, outer = block.translate(_INNER), block.translate(_OUTER)
    return [_sha256(outer + _sha256(inner + text).digest()).digest() for text in texts]


def _after_salt(name: str, value: bytes) -> bytes:
    """Return what follows the salt in the disclosure of a claim."""
    return _base64url(b'",%s,%s]' % (_ENCODE(name), value))


def achievement_claim(achievement: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of what documents of an achievement say of it, as their claims have it."""
    return canonical_json(with_names(achievement))


def stated_root(document: Mapping[str, Any]) -> bytes | None:
    """Return the claims root that a document says, None where it says none; raises `ClaimsRootProblem`."""
    written = document.get(CLAIMS_ROOT_TERM)
    if written is None:
        return None
    if not isinstance(written, str) or not _HEX_256.match(written):
        raise ClaimsRootProblem(
            "The claims root is 64 lower-case hexadecimal digits; take the document as the institution gave it out",
            pointer=f"/{CLAIMS_ROOT_TERM}",
        )
    return bytes.fromhex(written)


def _base64url(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE, b"=")
