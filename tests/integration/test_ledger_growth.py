"""Entries in partitions: logs from before go on, the next partition is there in time, and nothing can be changed."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from services.ledger import migrations
from services.ledger.sequencing.partitions import make_room
from services.ledger.succession import opening
from services.persistence import database_setup, postgres
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database, running_ledger

SMALL = 8
"""Entries per partition in these tests."""


async def execute(database: Database, *statements: str) -> None:
    """Run statements as the superuser."""
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        for statement in statements:
            await connection.execute(statement)


async def partitions(database: Database) -> dict[str, int]:
    """Return how many entries each partition holds."""
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        names = await connection.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'entry'::regclass ORDER BY 1"
        )
        return {row["name"]: await connection.fetchval(f"SELECT count(*) FROM {row['name']}") for row in names}


@pytest.fixture
async def small(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RunningLedger]:
    """A running ledger whose partitions hold few entries; `fsck` finds no damage when the test is over."""
    async with running_ledger(make_database, tmp_path, Registrar()) as running:
        await running.stop()
        await execute(
            running.database,
            f"CREATE OR REPLACE FUNCTION entries_per_partition() RETURNS bigint LANGUAGE sql IMMUTABLE "
            f"AS 'SELECT {SMALL}::bigint'",
            "ALTER TABLE entry DETACH PARTITION entry_0",
            f"ALTER TABLE entry ATTACH PARTITION entry_0 FOR VALUES FROM (0) TO ({SMALL})",
        )
        await running.start()
        yield running


async def test_a_log_from_before_the_partitions_goes_on(make_database: MakeDatabase, tmp_path: Path) -> None:
    """The log is made with the first migration alone, as an earlier version made it."""
    registrar, database = Registrar(), await new_database(make_database)
    async with aiohttp.ClientSession() as session:
        ledger = RunningLedger(ledger_config(database, tmp_path), database, registrar, session)
        await ledger.init()
        await ledger.start()
        college = await ledger.admit("college")
        await ledger.submit(registrar.issues(college, 300))
        await ledger.published(302)
        await ledger.stop()
        rows = await take_back(database)
        assert len(rows) == 302
        await opening.apply_migrations(ledger.config)
        await ledger.start()
        again = await ledger.submit(registrar.issues(college, 1, "after"))
        assert again[0].appended is not None
        assert again[0].appended.index == 302
        await ledger.published(303)
        await ledger.stop()
        assert (await ledger.fsck()).damages == ()
        assert await partitions(database) == {"entry_0": 303}


async def take_back(database: Database) -> list[asyncpg.Record]:
    """Bring the tables back to the first migration, with the log in them."""
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        rows = await connection.fetch("SELECT * FROM entry ORDER BY leaf_index")
        first = next(each for each in database_setup.read_migrations(migrations.__name__) if each.number == 1)
        ddl = first.sql[first.sql.index("CREATE TABLE entry (") :].partition(";")[0]
        await connection.execute(
            "DROP TABLE uri_prefix, shared_lives, statement, statement_group;"
            "ALTER TABLE issuer DROP COLUMN has_prefixes;"
            "ALTER TABLE credential_state DROP COLUMN shared, ALTER COLUMN state SET NOT NULL;"
            "DROP VIEW event; DROP TABLE entry, frozen, inherited_event, inherited_state CASCADE;"
            "DROP FUNCTION make_room, settle_partition, entries_per_partition;"
            "DROP TRIGGER not_frozen ON head; DROP FUNCTION refuse_growth;"
            f"{ddl};"
            "ALTER TABLE entry OWNER TO credentify_test_owner;"
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();"
            "CREATE VIEW event AS SELECT event_id, leaf_index FROM entry;"
            "ALTER VIEW event OWNER TO credentify_test_owner;"
            "GRANT SELECT, INSERT ON entry TO credentify_test_running;"
            "DELETE FROM migration WHERE number > 1"
        )
        await connection.copy_records_to_table("entry", records=[tuple(row) for row in rows])
        return rows


async def test_the_next_partition_is_there_before_it_is_needed(small: RunningLedger) -> None:
    college = await small.admit("college")
    async with postgres.connected(small.database.running_url, application_name="test") as connection:
        for round_ in range(5):
            await small.submit(small.registrar.issues(college, 3, f"round {round_}"))
            room = await make_room(connection)
            assert room >= SMALL // 2
    await small.published(17)
    assert await partitions(small.database) == {"entry_0": 8, "entry_1": 8, "entry_2": 1}
    again = await small.submit(small.registrar.issues(college, 1, "round 0"))
    assert again[0].status == 409, "the credential is there"


async def test_an_event_is_on_the_log_once_across_partitions(small: RunningLedger) -> None:
    college = await small.admit("college")
    sent = small.registrar.issues(college, 10)
    before = await small.submit(sent[:3])
    async with postgres.connected(small.database.running_url, application_name="test") as connection:
        await make_room(connection)
    await small.submit(sent[3:])
    again = await small.submit(sent)
    assert {line.status for line in again} == {200}
    assert [line.appended for line in again[:3]] == [line.appended for line in before]


async def test_without_room_nothing_is_appended_and_nothing_breaks(small: RunningLedger) -> None:
    college = await small.admit("college")
    refused = await small.submit(small.registrar.issues(college, SMALL))
    assert {line.status for line in refused} == {503}
    async with postgres.connected(small.database.running_url, application_name="test") as connection:
        await connection.execute("SELECT make_room(8)")
    taken = await small.submit(small.registrar.issues(college, SMALL, "again"))
    assert {line.status for line in taken} == {201}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET received_at_ms = 0",
        "DELETE FROM entry_0",
        "TRUNCATE entry_0",
        "UPDATE entry_0 SET received_at_ms = 0",
        "DELETE FROM frozen",
        "TRUNCATE inherited_state",
    ],
)
async def test_not_even_the_owner_changes_an_entry_or_the_end_of_a_log(small: RunningLedger, statement: str) -> None:
    async with postgres.connected(small.database.owner_url, application_name="test") as connection:
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO entry_0 SELECT * FROM entry_0", "SELECT settle_partition('entry_0')", "CREATE TABLE mine (a int)"],
)
async def test_the_running_role_reaches_no_partition_and_makes_nothing_itself(
    small: RunningLedger, statement: str
) -> None:
    async with postgres.connected(small.database.running_url, application_name="test") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_tiles_and_entries_say_how_long_they_may_be_kept_and_errors_are_never_kept(small: RunningLedger) -> None:
    await small.published(1)
    immutable = "public, max-age=604800, immutable"
    for path in ("/tile/0/000.p/1", "/tile/entries/000.p/1", "/v1/entries?from=0&to=1"):
        status, _, headers = await small.get(path)
        assert (status, headers["Cache-Control"]) == (200, immutable), path
    for path in ("/checkpoint", "/v1/log", "/v1/entries?from=0"):
        status, _, headers = await small.get(path)
        assert (status, headers["Cache-Control"]) == (200, "no-store"), path
    wrong = (
        "/tile/0/000",
        "/tile/0/000.p/2",
        "/tile/0/0",
        "/tile/0/x000/000.p/1",
        "/tile/0/000.p/1?x=1",
        "/tile/9/000",
    )
    for path in (*wrong, "/v1/receipts/7", "/nowhere"):
        status, _, headers = await small.get(path)
        assert status in {400, 404}, path
        assert headers.get("Cache-Control", "no-store") == "no-store", path
