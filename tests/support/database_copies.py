"""A stopped ledger's database copied aside, as a backup would bring it back, and damage done to it."""

import contextlib
from collections.abc import AsyncIterator

from msgspec.structs import replace

from services.persistence import postgres
from tests.support.databases import Database
from tests.support.ledgers import RunningLedger, until


async def execute(database: Database, *statements: str) -> None:
    """Run statements as the superuser in that database."""
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        for statement in statements:
            await connection.execute(statement)


def renamed(database: Database, name: str) -> Database:
    """Return the same server's database of another name."""
    urls = (database.owner_url, database.running_url, database.admin_url)
    owner, running, admin = (url.replace(f"/{database.name}", f"/{name}") for url in urls)
    return replace(database, name=name, owner_url=owner, running_url=running, admin_url=admin)


@contextlib.asynccontextmanager
async def copied(ledger: RunningLedger) -> AsyncIterator[Database]:
    """Hold a copy of the stopped ledger's database as it is now: what a backup would restore."""
    copy, server = renamed(ledger.database, f"{ledger.database.name}_copy"), renamed(ledger.database, "postgres")
    await execute(server, f"CREATE DATABASE {copy.name} OWNER {copy.owner_role} TEMPLATE {ledger.database.name}")
    try:
        yield copy
    finally:
        await execute(server, f"DROP DATABASE IF EXISTS {copy.name} WITH (FORCE)")


def on(ledger: RunningLedger, database: Database) -> None:
    """Point the stopped ledger at another database."""
    ledger.database = database
    ledger.config = replace(ledger.config, database_url=database.running_url, migration_database_url=database.owner_url)


async def ended(ledger: RunningLedger) -> None:
    """Wait until the process would have ended, and take note of it."""

    async def has_ended() -> bool | None:
        return True if ledger.ended_with else None

    await until(has_ended, "the process ends")
    assert ledger.ended_with == [70]
    ledger.ended_with.clear()
