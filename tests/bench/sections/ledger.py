"""Section `ledger`: durable appends per second, each verified, decided, sequenced and in its tile before the answer."""

from tests.bench.crew import WORKERS, Measure, interleaved
from tests.bench.figures import Goal, Row, Series, least, percentile
from tests.bench.limits.peer_eventsourcing import NAME, peer
from tests.bench.limits.signatures import verify_limit
from tests.bench.load import Burst, Outcome, fire
from tests.bench.run import Run
from tests.bench.signing import fresh_ids, issue_requests, sign_issues
from tests.bench.stand import HOST, INSTITUTIONS, port_of

SECTION = "ledger"
BATCHES = (100, 1_000)
"""Events per request."""
BATCH_PER_SECOND_MAX = 25_000
BATCH_CONNECTIONS = 4
SINGLE_PER_SECOND_MAX = 10_000
SINGLE_CONNECTIONS = 64
PEER = {1: SINGLE_CONNECTIONS, 10: 16, 100: BATCH_CONNECTIONS}
"""By events per request, as the peer saves them at once: our connections."""
PER_SECOND_MAX = {1: SINGLE_PER_SECOND_MAX, 10: 20_000, 100: BATCH_PER_SECOND_MAX}
CREATED = 201
OK = 200
MARKER = b'"status":201'


class Appends:
    """Sends fresh signed events to the ledger, and keeps the outcome of each round."""

    def __init__(self, run: Run, *, count: int, per_request: int, connections: int) -> None:
        self._run = run
        self._count = count
        self._per_request = per_request
        self._connections = connections
        self.outcomes: list[Outcome] = []

    async def measure(self, number: int) -> float:
        """Return durable appends per second; raises `LoadError` unless each event is answered as newly appended."""
        stand, per_request = self._run.stand, self._per_request
        requests = await self._sign(number % INSTITUTIONS)
        before = (await stand.log()).tree_size
        burst = Burst(
            host=HOST,
            port=port_of(stand.addresses.ledger),
            requests=requests,
            connections=self._connections,
            seconds=self._run.size.seconds,
            marker=b"" if per_request == 1 else MARKER,
        )
        outcome = await self._run.crew.run(fire, burst)
        count = outcome.count * per_request
        outcome.check(status=CREATED if per_request == 1 else OK, markers=0 if per_request == 1 else count)
        grown = (await stand.log()).tree_size - before
        assert grown == count, f"{count} events were acknowledged, the log grew by {grown}"
        self.outcomes.append(outcome)
        return outcome.per_second * per_request

    async def _sign(self, speaker: int) -> list[bytes]:
        """Return more requests than can be answered in the time; both workers sign."""
        half = -(-self._count // self._per_request // WORKERS) * self._per_request
        halves = await self._run.crew.all(issue_requests, self._run.stand.origin, speaker, half, self._per_request)
        return [each for made in halves for each in made]

    def latency(self, name: str, percent: int) -> Series:
        """Return a percentile of each counted round in milliseconds."""
        samples = tuple(percentile(outcome.latencies_ms, percent) for outcome in self.outcomes[1:])
        return Series(name=name, unit="ms", samples=samples)


async def measure(run: Run) -> list[Row]:
    """Return the rows of this section."""
    await run.stand.only("ledger")
    await run.stand.admit()
    return [*await _batches(run), *await _singles(run), *await _beside_a_peer(run)]


async def _batches(run: Run) -> list[Row]:
    limits: dict[str, Measure] = {
        "PyNaCl verify, 2 processes": verify_limit(run.crew, run.size.seconds),
        "INSERT of 512 rows": run.database_limits.grouped_insert,
        "COPY of 512 rows": run.database_limits.copy,
    }
    ours = {
        f"appends, NDJSON of {per_request:,}": Appends(
            run,
            count=max(run.size.prepare(BATCH_PER_SECOND_MAX), BATCH_CONNECTIONS * per_request),
            per_request=per_request,
            connections=BATCH_CONNECTIONS,
        ).measure
        for per_request in BATCHES
    }
    found = await interleaved(limits | ours, run.size)
    limit = least([Series(name=name, unit="/s", samples=found[name]) for name in limits])
    goals = (Goal(on="ratio", at_least=0.60), Goal(on="ratio", at_least=0.70))
    return [
        Row(
            section=SECTION,
            what=name,
            ours=Series(name=name, unit="events/s", samples=found[name]),
            limit=limit,
            goals=goals,
        )
        for name in ours
    ]


async def _beside_a_peer(run: Run) -> list[Row]:
    """Compare with a library that keeps events on the same database, and checks and proves nothing."""
    peers = {f"{NAME}, {batch} at once": peer(run.crew, run.stand.peer_url, batch, run.size.seconds) for batch in PEER}
    ours = {
        f"appends, {batch} at once": Appends(
            run,
            count=run.size.prepare(PER_SECOND_MAX[batch]),
            per_request=batch,
            connections=connections,
        ).measure
        for batch, connections in PEER.items()
    }
    found = await interleaved(peers | ours, run.size)
    return [
        Row(
            section=SECTION,
            what=name,
            ours=Series(name=name, unit="events/s", samples=found[name]),
            limit=Series(name=against, unit="events/s", samples=found[against]),
            goals=(Goal(on="ratio", at_least=1.4),),
        )
        for name, against in zip(ours, peers, strict=True)
    ]


async def _singles(run: Run) -> list[Row]:
    body = sign_issues(run.stand.origin, 0, fresh_ids(1))[0]
    appends = Appends(run, count=run.size.prepare(SINGLE_PER_SECOND_MAX), per_request=1, connections=SINGLE_CONNECTIONS)
    name = f"appends, one event per request, {SINGLE_CONNECTIONS} connections"
    against = f"aiohttp POST 1 KB, {SINGLE_CONNECTIONS} connections"
    found = await interleaved(
        {against: run.http_limits.post_envelope(body, SINGLE_CONNECTIONS), name: appends.measure}, run.size
    )
    return [
        Row(
            section=SECTION,
            what=name,
            ours=Series(name=name, unit="events/s", samples=found[name]),
            limit=Series(name=against, unit="/s", samples=found[against]),
            goals=(Goal(on="ratio", at_least=0.40),),
        ),
        Row(section=SECTION, what="the same, p50", ours=appends.latency("p50", 50)),
        Row(
            section=SECTION,
            what="the same, p99",
            ours=appends.latency("p99", 99),
            goals=(Goal(on="ours", at_most=40),),
        ),
    ]
