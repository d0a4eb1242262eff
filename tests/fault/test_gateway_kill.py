"""The gateway killed with SIGKILL in the middle of a batch, again and again: nothing is lost and nothing is doubled."""

import asyncio
from functools import partial
from typing import Any

import aiohttp
import msgspec

from proto.wire.batches import BatchAnswer
from tests.support.gateways import Answered, Client, Office
from tests.support.killed_services import KilledGateway
from tests.support.ledgers import RunningLedger, until

ROWS = 400
KILLS = 4


async def _send(client: Client, body: bytes) -> Answered | None:
    """Send the batch; None where the connection broke."""
    try:
        return await client.send("POST", "/v1/batches", body, media_type="application/x-ndjson", key="the-import")
    except aiohttp.ClientError:
        return None


async def _ids(office: Office) -> list[str]:
    found: list[str] = []
    query = "limit=200"
    while query:
        page: dict[str, Any] = (await office.client.get(f"/v1/credentials?{query}")).body
        found += [each["credential_id"] for each in page["credentials"]]
        query = f"limit=200&cursor={page['next_cursor']}" if page.get("next_cursor") else ""
    return found


async def test_a_batch_completes_though_the_gateway_is_killed_in_the_middle_of_it(
    killed: tuple[KilledGateway, RunningLedger],
) -> None:
    gateway, ledger = killed
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    body = b"\n".join(msgspec.json.encode(office.award(uri, f"learner-{number}")) for number in range(ROWS))
    seen: set[str] = set()
    for kill in range(KILLS):
        sending = asyncio.create_task(_send(office.client, body))
        await asyncio.wait([sending], timeout=0.05 + 0.15 * kill)
        if not sending.done():
            seen |= set(await _ids(office))
        await gateway.stop()
        await sending
        await gateway.start()
        assert seen <= set(await _ids(office))
    answered = await _send(office.client, body)
    assert answered is not None
    batch = answered.as_(BatchAnswer)
    assert (batch.accepted_count, batch.is_complete) == (ROWS, True)

    async def published() -> bool | None:
        found = (await office.client.get(f"/v1/batches/{batch.batch_id}")).as_(BatchAnswer)
        return True if found.published_count == ROWS else None

    await until(published, "every row is published")
    ids = await _ids(office)
    assert sorted(ids) == sorted(row.credential_id for row in batch.rows if row.credential_id)
    assert len(set(ids)) == ROWS
    info = await ledger.client.log()
    assert info.tree_size == ROWS + 2  # the opening, the admission, and each credential once


async def test_a_batch_in_the_background_is_finished_by_whoever_starts_next(
    killed: tuple[KilledGateway, RunningLedger],
) -> None:
    gateway, ledger = killed
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    rows = 1_200
    lines = "".join(f"l-{n},Zoë,Nowak,hydrology,2026-01-01\n" for n in range(rows))
    body = f"learner_ref,given_name,family_name,achievement,valid_from\n{lines}".encode()
    answered = await office.client.send("POST", "/v1/batches", body, media_type="text/csv", key="batch")
    assert answered.status == 202, answered
    path = f"/v1/batches/{answered.body['batch_id']}"

    async def more_than(count: int) -> bool | None:
        found = (await office.client.get(path)).as_(BatchAnswer)
        return True if found.accepted_count > count else None

    for kill in range(3):
        await until(partial(more_than, 300 * kill), "some more rows are done")
        await gateway.stop()
        await gateway.start()

    async def published() -> bool | None:
        found = (await office.client.get(path)).as_(BatchAnswer)
        return True if found.published_count == rows and found.is_complete else None

    await until(published, "every row is published")
    assert len(set(await _ids(office))) == rows
    assert (await ledger.client.log()).tree_size == rows + 2  # the opening, the admission, each credential once
