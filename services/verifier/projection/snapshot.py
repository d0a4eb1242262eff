"""Copies of a projection under a signature, so that a new replica need not replay years before its first answer.

A snapshot is a folder: `projection.sqlite`, and `snapshot.note`, a C2SP signed note that names the log, the tree and
the file's digest. Whoever imports it trusts the signer only until the log's entries were replayed beside it and led to
the same rows; until then every answer says so. Personal data is in neither.
"""

import contextlib
import hashlib
import shutil
import sqlite3
from pathlib import Path

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.log.checkpoint import open_checkpoint
from proto.log.note import Note, open_note, parse_note, sign_note
from proto.log.note_key import KeyKind, SignerKey, VerifierKey, parse_signer_key
from proto.problem import InvalidProblem, Problem
from services.follow import Position
from services.persistence import sqlite_states
from services.persistence.durable_file import sync
from services.persistence.sqlite_records import SQLITE_ERRORS
from services.settings import SettingsFault, read_secret
from services.verifier.projection import described_tables, tables
from services.verifier.projection.reader import read_position
from services.verifier.projection.store import FAULT, IMPORTED

FORMAT = "credentify-snapshot/v1"
DATABASE_NAME, NOTE_NAME = "projection.sqlite", "snapshot.note"
NOTE_BYTES_MAX = 65_536
_CHUNK_BYTES = 1 << 20
_NAMES = ("size", "root", "schema", "sha256")


class SnapshotProblem(InvalidProblem):
    """A snapshot cannot be made or used."""

    slug = "snapshot"
    title = "The snapshot cannot be used"


class SnapshotManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the note says: which tree of which log, in which form, and the SHA-256 of the file."""

    origin: str
    size: int
    root: str
    schema: int
    sha256: str

    def text(self) -> str:
        """Return the note's text."""
        lines = [FORMAT, self.origin, *(f"{name} {getattr(self, name)}" for name in _NAMES)]
        return "\n".join(lines) + "\n"

    @classmethod
    def read(cls, text: str) -> "SnapshotManifest":
        """Return what a note's text says; raises `SnapshotProblem`."""
        lines = text.split("\n")
        pairs = [line.partition(" ") for line in lines[2:-1]]
        if lines[0] != FORMAT or lines[-1] or tuple(name for name, _, _ in pairs) != _NAMES:
            raise SnapshotProblem(f"The note is not one of a snapshot ({FORMAT})")
        try:
            return msgspec.convert({"origin": lines[1], **{name: value for name, _, value in pairs}}, cls, strict=False)
        except msgspec.ValidationError as error:
            raise SnapshotProblem(f"The note is not one of a snapshot: {error}") from error


def load_snapshot_key(path: Path, *, use: str = "snapshot") -> SignerKey:
    """Return the key in a file (`PRIVATE+KEY+…`, kind 0x01); raises `SettingsFault`, which names its use."""
    try:
        key = parse_signer_key(read_secret(path).decode("ascii"))
    except (UnicodeDecodeError, Problem) as error:
        if isinstance(error, SettingsFault):
            raise
        raise SettingsFault(
            f"{path} holds no {use} key; make one with: credentify keygen --{use} NAME --out FILE"
        ) from error
    if key.kind != KeyKind.ED25519:
        raise SettingsFault(f"{path} holds a key of another kind, which is made for nothing but cosigning")
    return key


def export(database_file: Path, key: SignerKey, out: Path) -> SnapshotManifest:
    """Copy a projection as of now into a new folder, and sign for it; the verifier may run meanwhile. Blocks.

    Raises `SnapshotProblem` for a projection that is damaged, is itself imported, or knows its log to be faulty, and
    where the folder is there already.
    """
    if not database_file.is_file():
        raise SnapshotProblem(f"There is no projection {database_file}")
    try:
        out.mkdir(parents=True)
    except OSError as error:
        raise SnapshotProblem(f"The folder {out} cannot be made: {error.strerror}. Name a new one") from error
    copy = out / DATABASE_NAME
    try:
        with contextlib.closing(_opened(database_file, "ro")) as source:
            source.execute("VACUUM INTO ?", (str(copy),))
        with contextlib.closing(_opened(copy, "rw")) as connection:
            position = _exportable(connection)
            described_tables.keep_catalogues(connection, ())  # nobody signs for what is not of the log
            schema = connection.execute("PRAGMA user_version").fetchone()[0]
        return _signed(out, position, schema, key)
    except SQLITE_ERRORS as error:
        shutil.rmtree(out, ignore_errors=True)
        raise SnapshotProblem(f"The projection {database_file} cannot be copied to {out}: {error}") from error
    except Problem:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _signed(out: Path, position: Position, schema: int, key: SignerKey) -> SnapshotManifest:
    """Sign for the copy in a folder, and have both on the disk."""
    copy = out / DATABASE_NAME
    manifest = SnapshotManifest(
        origin=parse_note(position.checkpoint).text.partition("\n")[0],
        size=position.size,
        root=position.root_hash.hex(),
        schema=schema,
        sha256=_digest(copy),
    )
    sync(copy)
    note = out / NOTE_NAME
    note.write_bytes(sign_note(manifest.text(), [key]).encode())
    sync(note)
    return manifest


def _exportable(connection: sqlite3.Connection) -> Position:
    position = read_position(connection)
    if position is None or not position.checkpoint:
        raise SnapshotProblem("The projection has not caught up with its log yet: wait, and try again")
    if sqlite_states.read_meta(connection, IMPORTED):
        raise SnapshotProblem(
            "The projection began with a snapshot itself and is still being derived again: nobody signs for what "
            "nobody has checked. Wait until answers are no longer marked as imported"
        )
    if sqlite_states.read_meta(connection, FAULT):
        raise SnapshotProblem("The projection holds evidence against its log: no snapshot is made of that")
    return position


def load(folder: Path, keys: list[VerifierKey], log_key: VerifierKey, database_file: Path) -> SnapshotManifest:
    """Check a snapshot and put its projection where a verifier, not yet started, looks for it. Blocks.

    Raises `SnapshotProblem` unless one of the keys signed for these very bytes of this log, in this software's form.
    """
    if database_file.exists():
        raise SnapshotProblem(f"{database_file} is there already: stop its verifier and move the file away, or keep it")
    for left in (f"{database_file}-wal", f"{database_file}-shm"):
        if Path(left).exists():  # SQLite would write what is in it into the new file
            raise SnapshotProblem(f"{left} is left of a file that is gone: remove it, then import again")
    note = _signed_note(folder / NOTE_NAME, keys)
    manifest = SnapshotManifest.read(note.text)
    if manifest.origin != log_key.name:
        raise SnapshotProblem(f"The snapshot is of the log {manifest.origin}, not of {log_key.name}")
    if manifest.schema != tables.SCHEMA_VERSION:
        raise SnapshotProblem(
            f"The snapshot has form {manifest.schema}, and this software reads {tables.SCHEMA_VERSION}: export it with "
            "the same version of the software, or replay the log"
        )
    new = database_file.with_name(f"{database_file.name}.importing")
    try:
        database_file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / DATABASE_NAME, new)
        if _digest(new) != manifest.sha256:
            raise SnapshotProblem(f"{folder / DATABASE_NAME} is not the file that was signed for: fetch it again")
        with contextlib.closing(_opened(new, "rw")) as connection:
            _check_position(read_position(connection), manifest, log_key)
            sqlite_states.write_meta(connection, IMPORTED, note.encode())
        sync(new)
        new.replace(database_file)
    except (*SQLITE_ERRORS, *DECODE_ERRORS) as error:
        raise SnapshotProblem(f"The snapshot cannot be copied to {database_file}: {error}") from error
    finally:
        new.unlink(missing_ok=True)
    return manifest


def _signed_note(path: Path, keys: list[VerifierKey]) -> Note:
    try:
        note = parse_note(path.read_bytes()[:NOTE_BYTES_MAX])
        open_note(note, keys)
    except OSError as error:
        raise SnapshotProblem(f"The snapshot's note {path} cannot be read: {error.strerror}") from error
    except Problem as problem:
        raise SnapshotProblem(f"No key that is trusted here signed for the snapshot: {problem.detail}") from problem
    return note


def _check_position(position: Position | None, manifest: SnapshotManifest, log_key: VerifierKey) -> None:
    """What the file says of itself is what the note says, and under a checkpoint that the log signed."""
    if position is None or (position.size, position.root_hash.hex()) != (manifest.size, manifest.root):
        raise SnapshotProblem("The snapshot's file is of another tree than its note says")
    try:
        signed = open_checkpoint(position.checkpoint, log_key).checkpoint
        is_sound = position.tree().root() == position.root_hash and signed.size >= position.size
    except Problem as problem:
        raise SnapshotProblem(f"The log did not sign the snapshot's checkpoint: {problem.detail}") from problem
    if not is_sound or (signed.size == position.size and signed.root_hash != position.root_hash):
        raise SnapshotProblem("The snapshot's position is not under the checkpoint that the log signed")


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            digest.update(data)
    return digest.hexdigest()
