"""Days of validity in the institution's time zone, by every way of issuing: stored exclusive, shown as written."""

from typing import Any

import msgspec

from proto.moment import Moment, as_written
from proto.wire.batches import BatchAnswer
from proto.wire.gateway import CredentialAnswer
from tests.support.foreign_documents import elm, open_badge
from tests.support.gateways import Office, RunningGateway
from tests.support.judged import Verifier, document_of
from tests.support.ledgers import until

Json = dict[str, Any]
FIRST, LAST = "2026-07-01", "2036-07-31"
DAYS = {"valid_from": FIRST, "valid_until": LAST}
PERIOD = (Moment("2026-06-30T22:00:00.000Z"), Moment("2036-07-31T22:00:00.000Z"))


async def _office(gateway: RunningGateway) -> Office:
    office = await gateway.institution("waterland")
    changed = await office.client.send("PUT", "/v1/settings", {"time_zone": "Europe/Amsterdam"})
    assert (changed.status, changed.body["time_zone"]) == (200, "Europe/Amsterdam")
    for name in ("soil", "water"):
        await office.describe(name)
    return office


async def _check(office: Office, verifier: Verifier, credential_id: str) -> None:
    document = await document_of(office, credential_id)
    assert (document["validFrom"], document["validUntil"]) == tuple(map(as_written, PERIOD))
    answer = await verifier.answer(document)
    facts = answer["credential"]
    assert (facts["valid_from"], facts["valid_until"]) == PERIOD
    assert (facts["valid_from_day"], facts["valid_until_day"]) == (FIRST, LAST)
    by_id = await verifier.by_id(credential_id)
    assert "valid_until_day" not in by_id["credential"], "days are the document's, not the log's"
    for _ in range(3):  # from the second time on it is answered from what was prepared
        again = await verifier.answer(document)
        assert again["credential"] == facts
        assert "2036-07-31." in next(each["detail"] for each in again["checks"] if each["check"] == "period")
    known = (await office.client.get(f"/v1/credentials/{credential_id}")).as_(CredentialAnswer)
    assert (known.valid_from, known.valid_until) == (FIRST, LAST)


async def test_lists_write_days(gateway: RunningGateway, verifier: Verifier) -> None:
    office = await _office(gateway)
    csv = f"learner_ref,given_name,achievement,valid_from,valid_until\nz-1,Ada,soil,{FIRST},{LAST}\n".encode()
    rows = [office.award("soil", "n-1") | DAYS]
    bodies = {
        "text/csv": csv,
        "application/x-ndjson": msgspec.json.encode(rows[0]),
        "application/json": msgspec.json.encode([office.award("soil", "j-1") | DAYS]),
    }
    for media_type, body in bodies.items():
        answered = await office.client.send("POST", "/v1/batches", body, media_type=media_type, key=media_type)
        [row] = answered.as_(BatchAnswer).rows
        assert row.credential_id, row.problem
        await _check(office, verifier, row.credential_id)


async def test_single_issues_claims_stacks_and_reissues_write_days(gateway: RunningGateway, verifier: Verifier) -> None:
    office = await _office(gateway)
    parts = [await office.issue(name, **DAYS) for name in ("soil", "water")]
    await _check(office, verifier, parts[0].credential_id)
    made = await office.client.post("/v1/claims", {"award": office.award("soil", "c-1") | DAYS})
    claimed = await gateway.client().post(f"/v1/claim-links/{made.body['link'].rpartition('/')[2]}", {})
    await _check(office, verifier, claimed.body["credential_id"])
    await office.describe("whole", ects_hundredths=650)
    body = office.award("whole") | DAYS | {"components": [part.credential_id for part in parts]}
    stacked = await office.client.post("/v1/stacks", body)
    assert stacked.status == 201, stacked
    await _check(office, verifier, stacked.body["credential_id"])
    wrong = await office.published((await office.issue("soil", "r-1")).credential_id)
    header = "action,credential_id,reason,effective_at,learner_ref,given_name,achievement,valid_from,valid_until"
    row = f"reissue,{wrong.credential_id},error,2026-09-01,r-1,Zo,soil,{FIRST},{LAST}"
    csv = f"{header}\n{row}\n".encode()
    answered = await office.client.send("POST", "/v1/batches/changes", csv, media_type="text/csv", key="r")
    [changed] = answered.as_(BatchAnswer).rows
    assert changed.credential_id, changed.problem
    await _check(office, verifier, changed.credential_id)

    async def revoked() -> str | None:
        found = await office.published(wrong.credential_id)
        return found.status.since if found.status and found.status.state == "revoked" else None

    assert await until(revoked, "it is revoked") == "2026-08-31T22:00:00.000Z"


async def test_a_change_takes_a_day_or_any_time_with_an_offset_alone_and_in_every_list(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    for place, written in enumerate(("2026-09-01", "2026-09-01T00:00:00+02:00", "2026-08-31T22:00:00Z")):
        made = await office.published((await office.issue("soil", f"e-{place}")).credential_id)
        body = {"reason": "error", "effective_at": written}
        if place:
            answered = await office.client.post(f"/v1/credentials/{made.credential_id}/suspend", body)
            assert answered.status == 201, answered
        else:
            line = msgspec.json.encode(body | {"action": "suspend", "credential_id": made.credential_id})
            media_type = "application/x-ndjson"
            answered = await office.client.send("POST", "/v1/batches/changes", line, media_type=media_type, key="n")
            assert answered.as_(BatchAnswer).accepted_count == 1, answered

        async def suspended(credential_id: str = made.credential_id) -> str | None:
            found = await office.published(credential_id)
            return found.status.since if found.status and found.status.state == "suspended" else None

        assert await until(suspended, "it is suspended") == "2026-08-31T22:00:00.000Z"
    wrong = {"reason": "error", "effective_at": "2026-02-30"}
    refused = await office.client.post(f"/v1/credentials/{made.credential_id}/reinstate", wrong)
    assert (refused.status, refused.body["pointer"]) == (422, "/effective_at")


async def test_a_grade_that_is_a_number_is_signed_as_it_is_written(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    made = await office.issue("soil", "g-1", result={"value": 8.5})
    again = await office.client.post("/v1/credentials", office.award("soil", "g-1", result={"value": "8.5"}))
    assert (again.status, again.body["credential_id"]) == (200, made.credential_id)
    document = (await office.client.get(f"/v1/credentials/{made.credential_id}/document")).body
    assert [result["value"] for result in document["credentialSubject"]["result"]] == ["8.5"]
    zero = await office.issue("soil", "g-2", result={"value": 0})
    document = (await office.client.get(f"/v1/credentials/{zero.credential_id}/document")).body
    assert [result["value"] for result in document["credentialSubject"]["result"]] == ["0"]


async def test_an_accepted_request_writes_days(gateway: RunningGateway, verifier: Verifier) -> None:
    office = await _office(gateway)
    await office.describe("air", takes_requests=True)
    asked = {"institution": "waterland", "achievement": "air", "given_name": "Zoë", "family_name": "Ó Briain"}
    made = await gateway.client().post("/v1/requests", asked | {"email": "zoe@mail.example", "message": "I passed"})
    assert made.status == 201, made
    accepted = await office.client.post(f"/v1/requests/{made.body['request_id']}/accept", DAYS)
    assert accepted.status in {201, 202}, accepted
    await office.published(accepted.body["credential_id"])
    await _check(office, verifier, accepted.body["credential_id"])


async def test_imports_write_days(gateway: RunningGateway, verifier: Verifier) -> None:
    office = await _office(gateway)
    flat = {"title": "Soil", "holder": "Maria", "dateOfIssue": FIRST, "expiryDate": LAST}
    written = {"validFrom": FIRST, "validUntil": LAST}
    for kind, document in (("open-badges", open_badge() | written), ("elm", elm(**written)), ("microhe", flat)):
        answered = await office.client.post(f"/v1/imports/{kind}", document)
        assert answered.status == 201, answered
        await _check(office, verifier, answered.body["credential_id"])


async def test_a_day_holds_to_its_end_and_one_day_is_a_period(gateway: RunningGateway, verifier: Verifier) -> None:
    office = await _office(gateway)
    issued = await office.issue("soil", valid_from="2026-07-01", valid_until="2026-07-01")
    document = await document_of(office, issued.credential_id)
    assert document["validUntil"] == "2026-07-01T22:00:00Z"
    answer = await verifier.answer(document)
    period = next(check for check in answer["checks"] if check["check"] == "period")
    assert period["code"] == "period-over"
    assert "2026-07-01." in period["detail"]
    refused = await office.client.post(
        "/v1/credentials", office.award("soil", valid_from="2026-07-02T00:00:00+02:00", valid_until="2026-07-01")
    )
    assert (refused.status, refused.body["pointer"]) == (422, "/valid_until")
    for name, wrong in (
        ("valid_until", "2026-02-30"),
        ("valid_until", "9999-12-31"),
        ("valid_until", "9000-01-01"),
        ("valid_until", "9999-12-31T00:00:00Z"),
        ("valid_from", "1970-01-01"),  # in Amsterdam it begins in 1969, by UTC
        ("valid_from", "1960-01-01T00:00:00Z"),
    ):
        refused = await office.client.post("/v1/credentials", office.award("soil") | {name: wrong})
        assert refused.status == 422, refused
        assert "regex" not in refused.body["detail"], refused
    assert (await office.issue("soil", awarded_at="1950-01-01")).credential_id


async def test_days_are_in_utc_unless_a_zone_is_set_and_a_zone_exists(gateway: RunningGateway) -> None:
    office = await gateway.institution("weteringen")
    assert "time_zone" not in (await office.client.get("/v1/settings")).body
    await office.describe("soil")
    issued = await office.issue("soil", valid_until=LAST)
    assert (await document_of(office, issued.credential_id))["validUntil"] == "2036-08-01T00:00:00Z"
    for wrong in ("Europe/Atlantis", "../etc/passwd", ""):
        refused = await office.client.send("PUT", "/v1/settings", {"time_zone": wrong})
        assert (refused.status, refused.body["pointer"]) == (422, "/time_zone")
    assert (await office.client.send("PUT", "/v1/settings", {})).status == 422
    request = gateway.request("bergland", time_zone="Europe/Nowhere")
    assert (await gateway.operator.post("/v1/institutions", request)).body["pointer"] == "/time_zone"
    bergland = await gateway.institution("bergland", time_zone="Europe/Vienna")
    assert (await bergland.client.get("/v1/settings")).body["time_zone"] == "Europe/Vienna"
    gate = await bergland.client.send("PUT", "/v1/settings", {"annex_gate": "warn"})
    assert (gate.body["annex_gate"], gate.body["time_zone"]) == ("warn", "Europe/Vienna")
