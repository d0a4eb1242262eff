"""Several ledgers on one database: whatever happens to one of them, there is one log, and the others go on."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.databases import Database, MakeDatabase
from tests.fault.crew import Crew
from tests.fault.processes import LedgerProcess, replicas
from tests.fault.proxy import Trap, Where
from tests.ledgers import Registrar, RunningLedger, ledger_config, new_database

GOES_ON_SECONDS = 5.0
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
    ("pg_advisory_unlock_all", "before"),
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
        assert report.tree_size > 2
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

    process.proxy.set_trap(Trap(words=words, where=where, sprung=freeze))
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
                await made.crew.until_new("first" if process is made.first else "second", seconds=30)
                await frozen_at(process, words, where)
                waited[f"{process.name} {where} {words}"] = await made.crew.until_new(other, seconds=GOES_ON_SECONDS)
                await made.crew.until_new(other, seconds=GOES_ON_SECONDS, more=2)
                process.send(signal.SIGCONT)
                process.proxy.release()
                await process.ready()
    print(*(f"{seconds:5.2f} s until the other went on, frozen {at}" for at, seconds in waited.items()), sep="\n")  # noqa: T201 - the figures of `make torture`
    assert max(waited.values()) > 0.3, "nothing was ever held"
    assert set(made.first.statuses + made.second.statuses) <= {70}
