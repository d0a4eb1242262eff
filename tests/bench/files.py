"""Issues a file of awards in the background of the gateway, and watches its memory meanwhile."""

import asyncio
import time
from typing import NamedTuple

from services.clients.gateway import GatewayClient
from tests.bench.stand import Stand, resident_mb
from tests.bench.tenant import Tenant

FILE_TIMEOUT_S = 1_200.0
POLL_S = 0.02


class Issued(NamedTuple):
    """How fast a file went, from its first byte until the log had grown by all of it, and the most memory meanwhile."""

    per_second: float
    resident_mb_max: float | None


async def issue_file(stand: Stand, tenant: Tenant, rows: int) -> Issued:
    """Issue a CSV of more rows than are answered at once; raises `TimeoutError` unless every one gets to the log."""
    content, headers = tenant.csv(rows), tenant.headers("text/csv")
    client = GatewayClient(stand.session, stand.addresses.gateway, token=tenant.api_key)
    expected = (await stand.log()).tree_size + rows
    most = resident_mb(stand.running["gateway"])
    started = time.perf_counter()
    async with asyncio.timeout(FILE_TIMEOUT_S):
        sending = asyncio.create_task(
            client.issue_batch(content, media_type="text/csv", key=headers["Idempotency-Key"])
        )
        while not sending.done() or (await stand.log()).tree_size < expected:
            if most is not None:
                most = max(most, resident_mb(stand.running["gateway"]) or 0.0)
            await asyncio.sleep(POLL_S)
    await sending
    return Issued(per_second=rows / (time.perf_counter() - started), resident_mb_max=most)
