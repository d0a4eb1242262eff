"""Files of the real world, sent to a running gateway: records of eighty people, Dutch credentials, seals, our own."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import msgspec

from proto.wire.gateway import CredentialAnswer
from tests.support.documents import full_achievement
from tests.support.foreign_documents import PROTOTYPE_RECORD, elm, open_badge
from tests.support.gateways import Office, RunningGateway

Json = dict[str, Any]


async def _import(office: Office, kind: str, document: Json, query: str = "") -> CredentialAnswer:
    answered = await office.client.post(f"/v1/imports/{kind}{query}", document)
    assert answered.status == 201, answered
    return answered.as_(CredentialAnswer)


async def _document(office: Office, credential_id: str) -> Json:
    answered = await office.client.get(f"/v1/credentials/{credential_id}/document")
    assert answered.status == 200, answered
    document: Json = answered.body
    return document


async def test_eighty_records_of_the_prototype_are_eighty_credentials_of_eighty_people(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    names = ["Anna Nowak", "Jan Nowak", "Zoë", "Siân ap Rhys"]
    records = [
        PROTOTYPE_RECORD
        | {"holder": names[number % 4], "studentId": f"s-{number}", "uniqueId": f"award-{number}"}
        | {"dateOfBirth": f"{1950 + number}-03-08", "expiryPeriod": "Sat Jun 30 2046 02:00:00 GMT+0200 (CEST)"}
        for number in range(80)
    ]
    found: list[CredentialAnswer] = []
    for number in range(0, 80, 8):
        found += await asyncio.gather(*(_import(office, "microhe", each) for each in records[number : number + 8]))
    assert len({each.credential_id for each in found}) == 80
    assert await gateway.database_count("learner") == 80
    assert len({each.achievement for each in found}) == 1
    assert found[0].unmapped == (
        *("/$schema", "/publicKey", "/dateModified", "/status", "/owner", "/creator", "/publisher", "/studentId"),
        "/cheating",
    )
    assert (found[0].valid_from, found[0].valid_until) == ("2020-06-30", "2046-06-30")


async def test_dutch_credentials_are_imported_with_their_own_words_but_for_a_level_that_is_none(
    gateway: RunningGateway, vendored: Path
) -> None:
    office = await gateway.institution("waterland")
    for path in sorted((vendored / "open-badges" / "nl-microcredentials").glob("*.json")):
        document = json.loads(path.read_text())
        document["credentialSubject"]["id"] = f"https://students.example/{path.stem}"
        answer = await _import(office, "open-badges", document, "?despite=expired")
        issued = await _document(office, answer.credential_id)
        for name in ("name", "description"):
            stated = document["credentialSubject"]["achievement"][name]
            assert issued["credentialSubject"]["achievement"][name] == stated
    level = {
        "type": ["Alignment"],
        "targetType": "ext:EQF",
        "targetName": "EQF",
        "targetCode": "9",
        "targetUrl": "urn:x",
    }
    wrong = open_badge()
    wrong["credentialSubject"]["achievement"]["alignment"] = [level]
    refused = await office.client.post("/v1/imports/open-badges", wrong)
    assert (refused.status, refused.slug) == (422, "not-an-open-badge")
    assert refused.body["pointer"] == "/credentialSubject/achievement/alignment/0/targetCode"


async def test_a_sealed_or_wrapped_credential_is_the_same_as_it_is_alone(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    payload = base64.urlsafe_b64encode(json.dumps(elm()).encode()).decode().rstrip("=")
    seal = {"payload": payload, "signatures": [{"protected": "e30", "signature": "c2ln"}]}
    sealed = await _import(office, "elm", seal, "?learner_ref=s-1")
    assert any("JAdES" in note and "not judged" in note for note in sealed.notes)
    assert "/signatures" in sealed.unmapped
    for document in (elm(), {"credential": elm()}):
        assert (await _import(office, "elm", document, "?learner_ref=s-1")).credential_id == sealed.credential_id


async def test_a_document_of_ours_is_the_same_at_another_institution_of_ours(gateway: RunningGateway) -> None:
    first, second = [await gateway.institution(slug) for slug in ("waterland", "delta")]
    described = msgspec.to_builtins(full_achievement())
    del described["uri"]
    uri = (await first.describe("data-literacy", **described)).achievement.uri
    award = first.award(uri) | {
        "valid_from": "2026-10-01",
        "valid_until": "2046-09-30",
        "evidence": [{"url": "https://nadmorska.example/e/1", "text": "Raport", "kind": "portfolio"}],
        "learner": {"ref": "l-1", "given_name": "Łukasz", "family_name": "Ó Briain", "email": "l@mail.example"},
    }
    issued = await first.client.post("/v1/credentials", award)
    assert issued.status == 201, issued
    await first.published(issued.body["credential_id"])
    document = await _document(first, issued.body["credential_id"])
    answer = await _import(second, "open-badges", document, "?learner_ref=d-1")
    again = await _document(second, answer.credential_id)
    for name in ("validFrom", "validUntil", "evidence", "name"):
        assert again[name] == document[name]
    one, other = (each["credentialSubject"]["achievement"] for each in (document, again))
    named = {"id", "otherIdentifier", "resultDescription"}
    assert {name: value for name, value in other.items() if name not in named} == {
        name: value for name, value in one.items() if name not in named
    }
    assert set(answer.unmapped) <= {"/credentialStatus", "/proof", "/issuer/url", "/issuer/otherIdentifier"}
