"""The projection in one SQLite file (WAL): one writer thread, several readers; the follower's sink. Knows no HTTP.

Every chunk of entries is one transaction together with the position, so whatever interrupts us, file and position
agree. Nothing personal is in it. It can be thrown away at any time: it is filled from the log again.
"""

import contextlib
import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from proto.envelope import Opened
from proto.ids import EventId, TreeSize
from proto.lifecycle import Book, needs
from proto.moment import Moment
from services.follow import Applied, LogEvidence, OwnRoot, Position
from services.persistence import sqlite_states
from services.persistence.sqlite_records import SQLITE_ERRORS, record
from services.verifier.projection import described_tables, listed_tables, precedents, tables
from services.verifier.projection.comparisons import COMPARED, ENCODE_COMPARISONS, Compared
from services.verifier.projection.described import Description
from services.verifier.projection.listed import gain_of
from services.verifier.projection.listener import NoListener, ProjectionListener
from services.verifier.projection.reader import (
    POSITION,
    ProjectionReader,
    read_position,
)
from services.verifier.projection.statistic_counts import acts_of, count_acts
from services.verifier.projection.troubles import DamagedProjectionProblem, StoreProblem, store_problem_of

FAULT = "fault"
IMPORTED = "imported"
SUSPECTS = "suspects"
_T = TypeVar("_T")
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE_FAULT = msgspec.msgpack.Decoder(LogEvidence).decode
_DECODE_SUSPECTS = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


class Store(ProjectionReader):
    """Owns the file; close it when done. `load`, `apply` and `position` are the follower's (`services.follow.Sink`)."""

    def __init__(self, path: Path, *, reader_threads: int = 2, listener: ProjectionListener | None = None) -> None:
        """Open or make the file; raises `StoreProblem` where that is not possible. `listener` hears of each change.

        A file of another schema version is emptied: it is only a projection.
        """
        super().__init__(path, reader_threads=reader_threads)
        self._listener: ProjectionListener = NoListener() if listener is None else listener
        self._told: Position | None = None
        """Which position the listener heard of last; None: none that it may go on from."""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="projection-writer")
        self._lock: IO[bytes] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path)
            self._own = self._connect()
            _prepare(self._own)
        except StoreProblem:
            self.close()
            raise
        except SQLITE_ERRORS as error:
            self.close()
            raise store_problem_of(error, path) from error

    def close(self) -> None:
        """Wait for what is being written, then close the file; blocks shortly."""
        self._writer.shutdown(wait=True)
        super().close()
        if self._lock is not None:
            self._lock.close()

    # The follower's sink.

    async def position(self) -> Position | None:
        """Return the position stored last, or None."""
        self._replaced(None)
        found = await self._write(lambda: read_position(self._own))
        self._replaced(found)
        return found

    async def load(self, book: Book, batch: Sequence[Opened]) -> None:
        """Load all that deciding these events reads."""
        await self._write(lambda: sqlite_states.load_until_complete(self._own, book, lambda: needs(book, batch)))

    async def begins_with(self, event_ids: Sequence[EventId]) -> bool:
        """Tell whether one of these events is entry 0."""
        return await self._write(lambda: sqlite_states.first_of(self._own, event_ids) == 0)

    async def apply(self, book: Book, applied: Sequence[Applied], position: Position) -> None:
        """Store states, events, leaf hashes and position in one transaction.

        Raises `DamagedProjectionProblem` if the stored tree does not grow to the position's root.
        """
        begun = self._told
        try:
            await self._write(lambda: self._in_one(lambda: self._apply(book, applied, position)))
        except BaseException:
            self._replaced(None)  # only the file knows whether it happened
            raise
        if begun is None or begun is not self._told or begun.size + len(applied) != position.size:
            self._replaced(position)
            return
        self._told = position
        self._listener.on_applied(book, position)

    async def hand_over(self, position: Position) -> None:
        """Keep all states and go on with the log that continues this one: the tree and the events were that one's."""
        self._replaced(None)
        self._proven_tiles.clear()
        await self._write(lambda: self._in_one(lambda: self._hand_over(position)))
        self._replaced(position)

    def _replaced(self, position: Position | None) -> None:
        self._told = position
        self._listener.on_replaced(position)

    def _hand_over(self, position: Position) -> None:
        tables.forget_tree(self._own)
        listed_tables.forget_growth(self._own)
        sqlite_states.write_meta(self._own, POSITION, _ENCODE(position))

    def _apply(self, book: Book, applied: Sequence[Applied], position: Position) -> None:
        if applied:
            sqlite_states.save(self._own, book)
            _keep_lists(self._own, book, applied)
            _grow(self._own, applied, position)
        sqlite_states.write_meta(self._own, POSITION, _ENCODE(position))

    def _in_one(self, work: Callable[[], _T]) -> _T:
        """Run `work` in one transaction: all that it writes is there afterwards, or nothing."""
        connection = self._own
        connection.execute("BEGIN IMMEDIATE")
        try:
            done = work()
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has ended it already
                connection.execute("ROLLBACK")
            raise
        return done

    async def fault(self) -> LogEvidence | None:
        """Return conclusive evidence against the log that was kept earlier, or None."""
        stored = await self._write(lambda: sqlite_states.read_meta(self._own, FAULT))
        return await self._write(lambda: record(_DECODE_FAULT, stored)) if stored else None

    async def imported(self) -> bytes | None:
        """Return the signed note of the snapshot that the file began with, until it was derived again; else None."""
        return await self._write(lambda: sqlite_states.read_meta(self._own, IMPORTED))

    async def rederived(self) -> None:
        """Forget that the file began with a transaction: the log's entries lead to the same."""
        await self._write(lambda: sqlite_states.forget_meta(self._own, IMPORTED))

    async def condemn(self) -> None:
        """Have the file emptied when it is opened next: what it began with is not what the log says."""
        await self._write(lambda: self._own.execute("PRAGMA user_version = 0"))

    async def keep_fault(self, evidence: LogEvidence) -> None:
        """Keep conclusive evidence against the log: it stays so across restarts."""
        await self._write(lambda: sqlite_states.write_meta(self._own, FAULT, _ENCODE(evidence)))

    async def suspects(self) -> tuple[bytes, ...]:
        """Return the checkpoints that the log signed and that earlier runs could not compare."""
        stored = await self._write(lambda: sqlite_states.read_meta(self._own, SUSPECTS))
        return await self._write(lambda: record(_DECODE_SUSPECTS, stored)) if stored else ()

    async def keep_suspects(self, notes: tuple[bytes, ...]) -> None:
        """Keep the checkpoints that are still to be compared, in place of those that were."""
        await self._write(lambda: sqlite_states.write_meta(self._own, SUSPECTS, _ENCODE(notes)))

    async def keep_comparisons(self, found: Mapping[str, Compared]) -> None:
        """Keep what comparing the log with what others were shown found last, in place of what was found before."""
        await self._write(lambda: sqlite_states.write_meta(self._own, COMPARED, ENCODE_COMPARISONS(found)))

    async def describe(self, descriptions: Sequence[Description]) -> int:
        """Keep what describes achievements of institutions on the register; return how many that were."""
        return await self._write(lambda: self._in_one(lambda: described_tables.describe(self._own, descriptions)))

    async def forget_descriptions(self, catalogue: str, *, before: Moment) -> None:
        """Remove what a catalogue described before this time, and says no more."""
        await self._write(
            lambda: self._in_one(lambda: described_tables.forget_descriptions(self._own, catalogue, before=before))
        )

    async def keep_catalogues(self, catalogues: Sequence[str]) -> None:
        """Remove what other catalogues than these described."""
        await self._write(lambda: self._in_one(lambda: described_tables.keep_catalogues(self._own, catalogues)))

    async def undescribed_count(self) -> int:
        """Return how many achievements were awarded that no catalogue describes."""
        return await self._write(lambda: described_tables.undescribed_count(self._own))

    async def root_of(self, size: TreeSize) -> OwnRoot | None:
        """Return the root of the first `size` entries by our own tiles, and the proof from there to our tree."""
        return await self.read(lambda transaction: transaction.root_of(size))

    async def _write(self, work: Callable[[], _T]) -> _T:
        return await self._in(self._writer, work)


def _locked(path: Path) -> IO[bytes]:
    """Hold the lock of whoever fills this file, until it is closed; raises `StoreProblem` where somebody else does.

    Two that fill one file would each find the other's entries in it, and take it to be damaged.
    """
    lock = path.with_name(f"{path.name}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StoreProblem(
            f"Another verifier fills {path}: stop it, or set another CREDENTIFY_VERIFIER_DATABASE_FILE"
        ) from error
    except OSError:
        lock.close()
        raise
    return lock


def _keep_lists(connection: sqlite3.Connection, book: Book, applied: Sequence[Applied]) -> None:
    """Count the entries, and keep what is listed of them."""
    acts = list(acts_of(book, applied))
    tables.add_statistics(connection, count_acts(acts))
    gain = gain_of(applied, acts, lambda credential_id: listed_tables.first_life(connection, book, credential_id))
    described_tables.relist(connection, listed_tables.save_gain(connection, gain))
    precedents.save(connection, book, applied)
    listed_tables.save_institutions(connection, book)


def _grow(connection: sqlite3.Connection, applied: Sequence[Applied], position: Position) -> None:
    size = TreeSize(applied[0].index)
    if tables.grow_tree(connection, size, [item.leaf_hash for item in applied]) != position.root_hash:
        raise DamagedProjectionProblem("The stored tree does not grow to the proven root: remove the projection's file")


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or make them anew where they are of another version; evidence against the log stays."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == tables.SCHEMA_VERSION:
        return
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    drops = "".join(f'DROP TABLE IF EXISTS "{name}";' for name in names if name in tables.TABLES)
    is_own = version and "meta" in names  # what was condemned was somebody else's
    kept = "".join(_kept_evidence(connection)) if is_own else ""
    connection.executescript(
        f"BEGIN; {drops} {tables.SCHEMA} {kept} PRAGMA user_version = {tables.SCHEMA_VERSION}; COMMIT;"
    )


def _kept_evidence(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what puts evidence against the log, and what is still to be compared, into new tables.

    The log may never show it again. What this version does not read is left.
    """
    for name, decode in ((FAULT, _DECODE_FAULT), (SUSPECTS, _DECODE_SUSPECTS)):
        stored = sqlite_states.read_meta(connection, name)
        with contextlib.suppress(msgspec.DecodeError):
            if stored and decode(stored):
                yield f"INSERT INTO meta VALUES ('{name}', x'{stored.hex()}');"  # noqa: S608 - a name of ours and hex digits
