"""The gate of Annex I: what is not complete enough is not issued, and the refusal says what to state and where."""

import json
from typing import Any

import msgspec

from tests.support.gateways import Answered, Office, RunningGateway

COMPLETE = {
    "workload_hours": 98,
    "participation_modes": ["blended"],
    "quality_assurance": [{"type": "programme-quality-assurance", "name": "NVAO", "url": "https://nvao.example/1"}],
}


async def _gate(office: Office, gate: str) -> Answered:
    answered = await office.client.send("PUT", "/v1/settings", {"annex_gate": gate})
    assert answered.status == 200, answered
    return answered


def _refused(answered: Answered) -> list[tuple[int, str, str, str]]:
    assert (answered.status, answered.slug) == (422, "annex-i-incomplete"), answered
    elements = answered.body["elements"]
    return [(item["number"], item["state"], item["within"], item["pointer"]) for item in elements]


async def _try(office: Office, uri: str, **fields: Any) -> Answered:
    return await office.client.post("/v1/credentials", office.award(uri, **fields))


async def test_missing_elements_are_refused_and_named_with_where_they_belong(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    assert (await _try(office, uri)).status in {201, 202}  # the gate is off
    await _gate(office, "refuse-missing")
    refused = await _try(office, uri)
    assert _refused(refused) == [
        (10, "missing", "achievement", "/participation_modes"),
        (11, "missing", "achievement", "/quality_assurance"),
    ]
    assert refused.body["pointer"] == "/achievement"
    assert "PUT /v1/achievements/{id}" in refused.body["detail"]
    complete = (await office.describe("complete", **COMPLETE)).achievement.uri
    assert (await _try(office, complete)).status in {201, 202}


async def test_doubtful_elements_are_refused_where_the_institution_wants_it(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe("complete", **COMPLETE)).achievement.uri
    await _gate(office, "refuse-doubtful")
    assert (await _try(office, uri)).status in {201, 202}
    refused = await _try(office, uri, learner={"ref": "s-1", "email": "a@learners.example"})
    assert _refused(refused) == [(1, "doubtful", "award", "/learner")]
    assert refused.body["pointer"] == "/learner"
    await _gate(office, "refuse-missing")
    assert (await _try(office, uri, learner={"ref": "s-1", "email": "a@learners.example"})).status in {201, 202}


async def test_a_warning_stands_in_the_notes_of_the_credential(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    await _gate(office, "warn")
    issued = await _try(office, uri)
    read = await office.client.get(f"/v1/credentials/{issued.body['credential_id']}")
    assert [note.partition(":")[0] for note in read.body["notes"]] == [
        "Annex I, element 10, Form of participation (missing)",
        "Annex I, element 11, Type of quality assurance (missing)",
    ]


async def test_a_dry_run_says_what_would_be_noted(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    await _gate(office, "warn")
    answered = await office.client.send(
        "POST", "/v1/batches?dry_run=true", json.dumps([office.award(uri)]).encode(), key="some"
    )
    assert [note[:21] for note in answered.body["rows"][0]["notes"]] == [
        "Annex I, element 10, ",
        "Annex I, element 11, ",
    ]
    lines = b"\n".join(json.dumps(office.award(uri, f"s-{n}")).encode() for n in range(1_001))
    many = await office.client.send(
        "POST", "/v1/batches?dry_run=true", lines, key="many", media_type="application/x-ndjson"
    )
    path, key = f"/v1/batches/{many.body['batch_id']}", {"Authorization": f"Bearer {office.created.api_key}"}
    async with gateway.ledger.session.get(f"{gateway.url}{path}/events", headers=key) as response:
        await response.read()  # ends when the batch is over
    async with gateway.ledger.session.get(f"{gateway.url}{path}/rows?limit=2", headers=key) as response:
        rows = [json.loads(line) for line in (await response.text()).splitlines()]
    assert [(row["state"], len(row["notes"])) for row in rows] == [("checked", 2), ("checked", 2)]


async def test_lists_batches_requests_claims_stacks_and_imports_are_held_to_it(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe(takes_requests=True)).achievement.uri
    good = (await office.describe("complete", **COMPLETE)).achievement.uri
    other = (await office.describe("complete-too", **COMPLETE)).achievement.uri
    parts = [(await office.issue(each, "s-1")).credential_id for each in (good, other)]
    await _gate(office, "refuse-missing")
    rows = json.dumps([office.award(uri), office.award(good)]).encode()
    for path in ("/v1/batches?dry_run=true", "/v1/batches"):
        answered = await office.client.send("POST", path, rows, key="rows")
        first, second = answered.body["rows"]
        assert first["problem"]["elements"][0]["pointer"] == "/participation_modes"
        assert second["state"] in {"checked", "accepted"}
    asked = {"institution": "waterland", "achievement": "hydrology", "given_name": "Zoë", "family_name": "Ó Briain"}
    request_id = (await gateway.client().post("/v1/requests", asked)).body["request_id"]
    _refused(await office.client.post(f"/v1/requests/{request_id}/accept", {}))
    _refused(await office.client.post("/v1/claims", {"award": office.award(uri)}))
    _refused(await office.client.post("/v1/stacks", office.award(uri, "s-1", components=sorted(parts))))
    metadata = {"identifier": "https://microhe.example/1", "title": "x", "holder": "Zoë Ó Briain"} | {
        "dateOfIssue": "2019-06-30"
    }
    imported = await office.client.send("POST", "/v1/imports/microhe", json.dumps(metadata).encode())
    assert 9 in [number for number, *_ in _refused(imported)]


async def test_an_institution_may_be_stricter_than_its_gateway_and_never_laxer(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    strict = await gateway.institution("bergland", annex_gate="refuse-doubtful")
    await gateway.stop()
    gateway.config = msgspec.structs.replace(gateway.config, annex_gate="refuse-missing")
    await gateway.start()
    office, strict = Office(gateway, office.created), Office(gateway, strict.created)
    laxer = await _gate(office, "off")
    stated = [laxer.body[name] for name in ("annex_gate", "annex_gate_in_force")]
    assert stated == ["off", "refuse-missing"]
    _refused(await _try(office, (await office.describe()).achievement.uri))
    settings = await strict.client.get("/v1/settings")
    assert settings.body["annex_gate_in_force"] == "refuse-doubtful"
    wrong = await office.client.send("PUT", "/v1/settings", {"annex_gate": "maybe"})
    assert (wrong.status, wrong.body["pointer"]) == (422, "/annex_gate")


async def test_the_operator_speaks_for_no_institution(gateway: RunningGateway) -> None:
    for path in ("/v1/settings", "/v1/achievements"):
        refused = await gateway.operator.get(path)
        assert (refused.status, refused.slug) == (403, "forbidden")
