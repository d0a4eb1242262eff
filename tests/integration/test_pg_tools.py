"""Copies of databases: all of one arrives or nothing, and whatever ends too early is said, not waited for."""

import asyncio
from pathlib import Path

import pytest

from services.command.pg_tools import ToolProblem, dump, restore
from services.persistence import postgres
from tests.support.databases import Database, MakeDatabase

ROWS = 50_000
WAIT_SECONDS = 120


async def execute(database: Database, *statements: str) -> None:
    async with postgres.connected(database.owner_url, application_name="test") as connection:
        for statement in statements:
            await connection.execute(statement)


async def count(database: Database, table: str) -> int | None:
    async with postgres.connected(database.owner_url, application_name="test") as connection:
        if await connection.fetchval("SELECT to_regclass($1)", table) is None:
            return None
        found: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
        return found


@pytest.fixture
async def copy(make_database: MakeDatabase, tmp_path: Path) -> Path:
    """A copy of a database with two tables, each larger than any pipe."""
    database, file = await make_database(), tmp_path / "copy"
    for table in ("first", "second"):
        text = f"INSERT INTO {table} SELECT n, repeat('text ', 20) || n FROM generate_series(1, {ROWS}) AS n"
        await execute(database, f"CREATE TABLE {table} (n int PRIMARY KEY, words text)", text)
    await dump(database.owner_url, file)
    return file


async def test_all_of_a_copy_arrives(make_database: MakeDatabase, copy: Path) -> None:
    database = await make_database()
    await restore(database.owner_url, copy)
    assert [await count(database, table) for table in ("first", "second")] == [ROWS, ROWS]


async def test_half_a_copy_is_none(make_database: MakeDatabase, copy: Path) -> None:
    data = await asyncio.to_thread(copy.read_bytes)
    for share in (0.5, 0.8, 0.99):
        await asyncio.to_thread(copy.write_bytes, data[: int(len(data) * share)])
        database = await make_database()
        with pytest.raises(ToolProblem):
            await asyncio.wait_for(restore(database.owner_url, copy), WAIT_SECONDS)
        assert [await count(database, table) for table in ("first", "second")] == [None, None]


async def test_a_database_that_is_in_the_way_ends_it_and_keeps_what_it_has(
    make_database: MakeDatabase, copy: Path
) -> None:
    database = await make_database()
    await execute(database, "CREATE TABLE first (n int)", "INSERT INTO first VALUES (1)")
    with pytest.raises(ToolProblem, match=r'psql ended with .*relation "first" already exists'):
        await asyncio.wait_for(restore(database.owner_url, copy), WAIT_SECONDS)
    assert [await count(database, table) for table in ("first", "second")] == [1, None]
