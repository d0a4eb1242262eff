"""Texts through every door of the gateway: what nobody can see is refused, slips are noted, one name is a name."""

from typing import Any

import pytest

from proto.wire.gateway import CredentialAnswer
from tests.support.gateways import Office, RunningGateway, achievement

BLANK = "\u200b\u00ad"


async def _award(office: Office, ref: str = "s-1", **names: Any) -> dict[str, Any]:
    uri = (await office.describe()).achievement.uri
    return office.award(uri) | {"learner": {"ref": ref} | names}


async def test_a_name_that_nobody_can_see_is_refused_at_every_door(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    award = await _award(office, given_name="Maria", family_name=BLANK)
    single = await office.client.post("/v1/credentials", award)
    assert (single.status, single.body["pointer"]) == (422, "/learner/family_name")
    assert "leave it out" in single.body["detail"]
    claim = await office.client.post("/v1/claims", {"award": award})
    assert (claim.status, claim.body["pointer"]) == (422, "/learner/family_name")
    listed = await office.client.post("/v1/batches", [award], key="list")
    (row,) = listed.body["rows"]
    assert (row["state"], row["problem"]["pointer"]) == ("refused", "/learner/family_name")
    table = f"learner_ref,given_name,family_name,achievement,valid_from\ns-1,Maria,{BLANK},hydrology,2026-01-01\n"
    csv = await office.client.send("POST", "/v1/batches", table.encode(), key="csv", media_type="text/csv")
    assert csv.body["rows"][0]["problem"]["pointer"] == "/family_name"
    assert await gateway.database_count("learner") == 0


async def test_titles_and_names_that_nobody_can_see_are_refused(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    refused = await office.client.post("/v1/achievements", achievement("soil", title={"en": BLANK}))
    assert (refused.status, refused.body["pointer"]) == (422, "/title/en")
    await office.describe("clay", takes_requests=True)
    for wish, pointer in (
        ({"given_name": BLANK}, "/given_name"),
        ({"given_name": "M", "email": "m\u200b@x.nl"}, "/email"),
    ):
        body = {"institution": "waterland", "achievement": "clay"} | wish
        asked = await gateway.client().post("/v1/requests", body)
        assert (asked.status, asked.body["pointer"]) == (422, pointer)
    made = await gateway.client().post(
        "/v1/requests", {"institution": "waterland", "achievement": "clay", "given_name": "M"}
    )
    rejected = await office.client.post(
        f"/v1/requests/{made.body['request_id']}/reject", {"reason": BLANK}, key="reject"
    )
    assert (rejected.status, rejected.body["pointer"]) == (422, "/reason")
    key = await office.client.post("/v1/keys", {"name": BLANK, "scopes": ["credentials:read"]})
    assert (key.status, key.body["pointer"]) == (422, "/name")
    tenant = await gateway.operator.post("/v1/institutions", gateway.request("zuidzee", legal_name=BLANK))
    assert (tenant.status, tenant.body["pointer"]) == (422, "/legal_name")


@pytest.mark.parametrize("text", ["undefined", "M&uuml;ller", "MÃ¼ller"])
async def test_slips_are_taken_and_noted_with_the_credential(gateway: RunningGateway, text: str) -> None:
    office = await gateway.institution("waterland")
    award = await _award(office, given_name="Maria", family_name=text)
    issued = (await office.client.post("/v1/credentials", award)).as_(CredentialAnswer)
    assert any("/learner/family_name" in note for note in issued.notes)
    read = await office.client.get(f"/v1/credentials/{issued.credential_id}")
    assert read.body["notes"] == list(issued.notes)
    described = await office.client.post("/v1/achievements", achievement("soil", title={"en": text}))
    assert "/title/en" in described.body["notes"][0]


async def test_a_reference_that_programs_write_for_nobody_is_noted(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    issued = await office.client.post("/v1/credentials", await _award(office, ref="undefined", given_name="Maria"))
    assert "/learner/ref" in issued.body["notes"][0]


async def test_one_name_passes_the_strictest_gate_and_holds_a_prerequisite(gateway: RunningGateway) -> None:
    other, office = await gateway.institution("bergland"), await gateway.institution("waterland")
    named = {"learner": {"ref": "s-1", "given_name": "Suharto"}}
    foreign = (await other.describe("alps")).achievement.uri
    held = (await other.client.post("/v1/credentials", other.award(foreign) | named)).as_(CredentialAnswer)
    await other.published(held.credential_id)
    document = (await other.client.get(f"/v1/credentials/{held.credential_id}/document")).body
    advanced = await office.describe("advanced", entry_requirements={"achievements": [foreign]})
    award = office.award(advanced.achievement.uri) | named | {"prerequisite_documents": [document]}
    issued = await office.client.post("/v1/credentials", award)
    assert issued.status == 201, issued
    await office.client.send("PUT", "/v1/settings", {"annex_gate": "refuse-doubtful"})
    refused = await office.client.post("/v1/credentials", award)
    assert 1 not in {element["number"] for element in refused.body["elements"]}
    stranger = award | {"learner": {"ref": "s-2", "given_name": "Sukarno"}}
    assert (await office.client.post("/v1/credentials", stranger)).status == 422
