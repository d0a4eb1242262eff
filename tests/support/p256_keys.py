"""P-256 keys whose secrets are known to tests, each from its seed."""

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proto.keys import PublicKey
from proto.p256 import P256_ORDER, encode_p256_key


class P256Secret:
    """A secret key; the same one for the same seed."""

    def __init__(self, seed: str) -> None:
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()) % (P256_ORDER - 1) + 1
        self._key = ec.derive_private_key(number, ec.SECP256R1())

    @property
    def public_key(self) -> PublicKey:
        """The public half in multibase."""
        return encode_p256_key(self._key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint))

    def sign(self, message: bytes) -> bytes:
        """Return an ECDSA signature with SHA-256, as r ‖ s."""
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)
