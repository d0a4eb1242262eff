"""The projection as it is read: one SQLite file (WAL), several readers, each over one snapshot. Knows no HTTP.

Any number of processes read the file, while one writes it (`services.verifier.projection.store`).
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.ids import CredentialId, Did, LeafIndex, TreeSize
from proto.lifecycle import Book, Credential, Issuer, Recognition, Statement, UnloadedStateError, credential_needs
from proto.lifecycle.statements import StandingDecision, StatementGroup
from proto.log.merkle import Hash, ProofProblem, check_inclusion
from proto.log.tile import TILE_HEIGHT, TileId
from proto.log.tile_proof import (
    consistency_proof,
    frontier_of_tiles,
    inclusion_proof,
    tiles_for_consistency,
    tiles_for_inclusion,
    tiles_for_root,
)
from proto.moment import to_ms
from proto.problem import InvalidProblem
from services.follow import OwnRoot, Position
from services.persistence import sqlite_states
from services.persistence.sqlite_records import record
from services.verifier.projection import precedents, statements, tables
from services.verifier.projection.catalogue_reads import CatalogueReads
from services.verifier.projection.comparisons import COMPARED, DECODE_COMPARISONS, Compared
from services.verifier.projection.listed_reads import ListedReads
from services.verifier.projection.statistic_counts import StatisticKey, StatisticSum
from services.verifier.projection.troubles import problem_of
from services.verifier.verdict.quality import NO_COPY, QualityCopy

BUSY_TIMEOUT_SECONDS = 5.0
MMAP_BYTES = 64 * 1024 * 1024
"""Of the file, in our address space: what was read of it there counts as our memory. The rest is read by call."""
PROVEN_TILES_MAX = 16_384
POSITION = "position"
_FAULTS = (sqlite3.Error, *DECODE_ERRORS, tables.MissingTileError, UnloadedStateError)
_T = TypeVar("_T")
_DECODE_POSITION = msgspec.msgpack.Decoder(Position).decode


class ReadTransaction:
    """The projection as of one moment: everything read through it belongs to one position. Lives in a reader thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        proven_tiles: set[tuple[Hash, int]] | None = None,
        quality: QualityCopy = NO_COPY,
    ) -> None:
        self._connection = connection
        self._proven_tiles = set() if proven_tiles is None else proven_tiles
        self.position = read_position(connection) or Position()
        self.quality = quality
        self.lists = ListedReads(connection)
        self.catalogue = CatalogueReads(connection)

    def plain_book(self, credential_id: CredentialId, book: Book) -> Book | None:
        """Fill a book as `book` does, in few look-ups; None for a stack, which may ask for hundreds.

        What `book` holds already is of this very position, and is not read again.
        """
        credential = sqlite_states.credential_of(self._connection, credential_id)
        if credential is not None and any(life.parts for life in credential.lives):
            return None
        sqlite_states.load_log(self._connection, book)
        book.credentials[credential_id] = credential
        wanted = credential_needs(book, (credential_id,)).issuers
        if wanted:
            sqlite_states.load_issuers(self._connection, book, wanted)
        return book

    def book(self, credential_ids: Iterable[CredentialId]) -> Book:
        """Return a book that holds these credentials and all that their effective state rests on."""
        ids, book = tuple(credential_ids), Book()
        sqlite_states.load_until_complete(self._connection, book, lambda: credential_needs(book, ids))
        return book

    def recognitions(self, book: Book, credential_id: CredentialId) -> list[Recognition]:
        """Return a credential's recognitions in the order of the log; the book then holds them and their issuers."""
        found = sqlite_states.recognitions_of(self._connection, credential_id)
        for recognition in found:
            book.recognitions[recognition.stamp.event_id] = recognition
        speakers = {stamp.speaker for item in found for stamp in (item.stamp, *item.withdrawals)}
        if speakers:
            sqlite_states.load_issuers(self._connection, book, speakers)
        return found

    def statements(self, book: Book, credential: Credential) -> list[Statement]:
        """Return what institutions say of a credential and its achievement, as `projection.statements.about`."""
        return statements.about(self._connection, book, credential)

    def issuer(self, book: Book, did: Did) -> Issuer | None:
        """Return an institution; the book then holds it, its successors and the registrar."""
        sqlite_states.load_log(self._connection, book)
        wanted = {did} | ({book.log.registrar} if book.log else set())
        sqlite_states.load_issuers(self._connection, book, wanted)
        return book.issuer(did)

    def decisions(self, book: Book, group: StatementGroup) -> list[StandingDecision]:
        """Return the newest standing decisions of a group, the newest first."""
        return statements.decisions_in(self._connection, book, group, newest_max=statements.DECISIONS_READ_MAX)

    def recognitions_of(self, book: Book, achievement: str, issuer: Did) -> tuple[list[Recognition], bool]:
        """Return the newest recognitions of an achievement's credentials, and whether there are more."""
        return precedents.recognitions_of(self._connection, book, achievement, issuer)

    def load_log(self, book: Book) -> None:
        """Have the book hold the log's own state, where the log was opened."""
        sqlite_states.load_log(self._connection, book)

    def comparisons(self) -> dict[str, Compared]:
        """Return what comparing the log with what others were shown found last, by their addresses."""
        stored = sqlite_states.read_meta(self._connection, COMPARED)
        return record(DECODE_COMPARISONS, stored) if stored else {}

    def is_included(self, index: LeafIndex) -> bool:
        """Tell whether the entry's leaf hash lies under the proven root, by a proof that is made and checked here.

        The siblings of one leaf are folded from all other leaves of its tile, so one good proof binds the whole tile to
        the root: it is made once for each tile and root. Raises `MissingTileError` where the tree is not all there.
        """
        size, root = self.position.size, self.position.root_hash
        tile_key = (root, index >> TILE_HEIGHT)
        if tile_key in self._proven_tiles and index < size:
            return True
        leaf = tables.leaf_hash_at(self._connection, size, index)
        try:
            tiles = {tile: tables.read_tile(self._connection, tile) for tile in tiles_for_inclusion(index, size)}
            check_inclusion(index, size, leaf, inclusion_proof(index, size, tiles), root)
        except ProofProblem:
            return False
        if len(self._proven_tiles) >= PROVEN_TILES_MAX:
            self._proven_tiles.clear()
        self._proven_tiles.add(tile_key)
        return True

    def tile(self, tile: TileId) -> bytes:
        """Return a tile of the proven tree, or of one that it grew from; raises `MissingTileError` beyond it."""
        return tables.read_tile(self._connection, tile)

    def root_of(self, size: TreeSize) -> OwnRoot | None:
        """Return the root of the first `size` entries of the proven tree, with the consistency proof to its own size.

        None for a size that it does not have; raises `MissingTileError` where the tree is not all there.
        """
        own = self.position.size
        if not 0 < size <= own:
            return None
        wanted = tiles_for_consistency(size, own) | tiles_for_root(size)
        tiles = {tile: tables.read_tile(self._connection, tile) for tile in wanted}
        return OwnRoot(
            root_hash=frontier_of_tiles(size, tiles).root(),
            size=own,
            consistency=tuple(consistency_proof(size, own, tiles)),
        )

    def statistics(self, months: tuple[str, str]) -> list[tuple[StatisticKey, StatisticSum]]:
        """Return every sum of these months, both included."""
        return list(tables.statistics(self._connection, months=months))

    def credential_count(self) -> int:
        """Return how many credentials there are."""
        count: int = self._connection.execute("SELECT count(*) FROM credential").fetchone()[0]
        return count


class ProjectionReader:
    """Reads the file; close it when done."""

    def __init__(self, path: Path, *, reader_threads: int = 2) -> None:
        self._path = path
        self._near: sqlite3.Connection | None = None
        self._local = threading.local()
        self._proven_tiles: set[tuple[Hash, int]] = set()
        self.quality: QualityCopy = NO_COPY
        """What is known of reports that institutions name; set once, before anything is answered."""
        self._connections: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(reader_threads, thread_name_prefix="projection-reader")

    def _connect(self, *, timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> sqlite3.Connection:
        with contextlib.ExitStack() as unless_opened:  # who asks while the file is locked asks often
            connection = sqlite3.connect(
                self._path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False
            )
            unless_opened.callback(connection.close)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a crash may lose the last chunks, which are read again
            connection.execute(f"PRAGMA mmap_size = {MMAP_BYTES}")
            connection.execute("PRAGMA temp_store = MEMORY")
            unless_opened.pop_all()
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Wait for what is being read, then close the file; blocks shortly."""
        self._readers.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    async def read(self, work: Callable[[ReadTransaction], _T]) -> _T:
        """Run `work` over one consistent snapshot in a reader thread.

        Raises `ProjectionProblem` where the file cannot be read, and what `work` raises.
        """
        return await self._in(self._readers, lambda: self._read(work))

    def read_at_once(self, work: Callable[[ReadTransaction], _T]) -> _T | None:
        """Run `work`, which makes a handful of point look-ups, over one snapshot on the calling thread.

        A look-up takes microseconds, a hop to a thread a hundred. Never waits for a lock. None where the file is busy
        or cannot be read: then `read` waits, or says what is wrong.
        """
        try:
            if self._near is None:
                self._near = self._connect(timeout_seconds=0)
            return self._over(self._near, work)
        except _FAULTS:
            return None

    def _read(self, work: Callable[[ReadTransaction], _T]) -> _T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return self._over(connection, work)

    def _over(self, connection: sqlite3.Connection, work: Callable[[ReadTransaction], _T]) -> _T:
        if connection.in_transaction:  # the disk failed as the one before was ended
            connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        try:
            return work(ReadTransaction(connection, self._proven_tiles, self.quality))
        finally:
            if connection.in_transaction:
                connection.execute("COMMIT")

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except _FAULTS as error:
            raise problem_of(error) from error


def read_position(connection: sqlite3.Connection) -> Position | None:
    """Return the position that a connection sees, or None."""
    stored = sqlite_states.read_meta(connection, POSITION)
    return _position(stored) if stored else None


@lru_cache(maxsize=4)
def _position(stored: bytes) -> Position:
    """Return the position of these bytes; nearly every look-up reads the same one."""
    found = record(_DECODE_POSITION, stored)
    try:
        for moment in (found.last_received_at, found.fetched_at, found.witnessed_at, found.seen_at):
            if moment is not None:
                to_ms(moment)
    except InvalidProblem as problem:
        raise msgspec.DecodeError(f"the position is damaged: {problem.detail}") from problem
    return found
