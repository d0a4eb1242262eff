"""Keys of signed notes: verifier keys, signer keys and what each kind of key signs. Knows no note and no key file.

C2SP signed-note v1.0.0 and tlog-cosignature v1.0.1. Ed25519 only: plain signatures (0x01) and timestamped
cosignatures (0x04). A key of a kind that this code does not know is refused, never guessed at.
"""

import enum
import hashlib

import msgspec
import nacl.bindings

from proto.base64_strict import decode_base64, encode_base64
from proto.keys import SIGNATURE_BYTES, SecretKey, is_signature
from proto.problem import InvalidProblem, MalformedProblem

KEY_ID_BYTES = 4
KEY_BYTES = 32
TIMESTAMP_BYTES = 8
TIMESTAMP_MAX = 2**63 - 1
KEY_NAME_LENGTH_MAX = 255

_PRIVATE_PREFIX = "PRIVATE+KEY+"


class KeyKind(enum.IntEnum):
    """What a key's signatures cover: the text, or the text with the time at which it was seen."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


def check_key_name(name: str) -> None:
    """Raise `InvalidProblem` unless `name` may name a key: not empty, no space, control character or `+`."""
    if not 0 < len(name) <= KEY_NAME_LENGTH_MAX:
        raise InvalidProblem(f"A key name has 1 to {KEY_NAME_LENGTH_MAX} characters")
    if any(c.isspace() or c < " " or c == "+" or "\ud800" <= c <= "\udfff" for c in name):
        raise InvalidProblem(f"The key name {name!r} holds a space, a control character or a plus sign")


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """Return the 4-byte key id: the first bytes of SHA-256(name ‖ 0x0A ‖ kind ‖ public key) (signed-note, Format)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:KEY_ID_BYTES]


class VerifierKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named public key: `public_key` is 32 raw bytes, `kind` says what its signatures cover.

    Raises `InvalidProblem` when made from a bad name or a point that no honest key has.
    """

    name: str
    kind: KeyKind
    public_key: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.public_key) != KEY_BYTES or not nacl.bindings.crypto_core_ed25519_is_valid_point(self.public_key):
            raise InvalidProblem(f"The public key of {self.name} is not an Ed25519 key")

    @property
    def key_id(self) -> bytes:
        """The 4-byte key id."""
        return key_id(self.name, self.kind, self.public_key)

    @property
    def text(self) -> str:
        """The verifier key as text, `<name>+<key id>+<base64>` (signed-note, Verifier keys)."""
        return _key_text(self.name, self.key_id, self.kind, self.public_key)

    def verifies(self, text: str, payload: bytes) -> bool:
        """Tell whether `payload` (what follows the key id on a signature line) is this key's signature of `text`."""
        if self.kind == KeyKind.ED25519:
            return is_signature(self.public_key, text.encode(), payload)
        timestamp = int.from_bytes(payload[:TIMESTAMP_BYTES], "big")
        if len(payload) != TIMESTAMP_BYTES + SIGNATURE_BYTES or timestamp > TIMESTAMP_MAX:
            return False
        return is_signature(self.public_key, cosigned_message(text, timestamp), payload[TIMESTAMP_BYTES:])


class SignerKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named secret key; its `repr` does not show the secret. `private_text` does, and belongs into a 0600 file."""

    name: str
    kind: KeyKind = KeyKind.ED25519
    secret: SecretKey

    @property
    def verifier(self) -> VerifierKey:
        """The public half; raises `InvalidProblem` if the name may not name a key."""
        return VerifierKey(name=self.name, kind=self.kind, public_key=self.secret.public_bytes)

    @property
    def private_text(self) -> str:
        """Go's private form `PRIVATE+KEY+<name>+<key id>+<base64>` (golang.org/x/mod/sumdb/note)."""
        return _PRIVATE_PREFIX + _key_text(self.name, self.verifier.key_id, self.kind, self.secret.seed)

    def sign(self, text: str) -> bytes:
        """Return the 64-byte signature payload of a note's text; raises `InvalidProblem` for a cosigner's key."""
        if self.kind != KeyKind.ED25519:
            raise InvalidProblem(f"{self.name} is a cosigner's key: its signatures carry a time")
        return self.secret.sign(text.encode())

    def cosign(self, text: str, at_seconds: int) -> bytes:
        """Return the 72-byte payload of a cosignature made at POSIX time `at_seconds` (1 to 2^63-1).

        Raises `InvalidProblem` for another time and for a key that is not a cosigner's.
        """
        if self.kind != KeyKind.COSIGNATURE:
            raise InvalidProblem(f"{self.name} is not a cosigner's key")
        if not 0 < at_seconds <= TIMESTAMP_MAX:
            raise InvalidProblem(f"{at_seconds} is not a time at which a cosignature can be made")
        return at_seconds.to_bytes(TIMESTAMP_BYTES, "big") + self.secret.sign(cosigned_message(text, at_seconds))


def cosigned_message(text: str, at_seconds: int) -> bytes:
    """Return the bytes that a cosigner signs for a checkpoint's text (tlog-cosignature v1.0.1, Ed25519)."""
    return f"cosignature/v1\ntime {at_seconds}\n{text}".encode()


def _key_text(name: str, identifier: bytes, kind: int, key: bytes) -> str:
    return f"{name}+{identifier.hex()}+{encode_base64(bytes([kind]) + key)}"


def parse_vkey(text: str) -> VerifierKey:
    """Return the verifier key in `<name>+<8 hex digits>+<base64>`.

    Raises `MalformedProblem` for another form or a key id that does not belong to the key, `InvalidProblem` for a kind
    or a point that is refused.
    """
    name, identifier, kind, public_key = _split_key(text)
    verifier = VerifierKey(name=name, kind=kind, public_key=public_key)
    _check_key_id(verifier, identifier)
    return verifier


def parse_signer_key(text: str) -> SignerKey:
    """Return the signer key in Go's form `PRIVATE+KEY+<name>+<8 hex digits>+<base64>`.

    Raises `MalformedProblem` or `InvalidProblem`, without the secret in their words.
    """
    if not text.startswith(_PRIVATE_PREFIX):
        raise MalformedProblem("A signer key begins with PRIVATE+KEY+")
    try:
        name, identifier, kind, seed = _split_key(text.removeprefix(_PRIVATE_PREFIX))
    except MalformedProblem:
        raise MalformedProblem("The signer key is not PRIVATE+KEY+<name>+<key id>+<base64>") from None
    signer = SignerKey(name=name, kind=kind, secret=SecretKey(seed))
    _check_key_id(signer.verifier, identifier)
    return signer


def _split_key(text: str) -> tuple[str, str, KeyKind, bytes]:
    name, _, rest = text.partition("+")
    identifier, is_whole, encoded = rest.partition("+")
    if not is_whole:
        raise MalformedProblem(f"{text[:80]!r} is not a key: <name>+<key id>+<base64>")
    key = decode_base64(encoded)
    if not key or key[0] not in tuple(KeyKind):
        raise InvalidProblem(f"Keys of kind 0x{key[:1].hex()} are not supported: Ed25519 is, as 0x01 or 0x04")
    if len(key) != 1 + KEY_BYTES:
        raise MalformedProblem(f"An Ed25519 key has {KEY_BYTES} bytes")
    return name, identifier, KeyKind(key[0]), key[1:]


def _check_key_id(verifier: VerifierKey, identifier: str) -> None:
    if verifier.key_id.hex() != identifier:
        raise MalformedProblem(f"The key id {identifier[:16]!r} does not belong to the key of {verifier.name}")
