"""Several ledgers on one database: whatever happens to one of them, there is one log, and the others go on."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import aiohttp
import pytest

from proto.envelope import Envelope
from proto.ids import CredentialId
from services.persistence import postgres
from tests.fault.crew import Crew
from tests.fault.processes import LedgerProcess, replicas
from tests.fault.proxy import Trap, Where
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database, until

GOES_ON_SECONDS = 120.0
FAST_FROZEN_MS = 500
PHASES: tuple[tuple[str, Where], ...] = (
    ("BEGIN", "before"),
    ("BEGIN", "after"),
    ("FOR UPDATE", "before"),
    ("FOR UPDATE", "half"),
    ("FOR UPDATE", "after"),
    ("FROM edge", "after"),
    ("FROM credential_state", "before"),
    ("FROM credential_state", "after"),
    ("INSERT INTO entry", "before"),
    ("INSERT INTO entry", "half"),
    ("INSERT INTO entry", "after"),
    ("UPDATE head", "half"),
    ("UPDATE head", "after"),
    ("INSERT INTO credential_state", "half"),
    ("INSERT INTO credential_state", "after"),
    ("COMMIT", "before"),
    ("COMMIT", "half"),
    ("COMMIT", "after"),
)
FAST_PHASES: tuple[tuple[str, Where], ...] = (
    ("FOR UPDATE", "after"),
    ("INSERT INTO entry", "half"),
    ("COMMIT", "after"),
)


class Stand:
    """Two replicas with their database and their clients."""

    def __init__(self, database: Database, crew: Crew, first: LedgerProcess, second: LedgerProcess) -> None:
        self.database = database
        self.crew = crew
        self.first = first
        self.second = second

    async def judge(self, ledger: RunningLedger) -> None:
        """Nothing is damaged, and the log is what the clients were told."""
        report = await ledger.fsck()
        assert report.is_clean, report.damages
        assert await self.crew.faults(self.database.owner_url, before=2) == []


@contextlib.asynccontextmanager
async def stand(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession, **settings: object
) -> AsyncIterator[Stand]:
    """Two replicas; when all is done there is one whole log."""
    database, registrar = await new_database(make_database), Registrar()
    config = ledger_config(database, folder)
    ledger = RunningLedger(config, database, registrar, session)
    await ledger.init()
    async with replicas(config, folder, session, settings=settings) as (first, second):
        college = registrar.party("college")
        await first.client.submit_one(registrar.seal(registrar.admission(college)))
        made = Stand(database, Crew(registrar, college), first, second)
        try:
            yield made
        except BaseException:
            print(*first.failures(), *second.failures(), sep="\n")  # noqa: T201 - pytest shows it where the test fails
            raise
    await made.judge(ledger)


async def frozen_at(process: LedgerProcess, words: str, where: Where) -> None:
    """Freeze the process at that point of its next transaction, and return when it stands still."""
    still = asyncio.Event()

    def freeze() -> None:
        process.send(signal.SIGSTOP)
        still.set()

    since = "INSERT INTO entry" if words == "COMMIT" else ""
    process.proxy.set_trap(Trap(words=words, where=where, sprung=freeze, since_begin=since))
    async with asyncio.timeout(GOES_ON_SECONDS * 2):
        await still.wait()


async def test_a_replica_frozen_in_any_phase_holds_nobody_up_and_breaks_nothing(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession, torture: bool
) -> None:
    """In the whole list: every phase, the default time-outs, and each replica in turn, also the one that signs."""
    settings = {} if torture else {"frozen_after_ms": FAST_FROZEN_MS}
    waited: dict[str, float] = {}
    async with (
        stand(make_database, folder, session, **settings) as made,
        made.crew.loading((made.first.client, "first"), (made.second.client, "second"), (made.second.client, "second")),
    ):
        for number, (words, where) in enumerate(PHASES if torture else FAST_PHASES):
            pairs = [("first", made.second), ("second", made.first)] if torture else [("first", made.second)]
            for other, process in pairs if number % 3 == 0 else pairs[:1]:
                await made.crew.until_new("first" if process is made.first else "second", seconds=GOES_ON_SECONDS)
                await frozen_at(process, words, where)
                waited[f"{process.name} {where} {words}"] = await made.crew.until_new(other, seconds=GOES_ON_SECONDS)
                await made.crew.until_new(other, seconds=GOES_ON_SECONDS, more=2)
                process.send(signal.SIGCONT)
                process.proxy.release()
                await process.ready()
    print(*(f"{seconds:5.2f} s until the other went on, frozen {at}" for at, seconds in waited.items()), sep="\n")  # noqa: T201 - the figures of `make torture`
    assert max(waited.values()) > 0.3, "nothing was ever held"
    assert set(made.first.statuses + made.second.statuses) <= {70}


async def test_replicas_that_are_killed_under_load_make_one_log(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession, seed: int, torture: bool
) -> None:
    rng = Random(seed)
    async with stand(make_database, folder, session) as made:
        clients = [(each.client, each.name) for each in (made.first, made.second, made.first, made.second)]
        async with made.crew.loading(*clients):
            for number in range(12 if torture else 1):
                process, other = rng.sample((made.first, made.second), 2) if number else (made.second, made.first)
                await made.crew.until_new(process.name, seconds=GOES_ON_SECONDS, more=2)
                process.send(signal.SIGKILL)
                await made.crew.until_new(other.name, seconds=GOES_ON_SECONDS, more=2)
        assert len(made.first.statuses + made.second.statuses) >= (12 if torture else 1)
        assert set(made.first.statuses + made.second.statuses) == {-signal.SIGKILL}


@pytest.mark.torture
async def test_a_second_signer_is_refused_and_says_why(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession
) -> None:
    async with stand(make_database, folder, session, signer_lock_wait_ms=0) as made:
        signing = LedgerProcess(
            "second signer", made.first.config, made.first.proxy, session, log_file=folder / "second.log"
        )
        ended = await signing.ends_by_itself()
        assert ended not in {0, 70}
        assert "Another process" in signing.log_file.read_text()


LARGE = 500
PARTS = 50


@pytest.mark.torture
async def test_a_replica_frozen_while_a_large_answer_is_sent_to_it_loses_the_head(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession
) -> None:
    """The server is stuck in sending, where none of its time-outs reaches it: the other replica ends that session."""
    async with stand(make_database, folder, session) as made:
        registrar, college = made.crew.registrar, made.crew.college
        parts = registrar.issues(college, PARTS, "part")
        stacks = await large_states(made, parts)
        revocations = [registrar.seal(registrar.revocation(college, each)) for each in stacks]
        await frozen_while_loading(made, revocations)


async def large_states(made: Stand, parts: list[Envelope]) -> list[CredentialId]:
    """Put stacks of many parts on the log; return their ids."""
    registrar, college = made.crew.registrar, made.crew.college
    assert all(await made.crew.attempt(made.first.client, "setup", parts))
    ids = [registrar.credential_id(college, f"part {number}") for number in range(PARTS)]
    events = [registrar.stack(college, ids, f"stack {number}") for number in range(LARGE)]
    for at in range(0, LARGE, 100):
        await made.crew.send(made.first.client, "setup", [registrar.seal(event) for event in events[at : at + 100]])
    return [event.credential_id for event in events]


async def frozen_while_loading(made: Stand, revocations: list[Envelope]) -> None:
    """Freeze the second replica while the states of these events are sent to it; the first goes on."""
    frozen = asyncio.create_task(frozen_at(made.second, "FROM credential_state", "after"))
    sending = asyncio.create_task(made.crew.attempt(made.second.client, "second", revocations))
    await frozen
    async with postgres.connected(made.database.admin_url, application_name="test") as connection:
        await until(lambda: stuck_session(connection), "the server is stuck in sending")
        async with made.crew.loading((made.first.client, "first")):
            await made.crew.until_new("first", seconds=GOES_ON_SECONDS)
    made.second.send(signal.SIGCONT)
    made.second.proxy.release()
    await sending
    await made.crew.send(made.second.client, "second", revocations)


async def stuck_session(connection: postgres.Connection) -> int | None:
    """Return the server process that cannot get rid of its answer."""
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    pid: int | None = await connection.fetchval("SELECT pid FROM pg_stat_activity WHERE wait_event = 'ClientWrite'")
    return pid
