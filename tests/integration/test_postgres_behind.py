"""Statements that run behind the work of who began them, within one transaction, and rows added few or many at once."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.persistence.postgres import Connection, connected, session_transaction
from services.persistence.postgres_behind import Behind
from services.persistence.postgres_rows import COPIED_FROM, add_rows
from services.persistence.postgres_session import Session
from tests.support.databases import Database

COLUMNS = ("name", "number", "raw")
WITHOUT_END = "SELECT pg_sleep(100000)"


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """A session with an empty table of its own."""
    async with connected(database.owner_url, application_name="test") as opened:
        await opened.execute(
            "CREATE TEMPORARY TABLE kept (name text PRIMARY KEY, number integer, raw bytea[] NOT NULL, "
            "added_at timestamptz NOT NULL DEFAULT now())"
        )
        yield opened


async def _add(connection: Connection, first: int, count: int) -> None:
    names = range(first, first + count)
    rows = [(f"Zoë {name}", name if name % 3 else None, [b"\0", b"\xff"] * (name % 2)) for name in names]
    await add_rows(connection, "kept", COLUMNS, rows)


async def _names(connection: Connection) -> set[str]:
    return {row["name"] for row in await connection.fetch("SELECT name FROM kept")}


@pytest.mark.parametrize("count", [0, 1, COPIED_FROM - 1, COPIED_FROM, 5_000])
async def test_few_and_many_rows_come_to_lie_there_as_they_are(session: Session, count: int) -> None:
    async with session_transaction(session):
        now = await session.fetchval("SELECT now()")
        await _add(session, 0, count)
    rows = await session.fetch("SELECT * FROM kept ORDER BY split_part(name, ' ', 2)::integer")
    assert [tuple(row.values()) for row in rows] == [
        (f"Zoë {name}", name if name % 3 else None, [b"\0", b"\xff"] * (name % 2), now) for name in range(count)
    ]


@pytest.mark.parametrize("count", [2, 2 * COPIED_FROM])
async def test_a_row_that_is_there_refuses_few_and_many_alike(session: Session, count: int) -> None:
    await _add(session, 1, 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with session_transaction(session):
            await _add(session, 0, count)
    assert await _names(session) == {"Zoë 1"}


async def test_all_that_was_begun_is_done_when_the_block_is_left(session: Session) -> None:
    async with session_transaction(session):
        async with Behind() as behind:
            for first in range(0, 400, 100):
                await behind.begin(_add(session, first, 100))
        assert len(await _names(session)) == 400


@pytest.mark.parametrize("is_last", [False, True], ids=["where the next is begun", "where the block is left"])
async def test_what_a_statement_raises_undoes_its_transaction(session: Session, is_last: bool) -> None:
    async def work() -> None:
        async with session_transaction(session), Behind() as behind:
            await behind.begin(_add(session, 0, 100))
            await behind.begin(_add(session, 50, 100))
            if not is_last:
                await behind.begin(_add(session, 200, 100))

    with pytest.raises(asyncpg.UniqueViolationError):
        await work()
    assert await _names(session) == set()
    await _add(session, 0, 1)


async def test_where_the_block_raises_what_runs_is_ended_and_all_is_undone(session: Session) -> None:
    async def work() -> None:
        async with session_transaction(session), Behind() as behind:
            await behind.begin(_add(session, 0, 100))
            await behind.begin(session.execute(WITHOUT_END))
            raise ValueError("is broken")

    with pytest.raises(ValueError, match="is broken"):
        await work()
    assert await _names(session) == set()
    await _add(session, 0, 1)


@pytest.mark.parametrize("begins_more", [False, True])
async def test_who_is_cancelled_while_waiting_ends_what_runs_and_all_is_undone(
    session: Session, begins_more: bool
) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with session_transaction(session), Behind() as behind:
            await behind.begin(_add(session, 0, 100))
            await behind.begin(session.execute(WITHOUT_END))
            begun.set()
            if begins_more:
                await behind.begin(_add(session, 200, 100))

    working = asyncio.create_task(work())
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await _names(session) == set()
    await _add(session, 0, 1)
