"""Keys that sign documents: Ed25519 or P-256. Which of them follows from the key's own text, never from a header.

Events are another matter: these are signed by Ed25519 keys alone, and the rules verify nothing else (DESIGN 9).
"""

from functools import lru_cache
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from proto.keys import SIGNATURE_BYTES, PublicKey, decode_public_key, is_signature
from proto.p256 import P256_ORDER, decode_p256_key, is_p256_key
from proto.problem import InvalidProblem

KeyKind = Literal["Ed25519", "P-256"]
KEYS_REMEMBERED_MAX = 1_024
_INTEGER_BYTES = SIGNATURE_BYTES // 2


def kind_of(public_key: PublicKey) -> KeyKind:
    """Return which kind of key a multibase text says that it is; whether it is a good one, `is_signed_by`.

    Raises `InvalidProblem` for a kind that is not known here: what it signed is neither good nor bad.
    """
    if is_p256_key(public_key):
        return "P-256"
    if public_key.startswith("z6Mk"):
        return "Ed25519"
    raise InvalidProblem(f"{public_key[:60]!r} is no Ed25519 or P-256 key in multibase (z6Mk…, zDn…)")


def is_signed_by(public_key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature (64 bytes) over a message was made by the holder of a multibase key.

    Of P-256 it is ECDSA with SHA-256 in the form r ‖ s, both in 1 … n-1; s need not be the lesser of the two that fit,
    so nothing may be known again by a signature. Raises `InvalidProblem` for what is no key.
    """
    if kind_of(public_key) == "Ed25519":
        return is_signature(decode_public_key(public_key), message, signature)
    key = _p256_key(public_key)
    if len(signature) != SIGNATURE_BYTES:
        return False
    r, s = (int.from_bytes(half) for half in (signature[:_INTEGER_BYTES], signature[_INTEGER_BYTES:]))
    if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
        return False
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=KEYS_REMEMBERED_MAX)
def _p256_key(public_key: PublicKey) -> ec.EllipticCurvePublicKey:
    """Return the key of a point that was checked in integer arithmetic, as it is when it is registered."""
    x, y = decode_p256_key(public_key)
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
