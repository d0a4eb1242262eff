"""One run of faults: dealt out under load, one after the other, judged at the end, and added to the runs before it."""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
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
from tests.ha.outage import Outage, commits_watched, longest_gap
from tests.ha.stand import HALVES, HaStand

BASELINE_PROBES = 5
RECOVERED_SECONDS_MAX, WHOLE_SECONDS_MAX = 180.0, 240.0
IN_THE_MIDST_SECONDS = 0.5
SECOND_LATER_SECONDS_MAX = 8.0
"""A second fault comes up to so much later than the first: in an election, or before it."""
FULL_SPEED_SECONDS, FULL_SPEED_CLIENTS = 6.0, 4
Tell = Callable[[str], None]


class Failover(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: what it was, and the seconds until a credential issued after it was published and verified."""

    kind: str
    recovered_seconds: float
    whole_seconds: float
    """Until every node and service was as before, the fault itself included."""
    is_other_leader: bool
    beside: tuple[str, ...] = ()
    """What else was wrong at the same time."""
    outage: Outage | None = None
    """Of the round in which it came; told with the first fault of a round."""


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
    together: int = 1
    is_standby_required: bool = True


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


async def _fault(stand: HaStand, clients: Clients, kind: str, rng: Random, *, later: float) -> tuple[float, float]:
    """Bring one fault about and wait until it is taken back; return when it began, and until a probe came through."""
    await asyncio.sleep(later)
    began = time.monotonic()
    fault = asyncio.create_task(FAULTS[kind](stand, rng, clients.appended), name=kind)
    try:
        await asyncio.sleep(IN_THE_MIDST_SECONDS)  # for the probe to begin in the midst of it
        await probe(clients)
        recovered = time.monotonic() - began
        await fault
    finally:
        fault.cancel()  # whoever is told to stop in the midst of it takes it back first
        await asyncio.gather(fault, return_exceptions=True)
    return began, recovered


async def brought_about(
    stand: HaStand, clients: Clients, kinds: Sequence[str], rngs: Sequence[Random], committed: Sequence[float]
) -> list[Failover]:
    """Bring the faults of a round about, and return how each went once all is whole again."""
    before, began = await whole(stand), time.monotonic()
    laters = [0.0, *(rng.uniform(0, SECOND_LATER_SECONDS_MAX) for rng in rngs[1:])]
    faults = [
        asyncio.create_task(_fault(stand, clients, kind, rng, later=later))
        for kind, rng, later in zip(kinds, rngs, laters, strict=True)
    ]
    try:
        times = await asyncio.gather(*faults)
        after, ended = await whole(stand), time.monotonic()
    finally:
        for each in faults:
            each.cancel()
        await asyncio.gather(*faults, return_exceptions=True)
    outage = Outage(
        database_seconds=longest_gap(committed, began, ended),
        appended_seconds=longest_gap(clients.appended_at(began), began, ended),
        published_seconds=longest_gap(clients.grown_at, began, ended),
    )
    return [
        Failover(
            kind=kind,
            recovered_seconds=round(recovered, 2),
            whole_seconds=round(ended - each_began, 2),
            is_other_leader=after != before and number == 0,
            beside=tuple(other for other in kinds if other != kind),
            outage=outage if number == 0 else None,
        )
        for number, (kind, (each_began, recovered)) in enumerate(zip(kinds, times, strict=True))
    ]


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
    stand: HaStand,
    *,
    rounds: Sequence[Sequence[str]],
    seed: int,
    one: float | None,
    tell: Tell,
    proxy: str = "none",
    minutes: float | None = None,
) -> Run:
    """Deal out these faults under load, those of a round together, judge, and return what came of it.

    After so many minutes no further round begins.
    """
    async with aiohttp.ClientSession() as session:
        clients = await make_clients(stand, session, Random(seed))
        speed = await full_speed(clients.crew, [clients.log(half) for half in HALVES]) if one is not None else None
        done, unhealed = list[Failover](), list[str]()
        async with commits_watched(stand.database) as committed, clients.at_work():
            baseline = [round(await probe(clients), 2) for _ in range(BASELINE_PROBES)]
            ends_at = time.monotonic() + minutes * 60 if minutes else math.inf
            for number, kinds in enumerate(rounds, start=1):
                if time.monotonic() > ends_at:
                    tell("             the time is over: no more faults, what is there is judged")
                    break
                tell(f"{number:>3}/{len(rounds):<8} {' + '.join(kinds)}")
                rngs = [Random(f"{seed} {number} {kind}") for kind in kinds]
                try:
                    found = await brought_about(stand, clients, kinds, rngs, committed)
                except TimeoutError:
                    tell("             not whole again in its time: no more faults, what is there is judged")
                    unhealed.append(f"unhealed: {' + '.join(kinds)}")
                    break
                done += found
                tell(_said(found))
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
            together=max((len(each) for each in rounds), default=1),
            is_standby_required=stand.is_standby_required,
        )


def _said(found: Sequence[Failover]) -> str:
    """Return what came of a round, in words."""
    first = found[0]
    moved = ", another leads" if first.is_other_leader else ""
    recovered = " and ".join(f"{each.recovered_seconds:.1f}" for each in found)
    words = f"             recovered in {recovered} s, whole after {first.whole_seconds:.1f} s{moved}"
    if (outage := first.outage) is None:
        return words
    return (
        f"{words}\n             at most {outage.database_seconds:.1f} s without a commit of the database, "
        f"{outage.appended_seconds:.1f} s without an append, {outage.published_seconds:.1f} s without a new checkpoint"
    )


def dealt_kinds(seed: int, count: int, *, together: int = 1) -> list[tuple[str, ...]]:
    """Return the rounds of a run, which its seed alone decides."""
    return dealt(Random(seed), count, together=together)
