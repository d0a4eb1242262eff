"""Key files: one Ed25519 secret key in a JSON file of mode 0600. Written once, never overwritten; sent nowhere."""

import os
from pathlib import Path

import base58
import msgspec

from proto.canonical import DECODE_ERRORS
from proto.keys import PublicKey, SecretKey
from proto.problem import ConflictProblem, InvalidProblem, NotFoundProblem
from services.settings import unreadable

_MULTICODEC_ED25519_SECRET = b"\x80\x26"
_SEED_BYTES = 32
_OTHERS_MASK = 0o077


class KeyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A W3C Multikey: the public half is `z6Mk…`, the secret half base58btc of 0x8026 and the seed."""

    type: str
    public_key: PublicKey = msgspec.field(name="publicKeyMultibase")
    secret_key: str = msgspec.field(name="secretKeyMultibase")


def write_secret(path: Path, data: bytes) -> None:
    """Write a new file of mode 0600, durably; raises `ConflictProblem` where one exists: nothing is overwritten."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InvalidProblem(f"{path.parent} is no folder that can be written to: {error.strerror}") from error
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConflictProblem(
            f"{path} exists; a key file is never overwritten: name another, or move it away"
        ) from error
    except OSError as error:
        raise InvalidProblem(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_key(path: Path, key: SecretKey) -> None:
    """Write a key to a new file of mode 0600."""
    secret = "z" + base58.b58encode(_MULTICODEC_ED25519_SECRET + key.seed).decode()
    record = KeyFile(type="Multikey", public_key=key.public_key, secret_key=secret)
    write_secret(path, msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read_key(path: Path) -> SecretKey:
    """Return the key in a file; raises a problem if it is missing, readable by others, or not a whole key."""
    try:
        if path.stat().st_mode & _OTHERS_MASK:
            raise InvalidProblem(f"{path} can be read by others; run: chmod 600 {path}")
        record = msgspec.json.decode(path.read_bytes(), type=KeyFile)
    except FileNotFoundError as error:
        raise NotFoundProblem(f"There is no key file {path}; make one with: credentify keygen --out {path}") from error
    except OSError as error:
        raise InvalidProblem(unreadable(path, error)) from error
    except DECODE_ERRORS as error:
        raise InvalidProblem(f"{path} is not a key file of `credentify keygen`: {error}") from error
    return _key_of(path, record)


def _key_of(path: Path, record: KeyFile) -> SecretKey:
    try:
        decoded = base58.b58decode(record.secret_key[1:])
    except ValueError:
        decoded = b""
    if decoded[:2] != _MULTICODEC_ED25519_SECRET or len(decoded) != _SEED_BYTES + 2:
        raise InvalidProblem(f"{path} holds no Ed25519 secret key in multibase")
    key = SecretKey(decoded[2:])
    if key.public_key != record.public_key:
        raise InvalidProblem(f"The public and the secret half in {path} do not belong together: the file is damaged")
    return key
