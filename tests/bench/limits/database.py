"""Limits of PostgreSQL through asyncpg: durable rows by grouped INSERT, by COPY, one at a time. No rules, no tree."""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

ENTRY_BYTES = 1_000
GROUP_ROWS = 512
GROUPS = 10
ONE_ROW_CONNECTIONS = 16
ONE_ROW_COUNT = 1_600
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

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._index = itertools.count()
        self._entry = secrets.token_bytes(ENTRY_BYTES)

    def _rows(self, count: int) -> list[_Row]:
        return [
            (next(self._index), secrets.token_bytes(32), secrets.token_bytes(32), self._entry) for _ in range(count)
        ]

    async def grouped_insert(self, _round: int) -> float:
        """Rows per second: INSERT … SELECT unnest(…) of 512 rows per transaction, on one connection."""
        groups = [list(zip(*self._rows(GROUP_ROWS), strict=True)) for _ in range(GROUPS)]
        async with self._pool.acquire() as connection:
            started = time.perf_counter()
            for columns in groups:
                await connection.execute(_INSERT, *columns)
            return GROUPS * GROUP_ROWS / (time.perf_counter() - started)

    async def copy(self, _round: int) -> float:
        """Rows per second: COPY of 512 rows per transaction, on one connection."""
        groups = [self._rows(GROUP_ROWS) for _ in range(GROUPS)]
        async with self._pool.acquire() as connection:
            started = time.perf_counter()
            for rows in groups:
                await connection.copy_records_to_table("limit_entry", records=rows, columns=list(COLUMNS))
            return GROUPS * GROUP_ROWS / (time.perf_counter() - started)

    async def one_row(self, _round: int) -> float:
        """Rows per second: one durable row per transaction, on 16 connections at once."""
        rows = iter(self._rows(ONE_ROW_COUNT))

        async def insert() -> None:
            async with self._pool.acquire() as connection:
                for row in rows:
                    await connection.execute(_INSERT_ONE, *row)

        started = time.perf_counter()
        await asyncio.gather(*(insert() for _ in range(ONE_ROW_CONNECTIONS)))
        return ONE_ROW_COUNT / (time.perf_counter() - started)


@asynccontextmanager
async def database_limits(url: str) -> AsyncIterator[DatabaseLimits]:
    """Make the table in the database at `url` and hold the pool while the block runs."""
    pool = await asyncpg.create_pool(url, min_size=ONE_ROW_CONNECTIONS, max_size=ONE_ROW_CONNECTIONS)
    try:
        await pool.execute("DROP TABLE IF EXISTS limit_entry")
        await pool.execute(_TABLE)
        yield DatabaseLimits(pool)
    finally:
        await pool.close()
