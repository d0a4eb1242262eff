"""The typed client of the gateway: it has a method for every operation, and each does what it says on a real one."""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import pytest

from proto.documents.credential import Learner
from proto.ids import CredentialId
from proto.wire.gateway import RecognitionRequest, StackRequest
from services.clients.gateway import AnsweredProblem, GatewayClient, UnreachableProblem
from tests.support.gateways import Office, RunningGateway, achievement

URL = "http://gateway.example"
NO_CALLS = {"call", "decoded", "request", "request_bytes", "send_stream", "lines"}
ALL_PAGES = {"all_achievements", "all_credentials", "all_requests"}


class Recording:
    """A session that notes what it is asked for, and reaches nobody."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def request(self, method: str, url: str, **_: Any) -> Any:
        self.asked.append((method, url.removeprefix(URL)))
        raise aiohttp.ClientConnectionError("nobody is there")


def filled(method: Any) -> dict[str, Any]:
    """Return an argument for each parameter that has no default."""
    parameters = inspect.signature(method).parameters.values()
    wanted = [parameter for parameter in parameters if parameter.default is inspect.Parameter.empty]
    made: dict[str, Any] = {"media_type": "text/csv", "rows": b"x", "number": 1, "fields": {}, "form": "elm"}
    return {parameter.name: made.get(parameter.name, "x") for parameter in wanted}


async def asked_by(client: GatewayClient, name: str) -> None:
    method = getattr(client, name)
    variants: list[dict[str, Any]] = [filled(method)]
    if name == "import_document":
        variants = [filled(method) | {"form": form} for form in ("open-badges", "elm", "microhe")]
    for arguments in variants:
        found = method(**arguments)
        with pytest.raises(UnreachableProblem):
            await (anext(found) if inspect.isasyncgen(found) else found)


async def test_the_client_has_a_method_for_every_operation(gateway: RunningGateway) -> None:
    session = Recording()
    client = GatewayClient(cast(aiohttp.ClientSession, session), URL)
    names = [name for name, _ in inspect.getmembers(GatewayClient, inspect.isfunction) if not name.startswith("_")]
    for name in sorted(set(names) - NO_CALLS):
        await asked_by(client, name)
    paths = (await gateway.client().get("/openapi.json")).body["paths"]
    described = {
        (method.upper(), template)
        for template, operations in paths.items()
        for method, operation in operations.items()
        if operation["tags"] != ["operations"]
        and not template.startswith(("/office", "/recognition"))  # pages with forms; the API has all that they do
    }
    patterns = {operation: re.compile(re.sub(r"\{\w+\}", "[^/]+", operation[1])) for operation in described}
    covered = {
        operation
        for method, path in session.asked
        for operation, pattern in patterns.items()
        if operation[0] == method and pattern.fullmatch(path)
    }
    assert described - covered == set()
    for method, path in session.asked:
        assert any(operation[0] == method and p.fullmatch(path) for operation, p in patterns.items()), (method, path)


def client_of(office: Office, **options: Any) -> GatewayClient:
    gateway = office.gateway
    return GatewayClient(gateway.ledger.session, gateway.url, token=office.created.api_key, **options)


async def test_an_institution_s_year_with_the_client(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    client = client_of(office)
    described = await client.describe(achievement("hydrology"), key="describe")
    issued = await client.issue(office.award(described.achievement.uri), key="first")
    second = await client.describe(achievement("statistics"))
    other = await client.issue(office.award(second.achievement.uri), key="second")
    await office.published(other.credential_id)
    stacked = await client.stack(
        StackRequest(
            achievement=(await client.describe(achievement("water", ects_hundredths=700))).achievement.uri,
            learner=Learner(ref="learner-1", family_name="Łukasiewicz"),
            valid_from="2026-01-01T00:00:00Z",
            components=(issued.credential_id, other.credential_id),
        ),
        key="stack",
    )
    await office.published(stacked.credential_id)
    abroad = client_of(await gateway.institution("nadmorska"))
    recognised = await abroad.recognise(
        RecognitionRequest(
            credential_id=stacked.credential_id,
            decision="full",
            ects_hundredths=700,
            programme="https://nadmorska.example/p",
        )
    )
    assert recognised.state in {"sequenced", "published"}
    assert (await abroad.withdraw_recognition(recognised.event_id)).event_id != recognised.event_id
    await client.suspend(issued.credential_id, {"reason": "legal-order"})
    await client.reinstate(issued.credential_id, {"reason": "error"})
    revoked = await client.revoke(issued.credential_id, {"reason": "error"})
    assert (await client.event(revoked.event_id)).credential_id == issued.credential_id
    listed = [item.credential_id async for item in client.all_credentials()]
    assert listed == [stacked.credential_id, other.credential_id, issued.credential_id]
    assert described.achievement.uri in {item.achievement.uri async for item in client.all_achievements()}
    assert (await client.erase_learner("learner-1")).document_count == 3
    with pytest.raises(AnsweredProblem) as refused:
        await client.document(issued.credential_id)
    assert (refused.value.answer_slug, refused.value.answer_status) == ("erased", 410)


async def test_a_batch_is_sent_as_a_stream_followed_and_read(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    client = client_of(office)
    await client.describe(achievement("hydrology"))

    async def pieces() -> AsyncIterator[bytes]:
        yield b"learner_ref,given_name,family_name,achievement,valid_from\n"
        for number in range(1_100):
            yield f"l-{number},Zoë,Nowak,{'hydrology' if number else 'alchemy'},2026-01-01\n".encode()

    sent = await client.issue_batch(pieces(), media_type="text/csv", key="exams")
    assert sent.batch_id is not None
    seen = [now async for now in client.batch_progress(sent.batch_id)]
    assert (seen[-1].accepted_count, seen[-1].refused_count, seen[-1].is_over) == (1_099, 1, True)
    rows = [row async for row in client.batch_rows(sent.batch_id)]
    assert [row.line for row in rows if row.state == "refused"] == [2]
    claims = [made async for made in client.claims_of_batch(sent.batch_id, hours_valid=1)]
    assert len(claims) == 1_099
    secret = claims[0].link.rpartition("/")[2]
    assert (await client.claim_seen(secret)).state == "open"
    claimed = await client.use_claim(secret)
    assert claimed.credential_id == CredentialId(rows[1].credential_id or "")
    assert (await client.claim(claims[0].claim_id)).state == "used"


async def test_what_may_pass_is_tried_again_and_done_once(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    client = client_of(office, retry_count_max=6)
    await gateway.stop()
    with pytest.raises(UnreachableProblem):
        await client.issue(office.award(uri))  # without a key nobody can know whether it was done
    waiting = asyncio.create_task(client.issue(office.award(uri), key="once"))
    await gateway.start()
    issued = await waiting
    assert [item.credential_id async for item in client.all_credentials()] == [issued.credential_id]
