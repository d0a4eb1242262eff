"""Ed25519 keys in the forms that travel: multibase, did:key, strict verification. Reads and stores no file."""

from collections.abc import Callable
from functools import lru_cache
from typing import NewType

import base58
import nacl.bindings
import nacl.exceptions
import nacl.signing

from proto.ids import Did, KeyId
from proto.problem import InvalidProblem

PublicKey = NewType("PublicKey", str)
Sign = Callable[[bytes], bytes]

PUBLIC_KEY_PATTERN = r"^z6Mk[1-9A-HJ-NP-Za-km-z]{44}\Z"
SIGNATURE_BYTES = 64
_MULTICODEC_ED25519 = b"\xed\x01"
_PUBLIC_BYTES = 32


@lru_cache(maxsize=1_024)  # a signer says whose key it is with each signature
def encode_public_key(raw: bytes) -> PublicKey:
    """Return 32 raw bytes as a multibase key `z6Mk…` (base58btc of multicodec 0xed01, W3C Multikey)."""
    if len(raw) != _PUBLIC_BYTES:
        raise InvalidProblem("An Ed25519 public key has 32 bytes")
    return PublicKey("z" + base58.b58encode(_MULTICODEC_ED25519 + raw).decode())


@lru_cache(maxsize=1_024)
def decode_public_key(key: PublicKey) -> bytes:
    """Return the 32 raw bytes of a `z6Mk…` key.

    Raises `InvalidProblem` for another encoding and for points that no honest key has: small order, mixed order or not
    canonically encoded (with such a key one signature fits many messages).
    """
    try:
        decoded = base58.b58decode(key[1:]) if key.startswith("z") else b""
    except ValueError as error:
        raise InvalidProblem(f"{key[:60]!r} is not base58") from error
    raw = decoded[len(_MULTICODEC_ED25519) :]
    if decoded[:2] != _MULTICODEC_ED25519 or len(raw) != _PUBLIC_BYTES or encode_public_key(raw) != key:
        raise InvalidProblem(f"{key[:60]!r} is not an Ed25519 public key in multibase (it begins with z6Mk)")
    if not nacl.bindings.crypto_core_ed25519_is_valid_point(raw):
        raise InvalidProblem(f"{key} is a key of small or mixed order, or not a point of the curve: make another key")
    return raw


def is_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` (64 bytes) over `message` was made by the holder of `public_key` (32 bytes), strictly.

    libsodium's own rules, the only ones used in ledger and followers alike: two libraries that differ in the corner
    cases of Ed25519 would split the log from those who follow it.
    """
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + message, public_key)
    except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError):
        return False
    return True


class SecretKey:
    """An Ed25519 secret key held in memory; its `repr` never shows it."""

    def __init__(self, seed: bytes) -> None:
        self._key = nacl.signing.SigningKey(seed)

    @classmethod
    def generate(cls) -> "SecretKey":
        """Return a new key from the operating system's randomness."""
        return cls(bytes(nacl.signing.SigningKey.generate()))

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes, for writing to a key file of mode 0600 or for wrapping."""
        return bytes(self._key)

    @property
    def public_bytes(self) -> bytes:
        """The 32 raw bytes of the public half."""
        return bytes(self._key.verify_key)

    @property
    def public_key(self) -> PublicKey:
        """The public half as `z6Mk…`."""
        return encode_public_key(self.public_bytes)

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the Ed25519 signature over `message`."""
        return self._key.sign(message).signature

    def __repr__(self) -> str:
        return f"SecretKey({self.public_key})"


def did_key(public_key: PublicKey) -> Did:
    """Return the `did:key` of a public key (W3C did:key method)."""
    return Did("did:key:" + public_key)


def public_key_of(did: Did) -> PublicKey:
    """Return the public key that a `did:key` is the name of; raises `InvalidProblem` for another DID."""
    method, _, key = did.rpartition(":")
    if method != "did:key":
        raise InvalidProblem(f"{did} is no did:key")
    return PublicKey(key)


def key_id_of(owner: Did, public_key: PublicKey) -> KeyId:
    """Return the key id that this project gives a key: the owner's DID, `#` and the public key itself.

    A name that is the key cannot be given to another key later, and is what did:key prescribes anyway.
    """
    return KeyId(f"{owner}#{public_key}")
