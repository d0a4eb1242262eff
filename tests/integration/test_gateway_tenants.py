"""Tenants of a running gateway: who may what, and that another's things are not there."""

from typing import Any

import pytest

from proto.ids import AchievementId, InstitutionId
from proto.wire.gateway import AchievementAnswer, EventAnswer
from proto.wire.institutions import Institution
from services.issuer_gateway.keys.keystore import MasterKeyFault, create_master_key
from services.issuer_gateway.store import achievements as store
from services.persistence.postgres import connected
from tests.support.gateways import RunningGateway, achievement
from tests.support.ledgers import until


async def test_only_the_operator_makes_institutions(gateway: RunningGateway) -> None:
    request = gateway.request("waterland")
    nobody = await gateway.client().post("/v1/institutions", request)
    assert (nobody.status, nobody.slug) == (401, "unauthenticated")
    stranger = await gateway.client("no-such-token").post("/v1/institutions", request)
    assert stranger.status == 401
    office = await gateway.tenant("waterland")
    institution = await office.client.post("/v1/institutions", gateway.request("other"))
    assert (institution.status, institution.slug) == (403, "forbidden")


async def test_the_admission_request_names_did_prefixes_and_three_keys(gateway: RunningGateway) -> None:
    office = await gateway.tenant("waterland")
    request = office.created.admission_request
    assert request.subject == "did:web:localhost%3A8102:issuers:waterland"
    assert request.uri_prefixes == ("http://localhost:8102/issuers/waterland/", "https://waterland.example/")
    assert sorted(key.purpose for key in request.keys) == ["assertion", "event", "recovery"]
    assert all(key.key_id == f"{request.subject}#{key.public_key}" for key in request.keys)


async def test_a_repeated_tenant_request_gets_the_first_answer_and_a_second_slug_is_refused(
    gateway: RunningGateway,
) -> None:
    request = gateway.request("waterland")
    first = await gateway.operator.post("/v1/institutions", request, key="tenant")
    again = await gateway.operator.post("/v1/institutions", request, key="tenant")
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    other = await gateway.operator.post("/v1/institutions", gateway.request("other"), key="tenant")
    assert (other.status, other.slug) == (409, "idempotency-conflict")
    taken = await gateway.operator.post("/v1/institutions", request)
    assert (taken.status, taken.slug, taken.body["pointer"]) == (409, "slug-taken", "/slug")


async def test_a_did_document_shows_the_ring_once_admitted(gateway: RunningGateway) -> None:
    office = await gateway.tenant("waterland")
    before = await gateway.client().get("/issuers/waterland/did.json")
    assert before.status == 404
    await gateway.admit(office)
    document = (await gateway.client().get("/issuers/waterland/did.json")).body
    assert document["id"] == office.did
    assert len(document["verificationMethod"]) == 3
    assert len(document["assertionMethod"]) == 1
    shown = (await gateway.client().get("/v1/institutions")).body["institutions"]
    assert [each["slug"] for each in shown] == ["waterland"]
    assert (await gateway.client().get("/v1/institutions/waterland")).as_(Institution).state == "admitted"


async def test_another_tenants_things_are_not_there(gateway: RunningGateway) -> None:
    one, two = await gateway.institution("waterland"), await gateway.institution("nadmorska")
    uri = (await one.describe()).achievement.uri
    issued = await one.issue(uri)
    path = f"/v1/credentials/{issued.credential_id}"
    assert (await two.client.get(path)).status == 404
    assert (await two.client.get(f"{path}/document")).status == 404
    assert (await two.client.post(f"{path}/revoke", {"reason": "error"})).status == 404
    assert (await two.client.get(f"/v1/events/{issued.issue.event_id}")).status == 404
    assert (await two.client.get("/v1/achievements/hydrology")).status == 404
    assert (await two.client.send("PUT", "/v1/achievements/hydrology", achievement())).status == 404
    assert (await two.client.send("DELETE", "/v1/learners/learner-1")).status == 404
    assert (await two.client.send("DELETE", f"/v1/keys/{one.created.api_key_id}")).status == 404
    awarded = await two.client.post("/v1/credentials", two.award(uri))
    assert (awarded.status, awarded.slug, awarded.body["pointer"]) == (422, "unknown-achievement", "/achievement")
    assert (await two.client.get("/v1/credentials")).body["credentials"] == []
    assert (await one.published(issued.credential_id)).status is not None


async def test_a_key_may_do_what_its_scopes_say_and_no_more(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    made = await office.client.post("/v1/keys", {"name": "reader", "scopes": ["credentials:read", "keys:manage"]})
    assert made.status == 201
    reader = gateway.client(made.body["api_key"])
    refused = await reader.post("/v1/credentials", office.award(uri))
    assert (refused.status, refused.slug, refused.body["scope"]) == (403, "forbidden", "credentials:issue")
    assert (await reader.get("/v1/credentials")).status == 200
    more = await reader.post("/v1/keys", {"name": "more", "scopes": ["credentials:issue"]})
    assert more.status == 403
    listed = (await reader.get("/v1/keys")).body["keys"]
    assert [each["name"] for each in listed] == ["first", "reader"]
    assert made.body["api_key"] not in str(listed)
    revoked = await office.client.send("DELETE", f"/v1/keys/{made.body['key']['api_key_id']}")
    assert revoked.status == 204
    assert (await reader.get("/v1/credentials")).status == 401


async def test_achievements_are_described_revised_and_found(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    first = await office.describe("hydrology")
    assert first.achievement.uri == "http://localhost:8102/issuers/waterland/achievements/hydrology"
    states = {element.element: element.state for element in first.elements}
    assert states["Form of participation"] == "missing"
    again = await office.client.post("/v1/achievements", achievement("hydrology"))
    assert (again.status, again.body["revision"]) == (201, 1)
    taken = await office.client.post("/v1/achievements", achievement("hydrology", ects_hundredths=500))
    assert (taken.status, taken.slug) == (409, "achievement-taken")
    etag = (await office.client.get("/v1/achievements/hydrology")).headers["ETag"]
    revised = await office.client.send(
        "PUT", "/v1/achievements/hydrology", achievement("hydrology", ects_hundredths=500), headers={"If-Match": etag}
    )
    assert (revised.status, revised.as_(AchievementAnswer).revision) == (200, 2)
    stale = await office.client.send("PUT", "/v1/achievements/hydrology", achievement(), headers={"If-Match": etag})
    assert (stale.status, stale.slug) == (412, "precondition-failed")
    public = await gateway.client().get("/issuers/waterland/achievements/hydrology")
    assert public.body["ects_hundredths"] == 500
    found = await gateway.client().get("/v1/catalogue?q=leerdoel%20HYDRO")
    assert [each["institution"] for each in found.body["entries"]] == ["waterland"]
    assert (await gateway.client().get("/v1/catalogue?q=100%25")).body["entries"] == []


async def test_pages_go_on_where_the_last_one_ended(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uris = [(await office.describe(f"course-{number}")).achievement.uri for number in range(3)]
    for uri in uris:
        await office.issue(uri)
    for path, member in (("/v1/achievements", "achievements"), ("/v1/catalogue", "entries"), _CREDENTIALS):
        seen: list[Any] = []
        query = "limit=2"
        while query:
            page = (await office.client.get(f"{path}?{query}")).body
            seen += page[member]
            query = f"limit=2&cursor={page['next_cursor']}" if page.get("next_cursor") else ""
        assert len(seen) == len({str(each) for each in seen}) == 3, path


_CREDENTIALS = ("/v1/credentials", "credentials")


async def test_an_achievement_elsewhere_is_refused(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    refused = await office.client.post("/v1/achievements", achievement(uri="https://elsewhere.example/a") | {"id": "a"})
    assert (refused.status, refused.slug, refused.body["pointer"]) == (422, "foreign-uri", "/uri")
    own = await office.describe("x", uri="https://waterland.example/achievements/x")
    assert own.achievement.uri == "https://waterland.example/achievements/x"


async def test_wrong_input_gets_a_problem_that_names_the_fault(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    malformed = await office.client.send("POST", "/v1/credentials", b"{")
    assert (malformed.status, malformed.slug) == (400, "malformed")
    unknown = await office.client.post("/v1/credentials", office.award(uri, colour="red"))
    assert (unknown.status, unknown.slug) == (422, "invalid")
    twice = await office.client.send("POST", "/v1/credentials", b'{"achievement": "a", "achievement": "b"}')
    assert twice.status in {400, 422}
    day = await office.client.post("/v1/credentials", office.award(uri, valid_from="2026-02-30T00:00:00Z"))
    assert day.status == 422
    large = await office.client.send("POST", "/v1/credentials", b" " * 10_485_760)
    assert (large.status, large.slug) == (413, "body-too-large")
    missing = await office.client.get(f"/v1/credentials/{'0' * 64}")
    assert (missing.status, missing.slug) == (404, "unknown-credential-here")


async def test_another_master_key_does_not_start(gateway: RunningGateway) -> None:
    await gateway.stop()
    gateway.config.master_key_file.unlink()
    create_master_key(gateway.config.master_key_file)
    with pytest.raises(MasterKeyFault):
        await gateway.start()
    await _begin_anew(gateway)


async def _begin_anew(gateway: RunningGateway) -> None:
    """The fixture's check opens what was sealed: nothing was, but for the check value of the first key."""
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("DELETE FROM keystore_check")
        assert (
            await store.get(connection, InstitutionId("00000000-0000-0000-0000-000000000000"), AchievementId("none"))
            is None
        )


async def test_metrics_and_openapi_tell_of_the_gateway(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    issued = await office.issue((await office.describe()).achievement.uri)
    assert (await office.client.get(f"/v1/events/{issued.issue.event_id}")).as_(EventAnswer).state != "refused"

    async def counted() -> bool | None:
        async with gateway.ledger.session.get(f"{gateway.url}/metrics") as response:
            text = await response.text()
        assert 'credentify_gateway_events_said_total{type="credential-issued.v2"} 1.0' in text
        return True if 'credentify_gateway_relayed_events_total{result="taken"} 1.0' in text else None

    await until(counted, "the relay has counted its answer")
    document = (await gateway.client().get("/openapi.json")).body
    assert "/v1/credentials/{credential_id}/revoke" in document["paths"]
    ready = await gateway.client().get("/readyz")
    assert ready.status == 200, ready.body
