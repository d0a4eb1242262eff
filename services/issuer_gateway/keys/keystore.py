"""Secrets at rest: everything secret is sealed with XChaCha20-Poly1305, under the master key or a learner's key.

The only module that sees the master key. Knows no database: what is sealed is handed back as bytes, and each sealing
names what it is for (associated data), so that one sealed value cannot be put in another's place.
"""

import functools
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Literal

import nacl.bindings
import nacl.exceptions

from proto.ids import LearnerId
from proto.problem import Problem
from services.operator_fault import OperatorFault
from services.settings import may_others_read, unreadable

KEY_BYTES = 32
_NONCE_BYTES = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_VERSION = b"\x01"
Purpose = Literal[
    "check",
    "secret-key",
    "learner-key",
    "document",
    "proof",
    "status-list",
    "answer",
    "problem",
    "notes",
    "batch-key",
    "batch-part",
    "request",
    "request-reason",
    "claim-award",
    "share-terms",
    "application",
    "application-title",
    "application-evidence",
    "application-answer",
    "application-decision",
    "application-appeal",
    "application-assessor",
    "office-session",
]


class MasterKeyFault(OperatorFault):
    """The master key's file is missing, open to others, of another size, or not the one of this database."""

    title = "The master key cannot be used"


class UnsealableProblem(Problem):
    """A sealed value does not open: it was altered, moved, or sealed with another key."""

    slug = "unsealable"
    title = "What is stored cannot be read"
    status = 500


class DataKey:
    """A key that seals and opens; its `repr` never shows it."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == KEY_BYTES
        self._key = key

    @functools.cached_property
    def _fingerprint_key(self) -> bytes:
        return hashlib.blake2b(b"credentify/fingerprint/v1", key=self._key, digest_size=32).digest()

    def fingerprint(self, *parts: bytes) -> bytes:
        """Return 32 bytes that tell equal from unequal input and, without this key, nothing else of it."""
        mac = hmac.new(self._fingerprint_key, digestmod=hashlib.sha256)
        for part in parts:
            mac.update(len(part).to_bytes(8, "big") + part)
        return mac.digest()

    def seal(self, plain: bytes, purpose: Purpose, name: str) -> bytes:
        """Return version ‖ 24 random bytes ‖ ciphertext and tag, bound to `purpose` and `name`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        about = _associated(purpose, name)
        return (
            _VERSION + nonce + nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, about, nonce, self._key)
        )

    def open(self, sealed: bytes, purpose: Purpose, name: str) -> bytes:
        """Return what was sealed for the same `purpose` and `name`; raises `UnsealableProblem`."""
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION:
            raise UnsealableProblem(f"A stored {purpose} is sealed in a way that this program does not know")
        try:
            about = _associated(purpose, name)
            return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(rest, about, nonce, self._key)
        except (nacl.exceptions.CryptoError, nacl.exceptions.TypeError, ValueError) as error:
            raise UnsealableProblem(f"A stored {purpose} does not open under its key") from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


def _associated(purpose: Purpose, name: str) -> bytes:
    return f"credentify/gateway/v1\n{purpose}\n{name}".encode()


class Keystore(DataKey):
    """The master key at work: seals learners' keys and institutions' secret keys, and makes keyed fingerprints."""

    @classmethod
    def from_file(cls, path: Path) -> "Keystore":
        """Return the keystore of the master key in a file of exactly 32 bytes that only its owner may read.

        Raises `MasterKeyFault`, with words that say what to do.
        """
        try:
            is_open, key = may_others_read(path), path.read_bytes()
        except OSError as error:
            raise MasterKeyFault(unreadable(path, error)) from error
        if is_open:
            raise MasterKeyFault(f"{path} can be read by others; say chmod 600 {path}")
        if len(key) != KEY_BYTES:
            raise MasterKeyFault(f"{path} has {len(key)} bytes; a master key has {KEY_BYTES} random ones")
        return cls(key)

    def new_learner_key(self, learner_id: LearnerId) -> tuple[DataKey, bytes]:
        """Return a new learner's key, and the same sealed, which `learner_key` opens."""
        key = secrets.token_bytes(KEY_BYTES)
        return DataKey(key), self.seal(key, "learner-key", learner_id)

    def learner_key(self, sealed: bytes, learner_id: LearnerId) -> DataKey:
        """Return the learner's key that was sealed."""
        return DataKey(self.open(sealed, "learner-key", learner_id))


def create_master_key(path: Path) -> None:
    """Write 32 random bytes to a new file of mode 0600; raises `FileExistsError` where there is one already."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
