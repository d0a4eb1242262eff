"""The folder of one backup: its files, and the manifest that makes it complete. Reads no database.

`backup.json` is written last and names every other file with its SHA-256: a folder without it is no backup.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.moment import Moment
from proto.problem import ConflictProblem, InvalidProblem
from services.command.key_file import write_secret
from services.persistence.durable_file import sync

MANIFEST = "backup.json"
LEDGER_DUMP, GATEWAY_DUMP = "ledger.dump", "gateway.dump"
LOG_KEY, LAST_SIGNED, MASTER_KEY, SETTINGS = "log.key", "last-signed.checkpoint", "master.key", "settings.json"
REGISTRAR_FILES = ("registrar/registrar.key", "registrar/recovery.key", "registrar/opening.json")


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup holds: `files` by name with SHA-256 in hex; `tree_size` is what the log had when it began."""

    version: int
    made_at: Moment
    origin: str
    log_verifier_key: str
    tree_size: int
    files: dict[str, str]


class BackupFolder:
    """One backup: either being written, or complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def created(self) -> Iterator[None]:
        """Make the folder, of mode 0700, for the block: where that fails, it is as it was before.

        Raises `ConflictProblem` where something is in it.
        """
        missing = [each for each in (self.folder, *self.folder.parents) if not each.exists()]
        self._create()
        try:
            yield
        except BaseException:
            _empty(self.folder)
            for each in missing:
                each.rmdir()
            raise

    def _create(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            is_empty = not any(self.folder.iterdir())
        except OSError as error:
            raise InvalidProblem(f"The backup cannot be written to {self.folder}: {error.strerror}") from error
        if not is_empty:
            raise ConflictProblem(f"{self.folder} is not empty: name a new folder for each backup")

    def path(self, name: str) -> Path:
        """Return where a file of the backup lies."""
        return self.folder / name

    def new_file(self, name: str) -> Path:
        """Return the path of a new empty file of mode 0600."""
        write_secret(self.path(name), b"")
        return self.path(name)

    def take(self, name: str, source: Path) -> None:
        """Copy a file into the backup, mode 0600; raises `InvalidProblem` where it cannot be read."""
        try:
            content = source.read_bytes()
        except OSError as error:
            raise InvalidProblem(f"{source} cannot be read: {error.strerror}") from error
        write_secret(self.path(name), content)

    def has(self, name: str) -> bool:
        """Tell whether the backup holds that file."""
        return self.path(name).exists()

    def complete(self, *, made_at: Moment, origin: str, log_verifier_key: str, tree_size: int) -> BackupManifest:
        """Write every file through to the disk, then the manifest over them."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        for each in (*files, self.folder):
            sync(each)
        manifest = BackupManifest(
            version=1,
            made_at=made_at,
            origin=origin,
            log_verifier_key=log_verifier_key,
            tree_size=tree_size,
            files={path.relative_to(self.folder).as_posix(): _digest(path) for path in files},
        )
        write_secret(self.path(MANIFEST), msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        sync(self.folder)
        return manifest

    def open(self) -> BackupManifest:
        """Return the manifest after every file was read again; raises `InvalidProblem` for what is not as it was."""
        try:
            manifest = msgspec.json.decode(self.path(MANIFEST).read_bytes(), type=BackupManifest)
            wrong = [name for name, digest in manifest.files.items() if _digest(self.path(name)) != digest]
        except OSError as error:
            raise InvalidProblem(f"{self.folder} is no complete backup: {error}") from error
        except DECODE_ERRORS as error:
            raise InvalidProblem(f"{self.path(MANIFEST)} is damaged: {error}") from error
        if wrong or manifest.version != 1:
            raise InvalidProblem(f"The backup in {self.folder} is damaged: {', '.join(wrong) or 'unknown version'}")
        return manifest


def _empty(folder: Path) -> None:
    """Remove all that is in a folder."""
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
