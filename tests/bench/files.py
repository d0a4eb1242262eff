"""Issues a file of awards in the background of the gateway, and watches its memory meanwhile."""

import asyncio
import secrets
import time
from typing import NamedTuple

from proto.ids import BatchId
from services.clients.gateway import GatewayClient
from tests.bench.stand import Stand, resident_mb
from tests.bench.tenant import Tenant

FILE_TIMEOUT_S = 1_200.0
POLL_S = 0.25


class Issued(NamedTuple):
    """How fast a file went, from its first byte until all of it was on the log, and the most memory meanwhile."""

    batch_id: BatchId
    per_second: float
    resident_mb_max: float | None


async def issue_file(stand: Stand, tenant: Tenant, rows: int) -> Issued:
    """Issue a CSV of more rows than are answered at once; raises `TimeoutError` unless every one gets to the log."""
    content, headers = tenant.csv(rows), tenant.headers("text/csv")
    client = GatewayClient(stand.session, stand.addresses.gateway, token=tenant.api_key)
    most = resident_mb(stand.running["gateway"])
    async with stand.counted() as count, asyncio.timeout(FILE_TIMEOUT_S):
        expected = await count() + rows
        started = time.perf_counter()
        sending = asyncio.create_task(
            client.issue_batch(content, media_type="text/csv", key=headers["Idempotency-Key"])
        )
        while not sending.done() or await count() < expected:
            if most is not None:
                most = max(most, resident_mb(stand.running["gateway"]) or 0.0)
            await asyncio.sleep(POLL_S)
        seconds = time.perf_counter() - started
    batch_id = (await sending).batch_id
    assert batch_id is not None, "it was no dry run"
    return Issued(batch_id=batch_id, per_second=rows / seconds, resident_mb_max=most)


async def revoke_file(stand: Stand, tenant: Tenant, batch_id: BatchId) -> float:
    """Revoke all that a file issued by one list; return credentials per second, until the last is in a checkpoint."""
    client = GatewayClient(stand.session, stand.addresses.gateway, token=tenant.api_key)
    ids = [row.credential_id async for row in client.batch_rows(batch_id) if row.credential_id is not None]
    content = "".join(["action,credential_id,reason\n", *(f"revoke,{each},error\n" for each in ids)]).encode()
    started = time.perf_counter()
    async with asyncio.timeout(FILE_TIMEOUT_S):
        sent = await client.change_batch(content, media_type="text/csv", key=secrets.token_hex(16))
        assert sent.batch_id is not None, "it was no dry run"
        async for progress in client.batch_progress(sent.batch_id):
            assert progress.refused_count == 0, progress
            if progress.is_over:
                break
    return len(ids) / (time.perf_counter() - started)
