"""What the server of a ledger's database is doing, and a role that may end it."""

import contextlib
from collections.abc import AsyncIterator

from services.persistence import postgres
from services.persistence.postgres import Connection
from tests.support.ledgers import RunningLedger, until

WAITS_FOR_HEAD = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE '%FOR UPDATE%'"""


@contextlib.asynccontextmanager
async def as_admin(ledger: RunningLedger) -> AsyncIterator[Connection]:
    async with postgres.connected(ledger.database.admin_url, application_name="test") as connection:
        yield connection


async def pid_of(connection: Connection, query: str) -> int:
    async def found() -> int | None:
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        pid: int | None = await connection.fetchval(query)
        return pid

    return await until(found, query)
