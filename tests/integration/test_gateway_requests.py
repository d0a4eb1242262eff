"""Requests for achievements: asked for without an account, decided once, withdrawn, erased; nothing personal leaks."""

import asyncio
import re
from typing import Any

import aiohttp
import msgspec
import pytest

from proto.documents.open_badge_names import IRIS
from proto.wire.gateway import CredentialAnswer
from proto.wire.requests import RequestAnswer, RequestMade, RequestPage, RequestSeen
from services.crypto.rdf_canonical import covered_quads
from services.edge import encode_cursor
from services.persistence import postgres
from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.ledgers import until

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

NAME, MAIL = "Wilhelmina", "wilhelmina@learners.example"


async def _office(gateway: RunningGateway) -> Office:
    office = await gateway.institution("waterland")
    await office.describe("hydrology", takes_requests=True)
    return office


async def _ask(gateway: RunningGateway, **fields: Any) -> RequestMade:
    body = {
        "institution": "waterland",
        "achievement": "hydrology",
        "given_name": NAME,
        "family_name": "Ó Briain",
        "email": MAIL,
        "message": "I passed the exam in June",
    } | fields
    answered = await gateway.client().post("/v1/requests", body)
    assert answered.status == 201, answered
    return answered.as_(RequestMade)


async def _seen(gateway: RunningGateway, made: RequestMade) -> RequestSeen:
    return (await gateway.client().get(f"/v1/request-links/{made.secret}")).as_(RequestSeen)


async def _accept(office: Office, made: RequestMade, body: dict[str, Any] | None = None, **more: Any) -> Answered:
    return await office.client.post(f"/v1/requests/{made.request_id}/accept", body or {}, **more)


async def test_an_accepted_request_becomes_one_credential_however_often_it_is_accepted(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    made = await _ask(gateway)
    listed = (await office.client.get("/v1/requests?state=open")).as_(RequestPage)
    assert [item.request_id for item in listed.requests] == [made.request_id]
    assert listed.requests[0].wish is not None
    assert listed.requests[0].wish.message == "I passed the exam in June"
    body = {"learner": {"ref": "s-1", "given_name": NAME, "family_name": "Ó Briain"}, "result": {"value": "8.5"}}
    answers = await asyncio.gather(*(_accept(office, made, body) for _ in range(4)))
    assert {answer.status for answer in answers} <= {201, 202}
    assert len({answer.body["credential_id"] for answer in answers}) == 1
    again = await _accept(office, made, body)
    assert again.body["credential_id"] == answers[0].body["credential_id"]
    other = await _accept(office, made, {"result": {"value": "9"}})
    assert (other.status, other.slug) == (409, "request-decided")
    rejected = await office.client.post(f"/v1/requests/{made.request_id}/reject", {"reason": "no"}, key="new")
    assert (rejected.status, rejected.slug, rejected.body["state"]) == (409, "request-decided", "accepted")
    assert await gateway.database_count("credential") == 1
    seen = await _seen(gateway, made)
    assert (seen.state, seen.credential_id) == ("accepted", answers[0].body["credential_id"])
    document = await gateway.client().get(f"/requests/{made.secret}/document")
    assert document.body["credentialSubject"][IRIS["givenName"]] == NAME
    assert document.body["credentialSubject"]["result"][0]["value"] == "8.5"
    await office.published(answers[0].body["credential_id"])


async def test_an_acceptance_whose_answer_was_lost_in_a_crash_gives_the_same_credential(
    gateway: RunningGateway,
) -> None:
    office = await _office(gateway)
    made = await _ask(gateway)
    first = (await _accept(office, made)).as_(CredentialAnswer)
    await gateway.stop()
    await gateway.start()
    office = Office(gateway, office.created)
    again = (await _accept(office, made)).as_(CredentialAnswer)
    assert again.credential_id == first.credential_id
    assert await gateway.database_count("credential") == 1
    of_learner = await office.client.get(f"/v1/credentials?learner=request-{made.request_id}")
    assert [item["credential_id"] for item in of_learner.body["credentials"]] == [first.credential_id]


async def test_what_issuing_refuses_leaves_the_request_open(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    made = await _ask(gateway)
    refused = await _accept(office, made, {"ects_hundredths": 30_000})
    assert (refused.status, refused.slug) == (422, "credits-exceed-achievement")
    contradicting = await _accept(office, made, {"valid_until": "2020-01-01T00:00:00Z"})
    assert (contradicting.status, contradicting.slug) == (422, "invalid")
    assert (await _seen(gateway, made)).state == "open"
    assert (await _accept(office, made)).status in {201, 202}


async def test_the_reason_of_a_rejection_is_read_by_the_learner_alone(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    made = await _ask(gateway)
    path = f"/v1/requests/{made.request_id}/reject"
    nothing = await office.client.post(path, {})
    assert (nothing.status, nothing.body["pointer"]) == (422, "")
    for _ in range(2):
        rejected = await office.client.post(path, {"reason": "The exam was not passed"})
        assert (rejected.status, rejected.body["state"]) == (200, "rejected")
    seen = await _seen(gateway, made)
    assert (seen.state, seen.reason, seen.credential_id) == ("rejected", "The exam was not passed", None)
    withdrawn = await gateway.client().send("DELETE", f"/v1/request-links/{made.secret}")
    assert (withdrawn.status, withdrawn.slug) == (409, "request-decided")
    no_document = await gateway.client().get(f"/requests/{made.secret}/document")
    assert no_document.status == 404


async def test_withdrawing_erases_what_was_said(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    made = await _ask(gateway)
    for _ in range(2):
        withdrawn = await gateway.client().send("DELETE", f"/v1/request-links/{made.secret}")
        assert (withdrawn.body["state"], withdrawn.body["is_erased"]) == ("withdrawn", True)
    answer = (await office.client.get(f"/v1/requests/{made.request_id}")).as_(RequestAnswer)
    assert (answer.wish, answer.is_erased, answer.state) == (None, True, "withdrawn")
    refused = await _accept(office, made)
    assert (refused.status, refused.slug) == (409, "request-decided")
    assert gateway.inside is not None
    learner_id = await gateway.inside.pool.fetchval("SELECT learner_id::text FROM request")
    assert await gateway.inside.learner_keys.known([learner_id]) == {learner_id: None}


async def test_what_was_issued_to_a_requests_own_learner_outlives_its_withdrawal(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    withdrawn, accepted = await _ask(gateway), await _ask(gateway)
    issued = [await office.issue("hydrology", f"request-{made.request_id}") for made in (withdrawn, accepted)]
    answer = await gateway.client().send("DELETE", f"/v1/request-links/{withdrawn.secret}")
    assert (answer.body["state"], answer.body["is_erased"]) == ("withdrawn", True)
    assert (await office.client.get(f"/v1/requests/{withdrawn.request_id}")).body.get("wish") is None
    await _accept(office, accepted, {"learner": {"ref": "s-1", "given_name": NAME}})
    assert (await office.client.get(f"/v1/requests/{accepted.request_id}")).body["wish"]["given_name"] == NAME
    for credential in issued:
        document = await office.client.get(f"/v1/credentials/{credential.credential_id}/document")
        assert document.status == 200


async def test_erasing_a_learner_reaches_the_request_that_was_accepted(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    made = await _ask(gateway)
    await _accept(office, made, {"learner": {"ref": "s-1", "given_name": NAME}})
    erased = await office.client.send("DELETE", "/v1/learners/s-1")
    assert erased.body["document_count"] == 1
    assert (await office.client.get(f"/v1/requests/{made.request_id}")).body["is_erased"] is True
    gone = await gateway.client().get(f"/requests/{made.secret}/document")
    assert (gone.status, gone.slug) == (410, "erased")
    waiting = await _ask(gateway)
    await office.client.send("DELETE", f"/v1/learners/request-{waiting.request_id}")
    assert (await _seen(gateway, waiting)).state == "withdrawn"


async def test_nothing_personal_and_no_secret_is_in_the_log_or_the_database(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    made = await _ask(gateway)
    await office.client.post(f"/v1/requests/{made.request_id}/reject", {"reason": f"{NAME} did not pass"})
    await _seen(gateway, made)
    await gateway.stop()
    text = gateway.log.getvalue().decode()
    assert "/v1/request-links/{secret}" in text
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        for table in ("request", "learner", "answered", "claim", "outbox"):
            text += str(await connection.fetch(f"SELECT * FROM {table}"))
    for word in (NAME, NAME.encode().hex(), MAIL, "Briain", made.secret):
        assert word not in text
    await gateway.start()


async def test_old_requests_lapse_and_are_erased(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    waiting, rejected, fresh = [await _ask(gateway) for _ in range(3)]
    await office.client.post(f"/v1/requests/{rejected.request_id}/reject", {"reason": "no"})
    assert gateway.commands is not None
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute(
            """UPDATE request SET created_at = now() - interval '200 days',
                   decided_at = CASE WHEN state = 'open' THEN NULL ELSE now() - interval '190 days' END
               WHERE request_id <> $1""",
            fresh.request_id,
        )
    assert await gateway.commands.learner_requests.sweep() == 2
    assert await gateway.commands.learner_requests.sweep() == 0
    assert [(await _seen(gateway, made)).state for made in (waiting, rejected, fresh)] == ["lapsed", "lapsed", "open"]
    assert [(await _seen(gateway, made)).is_erased for made in (waiting, rejected, fresh)] == [True, True, False]


async def test_bounds_hold_strangers_off(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    await office.describe("closed")
    public = gateway.client()
    for body, status, slug in (
        ({"institution": "waterland", "achievement": "closed", "given_name": "A"}, 409, "takes-no-requests"),
        ({"institution": "waterland", "achievement": "nothing", "given_name": "A"}, 404, "no-such-achievement"),
        ({"institution": "nowhere", "achievement": "hydrology", "given_name": "A"}, 404, "unknown-institution"),
        ({"institution": "waterland", "achievement": "hydrology"}, 422, "invalid"),
        ({"institution": "waterland", "achievement": "hydrology", "given_name": "A", "email": "x"}, 422, "invalid"),
    ):
        refused = await public.post("/v1/requests", body)
        assert (refused.status, refused.slug) == (status, slug)
    strangers = await gateway.tenant("bergland")
    await strangers.describe("hydrology", takes_requests=True)
    body = {"institution": "bergland", "achievement": "hydrology", "given_name": "A"}
    refused = await public.post("/v1/requests", body)
    assert (refused.status, refused.slug) == (409, "takes-no-requests")
    assert "not-admitted" in refused.body["detail"]
    wrong = await public.get("/v1/request-links/cfr_" + "x" * 43)
    assert (wrong.status, wrong.slug) == (404, "unknown-request")
    assert (await public.get("/v1/requests")).status == 401
    await gateway.stop()
    gateway.config = msgspec.structs.replace(
        gateway.config, requests_open_max=2, requests_burst=4, requests_per_hour=0.01
    )
    await gateway.start()
    for _ in range(2):
        await _ask(gateway)
    body = {"institution": "waterland", "achievement": "hydrology", "given_name": "A"}
    full = await gateway.client().post("/v1/requests", body)
    assert (full.status, full.slug) == (503, "too-many-open-requests")
    await gateway.client().post("/v1/requests", body)
    limited = await gateway.client().post("/v1/requests", body)
    assert (limited.status, limited.slug) == (429, "rate-limited")
    assert int(limited.headers["Retry-After"]) > 0


async def _page(gateway: RunningGateway, method: str, path: str, **form: str) -> tuple[int, str, str]:
    data = aiohttp.FormData(form) if method == "POST" else None
    async with gateway.ledger.session.request(method, gateway.url + path, data=data, allow_redirects=False) as response:
        return response.status, await response.text(), response.headers.get("Location", "")


async def test_the_pages_need_no_script_and_say_what_is_wrong_in_words(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    path = "/issuers/waterland/achievements/hydrology/page"
    uri = path.removesuffix("/page")
    session, browser = gateway.ledger.session, {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with session.get(gateway.url + uri, headers=browser, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "hydrology/page")
    assert (await gateway.client().get(uri)).body["takes_requests"] is True
    linked = await gateway.client().get(uri, Accept="application/ld+json")
    assert linked.headers["Content-Type"] == "application/ld+json"
    assert (linked.body["type"], linked.body["creator"]["id"]) == (["Achievement"], office.did)
    assert covered_quads(linked.body), "every term of it is defined"
    status, html, _ = await _page(gateway, "GET", path)
    assert status == 200
    assert "<script" not in html
    assert "3.5 ECTS" in html
    status, html, _ = await _page(gateway, "POST", path, given_name="", message="<b>&")
    assert status == 422
    assert "State a given or a family name" in html
    assert "&lt;b&gt;&amp;" in html
    status, html, _ = await _page(gateway, "POST", path, given_name="\u200b", message="please")
    assert (status, "holds signs that nobody can see, or nothing else" in html, "please" in html) == (422, True, True)
    assert 'id="given_name" name="given_name" aria-invalid="true"' in html
    status, html, _ = await _page(gateway, "POST", path, given_name=NAME, email="mia")
    assert (status, "Write one such as mia@uni.example" in html, 'href="#email"' in html) == (422, True, True)
    assert "An address such as mia@uni.example" in html  # beside the field, before anything is wrong
    link = f"https://verifier.example/c/{'A' * 64}?lang=de"
    status, _, location = await _page(gateway, "POST", path, given_name=NAME, credentials=link + "\r\n")
    assert status == 303
    found = re.fullmatch(r"\.\./\.\./\.\./\.\./requests/(cfr_[\w-]{43})", location)
    assert found is not None, location
    status, html, _ = await _page(gateway, "GET", f"/requests/{found[1]}")
    assert (status, "Waiting for the institution" in html) == (200, True)
    status, _, location = await _page(gateway, "POST", f"/requests/{found[1]}/withdraw")
    assert (status, location) == (303, f"../{found[1]}")
    status, html, _ = await _page(gateway, "GET", f"/requests/{found[1]}")
    assert "Withdrawn" in html
    for path, wanted in (
        ("/requests/nothing", 404),
        ("/requests/cfr_" + "x" * 43, 404),
        ("/claims/%00", 404),
        ("/issuers/waterland/achievements/none/page", 404),
        ("/issuers/%00/achievements/none/page", 404),
    ):
        status, html, _ = await _page(gateway, "GET", path)
        assert (status, "<h1>" in html) == (wanted, True)
    assert office.slug == "waterland"


async def test_who_asks_is_answered_in_the_language_of_the_page_to_the_end_and_refused_in_it(
    gateway: RunningGateway,
) -> None:
    await _office(gateway)
    session = gateway.ledger.session
    path = "/issuers/waterland/achievements/hydrology/page"
    async with session.get(gateway.url + path, headers={"Accept-Language": "fr-CA, en;q=0.4"}) as response:
        assert (response.headers["Content-Language"], response.headers["Vary"]) == ("fr", "Accept-Language")
        assert "En faire la demande" in await response.text()
    status, html, _ = await _page(gateway, "POST", path + "?lang=de", message="bitte")
    assert (status, "Geben Sie einen Vor- oder Familiennamen an" in html, "bitte" in html) == (422, True, True)
    status, _, location = await _page(gateway, "POST", path + "?lang=de", family_name=NAME)
    assert (status, location.endswith("?lang=de")) == (303, True)
    own = location.removeprefix("../../../..")
    assert "Wartet auf die Einrichtung" in (await _page(gateway, "GET", own))[1]
    browser = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "es"}
    for link in (own.partition("?")[0], own.partition("?")[0][:-3]):  # nothing was issued; a link that was cut off
        async with session.get(f"{gateway.url}{link}/document", headers=browser) as response:
            assert (response.status, response.headers["Content-Language"]) == (404, "es")
            assert "Este enlace no lleva a ninguna parte" in await response.text()
    async with session.get(f"{gateway.url}{own.partition('?')[0]}/document") as response:
        assert response.content_type == "application/problem+json", "a program gets what it understands"
    status, _, location = await _page(gateway, "POST", own.replace("?", "/withdraw?"))
    assert (status, location.endswith("?lang=de")) == (303, True)


async def test_a_list_of_requests_has_pages(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    made = [await _ask(gateway, family_name=f"N{number}") for number in range(5)]
    found: list[str] = []
    cursor = ""
    while True:
        page = (await office.client.get(f"/v1/requests?limit=2{cursor}")).as_(RequestPage)
        found += [item.request_id for item in page.requests]
        if page.next_cursor is None:
            break
        cursor = f"&cursor={page.next_cursor}"
    assert found == [item.request_id for item in made]
    for path, kind, last in (("requests", "requests", made[0].request_id), ("credentials", "credentials", "0" * 64)):
        forged = encode_cursor(kind, ("2026-01-01T00:00:00", last))
        refused = await office.client.get(f"/v1/{path}?cursor={forged}")
        assert (refused.status, refused.body["parameter"]) == (422, "cursor")
    other = await gateway.institution("bergland")
    assert (await other.client.get(f"/v1/requests/{made[0].request_id}")).status == 404
    assert (await _accept(other, made[0])).status == 404


async def test_an_acceptance_and_a_withdrawal_at_once_have_one_winner(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    for _ in range(3):
        made = await _ask(gateway)
        accepted, withdrawn = await asyncio.gather(
            _accept(office, made), gateway.client().send("DELETE", f"/v1/request-links/{made.secret}")
        )

        async def decided(made: RequestMade = made) -> RequestSeen | None:
            seen = await _seen(gateway, made)
            return seen if seen.state != "open" else None

        seen = await until(decided, "somebody was first")
        assert (accepted.status in {201, 202}) == (seen.state == "accepted")
        assert (withdrawn.status == 200) == (seen.state == "withdrawn")


async def test_an_accepted_request_may_replace_what_was_awarded_before(gateway: RunningGateway) -> None:
    office = await _office(gateway)
    learner = {"learner": {"ref": "s-1", "given_name": NAME, "family_name": "Ó Briain"}, "valid_from": "2026-07-01"}
    first = (await _accept(office, await _ask(gateway), learner)).body["credential_id"]
    other = learner | {"valid_from": "2026-07-02"}
    made = await _ask(gateway)
    assert (await _accept(office, made, other)).slug == "awarded-before"
    issuing = (await office.client.post("/v1/keys", {"name": "i", "scopes": ["credentials:issue"]})).body["api_key"]
    path = f"/v1/requests/{made.request_id}/accept"
    refused = await gateway.client(issuing).post(path, other | {"on_repeat": "replace"})
    assert (refused.status, refused.slug) == (403, "may-not-revoke")
    second = await _accept(office, made, other | {"on_repeat": "replace"})
    assert second.status in {201, 202}, second

    async def replaced() -> str | None:
        found = (await office.client.get(f"/v1/credentials/{first}")).as_(CredentialAnswer).status
        return found.replaced_by if found is not None and found.state == "revoked" else None

    assert await until(replaced, "the first is revoked") == second.body["credential_id"]
