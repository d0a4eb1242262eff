"""Recomputes everything that a projection holds, from the log's entries, and names what is damaged. Repairs nothing.

Works in two parts: what the file says of itself (its pages, its tree against the signed checkpoint), and a replay of
the log's entries up to the same position into a fresh projection, which is then compared row by row. Runs beside a
verifier that is running: it reads one snapshot.
"""

import asyncio
import contextlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from proto.canonical import DECODE_ERRORS
from proto.ids import Origin, TreeSize
from proto.lifecycle import Book
from proto.log.checkpoint import open_checkpoint
from proto.log.merkle import Frontier, Hash
from proto.log.note_key import VerifierKey, parse_vkey
from proto.log.tile import TileId, level_count, split_tile, tiles_of
from proto.log.tile_edge import fold_hashes
from proto.moment import Moment
from proto.problem import Problem
from services import fsck_report
from services.clients.http_session import client_session
from services.clients.log_client import LogAnswerProblem, LogClient, LogProblem, LogUnreachableProblem
from services.clients.tile_client import TileClient
from services.follow import Beginning, FollowBounds, Position, chunk
from services.follow.download import download
from services.fsck_report import Findings
from services.persistence import sqlite_states
from services.verifier.config import Config
from services.verifier.projection import tables
from services.verifier.projection.reader import read_position
from services.verifier.projection.store import Store
from services.verifier.projection.troubles import (
    DamagedProjectionProblem,
    PassingProjectionProblem,
    StoreProblem,
    problem_of,
)

ENTRIES_PER_CHUNK = 1_000
_COMPARED = (
    *("issuer", "uri_prefix", "public_key", "name", "credential", "shared_lives", "recognition", "event"),
    *("statement", "statement_group", "statistic", "tile", "growth", "newest_entry", "institution", "award"),
    *("recognised", "precedent"),
)
_KEY_COLUMNS = {
    "uri_prefix": 2,
    "statement_group": 2,
    "statistic": 4,
    "tile": 2,
    "growth": 2,
    "award": 2,
    "recognised": 3,
    "precedent": 4,
}
_FAR_FUTURE = Moment("9999-12-31T23:59:59.999Z")
Progress = Callable[[int, int], None]
"""Called with the count of entries replayed so far and of those there are."""


class Report(fsck_report.Report, frozen=True, kw_only=True):
    """The log's name, and how far the projection goes: entries, and their root hash as 64 hex digits."""

    origin: str
    tree_size: int
    root_hash: str


async def check(config: Config, *, progress: Progress | None = None) -> Report:
    """Return what was checked and what is wrong; a file that cannot be read at all is one damage.

    Raises nothing but `MalformedProblem` or `InvalidProblem` for the configured key, and `StoreProblem` where there is
    no room for a second projection.
    """
    key, findings, position = parse_vkey(config.log_verifier_key), Findings(), Position()
    try:
        with contextlib.closing(_open(config.database_file)) as connection:
            position = read_position(connection) or position
            await asyncio.to_thread(_check_file, connection, position, key, findings)
            await _compare_with_log(connection, position, config, findings, progress)
    except (PassingProjectionProblem, StoreProblem) as problem:  # no room for a second projection, or a lock
        findings.incomplete = f"The projection was not compared with the log: {problem.detail}"
    except (sqlite3.Error, *DECODE_ERRORS, DamagedProjectionProblem) as error:
        found = problem_of(error) if not isinstance(error, DamagedProjectionProblem) else error
        if isinstance(found, PassingProjectionProblem):
            findings.incomplete = f"The projection was not checked: {found.detail}"
        else:
            findings.damaged("file", f"The projection's file cannot be read: {error}")
    return Report(
        origin=key.name,
        tree_size=position.size,
        root_hash=position.root_hash.hex(),
        counts=findings.counts,
        damage_count=findings.damage_count,
        damages=tuple(findings.damages),
        incomplete=findings.incomplete,
    )


def _open(path: Path) -> sqlite3.Connection:
    """Open the file for reading one snapshot."""
    if not path.is_file():
        raise StoreProblem(f"There is no file {path}")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    with contextlib.ExitStack() as unless_opened:
        unless_opened.callback(connection.close)
        connection.isolation_level = None
        connection.execute("BEGIN")
        unless_opened.pop_all()
    return connection


# What the file says of itself.


def _check_file(connection: sqlite3.Connection, position: Position, key: VerifierKey, findings: Findings) -> None:
    for (words,) in connection.execute("PRAGMA integrity_check(100)"):
        if words != "ok":
            findings.damaged("file", f"SQLite says: {words}")
    findings.count("pages", connection.execute("PRAGMA page_count").fetchone()[0])
    _check_checkpoint(position, key, findings)
    _check_tree(connection, position, findings)


def _check_checkpoint(position: Position, key: VerifierKey, findings: Findings) -> None:
    if not position.checkpoint:
        if position.size:
            findings.damaged("position", "There are entries and no checkpoint that was signed")
        return
    try:
        signed = open_checkpoint(position.checkpoint, key).checkpoint
        root = position.tree().root()
    except Problem as problem:
        findings.damaged("checkpoint", problem.detail)
        return
    findings.count("checkpoints")
    if root != position.root_hash:
        findings.damaged("position", "The frontier does not lead to the root hash")
    if signed.size < position.size or (signed.size == position.size and signed.root_hash != position.root_hash):
        findings.damaged("checkpoint", "The checkpoint is not one of this position")


def _check_tree(connection: sqlite3.Connection, position: Position, findings: Findings) -> None:
    """Compute every tile above level 0 from the tiles below it, and the root from level 0 alone."""
    tree = Frontier()
    for tile in tiles_of(position.size):
        try:
            data = tables.read_tile(connection, tile)
        except tables.MissingTileError as error:
            findings.damaged(tile.path, str(error))
            continue
        findings.count("tiles")
        if tile.level == 0:
            tree = tree.extend(split_tile(tile, data))
        else:
            _check_tile(connection, tile, data, findings)
    if tree.root() != position.root_hash:
        findings.damaged("tree", "The leaf hashes do not lead to the position's root hash")
    findings.count("levels", level_count(position.size))


def _check_tile(connection: sqlite3.Connection, tile: TileId, data: bytes, findings: Findings) -> None:
    for offset, found in enumerate(split_tile(tile, data)):
        below = TileId(tile.level - 1, (tile.index << 8) + offset)
        try:
            expected: Hash | None = fold_hashes(tables.read_tile(connection, below))
        except tables.MissingTileError:
            expected = None
        if found != expected:
            findings.damaged(tile.path, f"Hash {offset} is not the root of {below.path}")


# Against the log.


async def _compare_with_log(
    connection: sqlite3.Connection,
    position: Position,
    config: Config,
    findings: Findings,
    progress: Progress | None,
) -> None:
    with tempfile.TemporaryDirectory(prefix="credentify-fsck-") as folder:
        path = Path(folder) / "projection.sqlite"
        store = Store(path, reader_threads=1)
        try:
            async with client_session() as session:
                client = LogClient(session, config.ledger_url, timeout_seconds=config.log_timeout_seconds)
                await Beginning(
                    config.predecessors,
                    lambda url: TileClient(session, url),
                    ledger_url=config.ledger_url,
                    log_verifier_key=config.log_verifier_key,
                    clock=lambda: _FAR_FUTURE,
                ).reach(store)
                replayed = await _Replay(
                    client, store, Origin(parse_vkey(config.log_verifier_key).name), findings
                ).up_to(position.size, progress)
        except (LogUnreachableProblem, LogProblem, LogAnswerProblem) as problem:
            findings.incomplete = f"The projection was not compared with the log: {problem.detail}"
            return
        finally:
            await asyncio.to_thread(store.close)
        if replayed.size != position.size or replayed.root_hash != position.root_hash:
            findings.damaged("position", "The log's entries lead to another root hash than the projection's")
        with contextlib.closing(_open(path)) as fresh:
            await asyncio.to_thread(_compare, connection, fresh, findings)


class _Replay:
    """Reads the log's entries into a fresh projection, with every check that a follower makes of them."""

    def __init__(self, client: LogClient, store: Store, origin: Origin, findings: Findings) -> None:
        self._client, self._store, self._origin, self._findings = client, store, origin, findings

    async def up_to(self, size: TreeSize, progress: Progress | None) -> Position:
        """Return the position reached: `size`, or where an entry is wrong."""
        position = await self._store.position() or Position()
        while position.size < size:
            reached = await self._chunk(position, min(position.size + ENTRIES_PER_CHUNK, size))
            if reached is None:
                break
            position = reached
            if progress is not None:
                progress(position.size, size)
        return position

    async def _chunk(self, position: Position, end: int) -> Position | None:
        lines = await download(self._client, position.size, end, bytes_max=FollowBounds().chunk_bytes_max)
        origin = self._origin
        leaves, _ = await asyncio.to_thread(chunk.hash_chunk, position.tree(), lines)
        candidates, stop = chunk.open_chunk(position, origin, lines, leaves, now=_FAR_FUTURE)
        book = Book()
        await self._store.load(book, [candidate.opened for candidate in candidates])
        verdicts = await asyncio.to_thread(chunk.judge, book, origin, candidates, now=_FAR_FUTURE)
        bad = await asyncio.to_thread(chunk.first_bad, verdicts.checks)
        if bad is not None:
            stop = chunk.signature_fault(candidates[bad], now=_FAR_FUTURE)
        stop = stop or verdicts.stop
        if stop is not None:
            self._findings.damaged("log", stop.detail)
            return None
        applied = chunk.applied(candidates, verdicts.stamps)
        self._findings.count("entries", len(applied))
        moved = chunk.moved(position, applied)
        await self._store.apply(book, applied, moved)
        return moved


def _compare(stored: sqlite3.Connection, fresh: sqlite3.Connection, findings: Findings) -> None:
    """Compare every table of two projections, row by row in the order of their keys."""
    for table in _COMPARED:
        width = _KEY_COLUMNS.get(table, 1)
        for place, what in _differences(_ordered(stored, table, width), _ordered(fresh, table, width), width):
            findings.damaged(f"{table} {place}", what)
        findings.count(table, stored.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - names of ours
    if sqlite_states.read_meta(stored, "log") != sqlite_states.read_meta(fresh, "log"):
        findings.damaged("log state", "It is not what the log's entries say")


_Row = tuple[object, ...]


def _ordered(connection: sqlite3.Connection, table: str, width: int) -> Iterator[_Row]:
    order = ",".join(str(column + 1) for column in range(width))
    return iter(connection.execute(f"SELECT * FROM {table} ORDER BY {order}"))  # noqa: S608 - names of ours


def _differences(stored: Iterator[_Row], fresh: Iterator[_Row], width: int) -> Iterator[tuple[str, str]]:
    """Yield the key of each row that differs, and how; both come in the order of their keys."""
    ours, theirs = next(stored, None), next(fresh, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours[:width] < theirs[:width]):
            assert ours is not None
            yield _named(ours, width), "It is in the projection, and the log does not say it"
            ours = next(stored, None)
        elif ours is None or theirs[:width] < ours[:width]:
            yield _named(theirs, width), "The log says it, and it is missing from the projection"
            theirs = next(fresh, None)
        else:
            if ours != theirs:
                yield _named(ours, width), "It is not what the log's entries say"
            ours, theirs = next(stored, None), next(fresh, None)


def _named(row: _Row, width: int) -> str:
    return "/".join(value.hex() if isinstance(value, bytes) else str(value) for value in row[:width])
