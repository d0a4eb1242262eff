"""One run of faults: dealt out under load, one after the other, judged at the end, and added to the runs before it."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from random import Random

import aiohttp
import msgspec

from services.clients.log_client import LogClient
from tests.bench.stand import open_stand
from tests.fault.crew import Crew
from tests.ha.clients import Clients, admit, make_clients, new_crew
from tests.ha.faults import FAULTS, dealt
from tests.ha.judge import Judgement, judge
from tests.ha.stand import HALVES, HaStand

BASELINE_PROBES = 5
RECOVERED_SECONDS_MAX, WHOLE_SECONDS_MAX = 180.0, 240.0
FULL_SPEED_SECONDS, FULL_SPEED_CLIENTS = 6.0, 4
Tell = Callable[[str], None]


class Failover(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: what it was, and the seconds until a credential issued after it was published and verified."""

    kind: str
    recovered_seconds: float
    whole_seconds: float
    """Until every node and service was as before, the fault itself included."""
    is_other_leader: bool


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run, as it is added to the file."""

    at: str
    seed: int
    proxy: str
    failovers: list[Failover]
    baseline_seconds: list[float]
    requests: int
    acknowledged: int
    entries: int
    refused: dict[str, int]
    verdicts: dict[str, int]
    events_per_second: float | None
    events_per_second_of_one: float | None
    judgement: Judgement


async def probe(clients: Clients) -> float:
    """Return the seconds until a credential issued from now on is published, and called valid by a verifier."""
    began = time.monotonic()
    async with asyncio.timeout(RECOVERED_SECONDS_MAX):
        await clients.published(await clients.issue())
    return time.monotonic() - began


async def whole(stand: HaStand) -> str:
    """Return the leader's name once every node and service is as it should be."""
    async with asyncio.timeout(WHOLE_SECONDS_MAX):
        leader = await stand.database.healthy()
        for service in stand.services.values():
            while not await service._says_ready(stand.session):  # noqa: ASYNC110 - the state is another process's
                await asyncio.sleep(0.25)
        return leader.name


async def brought_about(stand: HaStand, clients: Clients, kind: str, rng: Random) -> Failover:
    """Bring one fault about, and return how it went once all is whole again."""
    before = await whole(stand)
    began = time.monotonic()
    fault = asyncio.create_task(FAULTS[kind](stand, rng), name=kind)
    try:
        await asyncio.sleep(0.5)  # for the probe to begin in the midst of it
        recovered = await probe(clients)
        await fault
        after = await whole(stand)
    finally:
        fault.cancel()  # whoever is told to stop in the midst of it takes it back first
        await asyncio.gather(fault, return_exceptions=True)
    return Failover(
        kind=kind,
        recovered_seconds=round(recovered, 2),
        whole_seconds=round(time.monotonic() - began, 2),
        is_other_leader=after != before,
    )


async def full_speed(crew: Crew, logs: list[LogClient]) -> float:
    """Return how many events a second are appended while nothing is wrong, by clients without a pause."""
    began, before = time.monotonic(), _new(crew)
    give_up_at = began + FULL_SPEED_SECONDS

    async def client(log: LogClient, name: str) -> None:
        while time.monotonic() < give_up_at:
            await crew.send(log, name, crew.envelopes())

    await asyncio.gather(*(client(logs[number % len(logs)], f"full {number}") for number in range(FULL_SPEED_CLIENTS)))
    return round((_new(crew) - before) / (time.monotonic() - began), 1)


def _new(crew: Crew) -> int:
    return sum(attempt.told == "appended" for attempt in crew.attempts)


@contextlib.asynccontextmanager
async def one_node() -> AsyncIterator[tuple[Crew, list[LogClient]]]:
    """Run one ledger on one PostgreSQL, with an institution that is admitted."""
    async with open_stand(rules_version=2) as stand:
        await stand.only("ledger")
        async with aiohttp.ClientSession() as session:
            crew = new_crew(stand)
            await admit(stand, crew)
            yield crew, [LogClient(session, stand.addresses.ledger)]


async def speed_of_one(tell: Tell) -> float:
    """Return what one node appends a second."""
    tell("one node     a ledger on one PostgreSQL, to compare with")
    async with one_node() as (crew, logs):
        return await full_speed(crew, logs)


async def run_failovers(
    stand: HaStand, *, kinds: list[str], seed: int, one: float | None, tell: Tell, proxy: str = "none"
) -> Run:
    """Deal out these faults under load, judge, and return what came of it."""
    rng = Random(seed)
    async with aiohttp.ClientSession() as session:
        clients = await make_clients(stand, session, Random(seed))
        speed = await full_speed(clients.crew, [clients.log(half) for half in HALVES]) if one is not None else None
        done, unhealed = list[Failover](), list[str]()
        async with clients.at_work():
            baseline = [round(await probe(clients), 2) for _ in range(BASELINE_PROBES)]
            for number, kind in enumerate(kinds, start=1):
                tell(f"{number:>3}/{len(kinds):<8} {kind}")
                try:
                    done.append(await brought_about(stand, clients, kind, rng))
                except TimeoutError:
                    tell("             not whole again in its time: no more faults, what is there is judged")
                    unhealed.append(f"unhealed: {kind}")
                    break
                tell(_said(done[-1]))
            await whole(stand)
        await probe(clients)
        tell("judging      the log, both databases, and every verdict")
        return Run(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            seed=seed,
            proxy=proxy,
            failovers=done,
            baseline_seconds=baseline,
            requests=clients.requests,
            acknowledged=clients.acknowledged + _new(clients.crew),
            entries=(await clients.log(HALVES[0]).log()).tree_size,
            refused=dict(clients.refused + Counter(clients.crew.refusals)),
            verdicts=clients.verdicts(),
            events_per_second=speed,
            events_per_second_of_one=one,
            judgement=await judge(stand, clients, more=unhealed),
        )


def _said(found: Failover) -> str:
    moved = ", another leads" if found.is_other_leader else ""
    return f"             recovered in {found.recovered_seconds:.1f} s, whole after {found.whole_seconds:.1f} s{moved}"


def dealt_kinds(seed: int, count: int) -> list[str]:
    """Return the kinds of a run, which its seed alone decides."""
    return dealt(Random(seed), count)
