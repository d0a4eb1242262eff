"""Prerequisites are enforced wherever something is issued, by what the log says now of what the learner holds."""

import json
from typing import Any

import msgspec

from proto.wire.gateway import CredentialAnswer
from proto.wire.requests import ClaimMade, RequestMade
from tests.support.gateways import NO_WAIT, Answered, Office, RunningGateway


async def _office(gateway: RunningGateway, **required: Any) -> tuple[Office, str, str]:
    office = await gateway.institution("waterland")
    basics = (await office.describe("basics")).achievement.uri
    stated = {"achievements": [basics]} | required
    advanced = (await office.describe("advanced", entry_requirements=stated, takes_requests=True)).achievement.uri
    return office, basics, advanced


async def _try(office: Office, uri: str, ref: str = "s-1", **fields: Any) -> Answered:
    return await office.client.post("/v1/credentials", office.award(uri, ref, **fields))


def _codes(answered: Answered) -> list[str]:
    assert (answered.status, answered.slug, answered.body["pointer"]) == (422, "prerequisite-missing", "/achievement")
    return [item["code"] for item in answered.body["missing"]]


async def test_who_lacks_a_prerequisite_gets_nothing_and_is_told_which(gateway: RunningGateway) -> None:
    office, basics, advanced = await _office(gateway)
    refused = await _try(office, advanced)
    assert _codes(refused) == ["prerequisite-missing"]
    assert f"Basics ({basics})" in refused.body["detail"]
    assert "Award it first" in refused.body["detail"]
    await office.issue(basics, "s-2")  # somebody else's
    assert _codes(await _try(office, advanced)) == ["prerequisite-missing"]
    await office.issue(basics, "s-1")
    assert (await _try(office, advanced)).status in {201, 202}


async def test_a_prerequisite_that_does_not_hold_now_is_none(gateway: RunningGateway) -> None:
    office, basics, advanced = await _office(gateway)
    held = await office.issue(basics)
    path = f"/v1/credentials/{held.credential_id}"
    await office.client.post(f"{path}/suspend", {"reason": "error"})
    refused = await _try(office, advanced, "learner-1")
    assert _codes(refused) == ["prerequisite-not-active"]
    assert "suspended" in refused.body["detail"]
    await office.client.post(f"{path}/reinstate", {"reason": "error"})
    assert (await _try(office, advanced, "learner-1")).status in {201, 202}
    await office.client.post(f"{path}/revoke", {"reason": "error"})
    again: dict[str, Any] = {"result": {"value": "9"}, "on_repeat": "repeat"}
    assert _codes(await _try(office, advanced, "learner-1", **again)) == ["prerequisite-not-active"]
    await office.issue(basics, "s-3", valid_until="2026-02-01T00:00:00Z")
    assert _codes(await _try(office, advanced, "s-3")) == ["prerequisite-not-active"]


async def test_another_institutions_credential_counts_where_the_award_names_it(gateway: RunningGateway) -> None:
    other = await gateway.institution("bergland")
    foreign = (await other.describe("alps")).achievement.uri
    office, basics, advanced = await _office(gateway, achievements=[foreign])
    held = await other.issue(foreign, "s-1")
    assert _codes(await _try(office, advanced)) == ["prerequisite-missing"]
    await other.published(held.credential_id)
    issued = await _try(office, advanced, prerequisites=[held.credential_id])
    assert issued.status in {201, 202}, issued
    read = await office.client.get(f"/v1/credentials/{issued.body['credential_id']}")
    assert "institution's word" in read.body["notes"][0]
    document = (await other.client.get(f"/v1/credentials/{held.credential_id}/document")).body
    again: dict[str, Any] = {"result": {"value": "9"}, "on_repeat": "repeat"}
    shown = await _try(office, advanced, prerequisite_documents=[document], **again)  # both say the same names
    read = await office.client.get(f"/v1/credentials/{shown.body['credential_id']}")
    assert "states the learner's names" in read.body["notes"][0]
    other_names = {"ref": "s-1", "given_name": "Zoë", "family_name": "Nowak"}
    repeat: dict[str, Any] = {"learner": other_names, "on_repeat": "repeat"}
    refused = await _try(office, advanced, prerequisite_documents=[document], **repeat)
    assert (refused.slug, refused.body["pointer"]) == ("prerequisite-of-another", "/prerequisite_documents/0")
    more: dict[str, Any] = {"result": {"value": "10"}, "on_repeat": "repeat"}
    altered = document | {"name": "Alps, with distinction"}
    refused = await _try(office, advanced, prerequisite_documents=[altered], **more)
    assert refused.slug == "prerequisite-unknown"
    refused = await _try(office, advanced, prerequisite_documents=[{"id": "no credential"}], **more)
    assert (refused.slug, refused.body["pointer"]) == ("invalid", "/prerequisite_documents/0/@context")
    unknown = await _try(office, advanced, prerequisites=["0" * 64], **more)
    assert (unknown.status, unknown.slug) == (422, "prerequisite-unknown")
    assert unknown.body["pointer"] == "/prerequisites/0"
    of_another = await office.issue(basics, "s-2")
    refused = await _try(office, advanced, prerequisites=[of_another.credential_id], **more)
    assert refused.slug == "prerequisite-of-another"


async def test_rows_of_a_batch_are_judged_one_by_one_and_in_order(gateway: RunningGateway) -> None:
    office, basics, advanced = await _office(gateway)
    awards = [
        office.award(advanced, "s-1"),
        office.award(basics, "s-2"),
        office.award(advanced, "s-2"),
        office.award(basics, "s-3", valid_until="2026-02-01T00:00:00Z"),
        office.award(advanced, "s-3"),
    ]
    body = json.dumps(awards).encode()
    for path, good in (("/v1/batches?dry_run=true", "checked"), ("/v1/batches", "accepted")):
        answered = await office.client.send("POST", path, body, key="exams")
        states = [row["state"] for row in answered.body["rows"]]
        assert states == ["refused", good, good, good, "refused"], answered
        assert "prerequisite-missing" in answered.body["rows"][0]["problem"]["type"]
    header = "learner_ref,family_name,achievement,valid_from,prerequisites\n"
    csv = f"{header}s-9,A,{advanced},2026-01-01,{'0' * 64} {'1' * 64}\n"
    answered = await office.client.send("POST", "/v1/batches", csv.encode(), key="csv", media_type="text/csv")
    assert "prerequisite-unknown" in answered.body["rows"][0]["problem"]["type"]


async def test_requests_and_claims_are_held_to_it_and_stay_open(gateway: RunningGateway) -> None:
    office, basics, advanced = await _office(gateway)
    asked = {"institution": "waterland", "achievement": "advanced", "given_name": "Zoë"}
    made = (await gateway.client().post("/v1/requests", asked)).as_(RequestMade)
    award = office.award(advanced, "s-1", on_repeat="repeat")
    claim = (await office.client.post("/v1/claims", {"award": award})).as_(ClaimMade)
    accept = f"/v1/requests/{made.request_id}/accept", {"learner": {"ref": "s-1", "given_name": "Zoë"}}
    use: tuple[str, dict[str, Any]] = f"/v1/claim-links/{claim.link.rpartition('/')[2]}", {}
    assert _codes(await office.client.post(*accept)) == ["prerequisite-missing"]
    assert _codes(await gateway.client().post(*use)) == ["prerequisite-missing"]
    assert (await gateway.client().get(f"/v1/request-links/{made.secret}")).body["state"] == "open"
    await office.issue(basics, "s-1")
    assert (await office.client.post(*accept)).status in {201, 202}
    assert (await gateway.client().post(*use)).status == 200


async def test_a_correction_for_the_same_learner_is_not_held_to_it_again(gateway: RunningGateway) -> None:
    office, basics, advanced = await _office(gateway)
    held = await office.issue(basics, "s-1")
    issued = (await _try(office, advanced)).as_(CredentialAnswer)
    await office.client.post(f"/v1/credentials/{held.credential_id}/revoke", {"reason": "error"})
    change = {"action": "reissue", "credential_id": issued.credential_id, "reason": "error"}
    path = "/v1/batches/changes?dry_run=true"
    for ref, state in (("s-1", "checked"), ("s-2", "refused")):
        row = change | {"award": office.award(advanced, ref)}
        line = json.dumps(row).encode() + b"\n"
        answered = await office.client.send("POST", path, line, key=ref, media_type="application/x-ndjson")
        batch_id = answered.body["batch_id"]
        rows = await gateway_rows(gateway, office, batch_id)
        assert [found["state"] for found in rows] == [state], rows


async def test_a_long_dry_run_knows_what_earlier_rows_would_give(gateway: RunningGateway) -> None:
    office, basics, advanced = await _office(gateway)
    count = 600
    rows = [office.award(basics, f"s-{number}") for number in range(count - 1)]
    rows += [office.award(basics, "s-late", valid_from="2040-01-01T00:00:00Z")]
    rows += [office.award(advanced, f"s-{number}") for number in range(count - 1)] + [office.award(advanced, "s-late")]
    body = b"\n".join(json.dumps(row).encode() for row in rows)
    answered = await office.client.send(
        "POST", "/v1/batches?dry_run=true", body, key="long", media_type="application/x-ndjson"
    )
    found = await gateway_rows(gateway, office, answered.body["batch_id"])
    assert [row["line"] for row in found if row["state"] != "checked"] == [2 * count]
    assert found[-1]["problem"]["missing"][0]["code"] == "prerequisite-missing"


async def gateway_rows(gateway: RunningGateway, office: Office, batch_id: str) -> list[dict[str, Any]]:
    async with gateway.ledger.session.get(
        f"{gateway.url}/v1/batches/{batch_id}/events", headers={"Authorization": f"Bearer {office.created.api_key}"}
    ) as response:
        await response.read()  # ends when the batch is over
    async with gateway.ledger.session.get(
        f"{gateway.url}/v1/batches/{batch_id}/rows", headers={"Authorization": f"Bearer {office.created.api_key}"}
    ) as response:
        return [json.loads(line) for line in (await response.text()).splitlines()]


async def test_what_cannot_be_checked_is_refused(gateway: RunningGateway) -> None:
    office, basics, advanced = await _office(gateway)
    await office.issue(basics, "s-1")
    await gateway.stop()
    await gateway.ledger.stop()
    gateway.config = msgspec.structs.replace(gateway.config, stale_seconds_max=0.1, **NO_WAIT)
    await gateway.start()
    office = Office(gateway, office.created)
    unknown = await _try(office, advanced)
    assert (unknown.status, unknown.slug) == (503, "log-not-followed")
    assert (await _try(office, basics, "s-2")).status == 202
    await gateway.ledger.start()


async def test_an_achievement_cannot_require_itself(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = "https://waterland.example/self"
    body = {
        "uri": uri,
        "entry_requirements": {"achievements": [uri]},
        "title": {"en": "x"},
        "description": {"en": "x"},
        "criteria": {"en": "x"},
        "language": "en",
        "ects_hundredths": 100,
    }
    refused = await office.client.post("/v1/achievements", body)
    assert (refused.status, "itself" in refused.body["detail"]) == (422, True)
