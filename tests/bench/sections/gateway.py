"""Section `gateway`: credentials issued one by one and from CSV, each with document, outbox and place on the log."""

import asyncio
import time

from tests.bench.crew import interleaved
from tests.bench.figures import Goal, Row, Series, percentile
from tests.bench.files import issue_file, revoke_file
from tests.bench.limits.signatures import sign_and_verify_limit
from tests.bench.load import Burst, Outcome, fire
from tests.bench.run import Run
from tests.bench.stand import HOST, port_of
from tests.bench.tenant import Tenant, make_tenant

SECTION = "gateway"
CONNECTIONS = 16
SINGLE_PER_SECOND_MAX = 4_000
BATCH_ROWS = 250
SIGNING = "PyNaCl sign and verify, 2 processes"
BATCH_CONNECTIONS = 2
SMALL_FILE_ROWS = 1_001
"""The least that is issued in the background."""
SINGLE_PEER = 292
"""Issues per second of the best peer over HTTP, 16 connections, on such a machine."""
BATCH_PEER = 201
"""Certificates per second of cert-issuer, batches of 2,000, on such a machine."""
SEQUENCED_TIMEOUT_S = 120.0
POLL_S = 0.01
CREATED = 201
OK = 200


async def measure(run: Run) -> list[Row]:
    """Return the rows of this section."""
    await run.stand.only("ledger", "gateway")
    issuing = Issuing(run, await make_tenant(run.stand, "bench-gateway"))
    one_row, signing = f"asyncpg one row, {CONNECTIONS} connections", SIGNING
    single, batch = f"single issue, {CONNECTIONS} connections", f"batch issue, CSV of {BATCH_ROWS}, to the log"
    found = await interleaved(
        {
            one_row: run.database_limits.one_row,
            single: issuing.single,
            signing: sign_and_verify_limit(run.crew, run.size.seconds),
            batch: issuing.batch,
        },
        run.size,
    )
    return [
        Row(
            section=SECTION,
            what=single,
            ours=Series(name=single, unit="credentials/s", samples=found[single]),
            limit=Series(name=one_row, unit="/s", samples=found[one_row]),
            goals=(Goal(on="ratio", at_least=0.15), Goal(on="ours", at_least=5 * SINGLE_PEER)),
        ),
        Row(section=SECTION, what="the same, p99", ours=issuing.latency(99)),
        Row(
            section=SECTION,
            what=batch,
            ours=Series(name=batch, unit="credentials/s", samples=found[batch]),
            limit=Series(name=signing, unit="/s", samples=found[signing]),
            goals=(Goal(on="ratio", at_least=0.30), Goal(on="ours", at_least=15 * BATCH_PEER)),
        ),
        *await issuing.files(),
    ]


class Issuing:
    """Issues through the gateway; what was not sequenced does not count."""

    def __init__(self, run: Run, tenant: Tenant) -> None:
        self._run = run
        self._tenant = tenant
        self._outcomes: list[Outcome] = []

    async def single(self, _round: int) -> float:
        """Return credentials per second; raises `LoadError` unless each answer says that it is on the log."""
        requests = self._tenant.issue_requests(self._run.size.prepare(SINGLE_PER_SECOND_MAX))
        outcome = await self._fire(requests, CONNECTIONS, seconds=self._run.size.seconds)
        outcome.check(status=CREATED)
        self._outcomes.append(outcome)
        return outcome.per_second

    async def batch(self, _round: int) -> float:
        """Return rows per second, from the first byte of CSV until all of them are on the log."""
        requests = self._tenant.batch_requests(BATCH_CONNECTIONS * max(1, round(self._run.size.seconds)), BATCH_ROWS)
        stand, count = self._run.stand, len(requests) * BATCH_ROWS
        async with stand.counted() as credentials, asyncio.timeout(SEQUENCED_TIMEOUT_S):
            before = await credentials()
            started = time.perf_counter()
            (await self._fire(requests, BATCH_CONNECTIONS, seconds=SEQUENCED_TIMEOUT_S)).check(status=OK)
            while await credentials() < before + count:  # noqa: ASYNC110 - another process's
                await asyncio.sleep(POLL_S)
            seconds = time.perf_counter() - started
        return count / seconds

    async def files(self) -> list[Row]:
        """Return how fast a large file is issued and revoked, and the most memory to that with a small one.

        One small file goes before, to warm up.
        """
        stand, tenant, rows = self._run.stand, self._tenant, self._run.size.file_rows
        warm = await issue_file(stand, tenant, SMALL_FILE_ROWS)
        small = await issue_file(stand, tenant, SMALL_FILE_ROWS)
        signing = sign_and_verify_limit(self._run.crew, self._run.size.seconds)
        before = await signing(0)
        large = await issue_file(stand, tenant, rows)
        limit = (before + await signing(0)) / 2
        revoked = await revoke_file(stand, tenant, large.batch_id)
        goals = (Goal(on="ratio", at_least=0.20),)
        found = [
            self._file(f"file of {rows:,} rows, to the log", large.per_second, limit, goals),
            self._file(f"bulk revocation of {rows:,}, to a checkpoint", revoked, limit, ()),
        ]
        if warm.resident_mb_max is None or small.resident_mb_max is None or large.resident_mb_max is None:
            return found
        base = max(warm.resident_mb_max, small.resident_mb_max)
        memory = Row(
            section=SECTION,
            what=f"most memory meanwhile, {rows:,} rows",
            ours=Series(name="resident", unit="MB", samples=(large.resident_mb_max,)),
            limit=Series(name=f"itself at {SMALL_FILE_ROWS:,} rows", unit="MB", samples=(base,)),
            goals=(Goal(on="ratio", at_most=1.2),),
        )
        return [*found, memory]

    @staticmethod
    def _file(what: str, per_second: float, limit: float, goals: tuple[Goal, ...]) -> Row:
        return Row(
            section=SECTION,
            what=what,
            ours=Series(name=what, unit="credentials/s", samples=(per_second,)),
            limit=Series(name=SIGNING, unit="/s", samples=(limit,)),
            goals=goals,
        )

    async def _fire(self, requests: list[bytes], connections: int, *, seconds: float) -> Outcome:
        port = port_of(self._run.stand.addresses.gateway)
        return await self._run.crew.run(
            fire, Burst(host=HOST, port=port, requests=requests, connections=connections, seconds=seconds)
        )

    def latency(self, percent: int) -> Series:
        """Return a percentile of each counted round in milliseconds."""
        samples = tuple(percentile(outcome.latencies_ms, percent) for outcome in self._outcomes[1:])
        return Series(name=f"p{percent}", unit="ms", samples=samples)
