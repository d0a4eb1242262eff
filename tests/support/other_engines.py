"""Settings of a database server, put in another one's place."""

from services.persistence import postgres
from tests.support.databases import Database


async def pretend(database: Database, version: str) -> None:
    """Have the database answer `version()` as another engine does."""
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        await connection.execute(
            f"""
            CREATE SCHEMA pretended;
            CREATE FUNCTION pretended.version() RETURNS text LANGUAGE sql AS $$ SELECT '{version}'::text $$;
            GRANT USAGE ON SCHEMA pretended TO PUBLIC;
            ALTER DATABASE {database.name} SET search_path = pretended, pg_catalog, public"""
        )


async def instead(database: Database, function: str, body: str) -> None:
    """Have a function of the engine do something else in this database."""
    await pretend(database, "PostgreSQL 16.1 on something")
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        await connection.execute(f"CREATE FUNCTION pretended.{function} LANGUAGE sql AS $$ {body} $$")
