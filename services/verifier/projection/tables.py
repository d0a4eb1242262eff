"""The SQL of the projection beyond the states (`persistence.sqlite_states`): statistics and tiles. Knows no thread.

Tiles are those of C2SP tlog-tiles, one row for each place; partial ones at the right edge are overwritten as the tree
grows.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from proto.ids import LeafIndex, TreeSize
from proto.log.merkle import HASH_BYTES, Hash
from proto.log.tile import TileId, level_count, tile_at
from proto.log.tile_edge import TileEdge, grow
from services.persistence import sqlite_states
from services.verifier.projection import described_tables, listed_tables, precedents
from services.verifier.projection.statistic_counts import StatisticKey, StatisticSum

SCHEMA_VERSION = 12
SCHEMA = (
    sqlite_states.SCHEMA
    + """
CREATE TABLE statistic (
    kind TEXT, issuer TEXT, eqf_level INTEGER, month TEXT, acts INTEGER NOT NULL, ects_hundredths INTEGER NOT NULL,
    PRIMARY KEY (kind, issuer, eqf_level, month)
) WITHOUT ROWID;
CREATE TABLE tile (level INTEGER, place INTEGER, hashes BLOB NOT NULL, PRIMARY KEY (level, place)) WITHOUT ROWID;
"""
    + listed_tables.SCHEMA
    + precedents.SCHEMA
    + described_tables.SCHEMA
)
TABLES = (
    *sqlite_states.TABLES,
    *("statistic", "tile"),
    *listed_tables.TABLES,
    *precedents.TABLES,
    *described_tables.TABLES,
)


# The statistics.


def add_statistics(connection: sqlite3.Connection, sums: Mapping[StatisticKey, StatisticSum]) -> None:
    """Add sums to those that are kept; the caller owns the transaction."""
    connection.executemany(
        """INSERT INTO statistic VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
           SET acts = acts + excluded.acts, ects_hundredths = ects_hundredths + excluded.ects_hundredths""",
        [(*key, *sum_) for key, sum_ in sums.items()],
    )


def statistics(
    connection: sqlite3.Connection, *, months: tuple[str, str]
) -> Iterator[tuple[StatisticKey, StatisticSum]]:
    """Yield every sum of these months, both included."""
    found = connection.execute("SELECT * FROM statistic WHERE month BETWEEN ? AND ?", months)
    return (_counted(row) for row in found)


def _counted(row: tuple[Any, ...]) -> tuple[StatisticKey, StatisticSum]:
    """Return a row of the statistics; raises `msgspec.DecodeError` for what was never counted so."""
    try:
        return msgspec.convert(row[:4], StatisticKey), msgspec.convert(row[4:], StatisticSum)
    except msgspec.ValidationError as error:
        raise msgspec.DecodeError(f"a row of the statistics is damaged: {error}") from error


# The tree.


def grow_tree(connection: sqlite3.Connection, size: TreeSize, leaves: Sequence[Hash]) -> Hash:
    """Append leaf hashes to the stored tree of `size` leaves; return its new root. Raises `MissingTileError`."""
    growth = grow(_edge(connection, size), leaves)
    tiles = [*growth.full_tiles, *growth.edge.tiles.items()]
    connection.executemany(
        "INSERT OR REPLACE INTO tile VALUES (?, ?, ?)", [(tile.level, tile.index, hashes) for tile, hashes in tiles]
    )
    return growth.root


def forget_tree(connection: sqlite3.Connection) -> None:
    """Remove tiles and places of events: what follows is the tree of another log."""
    connection.execute("DELETE FROM tile")
    connection.execute("DELETE FROM event")


def _edge(connection: sqlite3.Connection, size: TreeSize) -> TileEdge:
    partials = []
    for level in range(level_count(size)):
        place = (size >> (8 * (level + 1)), size >> (8 * level) & 255)
        partials.append(read_tile(connection, TileId(level, *place)) if place[1] else b"")
    return TileEdge(size=size, partials=tuple(partials))


def read_tile(connection: sqlite3.Connection, tile: TileId) -> bytes:
    """Return a tile's bytes, cut to its width; raises `MissingTileError` where less is stored."""
    row = connection.execute(
        "SELECT hashes FROM tile WHERE level = ? AND place = ?", (tile.level, tile.index)
    ).fetchone()
    hashes: bytes = row[0] if row else b""
    if len(hashes) < tile.byte_count:
        raise MissingTileError(f"The projection lacks the tile {tile.path}")
    return hashes[: tile.byte_count]


def leaf_hash_at(connection: sqlite3.Connection, size: TreeSize, index: LeafIndex) -> Hash:
    """Return the leaf hash of an entry; raises `MissingTileError` where it is not stored."""
    tile = tile_at(size, 0, index >> 8)
    offset = (index & 255) * HASH_BYTES
    hashes = read_tile(connection, tile) if tile else b""
    if not 0 <= index < size or len(hashes) < offset + HASH_BYTES:
        raise MissingTileError(f"The projection lacks the leaf hash of entry {index}")
    return Hash(hashes[offset : offset + HASH_BYTES])


class MissingTileError(LookupError):
    """A tile that must be there is not, or is too short: the database was truncated or tampered with."""
