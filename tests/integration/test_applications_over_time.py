"""Between an application, its decision and its appeal: revoked, put on the log, withdrawn, decided in two tabs."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from proto.lifecycle.refusals import UnknownKeyRefusal
from proto.wire.gateway import EventAnswer, RecognitionRequest
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.unit_of_work.idempotency import KeyedRequest
from tests.support.applications import (
    REFUSAL,
    apply_with,
    decide_item,
    document_shown,
    make_due,
    read_application,
    second_person,
    seen_by_applicant,
)
from tests.support.gateways import Office, RunningGateway
from tests.support.judged import Verifier
from tests.support.ledgers import until
from tests.support.page_reader import Reader

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

Json = dict[str, Any]
_WAITS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'transactionid'"""
PARTIAL: Json = {"decision": "partial", "ects_hundredths": 100, "reasons": ["outcomes-differ"], "text": "Half of it."}


@pytest.fixture
def gateway_settings(verifier: Verifier) -> Mapping[str, Any]:
    """The gateway asks the test's verifier about evidence."""
    return {"evidence_verifier_url": verifier.url}


async def _revoke(verifier: Verifier, office: Office, credential_id: str) -> None:
    said = await office.client.post(f"/v1/credentials/{credential_id}/revoke", {"reason": "error"})
    assert said.status == 201, said
    await office.event_published(said.body["event_id"])

    async def known() -> bool | None:
        return (await verifier.by_id(credential_id))["verdict"] == "invalid" or None

    await until(known, "the verifier has followed the revocation")


async def test_a_document_that_was_revoked_since_it_was_shown_is_counted_by_nobody_who_does_not_say_so(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology")
    name, document = await document_shown(verifier, college, "hydrology", "s1")
    made = await apply_with(gateway, school, [{"document": document}, {"document": document}])
    assert [each.holds_now for each in (await read_application(school, made)).items] == ["holds", "holds"]
    await _revoke(verifier, college, name)
    (first, _) = (await read_application(school, made)).items
    assert (first.holds_now, first.answer and first.answer.verdict) == ("does-not-hold", "valid")
    for body in ({"decision": "full"}, PARTIAL):
        refused = await decide_item(school, made, 1, body)
        assert (refused.status, refused.slug) == (409, "evidence-no-longer-holds")
    silent = await decide_item(school, made, 1, {"decision": "full", "despite_status": True})
    assert (silent.status, silent.body["pointer"]) == (422, "/text")
    known = {"decision": "full", "despite_status": True, "text": "It was revoked for its form alone."}
    assert (await decide_item(school, made, 1, known)).status == 200
    async with Reader(gateway, "en") as decider:
        await decider.open("/office")
        await decider.sign_in(school.created.api_key)
        page = f"/office/applications/{made['application_id']}"
        await decider.open(page)
        assert "It does not hold any more" in decider.text
        fields = {"decision": "full", "text": "It was revoked for its form alone."}
        await decider.decide(page, 2, fields)
        assert "It was revoked or suspended since it was shown" in decider.text
        await decider.decide(page, 2, fields | {"despite_status": "1"})
        assert decider.status == 409, "the same credential counts already, in the same application"
        await decider.decide(page, 2, fields | {"despite_status": "1", "despite_counted": "1"})
    assert (await read_application(school, made)).state == "decided"


async def _on_log(gateway: RunningGateway, verifier: Verifier, name: str) -> list[tuple[str, int, str]]:
    """Return the recognitions of a credential that the log has, with their states, once all is published."""
    assert gateway.inside is not None
    pool = gateway.inside.pool

    async def sent() -> bool | None:
        return not await pool.fetchval("SELECT count(*) FROM outbox WHERE state <> 'published'") or None

    await until(sent, "all is published")
    size = await pool.fetchval("SELECT max(leaf_index) + 1 FROM outbox")

    async def found() -> Json | None:
        answer = await verifier.by_id(name)
        return answer if answer["as_of"]["size"] >= size else None

    answer = await until(found, "the verifier has followed all")
    return [(each["decision"], each["ects_hundredths"], each["state"]) for each in answer.get("recognitions", [])]


async def _decided_anew(gateway: RunningGateway, verifier: Verifier, body: Json) -> tuple[Json, str]:
    """Have a credential recognised in part, that put on the log, and decided by `body` after an appeal.

    Return the application, whose new decision is due on the log, and the credential's id.
    """
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology")
    name, document = await document_shown(verifier, college, "hydrology", "s1")
    made = await apply_with(gateway, school, [{"document": document}], publish=True)
    assert (await decide_item(school, made, 1, PARTIAL)).status == 200
    await make_due(gateway)
    assert gateway.commands is not None
    assert await gateway.commands.publish_recognitions.publish_due() == 1
    assert await _on_log(gateway, verifier, name) == [("partial", 100, "live")]
    link = f"/v1/application-links/{made['secret']}/items/1/appeal"
    assert (await gateway.client().post(link, {"text": "It is all of it."})).status == 200
    anew = await decide_item(await second_person(school), made, 1, body | {"despite_precedents": True, "text": "So."})
    assert anew.status == 200, anew
    await make_due(gateway)
    return made, name


@pytest.mark.parametrize("anew", ["full", "refused"])
async def test_what_is_decided_anew_is_what_the_log_says_too(
    gateway: RunningGateway, verifier: Verifier, anew: str
) -> None:
    made, name = await _decided_anew(gateway, verifier, {"decision": "full"} if anew == "full" else REFUSAL)
    assert gateway.commands is not None
    publish = gateway.commands.publish_recognitions
    assert await publish.publish_due() == 1
    assert await publish.publish_due() == 0, "once"
    found = await _on_log(gateway, verifier, name)
    assert [each[0] for each in found if each[2] == "live"] == (["full"] if anew == "full" else [])
    first, second = (await seen_by_applicant(gateway, made)).items[0].decisions
    assert first.recognition is not None
    assert (second.recognition is not None) == (anew == "full")


@pytest.mark.parametrize("rules_version", [1])
async def test_what_cannot_be_taken_back_now_is_tried_again_and_keeps_nothing_else_from_going_on(
    gateway: RunningGateway, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1 knows no replacing: what is on the log is withdrawn there before the new decision goes there."""
    _, name = await _decided_anew(gateway, verifier, {"decision": "full"})
    assert gateway.commands is not None
    publish = gateway.commands.publish_recognitions

    async def not_now(*_: object) -> None:
        raise UnknownKeyRefusal("Its new key is not on the log yet")

    with monkeypatch.context() as patched:
        patched.setattr(gateway.commands.make_statements, "withdraw", not_now)
        assert await publish.publish_due() == 1
    assert await _on_log(gateway, verifier, name) == [("partial", 100, "live")]
    assert await publish.publish_due() == 0, "it lets others that are due go first"
    await make_due(gateway)
    assert await publish.publish_due() == 1
    found = await _on_log(gateway, verifier, name)
    assert [each[0] for each in found if each[2] == "live"] == ["full"]


@pytest.mark.parametrize("fault", [UnknownKeyRefusal("Its new key is not on the log yet"), RuntimeError("a fault")])
async def test_what_cannot_be_said_lets_others_that_are_due_go_first(
    gateway: RunningGateway, verifier: Verifier, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr("services.issuer_gateway.applications.publication._ROWS", 1)
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology")
    names = []
    for ref in ("s1", "s2"):
        name, document = await document_shown(verifier, college, "hydrology", ref)
        made = await apply_with(gateway, school, [{"document": document}], publish=True)
        assert (await decide_item(school, made, 1, {"decision": "full"})).status == 200
        await make_due(gateway)
        names.append(name)
    assert gateway.commands is not None
    publish, statements = gateway.commands.publish_recognitions, gateway.commands.make_statements
    recognise, said = statements.recognise, list[str]()

    async def of_one(tenant: Tenant, body: RecognitionRequest, keyed: KeyedRequest | None) -> EventAnswer:
        said.append(body.credential_id)
        if body.credential_id == said[0]:
            raise fault
        return await recognise(tenant, body, keyed)

    with monkeypatch.context() as patched:
        patched.setattr(statements, "recognise", of_one)
        assert [await publish.publish_due() for _ in range(3)] == [1, 1, 0]
    assert sorted(said) == sorted(names), "each once"
    assert [len(await _on_log(gateway, verifier, name)) for name in said] == [0, 1]
    await make_due(gateway)
    assert await publish.publish_due() == 1
    assert len(await _on_log(gateway, verifier, said[0])) == 1


async def test_what_an_applicant_appeals_against_or_withdraws_just_then_is_not_put_on_the_log(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology")
    name, document = await document_shown(verifier, college, "hydrology", "s1")
    made = await apply_with(gateway, school, [{"document": document}], publish=True)
    assert (await decide_item(school, made, 1, PARTIAL)).status == 200
    await make_due(gateway)
    assert gateway.inside is not None
    assert gateway.commands is not None
    pool = gateway.inside.pool
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM application FOR UPDATE")
        publish = asyncio.create_task(gateway.commands.publish_recognitions.publish_due())

        async def waits() -> bool | None:
            return bool(await pool.fetchval(_WAITS)) or None

        await until(waits, "it has found what is due, and waits")
        await connection.execute("UPDATE application_item SET publish_at = NULL, sealed_appeal = ''")
    await publish
    assert await _on_log(gateway, verifier, name) == []


async def test_of_two_tabs_that_decide_at_once_one_decides(gateway: RunningGateway) -> None:
    school = await gateway.institution("school")
    made = await apply_with(gateway, school, [{"dossier": {"title": "Rivers", "description": "Ten years."}}])
    full = {"decision": "full", "ects_hundredths": 250, "assessor": "Dr Wind"}
    answers = await asyncio.gather(*(decide_item(school, made, 1, body) for body in (full, REFUSAL, full, REFUSAL)))
    assert sorted(each.status for each in answers) == [200, 409, 409, 409]
    assert {each.slug for each in answers if each.status == 409} == {"item-decided"}
    assert len((await seen_by_applicant(gateway, made)).items[0].decisions) == 1
