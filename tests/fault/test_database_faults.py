"""The database and the way to it fail in every manner under load: nothing is lost, doubled or made up."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import aiohttp
import pytest
from msgspec.structs import replace

from services.clients.log_client import LogUnreachableProblem
from services.persistence import postgres
from tests.fault.checker import Told
from tests.fault.crew import Crew
from tests.fault.processes import LedgerProcess, replicas
from tests.fault.proxy import Trap, Where
from tests.fault.servers import OwnServer, own_server, small_disk
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database, until

GOES_ON_SECONDS = 120.0
MEGABYTE = 1_000_000
WORDS = ("BEGIN", "FOR UPDATE", "FROM credential_state", "INSERT INTO entry", "UPDATE head", 'COPY "credential_state"')
POINTS: tuple[tuple[str, Where], ...] = tuple(
    (words, where) for words in WORDS for where in ("before", "half", "after")
)
CUT_COMMITS: dict[Where, Told] = {"before": "appended", "after": "known"}
COMMITS: tuple[tuple[str, Where], ...] = (("COMMIT", "before"), ("COMMIT", "half"), ("COMMIT", "after"))


class Stand:
    """One ledger process with its clients."""

    def __init__(self, database: Database, crew: Crew, process: LedgerProcess) -> None:
        self.database = database
        self.crew = crew
        self.process = process


@contextlib.asynccontextmanager
async def stand(
    database: Database, folder: Path, session: aiohttp.ClientSession, **settings: object
) -> AsyncIterator[Stand]:
    """A ledger process; when all is done, the log is whole and what its clients were told."""
    registrar = Registrar()
    config = ledger_config(database, folder)
    ledger = RunningLedger(config, database, registrar, session)
    await ledger.init()
    async with replicas(config, folder, session, count=1, settings=settings) as (process,):
        college = registrar.party("college")
        await process.client.submit_one(registrar.seal(registrar.admission(college)))
        crew = Crew(registrar, college)
        try:
            yield Stand(database, crew, process)
        except BaseException:
            print(*process.failures(), sep="\n")  # noqa: T201 - pytest shows it where the test fails
            raise
    report = await ledger.fsck()
    assert report.is_clean, report.damages
    assert await crew.faults(database.owner_url, before=2) == []


async def test_a_connection_cut_at_any_statement_breaks_nothing(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession, torture: bool
) -> None:
    """Cut before, in the middle of and after each: failed and not persisted, and failed but persisted."""
    points = [*POINTS, *COMMITS] if torture else POINTS[1::4]
    async with stand(await new_database(make_database), folder, session) as made:
        async with made.crew.loading(*((made.process.client, name) for name in ("one", "two", "three"))):
            for words, where in points:
                sprung = asyncio.Event()
                made.process.proxy.set_trap(cut(words, where, sprung.set))
                async with asyncio.timeout(GOES_ON_SECONDS):
                    await sprung.wait()
                await made.crew.until_new("one", seconds=GOES_ON_SECONDS)
        for where, told in CUT_COMMITS.items():
            await is_told_after_a_cut_commit(made, where, told)
        commit_count = sum(words == "COMMIT" for words, _ in points) + len(CUT_COMMITS)
        assert made.process.statuses == [70] * commit_count, "only an unknown outcome ends the process"


def cut(words: str, where: Where, sprung: Callable[[], None]) -> Trap:
    """Return a trap for a statement; for COMMIT, for that of a transaction that appended."""
    since = "INSERT INTO entry" if words == "COMMIT" else ""
    return Trap(words=words, where=where, sprung=sprung, is_cut=True, since_begin=since)


async def is_told_after_a_cut_commit(made: Stand, where: Where, told: Told) -> None:
    """Sent again, the events are new where COMMIT never came, and known where it did."""
    envelopes = made.crew.envelopes()
    made.process.proxy.set_trap(cut("COMMIT", where, lambda: None))
    assert not any(await made.crew.attempt(made.process.client, "one", envelopes))
    await made.crew.send(made.process.client, "one", envelopes)
    assert {attempt.told for attempt in made.crew.attempts[-len(envelopes) :]} == {told}


@pytest.mark.parametrize(
    "is_deferred",
    [
        pytest.param(False, id="in a statement"),
        pytest.param(True, id="in COMMIT", marks=pytest.mark.torture),
    ],
)
async def test_a_statement_that_takes_too_long_appends_nothing(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession, is_deferred: bool
) -> None:
    database = await new_database(make_database)
    timing = "DEFERRABLE INITIALLY DEFERRED" if is_deferred else ""
    slow = f"""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON entry {timing} FOR EACH ROW EXECUTE FUNCTION slow()"""
    async with stand(database, folder, session, database_timeout_ms=600) as made:
        envelopes = made.crew.envelopes()
        async with postgres.connected(database.admin_url, application_name="test") as connection:
            await connection.execute(slow)
            assert not any(await made.crew.attempt(made.process.client, "one", envelopes))
            await connection.execute("DROP TRIGGER slow ON entry")
        await made.crew.send(made.process.client, "one", envelopes)
        told = {attempt.told for attempt in made.crew.attempts}
        assert told == ({"unknown", "nothing", "appended"} if is_deferred else {"nothing", "appended"}) or (
            is_deferred and told == {"unknown", "appended"}
        )
        assert made.process.statuses == ([70] if is_deferred else [])


async def test_a_wait_for_the_head_is_not_taken_for_a_wrong_clock(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession
) -> None:
    """The database's clock is read after the wait, though the statement began before it."""
    database, registrar = await new_database(make_database), Registrar()
    config = replace(ledger_config(database, folder), clock_difference_ms_max=200)
    ledger = RunningLedger(config, database, registrar, session)
    await ledger.init()
    await ledger.start()
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        async with connection.transaction():
            await connection.execute("SELECT FROM head FOR UPDATE")
            sending = asyncio.create_task(ledger.admit("college"))
            await connection.execute("SELECT pg_sleep(0.6)")
        await sending
    await ledger.stop()
    assert (await ledger.fsck()).is_clean


@pytest.fixture
async def own(folder: Path) -> AsyncIterator[OwnServer]:
    """A server of the test's own."""
    async with own_server(folder) as made:
        yield made


async def test_a_server_that_is_killed_under_load_loses_nothing(
    own: OwnServer, folder: Path, session: aiohttp.ClientSession, seed: int, torture: bool
) -> None:
    rng = Random(seed)
    async with stand(own.database, folder, session) as made:
        async with made.crew.loading(*((made.process.client, name) for name in ("one", "two", "three"))):
            for _ in range(10 if torture else 1):
                await made.crew.until_new("one", seconds=GOES_ON_SECONDS, more=2)
                await asyncio.sleep(rng.uniform(0, 0.05))  # at no moment in particular
                await own.kill()
            await made.crew.until_new("one", seconds=GOES_ON_SECONDS)
        assert set(made.process.statuses) <= {1, 70}, "1: it was started while the database was still away"


@pytest.mark.torture
async def test_a_commit_that_no_standby_confirmed_in_time_is_not_acknowledged(
    own: OwnServer, folder: Path, session: aiohttp.ClientSession
) -> None:
    """The cancelled wait commits locally with a warning, which a failover may lose: the outcome is unknown."""
    async with stand(own.database, folder, session, database_timeout_ms=600) as made:
        await own.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        envelopes = made.crew.envelopes()
        assert not any(await made.crew.attempt(made.process.client, "one", envelopes))
        assert {attempt.told for attempt in made.crew.attempts} == {"unknown"}
        await own.execute("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
        await made.crew.send(made.process.client, "one", envelopes)
        assert {attempt.told for attempt in made.crew.attempts[-len(envelopes) :]} == {"known"}
        assert set(made.process.statuses) == {70}


def fill(folder: Path, *, leave_bytes: int) -> Path:
    """Write a file so large that only so much stays free; return it. Who else writes there may take the last of it."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while (free := shutil.disk_usage(folder).free) > leave_bytes:
            file.write(b"\0" * min(free - leave_bytes, MEGABYTE))
    return filler


@pytest.mark.torture
async def test_a_full_disk_loses_nothing_and_is_gone_on_from(folder: Path, session: aiohttp.ClientSession) -> None:
    """Without a floor: statements fail, or the server ends and cannot come up until there is room again."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            disk = await stack.enter_async_context(small_disk(folder / "disk", megabytes=180))
        except PermissionError as error:
            pytest.skip(f"no small disk can be mounted here: {error}")
        own = await stack.enter_async_context(own_server(disk))
        made = await stack.enter_async_context(stand(own.database, folder, session))
        async with made.crew.loading(*((made.process.client, name) for name in ("one", "two"))):
            await made.crew.until_new("one", seconds=GOES_ON_SECONDS)
            filler = await asyncio.to_thread(fill, disk, leave_bytes=0)
            await until(lambda: refused(made), "the disk is full")
            await asyncio.to_thread(filler.unlink)
            if not own.server.is_running:
                await own.restart()
            await made.crew.until_new("one", seconds=GOES_ON_SECONDS)


async def refused(made: Stand) -> bool | None:
    """Say whether the ledger refused what could not be stored, or ended."""
    return bool(made.crew.refusals.get("not-appended")) or bool(made.process.statuses) or None


async def test_nothing_new_is_taken_while_the_disk_is_nearly_full(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession
) -> None:
    database = await new_database(make_database)
    registrar = Registrar()
    config = replace(ledger_config(database, folder), free_space_folder=folder, free_space_bytes_min=0)
    ledger = RunningLedger(config, database, registrar, session)
    await ledger.init()
    await ledger.start()
    known, new = (registrar.seal(registrar.admission(registrar.party(name))) for name in ("college", "academy"))
    place = await ledger.client.submit_one(known)
    await ledger.stop()
    ledger.config = replace(ledger.config, free_space_bytes_min=2**62)
    await ledger.start()
    assert await ledger.client.submit_one(known) == place
    (line,) = await ledger.submit([new])
    assert (line.status, line.problem and line.problem["type"]) == (503, "urn:credentify:problem:no-space")
    assert line.problem is not None
    assert "MB are free" in line.problem["detail"]
    with pytest.raises(LogUnreachableProblem) as refusal:
        await ledger.client.submit_one(new)
    assert refusal.value.retry_after_seconds == 30
    await ledger.stop()
    report = await ledger.fsck()
    assert (report.is_clean, report.tree_size) == (True, 2)
