"""What this witness cosigned last, per log, in an SQLite file of its own. The only module that speaks its SQL.

Losing it, or bringing back an older state of it, would let the witness cosign a second history: it is no projection,
it is never in a backup that gets restored, and every change is on the disk before `compare_and_store` returns.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from proto.ids import Origin
from proto.log.checkpoint import Checkpoint, parse_checkpoint
from proto.log.note import Note, parse_note
from proto.log.witness import origin_hash
from proto.problem import Problem, UnavailableProblem
from services.persistence.sqlite_records import SQLITE_ERRORS

_T = TypeVar("_T")

BUSY_TIMEOUT_SECONDS = 5.0
SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE cosigned (
    origin_hash BLOB PRIMARY KEY CHECK (length(origin_hash) = 32),
    origin TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    root_hash BLOB NOT NULL CHECK (length(root_hash) = 32),
    note BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER forward_only BEFORE UPDATE ON cosigned
WHEN NEW.origin_hash <> OLD.origin_hash OR NEW.size < OLD.size
    OR (NEW.size = OLD.size AND NEW.root_hash <> OLD.root_hash)
BEGIN SELECT RAISE(ABORT, 'what was cosigned moves forward only'); END;
CREATE TRIGGER never_forgotten BEFORE DELETE ON cosigned
BEGIN SELECT RAISE(ABORT, 'what was cosigned is never forgotten'); END;
"""
_STORE = """INSERT INTO cosigned (origin_hash, origin, size, root_hash, note) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (origin_hash) DO UPDATE SET size = excluded.size, root_hash = excluded.root_hash, note = excluded.note"""


class WitnessMemoryProblem(Problem):
    """The witness's memory cannot be used; for the operator, never sent over HTTP."""

    slug = "witness-memory-file"
    title = "The witness's memory cannot be used"
    status = 500


class ForgetfulWitnessProblem(UnavailableProblem):
    """The witness cannot read or write its memory now, so it cosigns nothing."""

    slug = "witness-memory"
    title = "The witness cannot reach its memory"


class CosignedTree(msgspec.Struct, frozen=True, kw_only=True):
    """What was cosigned last of one log: the note holds the log's signatures and this witness's cosignature."""

    checkpoint: Checkpoint
    note: Note


Decide = Callable[[CosignedTree | None], CosignedTree]
"""From what was cosigned last to what is cosigned now; raises the `Problem` that refuses."""


class WitnessMemory:
    """Owns the file and its one thread; close it when done."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; raises `WitnessMemoryProblem`."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="witness-memory")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.is_new = not path.exists()
            with contextlib.ExitStack() as unless_opened:
                self._connection = sqlite3.connect(
                    path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
                )
                unless_opened.callback(self._connection.close)
                _prepare(self._connection)
                unless_opened.pop_all()
        except SQLITE_ERRORS as error:
            self._thread.shutdown()
            raise WitnessMemoryProblem(
                f"The witness's memory {path} cannot be used: {error}. Do not begin a new one under the same key: "
                "make a new key, or bring this very file back"
            ) from error

    def close(self) -> None:
        """Wait for what is being written, then close the file; blocks shortly."""
        self._thread.shutdown(wait=True)
        self._connection.close()

    async def compare_and_store(self, origin: Origin, decide: Decide) -> CosignedTree:
        """Return what `decide` makes of what was cosigned last, once it is stored durably; nobody comes between.

        Raises what `decide` raises, with nothing changed, and `ForgetfulWitnessProblem`.
        """
        return await self._run(lambda: self._compare_and_store(origin, decide))

    async def last(self, hashed_origin: bytes) -> CosignedTree | None:
        """Return what was cosigned last of the log whose origin has this SHA-256, or None."""
        return await self._run(lambda: _last(self._connection, hashed_origin))

    def _compare_and_store(self, origin: Origin, decide: Decide) -> CosignedTree:
        hashed = origin_hash(origin)
        # BEGIN IMMEDIATE takes the file's write lock: another process on the same file waits here as well.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            last = _last(self._connection, hashed)
            new = decide(last)
            checkpoint = new.checkpoint
            row = (hashed, origin, checkpoint.size, checkpoint.root_hash, new.note.encode())
            self._connection.execute(_STORE, row)
            # crash before this line: nothing was cosigned; in it: stored or not, and nobody has the cosignature;
            # after it: the log asks again from a size that is a conflict, and learns ours
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        return new

    async def _run(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise ForgetfulWitnessProblem(f"The witness's memory cannot be used now: {error}") from error


def _last(connection: sqlite3.Connection, hashed_origin: bytes) -> CosignedTree | None:
    row = connection.execute("SELECT note FROM cosigned WHERE origin_hash = ?", (hashed_origin,)).fetchone()
    if row is None:
        return None
    note = parse_note(row[0])
    return CosignedTree(checkpoint=parse_checkpoint(note.text), note=note)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # each commit is on the disk before it returns
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"it is of version {version}, and this software knows version {SCHEMA_VERSION}")
