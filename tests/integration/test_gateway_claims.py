"""Claims: one-time links to awards and to credentials; used once, by whoever is first, and refused with words after."""

import asyncio
import json
from typing import Any

import aiohttp

from proto.base64_strict import encode_base64
from proto.documents.claim import claim_message
from proto.keys import SecretKey, did_key
from proto.wire.requests import Claim, Claimed, ClaimMade, ClaimSeen
from services.clients.gateway import GatewayClient
from services.persistence import postgres
from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.ledgers import until


async def _office(gateway: RunningGateway) -> tuple[Office, str]:
    office = await gateway.institution("waterland")
    return office, (await office.describe()).achievement.uri


async def _make(office: Office, **fields: Any) -> ClaimMade:
    answered = await office.client.post("/v1/claims", fields)
    assert answered.status == 201, answered
    return answered.as_(ClaimMade)


def _secret(made: ClaimMade) -> str:
    return made.link.rpartition("/")[2]


async def _use(gateway: RunningGateway, secret: str, **fields: Any) -> Answered:
    return await gateway.client().post(f"/v1/claim-links/{secret}", fields)


async def _expire(gateway: RunningGateway) -> None:
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("UPDATE claim SET expires_at = now() - interval '1 second'")


async def test_an_award_is_issued_when_its_link_is_used_and_once(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    made = await _make(office, award=office.award(uri, "s-1"))
    assert await gateway.database_count("credential") == 0
    seen = (await gateway.client().get(f"/v1/claim-links/{_secret(made)}")).as_(ClaimSeen)
    assert (seen.state, seen.title, seen.may_bind) == ("open", "Hydrology", True)
    answers = await asyncio.gather(*(_use(gateway, _secret(made)) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 410, 410, 410]
    claimed = next(answer for answer in answers if answer.status == 200).as_(Claimed)
    assert claimed.document["credentialSubject"]["givenName"] == "Zoë"
    late = await _use(gateway, _secret(made))
    assert (late.status, late.slug) == (410, "claim-used")
    assert "once" in late.body["detail"]
    stands = (await office.client.get(f"/v1/claims/{made.claim_id}")).as_(Claim)
    assert (stands.state, stands.credential_id) == ("used", claimed.credential_id)
    assert (await office.client.send("DELETE", f"/v1/claims/{made.claim_id}")).slug == "claim-used"
    assert await gateway.database_count("credential") == 1
    await office.published(claimed.credential_id)


async def test_a_holder_who_signs_the_claim_is_the_credentials_subject(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    made = await _make(office, award=office.award(uri, "s-1"))
    key, other, secret = SecretKey.generate(), SecretKey.generate(), _secret(made)
    did = did_key(key.public_key)
    for signature in (other.sign(claim_message(secret, did)), key.sign(claim_message("cfc_other", did))):
        refused = await _use(gateway, secret, holder={"did": did, "signature": encode_base64(signature)})
        assert (refused.status, refused.slug, refused.body["pointer"]) == (422, "holder-proof", "/holder/signature")
    proof = encode_base64(key.sign(claim_message(secret, did)))
    claimed = (await _use(gateway, secret, holder={"did": did, "signature": proof})).as_(Claimed)
    assert claimed.document["credentialSubject"]["id"] == did
    later = await _make(office, credential_id=claimed.credential_id)
    proof = encode_base64(key.sign(claim_message(_secret(later), did)))
    bound = await _use(gateway, _secret(later), holder={"did": did, "signature": proof})
    assert (bound.status, bound.slug) == (409, "cannot-bind")
    again = (await _use(gateway, _secret(later))).as_(Claimed)
    assert again.document == claimed.document


async def test_links_expire_are_cancelled_and_end_with_their_learner(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    cancelled = await _make(office, award=office.award(uri, "s-1"))
    assert (await office.client.send("DELETE", f"/v1/claims/{cancelled.claim_id}")).body["state"] == "cancelled"
    assert (await _use(gateway, _secret(cancelled))).slug == "claim-expired"
    expired = await _make(office, award=office.award(uri, "s-1"), hours_valid=1)
    await _expire(gateway)
    refused = await _use(gateway, _secret(expired))
    assert (refused.status, refused.slug) == (410, "claim-expired")
    erased = await _make(office, award=office.award(uri, "s-2"))
    await office.client.send("DELETE", "/v1/learners/s-2")
    assert (await _use(gateway, _secret(erased))).status == 410
    assert await gateway.database_count("credential") == 0
    unknown = await _use(gateway, "cfc_" + "x" * 43)
    assert (unknown.status, unknown.slug) == (404, "unknown-claim")


async def test_only_a_hash_of_the_secret_is_kept_and_no_name_is_in_the_log(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    made = await _make(office, award=office.award(uri, "s-1"))
    await _use(gateway, _secret(made))
    await gateway.stop()
    text = gateway.log.getvalue().decode()
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        text += str(await connection.fetch("SELECT * FROM claim"))
    for word in (_secret(made), "Łukasiewicz", "Zoë"):
        assert word not in text
    await gateway.start()


async def test_a_claim_is_refused_early_where_the_award_is_wrong(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    for body, status, slug in (
        ({}, 422, "invalid"),
        ({"award": office.award(uri), "credential_id": "0" * 64}, 422, "invalid"),
        ({"credential_id": "0" * 64}, 404, "unknown-credential-here"),
        ({"award": office.award(f"{uri}x")}, 422, "unknown-achievement"),
        ({"award": office.award(uri), "hours_valid": 100_000}, 422, "invalid"),
    ):
        refused = await office.client.post("/v1/claims", body)
        assert (refused.status, refused.slug) == (status, slug), refused


async def test_a_repeated_request_gets_the_same_link_though_no_secret_is_kept(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    first = await office.client.post("/v1/claims", {"award": office.award(uri)}, key="one")
    same = await office.client.post("/v1/claims", {"award": office.award(uri)}, key="one")
    other = await office.client.post("/v1/claims", {"award": office.award(uri)}, key="two")
    assert first.body == same.body
    assert other.body["link"] != first.body["link"]
    secret = _secret(first.as_(ClaimMade))
    assert gateway.inside is not None
    for row in await gateway.inside.pool.fetch("SELECT * FROM answered WHERE sealed_answer IS NOT NULL"):
        name = f"{row['institution_id']}\n{row['key_fingerprint'].hex()}"
        assert secret.encode() not in gateway.inside.keystore.open(row["sealed_answer"], "answer", name)
    assert (await _use(gateway, secret)).status == 200


async def test_a_batch_has_a_link_for_each_credential_and_only_the_last_links_work(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    awards = [office.award(uri, f"s-{number}") for number in range(3)]
    batch = await office.client.send("POST", "/v1/batches", json.dumps(awards).encode(), key="exams")
    assert batch.body["accepted_count"] == 3, batch

    async def links() -> list[ClaimMade]:
        async with gateway.ledger.session.post(
            f"{gateway.url}/v1/batches/{batch.body['batch_id']}/claims",
            headers={"Authorization": f"Bearer {office.created.api_key}"},
        ) as response:
            assert response.status == 200
            lines = (await response.text()).splitlines()
        return [Answered(200, json.loads(line), {}).as_(ClaimMade) for line in lines]

    first, second = await links(), await links()
    assert [made.line for made in second] == [1, 2, 3]
    assert {(await _use(gateway, _secret(made))).slug for made in first} == {"claim-expired"}
    for made, award in zip(second, awards, strict=True):
        claimed = (await _use(gateway, _secret(made))).as_(Claimed)
        assert claimed.document["credentialSubject"]["familyName"] == award["learner"]["family_name"]


async def test_awards_of_a_list_get_links_and_are_issued_when_they_are_used(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    rows = f"learner_ref,family_name,achievement,valid_from\ns-1,A,{uri},2026-01-01\ns-2,,{uri},2026-01-01\n".encode()
    client = GatewayClient(gateway.ledger.session, gateway.url, token=office.created.api_key)
    first, again = [
        [line async for line in client.claims_of_awards(rows, media_type="text/csv", key="list")] for _ in range(2)
    ]
    assert first == again
    assert [(line.line, line.problem is None) for line in first] == [(2, True), (3, False)]
    assert first[0].claim is not None
    assert await gateway.database_count("claim") == 1
    assert await gateway.database_count("credential") == 0
    claimed = (await _use(gateway, _secret(first[0].claim))).as_(Claimed)
    assert claimed.document["credentialSubject"]["familyName"] == "A"
    other = rows.replace(b"s-1,A", b"s-1,B")
    changed = [line async for line in client.claims_of_awards(other, media_type="text/csv", key="list")]
    assert changed[0].problem is not None
    assert changed[0].problem["type"].endswith(":idempotency-conflict")


async def test_the_page_of_a_link_uses_it_up_only_when_its_button_is_pressed(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    path = f"/claims/{_secret(await _make(office, award=office.award(uri)))}"
    session, url = gateway.ledger.session, gateway.url + path
    for _ in range(2):
        async with session.get(url) as response:
            assert "Get my credential" in await response.text()
    async with session.post(url, data=aiohttp.FormData({"x": ""})) as response:
        html = await response.text()
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert "download=" in html
        assert "data:application/octet-stream;base64," in html
    async with session.post(url, data=aiohttp.FormData({"x": ""})) as response:
        assert response.status == 410
        assert "used already" in await response.text()

    async def issued() -> bool | None:
        return True if await gateway.database_count("credential") == 1 else None

    await until(issued, "it was issued once")
