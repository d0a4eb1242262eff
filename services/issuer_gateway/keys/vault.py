"""What must not come back with a backup of the database: learners' and batches' keys, and the status places given.

A SQLite file in the key folder, outside PostgreSQL. A learner who is erased loses the key here, and what backups of the
database hold of the learner stays closed for ever (DESIGN 8). So the key folder has its own rule: it is copied by
overwriting, never kept in generations. Keys come and go sealed under the master key. A key that was destroyed leaves a
mark, so that a database that was restored from before the erasure is told so, and does not get another key. The key of
a batch in the background lies here for as long as its rows wait, and leaves nothing behind.

Marks by which learners are found without a reference lie here too, and go with the key.

The count of places that was given on each status list lies here too: a restored database, whose own count has gone
back, is found out by it, and begins new lists.

Several gateway processes on one machine may share the file. Each call is one transaction, committed when it returns;
one that raises `KeyFolderUnavailableProblem` is to be made again: it has changed nothing, or not emptied the journal.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from proto.ids import BatchKeyId, InstitutionId, LearnerId
from proto.problem import Problem, UnavailableProblem
from services.persistence.sqlite_records import SQLITE_ERRORS

FILE_NAME = "learner-keys.sqlite"
BUSY_MS = 10_000
MMAP_BYTES = 1024 * 1024 * 1024
"""So much of the file is read through the kernel's cache: a hundred keys of a million then cost a third of the time
(a key takes 132 bytes)."""
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", f"mmap_size={MMAP_BYTES}")
_ROWS_MAX = 1_000
"""Of one statement, where SQLite takes so many values: after each the thread waits for its turn with the event loop."""
_T = TypeVar("_T")
_TABLES = """
    CREATE TABLE IF NOT EXISTS learner_key (
        learner_id TEXT PRIMARY KEY,
        sealed BLOB,
        destroyed INTEGER NOT NULL DEFAULT 0,
        CHECK ((destroyed = 0) = (sealed IS NOT NULL))
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS learner_key_destroyed ON learner_key (learner_id) WHERE destroyed;
    CREATE TABLE IF NOT EXISTS learner_mark (
        mark BLOB NOT NULL,
        learner_id TEXT NOT NULL,
        PRIMARY KEY (mark, learner_id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS learner_mark_by_learner ON learner_mark (learner_id);
    CREATE TABLE IF NOT EXISTS batch_key (
        key_id TEXT PRIMARY KEY,
        sealed BLOB NOT NULL,
        created_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS status_places (
        institution_id TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        given INTEGER NOT NULL
    ) WITHOUT ROWID;
"""


def vault_folder(key_folder: Path | None, master_key_file: Path) -> Path:
    """Return the key folder: the one that is set, or `learner-keys` beside the master key."""
    return key_folder or master_key_file.parent / "learner-keys"


class KeyFolderProblem(Problem):
    """The key folder is missing, open to others, not writable, or its file is damaged."""

    slug = "key-folder"
    title = "The key folder cannot be used"
    status = 500


class KeyFolderUnavailableProblem(UnavailableProblem):
    """The key folder's file could not be read or written just now: its disk is full, or it is locked or read-only."""

    slug = "key-folder-unavailable"
    title = "The key folder is not available now"
    retry_after_seconds = 1


class Vault:
    """The file, opened. Works in a thread of its own, one call after the other; waits `busy_ms` for other processes."""

    def __init__(self, folder: Path, *, busy_ms: int = BUSY_MS) -> None:
        self.folder = folder
        self._path = folder / FILE_NAME
        self._busy_ms = busy_ms
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vault")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_mode & 0o077:
                raise KeyFolderProblem(f"{folder} can be read by others; say chmod 700 {folder}")
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._file = self._opened()
        except SQLITE_ERRORS as error:
            raise KeyFolderProblem(f"{self._path} cannot be opened: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        """Open for the vault's thread. `secure_delete` overwrites with zeros what is removed."""
        with contextlib.ExitStack() as unless_opened:
            file = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            unless_opened.callback(file.close)
            for pragma in (f"busy_timeout={self._busy_ms}", *_PRAGMAS):
                file.execute(f"PRAGMA {pragma}")
            file.executescript(_TABLES)
            unless_opened.pop_all()
        return file

    def close(self) -> None:
        """Close the file."""
        self._thread.shutdown(wait=True)
        self._file.close()

    async def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return what `work` returns, in the file's thread; raises `KeyFolderUnavailableProblem`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._file)
        except sqlite3.OperationalError as error:
            raise KeyFolderUnavailableProblem("The keys are away for a moment; send the same request again") from error

    async def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do `work` in one transaction; where it raises `KeyFolderUnavailableProblem`, nothing of it has happened."""

        def run(file: sqlite3.Connection) -> _T:
            file.execute("BEGIN IMMEDIATE")
            try:
                found = work(file)
                file.execute("COMMIT")
            except BaseException:
                if file.in_transaction:  # SQLite itself rolls back where the disk is full
                    file.execute("ROLLBACK")
                raise
            return found

        return await self._read(run)

    async def keys(self, learner_ids: Iterable[LearnerId]) -> dict[LearnerId, bytes | None]:
        """Return the sealed keys of learners: None where it was destroyed, nothing where there never was one."""
        names = list(dict.fromkeys(learner_ids))
        return await self._read(lambda file: _keys(file, names))

    async def keep(self, keys: Mapping[LearnerId, bytes]) -> dict[LearnerId, bytes | None]:
        """Keep the sealed keys of learners who have none; return what is kept for all of them, as `keys` does."""

        def work(file: sqlite3.Connection) -> dict[LearnerId, bytes | None]:
            if _add_keys(file, list(keys.items())) == len(keys):
                return {**keys}
            return _keys(file, list(keys))

        return await self._run(work)

    async def destroy(self, learner_ids: Iterable[LearnerId]) -> None:
        """Destroy the keys of learners for good, and what they are found by; only that it was done stays behind.

        The file's journal is emptied as well; where another process reads it for too long, this is to be done again.
        """
        names = [(name,) for name in learner_ids]

        def work(file: sqlite3.Connection) -> None:
            file.executemany(
                """INSERT INTO learner_key (learner_id, sealed, destroyed) VALUES (?, NULL, 1)
                   ON CONFLICT (learner_id) DO UPDATE SET sealed = NULL, destroyed = 1""",
                names,
            )
            file.executemany("DELETE FROM learner_mark WHERE learner_id = ?", names)

        await self._run(work)
        await self._empty_journal()

    async def _empty_journal(self) -> None:
        def empty(file: sqlite3.Connection) -> None:
            is_busy, _, _ = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if is_busy:  # SQLite says so without raising; what was destroyed still stands in the journal
                raise sqlite3.OperationalError("another process is reading the file")

        await self._read(empty)

    async def marked(self, mark: bytes) -> list[LearnerId]:
        """Return the learners who bear a mark, in the order of their ids."""

        def read(file: sqlite3.Connection) -> list[LearnerId]:
            rows = file.execute("SELECT learner_id FROM learner_mark WHERE mark = ? ORDER BY 1", (mark,))
            return [row[0] for row in rows]

        return await self._read(read)

    async def mark(self, learner_id: LearnerId, marks: Iterable[bytes]) -> None:
        """Let a learner be found by marks; one whose key was destroyed, or who has none, gets none."""
        rows = [(mark, learner_id) for mark in marks]

        def work(file: sqlite3.Connection) -> None:
            file.executemany(
                """INSERT OR IGNORE INTO learner_mark (mark, learner_id)
                   SELECT ?, learner_id FROM learner_key WHERE learner_id = ? AND NOT destroyed""",
                rows,
            )

        await self._run(work)

    async def keep_batch_key(self, key_id: BatchKeyId, sealed: bytes) -> None:
        """Keep the sealed key of a batch whose rows wait."""

        def work(file: sqlite3.Connection) -> None:
            file.execute("INSERT INTO batch_key (key_id, sealed) VALUES (?, ?)", (key_id, sealed))

        await self._run(work)

    async def batch_key(self, key_id: BatchKeyId) -> bytes | None:
        """Return the sealed key of a batch, None where it was destroyed or never was here."""

        def read(file: sqlite3.Connection) -> bytes | None:
            row = file.execute("SELECT sealed FROM batch_key WHERE key_id = ?", (key_id,)).fetchone()
            return row[0] if row else None

        return await self._read(read)

    async def old_batch_keys(self, *, hours: int) -> list[BatchKeyId]:
        """Return the names of batch keys that have lain here for more than so many hours."""

        def read(file: sqlite3.Connection) -> list[BatchKeyId]:
            rows = file.execute(
                "SELECT key_id FROM batch_key WHERE created_at < CAST(strftime('%s', 'now') AS INTEGER) - ? ORDER BY 1",
                (hours * 3_600,),
            )
            return [row[0] for row in rows]

        return await self._read(read)

    async def destroy_batch_keys(self, key_ids: Iterable[BatchKeyId]) -> None:
        """Destroy keys of batches for good. The file's journal is emptied as well."""
        names = [(name,) for name in key_ids]

        def work(file: sqlite3.Connection) -> None:
            file.executemany("DELETE FROM batch_key WHERE key_id = ?", names)

        await self._run(work)
        await self._empty_journal()

    async def destroyed(self, *, after: str, limit: int) -> list[LearnerId]:
        """Return learners whose keys were destroyed, in the order of their ids."""

        def read(file: sqlite3.Connection) -> list[LearnerId]:
            rows = file.execute(
                "SELECT learner_id FROM learner_key WHERE destroyed AND learner_id > ? ORDER BY 1 LIMIT ?",
                (after, limit),
            )
            return [row[0] for row in rows]

        return await self._read(read)

    async def given(self, institution_id: InstitutionId) -> tuple[int, int]:
        """Return an institution's newest list from which places were given, and how many; (0, 0) if none."""

        def read(file: sqlite3.Connection) -> tuple[int, int]:
            row = file.execute(
                "SELECT number, given FROM status_places WHERE institution_id = ?", (institution_id,)
            ).fetchone()
            return (row[0], row[1]) if row else (0, 0)

        return await self._read(read)

    async def note_given(self, institution_id: InstitutionId, number: int, given: int) -> None:
        """Note that so many places of a list may be in use; never goes back."""

        def work(file: sqlite3.Connection) -> None:
            file.execute(
                """INSERT INTO status_places (institution_id, number, given) VALUES (?, ?, ?)
                   ON CONFLICT (institution_id) DO UPDATE SET number = excluded.number, given = excluded.given
                   WHERE (excluded.number, excluded.given) > (number, given)""",
                (institution_id, number, given),
            )

        await self._run(work)


def _add_keys(file: sqlite3.Connection, rows: list[tuple[LearnerId, bytes]]) -> int:
    """Add the keys that are not there yet, many by one statement; return how many."""
    added = 0
    at_once = _rows_at_once(file, values=2)
    for start in range(0, len(rows), at_once):
        part = rows[start : start + at_once]
        marks = ", ".join(["(?, ?)"] * len(part))
        statement = f"INSERT OR IGNORE INTO learner_key (learner_id, sealed) VALUES {marks}"  # noqa: S608 - the text holds question marks only
        added += file.execute(statement, [value for row in part for value in row]).rowcount
    return added


def _rows_at_once(file: sqlite3.Connection, *, values: int) -> int:
    return min(_ROWS_MAX, file.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // values)


def _keys(file: sqlite3.Connection, names: list[LearnerId]) -> dict[LearnerId, bytes | None]:
    found: dict[LearnerId, bytes | None] = {}
    at_once = _rows_at_once(file, values=1)
    for start in range(0, len(names), at_once):
        part = names[start : start + at_once]
        marks = ", ".join("?" * len(part))
        rows = file.execute(f"SELECT learner_id, sealed FROM learner_key WHERE learner_id IN ({marks})", part)  # noqa: S608 - the text holds question marks only
        found |= dict(rows.fetchall())
    return found
