"""A leader that is stopped, replaced, and wakes up: nothing of it is handed out, acknowledged or signed.

Two real servers; the services are given both in one URL. No Patroni: nobody demotes the one that wakes up.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from proto.envelope import Envelope
from services.clients.log_client import LogUnreachableProblem
from services.ledger.publishing.database_identity import OlderTimelineProblem
from services.persistence import postgres
from services.persistence.leader_watch import LeaderWatch
from services.persistence.postgres_session import PoolLimits
from tests.fault.standby_pair import ENTRIES, IMPATIENT, ledger_on_pair, move, said, signed_by
from tests.support.database_copies import ended
from tests.support.databases import Database
from tests.support.ledgers import RunningLedger, opened, until
from tests.support.standbys import Pair, pair, value
from tests.support.statements import Party

SESSIONS = 4
SERVES = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"
FULL = PoolLimits(connections_min=SESSIONS, connections_max=SESSIONS)


async def _all_sessions(pool: postgres.Pool) -> set[object]:
    """Return on which timelines the sessions of a pool are, each asked at the same time."""

    async def ask(together: asyncio.Barrier) -> object:
        async with pool.acquire() as connection:
            await together.wait()
            return await connection.fetchval(SERVES)

    together = asyncio.Barrier(SESSIONS)
    return set(await asyncio.gather(*(ask(together) for _ in range(SESSIONS))))


async def test_a_pool_full_of_sessions_with_a_leader_that_was_replaced_is_emptied(folder: Path) -> None:
    told: list[int] = []
    async with pair(folder, is_synchronous=False) as made:
        url = made.on_leader(await made.make_database()).running_url
        watch = LeaderWatch(url, application_name="test-watch", tell=told.append)
        assert watch.is_needed
        async with (
            await postgres.create_pool(url, application_name="test", limits=FULL, watch=watch) as pool,
            pool.acquire() as busy,
        ):
            await watch.look()
            waiting = asyncio.create_task(busy.execute("SELECT pg_sleep(1000)"))
            made.send(made.primary, signal.SIGSTOP)
            await made.promote()
            await until(_seen(watch, told), "the watch finds the new leader")
            with pytest.raises(asyncpg.PostgresConnectionError):
                await waiting
            made.send(made.primary, signal.SIGCONT)
            await until(_is_awake(made), "the former leader is awake, and takes writes as well")
        async with await postgres.create_pool(url, application_name="test", limits=FULL, watch=watch) as pool:
            assert await _all_sessions(pool) == {"00000002"}
            await watch.look()
            assert await _all_sessions(pool) == {"00000002"}
    assert told == [SESSIONS]


async def test_a_leader_whose_standby_has_left_it_is_looked_at_once_for_another(folder: Path) -> None:
    told: list[int] = []
    async with pair(folder, is_synchronous=False) as made:
        url = made.on_leader(await made.make_database()).running_url
        watch = LeaderWatch(url, application_name="test-watch", tell=told.append)
        async with await postgres.create_pool(url, application_name="test", limits=FULL, watch=watch):
            await watch.look()
            await until(_has_a_standby(made, 1), "the standby streams")
            await watch.look()
            await made.promote()  # and nobody tells the one that led: it answers, and takes writes
            await until(_has_a_standby(made, 0), "the standby has left")
            await watch.look()
    assert told == [SESSIONS], "at the first look, and not after ten"


def _has_a_standby(made: Pair, count: int) -> Callable[[], Awaitable[bool | None]]:
    async def asked() -> bool | None:
        return await value(made.primary, "SELECT count(*) FROM pg_stat_replication") == count or None

    return asked


def _seen(watch: LeaderWatch, told: list[int]) -> Callable[[], Awaitable[bool | None]]:
    async def look() -> bool | None:
        await watch.look()
        return bool(told) or None

    return look


def _is_awake(made: Pair) -> Callable[[], Awaitable[bool | None]]:
    async def asked() -> bool | None:
        return await value(made.primary, SERVES) == "00000001" or None

    return asked


async def _take_alone(made: Pair, ledger: RunningLedger, events: Sequence[Envelope]) -> None:
    """Have the leader commit what its standby has not, and stop it; the standby then leads."""
    await made.standby.stop()
    with pytest.raises(LogUnreachableProblem):
        await ledger.submit(events)
    await ended(ledger)
    await ledger.stop()
    ledger.ended_with.clear()
    assert await value_in(ledger.database, "SELECT size FROM head") == 2 + ENTRIES, "committed there, and visible"
    made.send(made.primary, signal.SIGSTOP)
    await made.standby.start()
    await made.promote()


async def value_in(database: Database, query: str) -> object:
    """Return the one value that a query gives in a database."""
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        return await connection.fetchval(query)


async def _acknowledges_nothing(ledger: RunningLedger, taken: Envelope, fresh: Sequence[Envelope]) -> None:
    """Ask a ledger without a key, on the leader that was replaced, for what only that one holds, and to append."""
    with_key, ledger.config = ledger.config, replace(ledger.config, log_key_file=None, state_folder=None)
    await ledger.start()
    with pytest.raises(LogUnreachableProblem):
        await ledger.client.event(opened(taken).event_id)
    assert {line.problem and line.problem["type"] for line in await ledger.submit([taken])} == {
        "urn:credentify:problem:outcome-unknown"
    }
    with pytest.raises(LogUnreachableProblem):
        await ledger.submit(fresh)
    await ended(ledger)
    await ledger.stop()
    ledger.ended_with.clear()
    ledger.config = with_key


@pytest.mark.torture
async def test_a_leader_that_wakes_up_as_a_second_one_acknowledges_nothing_and_signs_nothing(folder: Path) -> None:
    async with ledger_on_pair(folder, is_synchronous=True, **IMPATIENT) as (made, ledger):
        college, former = await ledger.admit("college"), ledger.database
        await ledger.published(2)
        events = ledger.registrar.issues(college, ENTRIES)
        await _take_alone(made, ledger, events)

        move(ledger, made.on_leader(former))  # whose first node takes connections, and hangs
        await ledger.start()
        assert {line.status for line in await ledger.submit(events)} == {201}, "nobody was told of them before"
        await ledger.published(2 + ENTRIES)
        await ledger.stop()
        signed = signed_by(ledger)

        made.send(made.primary, signal.SIGCONT)
        await until(_is_awake(made), "the former leader is awake, and takes writes as well")
        move(ledger, former)
        with pytest.raises(OlderTimelineProblem, match=r"leader that was replaced.*name the leader of now"):
            await ledger.start()
        await _acknowledges_nothing(ledger, events[0], ledger.registrar.issues(college, 1, "fresh"))
        assert signed_by(ledger) == signed

        move(ledger, made.on_leader(former))
        await ledger.start()
        await ledger.submit(ledger.registrar.issues(college, 1, "after"))
        await ledger.published(3 + ENTRIES)
        signed = signed_by(ledger)
        made.send(made.standby, signal.SIGSTOP)
        await until(lambda: said(ledger, b"is on timeline 1"), "reconnected to the older leader, it says so")
        assert signed_by(ledger) == signed
        made.send(made.standby, signal.SIGCONT)
        await until(lambda: _appends(ledger, college), "it goes on with the leader of now")
        await ledger.published(4 + ENTRIES)


async def _appends(ledger: RunningLedger, college: Party) -> bool | None:
    with contextlib.suppress(LogUnreachableProblem):
        return (await ledger.submit([ledger.registrar.seal(ledger.registrar.issue(college, "last"))]))[
            0
        ].status < 300 or None
    return None
