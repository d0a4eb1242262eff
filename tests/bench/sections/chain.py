"""Section `chain`: from the request at the gateway until the verifier knows the credential, from the log alone."""

import asyncio
import random
import time

import aiohttp
import msgspec

from tests.bench.crew import interleaved
from tests.bench.figures import Goal, Row, Series, percentile
from tests.bench.run import Run
from tests.bench.tenant import Tenant, make_tenant

SECTION = "chain"
AT_ONCE = 12
PER_ROUNDS = (12, 48)
"""Credentials in a round, of a quick run and of a full one."""
VISIBLE_TIMEOUT_S = 30.0
POLL_S = 0.05
CREATED = 201
OK = 200


class Issued(msgspec.Struct):
    """What is read of the gateway's answer."""

    credential_id: str


async def measure(run: Run) -> list[Row]:
    """Return the rows of this section; nothing limits them but the interval of publication."""
    await run.stand.only("ledger", "gateway", "verifier")
    interval_s = (await run.stand.log()).publish_interval_ms / 1000
    chain = Chain(run, await make_tenant(run.stand, "bench-chain"), interval_s=interval_s)
    await interleaved({"visible": chain.measure}, run.size, is_warm=True)
    what = f"request to visible, publication every {interval_s:g} s"
    return [
        Row(section=SECTION, what=f"{what}, p50", ours=chain.percentile(50)),
        Row(section=SECTION, what=f"{what}, p99", ours=chain.percentile(99), goals=(Goal(on="ours", at_most=2),)),
    ]


class Chain:
    """Issues single credentials and waits for each at the verifier."""

    def __init__(self, run: Run, tenant: Tenant, *, interval_s: float) -> None:
        self._run = run
        self._tenant = tenant
        self._interval_s = interval_s
        self._rounds: list[list[float]] = []

    async def measure(self, _round: int) -> float:
        """Return the median of one round in seconds; some requests are under way at once, at random times."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def one() -> float:
            async with limit:
                await asyncio.sleep(random.uniform(0, self._interval_s))  # else each starts just after a checkpoint
                return await self._seconds_to_visible()

        seconds = await asyncio.gather(*(one() for _ in range(PER_ROUNDS[self._run.size.seconds >= 1])))
        self._rounds.append(seconds)
        return percentile(seconds, 50)

    async def _seconds_to_visible(self) -> float:
        session, addresses = self._run.stand.session, self._run.stand.addresses
        body, headers = self._tenant.award(), self._tenant.headers()
        started = time.perf_counter()
        async with session.post(f"{addresses.gateway}/v1/credentials", data=body, headers=headers) as response:
            data = await response.read()
            assert response.status == CREATED, data
        found = f"{addresses.verifier}/v1/credentials/{msgspec.json.decode(data, type=Issued).credential_id}"
        async with asyncio.timeout(VISIBLE_TIMEOUT_S):
            while not await _is_there(session, found):  # noqa: ASYNC110 - the state is another process's
                await asyncio.sleep(POLL_S)
        return time.perf_counter() - started

    def percentile(self, percent: int) -> Series:
        """Return a percentile of each round in seconds."""
        samples = tuple(percentile(seconds, percent) for seconds in self._rounds)
        return Series(name=f"p{percent}", unit="s", samples=samples)


async def _is_there(session: aiohttp.ClientSession, url: str) -> bool:
    async with session.get(url) as response:
        await response.read()
        return response.status == OK
