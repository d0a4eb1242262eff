"""Revoking, suspending, stacking, recognising through a running gateway onto a running ledger."""

import asyncio

import pytest

from proto.documents.open_badge_names import IRIS
from proto.wire.gateway import CredentialAnswer, EventAnswer, Status
from tests.support.gateways import NO_WAIT, Office, RunningGateway
from tests.support.ledgers import RunningLedger, until


async def _status(office: Office, credential_id: str, state: str) -> Status:
    """Return the status once its state is the one that is waited for."""

    async def ask() -> Status | None:
        found = (await office.client.get(f"/v1/credentials/{credential_id}")).as_(CredentialAnswer).status
        return found if found is not None and found.state == state else None

    return await until(ask, f"the credential is {state}")


async def test_revoking_twice_is_refused_and_a_repeated_request_is_not(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    issued = await office.issue((await office.describe()).achievement.uri)
    path = f"/v1/credentials/{issued.credential_id}/revoke"
    first = await office.client.post(path, {"reason": "error"}, key="revoke")
    assert first.status == 201
    again = await office.client.post(path, {"reason": "error"}, key="revoke")
    assert (again.status, again.body) == (201, first.body)
    twice = await office.client.post(path, {"reason": "error"})
    assert (twice.status, twice.slug, twice.body["state"]) == (409, "credential-state", "revoked")
    assert (await _status(office, issued.credential_id, "revoked")).reason == "error"


async def test_of_parallel_revocations_one_is_taken(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    issued = await office.issue((await office.describe()).achievement.uri)
    path = f"/v1/credentials/{issued.credential_id}/revoke"
    answered = await asyncio.gather(*(office.client.post(path, {"reason": "error"}) for _ in range(5)))
    assert sorted(each.status for each in answered) == [201, 409, 409, 409, 409]
    same = await asyncio.gather(*(office.client.post(path, {"reason": "error"}, key="k") for _ in range(3)))
    assert {each.status for each in same} == {409}


async def test_parallel_revocations_with_one_key_get_one_answer(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    issued = await office.issue((await office.describe()).achievement.uri)
    path = f"/v1/credentials/{issued.credential_id}/revoke"
    answered = await asyncio.gather(*(office.client.post(path, {"reason": "error"}, key="k") for _ in range(5)))
    assert {each.status for each in answered} == {201}
    assert len({each.body["event_id"] for each in answered}) == 1


async def test_a_suspended_credential_is_reinstated(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    issued = await office.issue((await office.describe()).achievement.uri)
    path = f"/v1/credentials/{issued.credential_id}"
    assert (await office.client.post(f"{path}/suspend", {"reason": "legal-order"})).status == 201
    refused = await office.client.post(f"{path}/suspend", {"reason": "legal-order"})
    assert (refused.status, refused.slug) == (409, "credential-state")
    await _status(office, issued.credential_id, "suspended")
    assert (await office.client.post(f"{path}/reinstate", {"reason": "error"})).status == 201
    await _status(office, issued.credential_id, "active")
    wrong = await office.client.post(f"{path}/suspend", {"reason": "error", "replaced_by": "0" * 64})
    assert (wrong.status, wrong.body["pointer"]) == (422, "/replaced_by")


@pytest.mark.parametrize("gateway_settings", [NO_WAIT])
async def test_changes_made_while_the_ledger_is_down_keep_their_order(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    await ledger.stop()
    issued = await office.issue(uri)
    path = f"/v1/credentials/{issued.credential_id}"
    events = [issued.issue.event_id]
    for verb in ("suspend", "reinstate", "revoke"):
        answered = await office.client.post(f"{path}/{verb}", {"reason": "error"})
        assert answered.status == 202
        events.append(answered.body["event_id"])
    refused = await office.client.post(f"{path}/revoke", {"reason": "error"})
    assert refused.status == 409
    await ledger.start()
    indices = [(await office.event_published(event_id)).index for event_id in events]
    assert indices == sorted(indices)  # type: ignore[type-var] # published events have an index
    await _status(office, issued.credential_id, "revoked")


async def _parts(office: Office, *, ref: str = "learner-1") -> tuple[list[str], str]:
    """Issue two parts of 3 and 3.5 ECTS to one learner, and describe what they are stacked to."""
    one = await office.describe("part-one", ects_hundredths=300)
    two = await office.describe("part-two", ects_hundredths=350)
    whole = await office.describe(
        "whole",
        ects_hundredths=650,
        recipe={
            "ects_hundredths_min": 650,
            "required_achievements": [one.achievement.uri, two.achievement.uri],
            "exclusive": True,
        },
    )
    parts = [(await office.issue(each.achievement.uri, ref)).credential_id for each in (one, two)]
    return sorted(parts), whole.achievement.uri


async def test_two_parts_are_stacked_and_one_revoked_impairs_the_stack(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    parts, whole = await _parts(office)
    answered = await office.client.post("/v1/stacks", office.award(whole) | {"components": parts}, key="stack")
    assert answered.status == 201, answered
    stack = answered.as_(CredentialAnswer)
    assert (stack.ects_hundredths, sorted(stack.components)) == (650, parts)
    document = (await office.client.get(f"/v1/credentials/{stack.credential_id}/document")).body
    assert sorted(part[IRIS["credentialId"]] for part in document["credentialSubject"][IRIS["component"]]) == parts
    again = await office.client.post("/v1/stacks", office.award(whole) | {"components": parts}, key="stack")
    assert again.body["credential_id"] == stack.credential_id
    exclusive = await office.client.post(
        "/v1/stacks", office.award(whole) | {"components": parts, "on_repeat": "repeat", "narrative": "Once more"}
    )
    assert (exclusive.status, exclusive.slug) == (422, "stack-unmet")
    assert {item["code"] for item in exclusive.body["unmet"]} == {"part-in-other-stack"}
    await office.client.post(f"/v1/credentials/{parts[0]}/revoke", {"reason": "error"})
    impaired = await _status(office, stack.credential_id, "impaired")
    assert impaired.ects_hundredths_remaining in {300, 350}


async def test_a_stack_that_was_made_before_is_recognised_and_other_words_say_what_they_mean(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    parts, whole = await _parts(office)
    body = office.award(whole) | {"components": parts}
    first, second = await asyncio.gather(*(office.client.post("/v1/stacks", body) for _ in range(2)))
    assert {first.status, second.status} == {200, 201}
    assert first.body["credential_id"] == second.body["credential_id"]
    turned = await office.client.post("/v1/stacks", body | {"components": parts[::-1]}, key="turned")
    assert (turned.status, turned.body["credential_id"]) == (200, first.body["credential_id"])
    other = body | {"valid_from": "2026-01-02"}
    refused = await office.client.post("/v1/stacks", other)
    assert (refused.status, refused.slug) == (409, "awarded-before")
    assert refused.body["credential_ids"] == [first.body["credential_id"]]
    replacing = await office.client.post("/v1/stacks", other | {"on_repeat": "replace"}, key="replacing")
    assert replacing.status == 201, replacing
    replaced = await _status(office, first.body["credential_id"], "revoked")
    assert replaced.replaced_by == replacing.body["credential_id"]
    assert (await _status(office, replacing.body["credential_id"], "active")).ects_hundredths_remaining == 650


async def test_a_key_that_may_not_revoke_replaces_no_stack(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    parts, whole = await _parts(office)
    made = await office.client.post("/v1/keys", {"name": "stacks", "scopes": ["stacks:write"]}, key="k")
    stacking = gateway.client(made.body["api_key"])
    refused = await stacking.post("/v1/stacks", office.award(whole) | {"components": parts, "on_repeat": "replace"})
    assert (refused.status, refused.slug) == (403, "may-not-revoke")


async def test_a_stack_with_an_unknown_or_revoked_part_is_refused(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    parts, whole = await _parts(office)
    unknown = await office.client.post("/v1/stacks", office.award(whole) | {"components": [parts[0], "0" * 64]})
    assert (unknown.status, unknown.slug, unknown.body["pointer"]) == (422, "unknown-credential", "/components")
    assert unknown.body["credential_id"] == "0" * 64
    await office.client.post(f"/v1/credentials/{parts[1]}/revoke", {"reason": "error"})
    revoked = await office.client.post("/v1/stacks", office.award(whole) | {"components": parts})
    assert (revoked.status, revoked.slug, revoked.body["state"]) == (409, "credential-state", "revoked")
    assert revoked.body["credential_id"] == parts[1]


async def test_a_stack_that_misses_its_recipe_is_refused(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    parts, whole = await _parts(office)
    other = await office.issue((await office.describe("other")).achievement.uri)
    components = [parts[0], other.credential_id]
    refused = await office.client.post("/v1/stacks", office.award(whole) | {"components": components})
    assert (refused.status, refused.slug) == (422, "stack-unmet")
    assert "achievement-missing" in {item["code"] for item in refused.body["unmet"]}


async def test_a_stack_of_another_learners_parts_is_refused_and_of_anothers_noted(gateway: RunningGateway) -> None:
    office, abroad = await gateway.institution("waterland"), await gateway.institution("nadmorska")
    parts, whole = await _parts(office)
    refused = await office.client.post("/v1/stacks", office.award(whole, "learner-2") | {"components": parts})
    assert (refused.status, refused.slug) == (422, "other-learner")
    mixed = (await office.describe("mixed", ects_hundredths=100)).achievement.uri
    foreign = await abroad.issue((await abroad.describe("foreign")).achievement.uri, "pn-7")
    await office.published(parts[0])
    components = [parts[0], foreign.credential_id]
    answered = await office.client.post("/v1/stacks", office.award(mixed) | {"components": components})
    assert answered.status == 201, answered
    assert "1 of 2" in answered.body["notes"][0]


@pytest.mark.parametrize("gateway_settings", [NO_WAIT])
async def test_a_stack_can_be_made_of_parts_that_are_still_on_their_way(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    office = await gateway.institution("waterland")
    await ledger.stop()
    parts, whole = await _parts(office)
    answered = await office.client.post("/v1/stacks", office.award(whole) | {"components": parts})
    assert answered.status == 202, answered
    await ledger.start()
    assert (await office.published(answered.body["credential_id"])).components == tuple(parts)


async def test_a_recognition_is_made_once_and_withdrawn_by_its_institution(gateway: RunningGateway) -> None:
    office, abroad = await gateway.institution("waterland"), await gateway.institution("nadmorska")
    issued = await office.issue((await office.describe()).achievement.uri)
    request = {
        "credential_id": issued.credential_id,
        "decision": "full",
        "ects_hundredths": 350,
        "programme": "https://nadmorska.example/programmes/1",
    }
    recognised = await abroad.client.post("/v1/recognitions", request)
    assert recognised.status == 201, recognised
    event_id = recognised.as_(EventAnswer).event_id
    twice = await abroad.client.post("/v1/recognitions", request)
    assert (twice.status, twice.slug) == (409, "already-exists")
    elsewhere = await office.client.post("/v1/recognitions", request)
    assert (elsewhere.status, elsewhere.slug) == (403, "out-of-scope")
    assert (await office.client.send("DELETE", f"/v1/recognitions/{event_id}")).status == 404
    assert (await abroad.client.send("DELETE", f"/v1/recognitions/{event_id}")).status == 201
    again = await abroad.client.send("DELETE", f"/v1/recognitions/{event_id}")
    assert (again.status, again.slug) == (409, "credential-state")
    assert (await abroad.client.post("/v1/recognitions", request)).status == 201
