"""The gateway killed while requests are accepted and links are used: each leads to one credential, however repeated."""

import asyncio
from typing import Any

import aiohttp

from proto.wire.requests import ClaimMade, RequestMade
from tests.support.gateways import Answered, Client, Office
from tests.support.killed_services import KilledGateway
from tests.support.ledgers import RunningLedger, until

COUNT = 24
KILLS = 3


async def _post(client: Client, path: str, body: dict[str, Any]) -> Answered | None:
    """Send it; None where the connection broke, or the gateway is not there."""
    try:
        return await client.post(path, body)
    except aiohttp.ClientError:
        return None


async def _while_killed(gateway: KilledGateway, client: Client, sent: list[tuple[str, dict[str, Any]]]) -> None:
    """Send everything, again and again, while the gateway is killed and started again."""
    for kill in range(KILLS):
        sending = [asyncio.create_task(_post(client, *each)) for each in sent]
        await asyncio.wait(sending, timeout=0.02 + 0.06 * kill)
        await gateway.stop()
        await asyncio.gather(*sending)
        await gateway.start()


async def _log_has(ledger: RunningLedger, size: int) -> None:
    async def grown() -> bool | None:
        return True if (await ledger.client.log()).tree_size >= size else None

    await until(grown, "everything is on the log")
    assert (await ledger.client.log()).tree_size == size


async def test_an_acceptance_that_is_killed_and_repeated_issues_once(
    killed: tuple[KilledGateway, RunningLedger],
) -> None:
    gateway, ledger = killed
    office = await gateway.institution("waterland")
    await office.describe("hydrology", takes_requests=True)
    made = []
    for number in range(COUNT):
        body = {"institution": "waterland", "achievement": "hydrology", "family_name": f"N{number}"}
        made.append((await gateway.client().post("/v1/requests", body)).as_(RequestMade))
    acceptances: list[tuple[str, dict[str, Any]]] = [
        (
            f"/v1/requests/{each.request_id}/accept",
            {"learner": {"ref": f"s-{number}", "family_name": f"N{number}"}, "valid_from": "2026-01-01T00:00:00Z"},
        )
        for number, each in enumerate(made)
    ]
    await _while_killed(gateway, office.client, acceptances)
    answers = [await office.client.post(*each) for each in acceptances]
    ids = {answer.body["credential_id"] for answer in answers}
    assert len(ids) == COUNT
    again = [await office.client.post(*each) for each in acceptances]
    assert [answer.body["credential_id"] for answer in again] == [answer.body["credential_id"] for answer in answers]
    await _log_has(ledger, COUNT + 2)  # the opening, the admission, and each credential once
    assert await gateway.database_count("credential") == COUNT
    assert await _destroyed(office, gateway) == COUNT


async def _destroyed(office: Office, gateway: KilledGateway) -> int:
    """Count the learners that requests had of their own: each is erased, and its key destroyed after a start."""
    await gateway.stop()
    await gateway.start()
    assert office.slug == "waterland"
    return await gateway.database_count("learner WHERE erased_at IS NOT NULL AND key_destroyed_at IS NOT NULL")


async def test_a_link_that_is_used_while_the_gateway_is_killed_issues_once(
    killed: tuple[KilledGateway, RunningLedger],
) -> None:
    gateway, ledger = killed
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    made = [
        (await office.client.post("/v1/claims", {"award": office.award(uri, f"s-{number}")})).as_(ClaimMade)
        for number in range(COUNT)
    ]
    uses: list[tuple[str, dict[str, Any]]] = [(f"/v1/claim-links/{each.link.rpartition('/')[2]}", {}) for each in made]
    await _while_killed(gateway, gateway.client(), uses)
    for each in uses:
        answer = await gateway.client().post(*each)
        assert answer.status == 200 or answer.slug == "claim-used", answer
    await _log_has(ledger, COUNT + 2)
    assert await gateway.database_count("credential") == COUNT
    stands = [(await office.client.get(f"/v1/claims/{each.claim_id}")).body for each in made]
    assert {each["state"] for each in stands} == {"used"}
    assert len({each["credential_id"] for each in stands}) == COUNT
