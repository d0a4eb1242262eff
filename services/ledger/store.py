"""The ledger's tables: head, entries, tiles, checkpoints. Knows no rule, no signature and no HTTP.

What else has SQL statements in the ledger is named in `tests/unit/test_sql_places.py`: freezing, succession, `fsck`.

What it returns is what the database says. Whoever relies on it checks it against hashes (DESIGN 1).
"""

from collections.abc import Iterable, Sequence

import asyncpg
import msgspec

from proto.ids import EventId, LeafIndex, Origin, TreeSize
from proto.log.merkle import HASH_BYTES, Hash
from proto.log.tile import TILE_WIDTH, TileId
from proto.log.tile_edge import Growth, TileEdge
from proto.moment import from_ms
from proto.wire.ledger import Appended
from services.ledger.domain import Head, NewEntry
from services.persistence import postgres
from services.persistence.postgres import Connection, Pool

Reader = Connection | Pool
SIGNER_LOCK = 0x6C_6F_67_73
"""Key of the advisory lock that the one process with the log's key holds ("logs")."""

_HEAD = "SELECT size, root_hash, last_leaf_hash, last_received_at_ms FROM head"
_LOCKED_HEAD = """
    WITH locked AS MATERIALIZED (SELECT size, root_hash, last_leaf_hash, last_received_at_ms FROM head FOR UPDATE)
    SELECT locked.*, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS database_ms FROM locked"""
"""The clock is read after the lock was given: a column beside FOR UPDATE would be computed before the wait for it."""
_CLOCK = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_END_FROZEN = """
    SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = ANY(pg_blocking_pids($1)) AND usename = current_user AND datname = current_database()
      AND wait_event_type = 'Client' AND state_change < clock_timestamp() - $2::bigint * interval '1 millisecond'"""
_PLACES = "SELECT event_id, leaf_index, leaf_hash, received_at_ms FROM entry WHERE event_id = ANY($1::bytea[])"
_INSERT_ENTRIES = """
    INSERT INTO entry (leaf_index, leaf_hash, event_id, received_at_ms, entry)
    SELECT $1::bigint + row.number - 1, row.leaf_hash, row.event_id, $2::bigint, row.entry
    FROM unnest($3::bytea[], $4::bytea[], $5::bytea[]) WITH ORDINALITY AS row (leaf_hash, event_id, entry, number)"""
_INSERT_TILES = """
    INSERT INTO tile (level, tile_index, hashes) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])"""
_MOVE_HEAD = """
    WITH moved AS (UPDATE edge SET size = $1, partials = $5)
    UPDATE head SET size = $1, root_hash = $2, last_leaf_hash = $3, last_received_at_ms = $4"""
_INSERT_HEAD = """
    WITH first AS (INSERT INTO edge (size, partials) VALUES ($1, $5))
    INSERT INTO head (size, root_hash, last_leaf_hash, last_received_at_ms) VALUES ($1, $2, $3, $4)"""
_TILES = """
    SELECT tile.level, tile.tile_index, tile.hashes FROM tile
    JOIN unnest($1::smallint[], $2::bigint[]) AS wanted (level, tile_index) USING (level, tile_index)"""
_ENTRIES = """
    SELECT leaf_index, leaf_hash, entry FROM entry WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index"""
_ENTRIES_AT = """
    SELECT leaf_index, leaf_hash, entry FROM entry WHERE leaf_index = ANY($1::bigint[]) ORDER BY leaf_index"""
_LAST_ENTRY = "SELECT leaf_index, leaf_hash, entry FROM entry WHERE leaf_index = $1"
_PUBLISH = """
    INSERT INTO checkpoint (size, root_hash, note) VALUES ($1, $2, $3)
    ON CONFLICT (size) DO UPDATE SET root_hash = excluded.root_hash, note = excluded.note, published_at = now()"""


class LogRow(msgspec.Struct, frozen=True, kw_only=True):
    """The log's name, and the vkey under which its checkpoints are signed."""

    origin: Origin
    verifier_key: str


class StoredEntry(msgspec.Struct, frozen=True):
    """An entry as stored, with the leaf hash that was computed when it was appended."""

    index: LeafIndex
    leaf_hash: Hash
    data: bytes


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """Where the next entry goes on: the right edge of the tree, and the last entry. Nothing of it is checked."""

    edge: TileEdge
    entry: StoredEntry


class StoredCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A published checkpoint: the signed note and what it says."""

    size: TreeSize
    root_hash: Hash
    note: bytes


class MissingRowsError(Exception):
    """The database lacks rows that the log's head says are there: it is damaged, or is an earlier state of itself."""


async def has_tables(reader: Reader) -> bool:
    """Return whether the migrations were applied."""
    return bool(await reader.fetchval("SELECT to_regclass('checkpoint') IS NOT NULL"))


async def log_row(reader: Reader) -> LogRow | None:
    """Return the log of this database, or None before it was opened."""
    row = await reader.fetchrow("SELECT origin, verifier_key FROM log")
    return LogRow(origin=Origin(row["origin"]), verifier_key=row["verifier_key"]) if row else None


async def insert_log(connection: Connection, log: LogRow) -> None:
    """Name the log of this database, once."""
    await connection.execute("INSERT INTO log (origin, verifier_key) VALUES ($1, $2)", log.origin, log.verifier_key)


async def head(reader: Reader) -> Head | None:
    """Return the committed end of the log, or None before it was opened."""
    row = await reader.fetchrow(_HEAD)
    return _head_of(row) if row else None


async def locked_head(connection: Connection) -> tuple[Head, int]:
    """Lock the end of the log for this transaction; return it, and the database's clock in milliseconds since 1970.

    Waits at most as long as the session's `lock_timeout`. Raises `MissingRowsError` before the log was opened.
    """
    row = await connection.fetchrow(_LOCKED_HEAD)
    if row is None:
        raise MissingRowsError("The log was not opened")
    return _head_of(row), row["database_ms"]


async def clock_ms(connection: Connection) -> int:
    """Return the database's clock in milliseconds since 1970."""
    return int(await connection.fetchval(_CLOCK))


def _head_of(row: asyncpg.Record) -> Head:
    return Head(
        size=row["size"],
        root_hash=row["root_hash"],
        last_leaf_hash=row["last_leaf_hash"],
        last_received_at_ms=row["last_received_at_ms"],
    )


async def end_frozen(reader: Reader, *, blocked_pid: int, frozen_after_ms: int) -> list[int]:
    """End the sessions that block the session `blocked_pid` and wait for a client that is silent; return their pids.

    Only sessions of our own role, and none that the server itself works for, however long that takes: their
    transaction is rolled back, and their replica answers that nothing was appended.
    """
    return [row["pid"] for row in await reader.fetch(_END_FROZEN, blocked_pid, frozen_after_ms)]


async def tail(connection: Connection) -> Tail:
    """Return the right edge and the last entry, as stored; raises `MissingRowsError` where either is not there."""
    edge = await read_edge(connection)
    row = await connection.fetchrow(_LAST_ENTRY, edge.size - 1)
    if row is None:
        raise MissingRowsError(f"Entry {edge.size - 1} is missing, the last one of the right edge")
    return Tail(edge=edge, entry=StoredEntry(row["leaf_index"], row["leaf_hash"], row["entry"]))


async def read_edge(reader: Reader) -> TileEdge:
    """Return the right edge of the tree: the partial tile of each level."""
    row = await reader.fetchrow("SELECT size, partials FROM edge")
    if row is None:
        raise MissingRowsError("The right edge of the tree is missing")
    return TileEdge(size=TreeSize(row["size"]), partials=tuple(row["partials"]))


async def places(reader: Reader, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
    """Return where those of the events stand that are on the log: the answer that was given the first time."""
    raw = [bytes.fromhex(event_id) for event_id in event_ids]
    rows = await reader.fetch(_PLACES, raw) if raw else []
    return {
        EventId(row["event_id"].hex()): Appended(
            index=LeafIndex(row["leaf_index"]),
            leaf_hash=row["leaf_hash"].hex(),
            received_at=from_ms(row["received_at_ms"]),
            event_id=EventId(row["event_id"].hex()),
        )
        for row in rows
    }


async def kept_places(pool: Pool, event_ids: Iterable[EventId], *, published_size: int = 0) -> dict[EventId, Appended]:
    """Return the same for somebody who relies on it: entries that a failover could still lose are not named.

    What is published was confirmed before it was signed. Raises `NotConfirmedProblem` where no standby confirms now.
    """
    async with pool.acquire() as connection:
        found = await places(connection, event_ids)
        if any(place.index >= published_size for place in found.values()):
            await postgres.confirm_commits(connection)
        return found


async def append(
    connection: Connection, entries: Sequence[NewEntry], growth: Growth, received_at_ms: int, *, is_first: bool = False
) -> None:
    """Write the entries, the tiles that became full, the right edge and the head; part of the caller's transaction."""
    await connection.execute(
        _INSERT_ENTRIES,
        entries[0].index,
        received_at_ms,
        [entry.leaf_hash for entry in entries],
        [bytes.fromhex(entry.event_id) for entry in entries],
        [entry.data for entry in entries],
    )
    if growth.full_tiles:
        ids = [tile for tile, _ in growth.full_tiles]
        await connection.execute(
            _INSERT_TILES, [tile.level for tile in ids], [tile.index for tile in ids], [d for _, d in growth.full_tiles]
        )
    status = await connection.execute(
        _INSERT_HEAD if is_first else _MOVE_HEAD,
        growth.edge.size,
        growth.root,
        entries[-1].leaf_hash,
        received_at_ms,
        list(growth.edge.partials),
    )
    if status not in {"UPDATE 1", "INSERT 0 1"}:
        raise MissingRowsError(f"The head of the log did not move: {status}")


async def tiles(reader: Reader, wanted: Iterable[TileId]) -> dict[TileId, bytes]:
    """Return the bytes of tiles: full ones as stored, partial ones cut from the full tile or the right edge.

    The right edge is read first, so that a tile which fills up meanwhile is found full. Raises `MissingRowsError` for a
    tile that is not there; each has exactly its own length.
    """
    names = sorted(wanted)
    edge = await read_edge(reader) if any(not tile.is_full for tile in names) else TileEdge()
    rows = await reader.fetch(_TILES, [tile.level for tile in names], [tile.index for tile in names])
    found = {(row["level"], row["tile_index"]): row["hashes"] for row in rows}
    found |= {(tile.level, tile.index): data for tile, data in edge.tiles.items()}
    result = {tile: found.get((tile.level, tile.index), b"")[: tile.byte_count] for tile in names}
    if missing := [tile.path for tile, data in result.items() if len(data) != tile.width * HASH_BYTES]:
        raise MissingRowsError(f"Tiles are missing or too short: {', '.join(missing[:5])}")
    return result


async def entries(reader: Reader, begin: int, end: int) -> list[StoredEntry]:
    """Return the entries `[begin, end)`; raises `MissingRowsError` unless all of them are there."""
    rows = await reader.fetch(_ENTRIES, begin, end)
    if len(rows) != end - begin or (rows and (rows[0][0] != begin or rows[-1][0] != end - 1)):
        raise MissingRowsError(f"Of the entries {begin} to {end - 1} only {len(rows)} are there")
    return [StoredEntry(*row) for row in rows]


async def received_at(reader: Reader, begin: int, end: int) -> list[tuple[int, int]]:
    """Return the times of the entries `[begin, end)` in POSIX milliseconds, each with how many entries have it."""
    rows = await reader.fetch(
        "SELECT received_at_ms, count(*) FROM entry WHERE leaf_index >= $1 AND leaf_index < $2 GROUP BY received_at_ms",
        begin,
        end,
    )
    return [(row[0], row[1]) for row in rows]


async def entries_at(reader: Reader, indices: Sequence[LeafIndex]) -> list[StoredEntry]:
    """Return the entries at these distinct indices, in order; raises `MissingRowsError` unless all are there."""
    rows = await reader.fetch(_ENTRIES_AT, list(indices))
    if len(rows) != len(indices):
        raise MissingRowsError(f"Of {len(indices)} entries only {len(rows)} are there")
    return [StoredEntry(*row) for row in rows]


async def bundle(reader: Reader, index: int, width: int) -> list[bytes]:
    """Return the first `width` entries of a bundle; raises `MissingRowsError` unless all of them are there."""
    begin = index * TILE_WIDTH
    return [entry.data for entry in await entries(reader, begin, begin + width)]


async def last_checkpoint(reader: Reader) -> StoredCheckpoint | None:
    """Return the largest published checkpoint, or None before the first."""
    row = await reader.fetchrow("SELECT size, root_hash, note FROM checkpoint ORDER BY size DESC LIMIT 1")
    return StoredCheckpoint(**dict(row)) if row else None


async def publish(connection: Connection, checkpoint: StoredCheckpoint) -> None:
    """Store a checkpoint; one of the same size and root is replaced, one of the same size and another root refused."""
    await connection.execute(_PUBLISH, checkpoint.size, checkpoint.root_hash, checkpoint.note)


async def try_signer_lock(connection: Connection) -> bool:
    """Take the signer's lock for as long as this session lives; False if another session holds it."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", SIGNER_LOCK))
