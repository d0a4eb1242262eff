"""Claims: one-time links to awards and to credentials; used once, by whoever is first, and refused with words after."""

import asyncio
import json
from typing import Any

import aiohttp

from proto.base64_strict import encode_base64
from proto.documents.claim import claim_message
from proto.documents.open_badge_names import IRIS
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
    assert claimed.document["credentialSubject"][IRIS["givenName"]] == "Zoë"
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
        assert claimed.document["credentialSubject"][IRIS["familyName"]] == award["learner"]["family_name"]


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
    assert claimed.document["credentialSubject"][IRIS["familyName"]] == "A"
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


async def _claimable(gateway: RunningGateway) -> tuple[Office, str, str]:
    office, uri = await _office(gateway)
    issued = await office.issue(uri, "s-1")
    await office.published(issued.credential_id)
    made = await _make(office, credential_id=issued.credential_id)
    return office, issued.credential_id, _secret(made)


async def _stands(office: Office, credential_id: str, state: str) -> None:
    async def ask() -> bool | None:
        found = (await office.client.get(f"/v1/credentials/{credential_id}")).body.get("status") or {}
        return True if found.get("state") == state else None

    await until(ask, f"it is {state}")


async def test_a_suspended_credential_is_not_handed_out_and_its_link_stays(gateway: RunningGateway) -> None:
    office, credential_id, secret = await _claimable(gateway)
    await office.client.post(f"/v1/credentials/{credential_id}/suspend", {"reason": "legal-order"})
    refused = await _use(gateway, secret)
    assert (refused.status, refused.slug) == (409, "credential-suspended")
    async with aiohttp.ClientSession() as browser, browser.post(f"{gateway.url}/claims/{secret}", data={}) as page:
        text = await page.text()
    assert page.status == 409
    assert "It is yours" not in text
    assert "suspended" in text
    await _stands(office, credential_id, "suspended")
    await office.client.post(f"/v1/credentials/{credential_id}/reinstate", {"reason": "error"})
    await _stands(office, credential_id, "active")
    claimed = (await _use(gateway, secret)).as_(Claimed)
    assert (claimed.credential_id, claimed.state) == (credential_id, "active")


async def test_a_revoked_credential_is_not_handed_out(gateway: RunningGateway) -> None:
    office, credential_id, secret = await _claimable(gateway)
    await office.client.post(f"/v1/credentials/{credential_id}/revoke", {"reason": "error"})
    refused = await _use(gateway, secret)
    assert (refused.status, refused.slug) == (410, "credential-revoked")


async def test_an_expired_credential_is_handed_out_and_said_to_be_expired(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    over = {"valid_from": "2025-01-01T00:00:00Z", "valid_until": "2025-06-01T00:00:00Z"}
    issued = await office.issue(uri, "s-1", **over)
    await office.published(issued.credential_id)
    secret = _secret(await _make(office, credential_id=issued.credential_id))
    async with aiohttp.ClientSession() as browser, browser.post(f"{gateway.url}/claims/{secret}", data={}) as page:
        text = await page.text()
    assert page.status == 200
    assert "Expired" in text
    assert "It is yours" not in text


async def test_the_browser_that_pressed_the_button_gets_the_credential_again_and_nobody_else(
    gateway: RunningGateway,
) -> None:
    office, _, secret = await _claimable(gateway)
    page = f"{gateway.url}/claims/{secret}"
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser, aiohttp.ClientSession() as other:
        async with browser.get(page) as looked:
            cookie = looked.headers["Set-Cookie"]
            assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", f"Path=/claims/{secret}"))
        lost = asyncio.create_task(browser.post(page, data={}))  # the answer is lost: nobody reads it
        await until(lambda: _used(office), "the link is used")
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)
        async with browser.get(page) as looked:
            assert "Get my credential again" in await looked.text()
        for _ in range(2):
            async with browser.post(page, data={}) as again:
                assert again.status == 200
                assert "It is yours" in await again.text()
        async with other.get(page) as looked:
            assert "again" not in await looked.text()
        async with other.post(page, data={}) as refused:
            assert refused.status == 410
        async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
            await connection.execute("UPDATE claim SET used_at = now() - interval '25 hours'")
        async with browser.post(page, data={}) as late:
            assert late.status == 410


async def _used(office: Office) -> bool | None:
    return True if await office.gateway.database_count("claim WHERE used_at IS NOT NULL") else None


async def test_a_program_that_lost_the_answer_asks_again_with_its_token(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    secret = _secret(await _make(office, award=office.award(uri, "s-1")))
    token = "t" * 43
    first, again = await _use(gateway, secret, retry_token=token), await _use(gateway, secret, retry_token=token)
    assert (again.status, again.body) == (200, first.body)
    assert (await _use(gateway, secret, retry_token="u" * 43)).slug == "claim-used"
    assert (await _use(gateway, secret)).slug == "claim-used"
    await office.client.send("DELETE", "/v1/learners/s-1")
    assert (await _use(gateway, secret, retry_token=token)).status == 410


async def test_a_link_to_an_award_that_was_made_since_leads_to_that_credential(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    secret = _secret(await _make(office, award=office.award(uri, "s-1")))
    issued = await office.issue(uri, "s-1")
    claimed = (await _use(gateway, secret)).as_(Claimed)
    assert claimed.credential_id == issued.credential_id


async def test_a_list_of_awards_gives_one_link_to_what_stands_in_it_twice(gateway: RunningGateway) -> None:
    office, _ = await _office(gateway)
    first = office.award("hydrology", "s-1")
    spaced = first | {"valid_from": "2026-01-01T01:00:00+01:00"}
    rows = "\n".join(map(json.dumps, (first, first, spaced, office.award("hydrology", "s-2")))).encode()
    headers = {"Authorization": f"Bearer {office.created.api_key}", "Content-Type": "application/x-ndjson"}
    headers["Idempotency-Key"] = "list"
    url = f"{gateway.url}/v1/claims/awards"
    async with gateway.ledger.session.post(url, data=rows, headers=headers) as response:
        lines = [json.loads(line) async for line in response.content]
    assert ["claim" in line for line in lines] == [True, False, False, True]
    assert [line["problem"]["code"] for line in lines[1:3]] == ["row-repeated"] * 2


async def test_a_learner_who_was_awarded_otherwise_since_is_told_whom_to_ask(gateway: RunningGateway) -> None:
    office, uri = await _office(gateway)
    secret = _secret(await _make(office, award=office.award(uri, "s-1")))
    await office.issue(uri, "s-1", valid_from="2026-02-01")
    async with aiohttp.ClientSession() as browser, browser.post(f"{gateway.url}/claims/{secret}", data={}) as page:
        text = await page.text()
    assert page.status == 409
    assert "ask the institution" in text
    assert "on_repeat" not in text
    refused = await _use(gateway, secret)
    assert (refused.status, refused.slug) == (409, "awarded-before")
    assert "credential_ids" not in refused.body
