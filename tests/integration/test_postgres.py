"""Pools, transactions, migrations and durability against a real PostgreSQL."""

from services import postgres
from tests.databases import Database


async def test_a_fresh_database_is_durable_for_the_running_role(database: Database) -> None:
    async with postgres.connected(database.running_url, application_name="test") as connection:
        await postgres.assert_durable(connection)
