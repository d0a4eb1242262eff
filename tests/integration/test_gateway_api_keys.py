"""API keys that may do little: what each is answered is its own, and a link reaches no further than the key does."""

import json

import msgspec

from proto.wire.batches import BatchAnswer
from proto.wire.requests import ClaimMade
from tests.support.gateways import Client, Office, RunningGateway
from tests.support.ledgers import until


async def _key(gateway: RunningGateway, office: Office, *scopes: str) -> Client:
    made = await office.client.post("/v1/keys", {"name": " ".join(scopes), "scopes": scopes})
    assert made.status == 201, made
    return gateway.client(made.body["api_key"])


async def _office(gateway: RunningGateway) -> tuple[Office, str]:
    office = await gateway.institution("waterland")
    return office, (await office.describe()).achievement.uri


async def test_a_key_that_may_only_issue_gets_a_link_to_what_it_issued_and_to_nothing_else(
    gateway: RunningGateway,
) -> None:
    office, uri = await _office(gateway)
    theirs = await office.issue(uri, "s-1")
    issuer = await _key(gateway, office, "credentials:issue")
    assert (await issuer.get(f"/v1/credentials/{theirs.credential_id}/document")).status == 403
    refused = await issuer.post("/v1/claims", {"credential_id": theirs.credential_id})
    assert (refused.status, refused.slug, refused.body["scope"]) == (403, "may-not-read", "credentials:read")
    assert await gateway.database_count("claim") == 0
    own = (await issuer.post("/v1/credentials", office.award(uri, "s-2"))).body["credential_id"]
    made = (await issuer.post("/v1/claims", {"credential_id": own})).as_(ClaimMade)
    assert (await gateway.client().post(f"/v1/claim-links/{made.link.rpartition('/')[2]}", {})).status == 200
    other = await _key(gateway, office, "credentials:issue")
    assert (await other.post("/v1/claims", {"credential_id": own})).slug == "may-not-read"
    reader = await _key(gateway, office, "credentials:issue", "credentials:read")
    assert (await reader.post("/v1/claims", {"credential_id": own})).status == 201


async def test_a_key_that_may_only_issue_cancels_its_own_links_alone(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    issued = await office.issue(uri, "s-1")
    issuer = await _key(gateway, office, "credentials:issue")
    other = await _key(gateway, office, "credentials:issue")
    to_award = await office.client.post("/v1/claims", {"award": office.award(uri, "s-2")})
    to_credential = await office.client.post("/v1/claims", {"credential_id": issued.credential_id})
    own = await issuer.post("/v1/claims", {"award": office.award(uri, "s-3")})
    for made, client in ((to_award, issuer), (to_credential, issuer), (own, other)):
        refused = await client.send("DELETE", f"/v1/claims/{made.body['claim_id']}")
        assert (refused.status, refused.slug) == (403, "may-not-cancel")
    for made, client in ((own, issuer), (to_award, office.client), (to_credential, office.client)):
        assert (await client.send("DELETE", f"/v1/claims/{made.body['claim_id']}")).body["state"] == "cancelled"


async def test_a_key_that_may_only_issue_gets_links_to_the_batches_that_it_sent_itself(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    issuer = await _key(gateway, office, "credentials:issue")
    awards = [office.award(uri, f"s-{number}") for number in range(4)]
    theirs = (await office.client.post("/v1/batches", awards[:2], key="theirs")).body["batch_id"]
    refused = await issuer.post(f"/v1/batches/{theirs}/claims", None)
    assert (refused.status, refused.slug) == (403, "may-not-read")
    own = (await issuer.post("/v1/batches", awards[2:], key="own")).body
    assert own["accepted_count"] == 2, own
    assert len(await _links(gateway, issuer, own["batch_id"])) == 2
    for row in own["rows"]:
        assert (await issuer.post("/v1/claims", {"credential_id": row["credential_id"]})).status == 201
    assert len(await _links(gateway, office.client, theirs)) == 2


async def test_a_key_that_may_only_issue_cancels_no_others_batch(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    issuer = await _key(gateway, office, "credentials:issue")
    batches = [
        (await client.post("/v1/batches", [office.award(uri, ref)], key=ref)).body["batch_id"]
        for client, ref in ((office.client, "theirs"), (issuer, "own"))
    ]
    refused = await issuer.send("DELETE", f"/v1/batches/{batches[0]}")
    assert (refused.status, refused.slug, refused.body["scope"]) == (403, "forbidden", "credentials:read")
    assert (await issuer.send("DELETE", f"/v1/batches/{batches[1]}")).status == 200
    assert (await office.client.send("DELETE", f"/v1/batches/{batches[1]}")).status == 200


async def _links(gateway: RunningGateway, client: Client, batch_id: str) -> list[ClaimMade]:
    headers = {"Authorization": f"Bearer {client._token}"}
    url = f"{gateway.url}/v1/batches/{batch_id}/claims"
    async with gateway.ledger.session.post(url, headers=headers) as response:
        assert response.status == 200
        return [msgspec.json.decode(line, type=ClaimMade) for line in (await response.read()).splitlines()]


async def test_what_a_batch_in_the_background_issued_is_its_keys_own(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    issuer = await _key(gateway, office, "credentials:issue")
    lines = b"\n".join(json.dumps(office.award(uri, f"s-{number}")).encode() for number in range(1_001))
    sent = await issuer.send("POST", "/v1/batches", lines, key="long", media_type="application/x-ndjson")
    batch_id = sent.body["batch_id"]

    async def ask() -> BatchAnswer | None:
        found = (await office.client.get(f"/v1/batches/{batch_id}")).as_(BatchAnswer)
        return found if found.state == "finished" else None

    await until(ask, "the batch is done")
    assert len(await _links(gateway, issuer, batch_id)) == 1_001
    other = await _key(gateway, office, "credentials:issue")
    assert (await other.post(f"/v1/batches/{batch_id}/claims", None)).slug == "may-not-read"


async def test_what_a_learner_said_in_a_request_is_not_the_words_of_the_key_that_accepted_it(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    await office.describe(takes_requests=True)
    wish = {"institution": "waterland", "achievement": "hydrology", "given_name": "Zoë", "family_name": "Ó Briain"}
    asked = (await gateway.client().post("/v1/requests", wish)).body
    issuer = await _key(gateway, office, "credentials:issue")
    accepted = await issuer.post(f"/v1/requests/{asked['request_id']}/accept", {})
    assert accepted.status in {201, 202}, accepted
    refused = await issuer.post("/v1/claims", {"credential_id": accepted.body["credential_id"]})
    assert refused.slug == "may-not-read"


async def test_a_repeated_request_under_another_keys_idempotency_key_is_told_nothing(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    manager = await _key(gateway, office, "keys:manage", "credentials:issue")
    new = {"name": "issuing", "scopes": ["credentials:issue"]}
    made = await office.client.post("/v1/keys", new, key="once")
    assert (await office.client.post("/v1/keys", new, key="once")).body == made.body
    again = await manager.post("/v1/keys", new, key="once")
    assert (again.status, again.slug) == (409, "idempotency-conflict")
    assert made.body["api_key"] not in json.dumps(again.body)
    link = await office.client.post("/v1/claims", {"award": office.award(uri)}, key="claim")
    assert (await manager.post("/v1/claims", {"award": office.award(uri)}, key="claim")).status == 409
    rows = [office.award(uri, "s-9")]
    first = await office.client.send("POST", "/v1/claims/awards", rows, key="rows")
    other = await manager.send("POST", "/v1/claims/awards", rows, key="rows")
    assert first.body["claim"]["link"] != link.body["link"]
    assert other.body["problem"]["type"].endswith("idempotency-conflict")
    batch = await office.client.post("/v1/batches", rows, key="batch")
    assert batch.body["accepted_count"] == 1
    assert (await manager.post("/v1/batches", rows, key="batch")).slug == "idempotency-conflict"
    assert await gateway.database_count("credential") == 1


async def test_a_repeated_link_to_a_credential_is_judged_anew(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    issued = await office.issue(uri, "s-1")
    body = {"credential_id": issued.credential_id}
    first = await office.client.post("/v1/claims", body, key="link")
    assert (await office.client.post("/v1/claims", body, key="link")).body == first.body
    assert (await office.client.send("DELETE", "/v1/learners/s-1")).status == 200
    assert (await office.client.post("/v1/claims", body, key="link")).slug == "erased"
