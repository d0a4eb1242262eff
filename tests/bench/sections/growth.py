"""Section `growth`: what an append and a proof cost as the log grows, with the ledger's memory and the database's size.

The log grows by the ledger's own code: signed events over HTTP, 1,000 to a request. At each size the same is measured
over one connection, so that a figure is a latency and not a rate of a busy machine.
"""

import random

from services.persistence.postgres import connected
from tests.bench.crew import WORKERS
from tests.bench.figures import Goal, Row, Series, percentile
from tests.bench.load import Burst, Outcome, fire, request
from tests.bench.run import Run
from tests.bench.signing import issue_requests
from tests.bench.stand import HOST, INSTITUTIONS, port_of, resident_mb

SECTION = "growth"
FIRST = 10_000
TENFOLD = 10
GROW_PER_REQUEST, GROW_CONNECTIONS, GROW_ROUND = 1_000, 4, 50_000
GROW_SECONDS_MAX = 600.0
ROUNDS = 7
APPENDS, EVENTS_PER_APPEND, PROOFS = 12, 100, 120
GROWTH_MAX = 1.15
PUBLISHED_SECONDS_MAX = 30.0
OK = 200
MARKER = b'"status":201'

Figures = dict[str, tuple[float, ...]]


async def measure(run: Run) -> list[Row]:
    """Return the rows of this section: at 10,000 entries (or a tenth of what is wanted), then at ten times that."""
    await run.stand.only("ledger")
    await run.stand.admit()
    sizes = [min(FIRST, run.size.entries // TENFOLD)]
    while sizes[-1] * TENFOLD <= run.size.entries:
        sizes.append(sizes[-1] * TENFOLD)
    rows: list[Row] = []
    first: Figures = {}
    for size in sizes:
        found = await _at(run, size)
        first = first or found
        rows += _rows(size, found, first, sizes[0])
        rows += _memory(run, size)
        rows.append(await _disk(run, size))
    return rows


def _rows(size: int, ours: Figures, first: Figures, first_size: int) -> list[Row]:
    return [
        Row(
            section=SECTION,
            what=f"{name}, {size:,} entries",
            ours=Series(name=name, unit="ms", samples=samples),
            limit=Series(name=f"itself at {first_size:,}", unit="ms", samples=first[name]),
            goals=(Goal(on="ratio", at_most=GROWTH_MAX),),
        )
        for name, samples in ours.items()
    ]


async def _at(run: Run, size: int) -> Figures:
    """Return the samples of each figure, once the log has so many entries and all are published."""
    await _grow(run, size)
    published = await _published(run)
    chance = random.Random(size)
    receipts = [f"/v1/receipts/{chance.randrange(published)}" for _ in range(PROOFS)]
    growths = [f"/v1/consistency/{chance.randrange(1, published)}/{published}" for _ in range(PROOFS)]
    samples: dict[str, list[float]] = {"an append, in 100s": [], "a receipt": [], "a proof of growth": []}
    for number in range(ROUNDS + 1):
        found = {
            "an append, in 100s": await _appended(run, number),
            "a receipt": _median(await _got(run, receipts)),
            "a proof of growth": _median(await _got(run, growths)),
        }
        for name, value in found.items() if number else ():
            samples[name].append(value)
    return {name: tuple(values) for name, values in samples.items()}


async def _grow(run: Run, size: int) -> None:
    """Append until the log has about `size` entries; both workers sign, then send."""
    while (missing := size - (await run.stand.log()).tree_size) >= GROW_PER_REQUEST:
        half = min(missing, GROW_ROUND) // WORKERS // GROW_PER_REQUEST * GROW_PER_REQUEST or GROW_PER_REQUEST
        halves = await run.crew.all(
            issue_requests, run.stand.origin, random.randrange(INSTITUTIONS), half, GROW_PER_REQUEST
        )
        requests = [each for made in halves for each in made]
        outcome = await _fire(run, requests, connections=GROW_CONNECTIONS, marker=MARKER)
        outcome.check(status=OK, markers=len(requests) * GROW_PER_REQUEST)


async def _published(run: Run) -> int:
    """Return the published size, once it is the log's."""
    size = (await run.stand.log()).tree_size
    answered = await _got(run, [f"/v1/checkpoint/after/{size - 1}?wait_seconds={PUBLISHED_SECONDS_MAX:g}"])
    answered.check(status=OK)
    return (await run.stand.log()).published_size


async def _appended(run: Run, number: int) -> float:
    """Return milliseconds for each event of a few requests of 100, one after the other."""
    requests = await run.crew.run(
        issue_requests, run.stand.origin, number % INSTITUTIONS, APPENDS * EVENTS_PER_APPEND, EVENTS_PER_APPEND
    )
    outcome = await _fire(run, requests, connections=1, marker=MARKER)
    outcome.check(status=OK, markers=APPENDS * EVENTS_PER_APPEND)
    return _median(outcome) / EVENTS_PER_APPEND


async def _got(run: Run, paths: list[str]) -> Outcome:
    outcome = await _fire(run, [request("GET", path) for path in paths], connections=1)
    outcome.check(status=OK)
    return outcome


async def _fire(run: Run, requests: list[bytes], *, connections: int, marker: bytes = b"") -> Outcome:
    port = port_of(run.stand.addresses.ledger)
    burst = Burst(
        host=HOST, port=port, requests=requests, connections=connections, seconds=GROW_SECONDS_MAX, marker=marker
    )
    return await run.crew.run(fire, burst)


def _median(outcome: Outcome) -> float:
    return percentile(outcome.latencies_ms, 50)


def _memory(run: Run, size: int) -> list[Row]:
    name, found = "resident memory of the ledger", resident_mb(run.stand.running["ledger"])
    if found is None:
        return []
    return [Row(section=SECTION, what=f"{name}, {size:,} entries", ours=Series(name=name, unit="MB", samples=(found,)))]


async def _disk(run: Run, size: int) -> Row:
    """Return the bytes of the whole database for each entry, indexes and states with it."""
    name = "bytes in the database for each entry"
    owner = run.stand.postgres.url(role="ledger_owner", database="ledger")
    async with connected(owner, application_name="bench") as connection:
        byte_count: int = await connection.fetchval("SELECT pg_database_size(current_database())")
    samples = (byte_count / (await run.stand.log()).tree_size,)
    return Row(section=SECTION, what=f"{name}, {size:,} entries", ours=Series(name=name, unit="B", samples=samples))
