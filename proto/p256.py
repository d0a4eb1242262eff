"""P-256 public keys in the form that travels: multibase of compressed points. Verifies no signature (DESIGN 9).

A point is checked in integer arithmetic, so that ledger and followers judge alike, whatever library each of them has.
"""

import base58

from proto.keys import PublicKey
from proto.problem import InvalidProblem

P256_KEY_PATTERN = r"^zDn[1-9A-HJ-NP-Za-km-z]{46}\Z"
P256_KEY_LENGTH = 49
_MULTICODEC = b"\x80\x24"
_EVEN, _ODD = 2, 3
_COMPRESSED_BYTES = 33
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many points the curve has (NIST SP 800-186, section 3.2.1.3): both numbers of a signature are below it."""
# The curve y² = x³ - 3x + B over the field of P elements (NIST SP 800-186, section 3.2.1.3).
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def is_p256_key(key: PublicKey) -> bool:
    """Tell whether a public key says of itself that it is one of P-256; whether it is a good one, `decode_p256_key`."""
    return key.startswith("zDn")


def decode_p256_key(key: PublicKey) -> tuple[int, int]:
    """Return the point (x, y) of a `zDn…` key (multicodec 0x1200, compressed).

    Raises `InvalidProblem` for another encoding, and for what is no point of the curve.
    """
    try:
        decoded = base58.b58decode(key[1:]) if key.startswith("z") else b""
    except ValueError as error:
        raise InvalidProblem(f"{key[:60]!r} is not base58") from error
    point = decoded[len(_MULTICODEC) :]
    if decoded[: len(_MULTICODEC)] != _MULTICODEC or len(point) != _COMPRESSED_BYTES or encode_p256_key(point) != key:
        raise InvalidProblem(f"{key[:60]!r} is not a compressed P-256 public key in multibase (it begins with zDn)")
    x = int.from_bytes(point[1:])
    y = _root((x * x * x - 3 * x + _B) % _P)
    if point[0] not in {_EVEN, _ODD} or x >= _P or y is None:
        raise InvalidProblem(f"{key} is not a point of the curve P-256: make another key")
    return x, y if y % 2 == point[0] % 2 else _P - y


def encode_p256_key(point: bytes) -> PublicKey:
    """Return a compressed point (33 bytes) as a multibase key `zDn…` (base58btc of multicodec 0x1200, W3C Multikey)."""
    return PublicKey("z" + base58.b58encode(_MULTICODEC + point).decode())


def _root(square: int) -> int | None:
    """Return a square root in the field, whose size is 3 modulo 4; None where there is none."""
    root = pow(square, (_P + 1) // 4, _P)
    return root if root * root % _P == square else None
