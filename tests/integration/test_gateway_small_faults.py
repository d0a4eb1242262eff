"""What made people stumble: keys on the log, members in another order, lists of batches, names with slashes."""

import datetime as dt
from typing import Any

import msgspec
import pytest
from yarl import URL

from proto.keys import SecretKey
from proto.wire.batches import BatchPage
from tests.support.gateways import OPERATOR_TOKEN, Office, RunningGateway, achievement
from tests.support.ledgers import until

HEADER = "learner_ref,given_name,achievement,valid_from\n"
CSV = "text/csv"


async def test_a_recovery_key_that_is_on_the_log_is_refused_and_the_slug_stays_free(gateway: RunningGateway) -> None:
    key = SecretKey.generate().public_key
    await gateway.institution("waterland", recovery_public_key=key)
    body = gateway.request("zeeland", recovery_public_key=key)
    answered = await gateway.operator.post("/v1/institutions", body)
    assert (answered.status, answered.slug, answered.body["pointer"]) == (409, "key-on-log", "/recovery_public_key")
    assert "keygen" in answered.body["detail"]
    await gateway.institution("zeeland")


async def test_the_same_request_with_its_members_in_another_order_is_the_same(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    award = office.award(uri)
    turned = dict(reversed(award.items())) | {"learner": dict(reversed(award["learner"].items()))}
    first = await office.client.send("POST", "/v1/credentials", msgspec.json.encode(award), key="k")
    again = await office.client.send(
        "POST", "/v1/credentials", msgspec.json.format(msgspec.json.encode(turned)), key="k"
    )
    assert again.body["credential_id"] == first.body["credential_id"]
    other = msgspec.json.encode(award | {"valid_from": "2026-01-02"})
    assert (await office.client.send("POST", "/v1/credentials", other, key="k")).slug == "idempotency-conflict"


async def _send(office: Office, rows: str, query: str = "", **fields: Any) -> Any:
    path = f"/v1/batches{query}"
    return await office.client.send("POST", path, (HEADER + rows).encode(), media_type=CSV, **fields)


async def test_batches_are_listed_and_a_dry_run_needs_no_key(gateway: RunningGateway) -> None:
    office, other = await gateway.institution("waterland"), await gateway.institution("zeeland")
    await office.describe("hydrology")
    dry = await _send(office, "a,Ann,hydrology,2026-01-01\n", "?dry_run=true")
    assert (dry.status, dry.body["rows"][0]["state"]) == (200, "checked")
    refused = await _send(office, "a,Ann,hydrology,2026-01-01\n")
    assert (refused.status, refused.body["header"]) == (422, "Idempotency-Key")
    first = await _send(office, "a,Ann,hydrology,2026-01-01\nb,Ben,none,2026-01-01\n", key="1")
    many = "".join(f"m-{n},Ann,hydrology,2026-01-01\n" for n in range(1_001))
    second = await _send(office, f"a,Ann,hydrology,2026-01-01\n{many}", key="2")
    changes = b"action,credential_id,reason\n" + f"revoke,{'0' * 64},error\n".encode()
    dry = await office.client.send("POST", "/v1/batches/changes?dry_run=true", changes, media_type=CSV)
    assert dry.status in {200, 202}

    async def ask() -> BatchPage | None:
        page = (await office.client.get("/v1/batches")).as_(BatchPage)
        return page if all(each.state == "finished" for each in page.batches) else None

    page = await until(ask, "the batches are over")
    assert [(each.kind, each.row_count, each.is_dry_run) for each in page.batches] == [
        ("changes", 1, True),
        ("awards", 1_002, False),
        ("awards", 2, False),
    ]
    counts = [(each.accepted_count, each.refused_count, each.already_awarded_count) for each in page.batches]
    assert counts == [(0, 1, 0), (1_001, 0, 1), (1, 1, 0)]
    assert [each.batch_id for each in page.batches[1:]] == [second.body["batch_id"], first.body["batch_id"]]
    one = (await office.client.get("/v1/batches?limit=2")).as_(BatchPage)
    rest = (await office.client.get(f"/v1/batches?limit=2&cursor={one.next_cursor}")).as_(BatchPage)
    assert (*one.batches, *rest.batches) == page.batches
    assert (await other.client.get("/v1/batches")).body["batches"] == []
    assert dt.datetime.fromisoformat(page.batches[0].created_at).tzinfo is not None


@pytest.mark.parametrize(
    "path", ["a%40hs.example%2F17", "a@hs.example/17", "a%40hs.example/17"], ids=["encoded", "decoded", "half"]
)
async def test_a_learner_whose_name_holds_signs_of_addresses_is_erased_by_it(
    gateway: RunningGateway, path: str
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    await office.issue(uri, "a@hs.example/17")
    await office.issue(uri, "17")
    url = URL(f"{gateway.url}/v1/learners/{path}", encoded=True)
    headers = {"Authorization": f"Bearer {office.created.api_key}"}
    async with gateway.ledger.session.delete(url, headers=headers) as response:
        assert (response.status, (await response.json())["document_count"]) == (200, 1)
    assert (await office.client.get("/v1/credentials?learner=17")).body["credentials"][0].get("is_erased") is None


@pytest.mark.parametrize("path", ["a//b", "a/../b", "a/./b", "/a", "a/", "a%2F..%2Fb", "a%2F", "..", "a%0Ab"])
async def test_a_name_that_a_proxy_could_read_as_another_one_is_none(gateway: RunningGateway, path: str) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    for ref in ("a", "b"):
        await office.issue(uri, ref)
    url = URL(f"{gateway.url}/v1/learners/{path}", encoded=True)
    headers = {"Authorization": f"Bearer {office.created.api_key}"}
    async with gateway.ledger.session.delete(url, headers=headers) as response:
        assert response.status in {404, 405, 422}
    for ref in ("a", "b"):
        assert (await office.client.get(f"/v1/credentials?learner={ref}")).body["credentials"][0].get(
            "is_erased"
        ) is None
    refused = await office.client.post("/v1/credentials", office.award(uri, "a/../b"))
    assert (refused.status, refused.body["pointer"]) == (422, "/learner/ref")


ESCO = "conceptUri,skillType,preferredLabel,altLabels,description\n"


@pytest.mark.parametrize("asked", ["economie", "Économie", "ECONOMIE", "e\u0301conomie", "\uff25conomie", "écono"])
async def test_catalogue_and_skills_are_found_without_accents_and_whatever_the_normal_form(
    gateway: RunningGateway, asked: str
) -> None:
    office = await gateway.institution("waterland")
    body = achievement("water", title={"fr": "E\u0301conomie de l'eau", "en": "Water"})
    assert (await office.client.post("/v1/achievements", body)).status == 201
    found = await office.client.get(URL.build(path="/v1/catalogue", query={"q": asked}).human_repr())
    assert [each["institution"] for each in found.body["entries"]] == ["waterland"], found
    uri = "http://data.europa.eu/esco/skill/0a2d70ee-d435-4965-9e96-702b2fb65740"
    skills = f"{ESCO}{uri},skill,économie circulaire,,\n".encode()
    operator = gateway.client(OPERATOR_TOKEN)
    assert (await operator.send("PUT", "/v1/esco/skills?language=fr", skills, media_type=CSV)).status == 200
    found = await office.client.get(
        URL.build(path="/v1/esco/skills", query={"q": asked, "language": "fr"}).human_repr()
    )
    assert [each["label"] for each in found.body["skills"]] == ["économie circulaire"], found
