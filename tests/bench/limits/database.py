"""Limits of PostgreSQL through asyncpg: durable rows by grouped INSERT, by COPY, one at a time. No rules, no tree."""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

ENTRY_BYTES = 1_000
GROUP_ROWS = 512
ONE_ROW_CONNECTIONS = 16
COLUMNS = ("leaf_index", "leaf_hash", "event_id", "entry")

_TABLE = """
    CREATE TABLE limit_entry (
        leaf_index bigint PRIMARY KEY, leaf_hash bytea NOT NULL, event_id bytea NOT NULL UNIQUE, entry bytea NOT NULL
    )"""
_INSERT = "INSERT INTO limit_entry SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[])"
_INSERT_ONE = "INSERT INTO limit_entry VALUES ($1, $2, $3, $4)"
_Row = tuple[int, bytes, bytes, bytes]


class DatabaseLimits:
    """The three measures, over one pool and one table of their own; rows look like the ledger's."""

    def __init__(self, pool: asyncpg.Pool, *, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds
        self._index = itertools.count()
        self._entry = secrets.token_bytes(ENTRY_BYTES)

    def _rows(self, count: int) -> list[_Row]:
        return [
            (next(self._index), secrets.token_bytes(32), secrets.token_bytes(32), self._entry) for _ in range(count)
        ]

    async def grouped_insert(self, _round: int) -> float:
        """Rows per second: INSERT … SELECT unnest(…) of 512 rows per transaction, on one connection."""
        async with self._pool.acquire() as connection:
            return await self._grouped(lambda rows: connection.execute(_INSERT, *map(list, zip(*rows, strict=True))))

    async def copy(self, _round: int) -> float:
        """Rows per second: COPY of 512 rows per transaction, on one connection."""
        async with self._pool.acquire() as connection:
            return await self._grouped(
                lambda rows: connection.copy_records_to_table("limit_entry", records=rows, columns=list(COLUMNS))
            )

    async def _grouped(self, write: Callable[[list[_Row]], Awaitable[object]]) -> float:
        """Return rows per second; making them does not count."""
        count, spent_s = 0, 0.0
        while spent_s < self._seconds:
            rows = self._rows(GROUP_ROWS)
            started = time.perf_counter()
            await write(rows)
            spent_s += time.perf_counter() - started
            count += GROUP_ROWS
        return count / spent_s

    async def one_row(self, _round: int) -> float:
        """Rows per second: one durable row per transaction, on 16 connections at once."""
        started = time.perf_counter()

        async def insert() -> int:
            count = 0
            async with self._pool.acquire() as connection:
                while time.perf_counter() - started < self._seconds:
                    await connection.execute(_INSERT_ONE, *self._rows(1)[0])
                    count += 1
            return count

        counts = await asyncio.gather(*(insert() for _ in range(ONE_ROW_CONNECTIONS)))
        return sum(counts) / (time.perf_counter() - started)


@asynccontextmanager
async def database_limits(url: str, *, seconds: float) -> AsyncIterator[DatabaseLimits]:
    """Make the table in the database at `url` and hold the pool while the block runs."""
    pool = await asyncpg.create_pool(url, min_size=ONE_ROW_CONNECTIONS, max_size=ONE_ROW_CONNECTIONS)
    try:
        await pool.execute("DROP TABLE IF EXISTS limit_entry")
        await pool.execute(_TABLE)
        yield DatabaseLimits(pool, seconds=seconds)
    finally:
        await pool.close()
