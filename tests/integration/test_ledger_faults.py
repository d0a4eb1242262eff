"""The database fails under a batch: nothing is answered that is not committed; what was committed is found again."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from services.clients.log_client import LogUnreachableProblem
from tests.support.database_backends import WAITS_FOR_HEAD, as_admin, pid_of
from tests.support.databases import MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database, until

SLOW_COMMIT = """
    CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slow_commit()"""
IN_COMMIT = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'PgSleep' AND query ILIKE 'COMMIT%'"""


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


async def test_a_batch_whose_session_dies_before_commit_is_not_appended(
    ledger: RunningLedger, registrar: Registrar
) -> None:
    college = await ledger.admit("college")
    envelopes = registrar.issues(college, 10)
    async with as_admin(ledger) as connection:
        lock = connection.transaction()
        await lock.start()
        await connection.execute("SELECT * FROM head FOR UPDATE")
        waiting = asyncio.create_task(ledger.submit(envelopes))
        pid = await pid_of(connection, WAITS_FOR_HEAD)
        await connection.execute("SELECT pg_terminate_backend($1)", pid)
        lines = await waiting
        await lock.rollback()
    assert {line.status for line in lines} == {503}
    assert all(line.problem and line.problem["type"].endswith(":not-appended") for line in lines)
    again = await ledger.submit(envelopes)
    assert [line.appended.index for line in again if line.appended] == list(range(2, 12))


async def test_a_head_that_stays_locked_is_answered_and_not_waited_for(
    make_database: MakeDatabase, tmp_path: Path, registrar: Registrar
) -> None:
    database = await new_database(make_database)
    async with aiohttp.ClientSession() as session:
        config = replace(ledger_config(database, tmp_path), database_timeout_ms=2_000)
        ledger = RunningLedger(config, database, registrar, session)
        await ledger.init()
        await ledger.start()
        admission = registrar.seal(registrar.admission(registrar.party("college")))
        async with as_admin(ledger) as connection, connection.transaction():
            await connection.execute("SELECT * FROM head FOR UPDATE")
            with pytest.raises(LogUnreachableProblem, match="503"):
                await ledger.client.submit_one(admission)
        assert (await ledger.client.submit_one(admission)).index == 1
        await ledger.stop()
        assert (await ledger.fsck()).is_clean


@pytest.mark.parametrize("is_committed", [False, True], ids=["failed-and-not-persisted", "failed-but-persisted"])
async def test_a_commit_of_unknown_outcome_ends_the_process_and_is_read_back(
    make_database: MakeDatabase, tmp_path: Path, registrar: Registrar, is_committed: bool
) -> None:
    """The session is lost while COMMIT runs; what is true is what the database says at the next start."""
    database = await new_database(make_database)
    async with aiohttp.ClientSession() as session:
        ledger = RunningLedger(ledger_config(database, tmp_path), database, registrar, session)
        await ledger.init()
        await ledger.start()
        college = await ledger.admit("college")
        envelopes = registrar.issues(college, 5)
        async with as_admin(ledger) as connection:
            sleep = "0.5" if is_committed else "60"
            await connection.execute(SLOW_COMMIT.replace("60", sleep))
            sending = asyncio.create_task(ledger.submit(envelopes))
            pid = await pid_of(connection, IN_COMMIT)
            if is_committed:
                ledger.cut_connection(pid)
            else:
                await connection.execute("SELECT pg_terminate_backend($1)", pid)

            async def ended() -> bool | None:
                return True if ledger.ended_with else None

            await until(ended, "the process ends")
            assert ledger.ended_with[0] == 70
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await ledger.stop()
            await connection.execute("DROP TRIGGER slow_commit ON entry")
        ledger.ended_with.clear()
        await ledger.start()
        lines = await ledger.submit(envelopes)
        assert {line.status for line in lines} == ({200} if is_committed else {201})
        assert [line.appended.index for line in lines if line.appended] == list(range(2, 7))
        await ledger.stop()
        assert (await ledger.fsck()).is_clean


async def test_more_than_there_is_room_for_is_refused_with_a_time_to_come_back(
    make_database: MakeDatabase, tmp_path: Path, registrar: Registrar
) -> None:
    database = await new_database(make_database)
    async with aiohttp.ClientSession() as session:
        patient = {"database_timeout_ms": 60_000, "append_timeout_ms": 120_000}  # its head is locked as long as we like
        config = replace(ledger_config(database, tmp_path), queue_events_max=1_000, **patient)
        ledger = RunningLedger(config, database, registrar, session)
        await ledger.init()
        await ledger.start()
        envelopes = registrar.issues(await ledger.admit("college"), 900)
        async with as_admin(ledger) as connection, connection.transaction():
            await connection.execute("SELECT * FROM head FOR UPDATE")
            first = asyncio.create_task(ledger.submit(envelopes))
            await pid_of(connection, WAITS_FOR_HEAD)
            with pytest.raises(LogUnreachableProblem, match="503") as busy:
                await ledger.submit(envelopes[:200])
            assert busy.value.retry_after_seconds == 1
        await asyncio.gather(first, return_exceptions=True)
        assert {line.status for line in await ledger.append(envelopes)} <= {200, 201}
        await ledger.stop()
        assert (await ledger.fsck()).is_clean
