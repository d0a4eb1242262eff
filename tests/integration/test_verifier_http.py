"""The whole verifier over real HTTP: it follows a served log, answers for ids and documents, and shows pages."""

from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from proto.documents.open_badge_names import IRIS
from proto.keys import SecretKey, did_key
from proto.moment import from_ms, to_ms
from services.crypto.data_integrity import SUITES, Suite
from tests.support.awarded import award, documented, event_of, stack
from tests.support.served_logs import force, served
from tests.support.verifiers import Verifier, codes, running, until, verifier
from tests.support.worlds import World

__all__ = ["verifier"]


def results(answer: dict[str, Any]) -> dict[str, str]:
    return {check["check"]: check["result"] for check in answer["checks"]}


async def test_a_document_on_the_log_is_valid_in_every_check(verifier: Verifier) -> None:
    world = verifier.world
    awarded = award(world, world.admit("school"))
    await verifier.catches_up()
    answer = await verifier.post(awarded.data)
    assert answer["verdict"] == "valid", answer["checks"]
    assert results(answer) == {
        "document": "valid",
        "proof": "valid",
        "signature": "valid",
        "inclusion": "valid",
        "issuer": "valid",
        "status": "valid",
        "period": "valid",
        "components": "not_applicable",
        "freshness": "valid",
    }
    assert answer["issuer"]["legal_name"] == "School of Example"
    assert answer["as_of"]["size"] == world.size
    assert answer["as_of"]["root_hash"] == world.root_hash().hex()
    assert answer["as_of"]["time_source"] == "log"


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "eddsa-rdfc-2022", None])
async def test_documents_with_every_kind_of_proof_or_none_are_valid(verifier: Verifier, suite: Any) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"), suite=suite)
    await verifier.catches_up()
    answer = await verifier.post(awarded.data)
    assert answer["verdict"] == "valid"
    assert results(answer)["proof"] == ("valid" if suite else "not_applicable")


async def test_a_document_altered_by_one_character_is_invalid(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    assert b"3.5" in awarded.data
    answer = await verifier.post(awarded.data.replace(b"3.5", b"4.5", 1))
    assert answer["verdict"] == "invalid"
    assert codes(answer)["document"] == "document-not-on-log"
    assert codes(answer)["proof"] == "proof-wrong"
    assert answer["issuer"]["legal_name"] == "School of Example"


async def test_no_character_of_a_document_can_be_altered_unseen(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    data = awarded.data
    for place in range(0, len(data), 97):
        altered = data[:place] + (b"7" if data[place : place + 1] != b"7" else b"8") + data[place + 1 :]
        async with verifier.session.post(
            f"{verifier.url}/v1/verifications", data=altered, headers={"Content-Type": "application/json"}
        ) as response:
            answer = await response.json(content_type=None)
        assert answer.get("verdict") != "valid", altered[max(0, place - 30) : place + 30]
        assert response.status in {200, 400, 422}


@pytest.mark.parametrize("suite", SUITES)
async def test_a_document_whose_signature_was_made_anothers_is_not_valid(verifier: Verifier, suite: Suite) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"), suite=suite)
    await verifier.catches_up()
    proof = awarded.document["proof"]
    single = proof[0] if isinstance(proof, list) else proof
    stranger = did_key(SecretKey(bytes([8]) * 32).public_key)
    for method, verdict, code in (
        ("did:web:other.example#key", "indeterminate", "proof-of-others"),
        (f"{stranger}#{stranger.removeprefix('did:key:')}", "invalid", "proof-wrong"),
        ("urn:x", "indeterminate", "proof-of-others"),
    ):
        altered = awarded.document | {"proof": single | {"verificationMethod": method}}
        answer = await verifier.post(msgspec.json.encode(altered))
        assert (answer["verdict"], codes(answer)["proof"]) == (verdict, code), method
        assert codes(answer)["document"] == "document-matches"
    named = {name: value for name, value in single.items() if name != "verificationMethod"}
    answer = await verifier.post(msgspec.json.encode(awarded.document | {"proof": named}))
    assert (answer["verdict"], codes(answer)["proof"]) == ("indeterminate", "proof-names-no-key")


async def test_a_copy_without_a_signature_is_valid_and_its_first_sentence_says_so(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"), suite=None)
    await verifier.catches_up()
    assert (await verifier.post(awarded.data))["verdict"] == "valid"
    form = aiohttp.FormData({"document": awarded.data.decode()})
    async with verifier.session.post(f"{verifier.url}/", data=form) as response:
        page = await response.text()
    assert "this copy of it carries no signature" in page


async def test_a_revoked_part_impairs_the_stack_and_at_asks_for_before(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    parts = [award(world, school, ects_hundredths=300), award(world, school, ects_hundredths=350)]
    whole = stack(world, school, parts)
    before = world.now
    world.advance(seconds=5)
    world.say(world.revocation(school, parts[0].credential_id))
    await verifier.catches_up()
    assert await verifier.verdict(parts[0]) == "invalid"
    assert await verifier.verdict(parts[1]) == "valid"
    answer = await verifier.post(whole.data)
    assert (answer["verdict"], answer["status"]["state"]) == ("invalid", "impaired")
    assert codes(answer)["components"] == "components-impaired"
    assert "3.5 of 6.5" in str(answer["checks"])
    tree = (await verifier.get(f"/v1/stacks/{whole.credential_id}"))["stack"]
    assert (tree["ects_hundredths"], tree["ects_hundredths_remaining"], tree["state"]) == (650, 350, "impaired")
    assert sorted(part["state"] for part in tree["parts"]) == ["active", "revoked"]
    earlier = await verifier.get(f"/v1/credentials/{parts[0].credential_id}?at={before}")
    assert (earlier["verdict"], earlier["status"]["state"]) == ("valid", "active")
    known = await verifier.get(f"/v1/credentials/{whole.credential_id}?known_at={before.replace('Z', '%2B00:00')}")
    assert known["verdict"] == "valid"
    await verifier.get(f"/v1/stacks/{parts[0].credential_id}", status=404)


async def test_a_question_about_another_moment_is_answered_with_today_first(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    early = world.now
    world.advance(seconds=5)
    awarded = award(world, school)
    before = world.now
    world.advance(seconds=5)
    world.say(world.revocation(school, awarded.credential_id))
    await verifier.catches_up()
    plain = await verifier.get(f"/v1/credentials/{awarded.credential_id}")
    assert "today" not in plain
    for query in (f"?at={before}", f"?known_at={before}", f"?at={before}&known_at={before}"):
        path = f"/v1/credentials/{awarded.credential_id}{query}"
        answer = await verifier.get(path)
        assert next(iter(answer)) == "today"
        assert (answer["verdict"], answer["status"]["state"]) == ("valid", "active")
        today = answer["today"]
        assert (today["verdict"], today["state"], today["reason"]) == ("invalid", "revoked", "error")
        assert today["since"] == plain["status"]["since"]
        assert [item["code"] for item in today["checks"]] == ["status-revoked"]
        german = await verifier.get(f"{path}&lang=de")
        assert german["today"]["checks"][0]["detail"] != today["checks"][0]["detail"]
        sent = await verifier.post(awarded.data, query=query)
        assert (sent["verdict"], sent["today"]["verdict"], sent["today"]["state"]) == ("valid", "invalid", "revoked")
    unknown = await verifier.get(f"/v1/credentials/{awarded.credential_id}?known_at={early}", status=404)
    assert unknown["today"]["state"] == "revoked"
    assert "today it is, and its state is: revoked" in unknown["detail"]
    future = await verifier.get(f"/v1/credentials/{awarded.credential_id}?at=2999-01-01T00:00:00Z")
    assert (future["verdict"], future["today"]["verdict"]) == ("invalid", "invalid")


async def test_a_stack_and_a_void_credential_are_told_as_they_stand_today_too(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    whole = stack(world, school, [award(world, school), award(world, school)])
    before = world.now
    world.advance(seconds=5)
    world.say(world.condemnation(school, school, school.event, world.received_at(2)), key=school.recovery)
    await verifier.catches_up()
    tree = await verifier.get(f"/v1/stacks/{whole.credential_id}?known_at={before}")
    assert (next(iter(tree)), tree["verdict"]) == ("today", "valid")
    assert (tree["today"]["verdict"], tree["today"]["state"]) == ("invalid", "void")


async def test_no_link_shows_a_revoked_credential_as_valid(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    awarded = award(world, school)
    before = world.now
    world.advance(seconds=5)
    world.say(world.revocation(school, awarded.credential_id))
    await verifier.catches_up()
    for query in (f"?at={before}", f"?known_at={before}", f"?at={before}&lang=en"):
        page = await verifier.page(f"/c/{awarded.credential_id}{query}")
        assert "<title>Not valid: " in page
        assert '<section class="verdict invalid"' in page
        assert '<span class="word">Not valid</span>' in page
        assert page.index("was revoked, with effect from") < page.index("For that time: Valid.")
        assert page.index("State today") < page.index("State at that time")
        assert "credential on record holds" not in page
    held = award(world, school)
    await verifier.catches_up()
    page = await verifier.page(f"/c/{held.credential_id}?at={before}")
    assert "<title>Valid: " in page
    assert "For that time: Not valid." in page


async def test_a_later_suspension_of_the_institution_is_shown_and_undoes_nothing(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    awarded = award(world, school)
    world.say(world.suspension(school))
    await verifier.catches_up()
    answer = await verifier.post(awarded.data)
    assert answer["verdict"] == "valid"
    assert codes(answer)["issuer"] == "issuer-since-suspended"
    assert answer["issuer"]["state"] == "suspended"


async def test_what_a_stolen_key_signed_is_void_from_then_on(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    good = award(world, school)
    stolen_at = world.now
    bad = award(world, school)
    world.say(world.condemnation(school, school, school.event, stolen_at), key=school.recovery)
    await verifier.catches_up()
    assert await verifier.verdict(good) == "valid"
    answer = await verifier.post(bad.data)
    assert (answer["verdict"], answer["status"]["state"]) == ("invalid", "void")


async def test_a_document_that_differs_from_its_event_is_invalid(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    awarded = documented(world, school)
    world.say(event_of(world, school, awarded, ects_hundredths=300, valid_until=world.moment(days=900)))
    await verifier.catches_up()
    answer = await verifier.post(awarded.data)
    assert answer["verdict"] == "invalid"
    detail = next(check["detail"] for check in answer["checks"] if check["check"] == "document")
    assert "the credits, the end of validity" in detail


async def test_an_institution_that_is_not_on_the_register_makes_no_verdict(verifier: Verifier) -> None:
    world = verifier.world
    awarded = documented(world, world.party("stranger"))
    await verifier.catches_up()
    answer = await verifier.post(awarded.data)
    assert answer["verdict"] == "indeterminate"
    assert codes(answer)["document"] == "document-issuer-unknown"


async def test_an_expired_credential_says_so_and_was_valid_before(verifier: Verifier) -> None:
    world = verifier.world
    awarded = award(world, world.admit("school"), valid_until=world.moment(seconds=30))
    await verifier.catches_up()
    answer = await verifier.post(awarded.data)
    assert (answer["verdict"], answer["status"]["state"]) == ("invalid", "expired")
    path = f"/v1/credentials/{awarded.credential_id}?at={world.moment(seconds=20)}"
    assert (await verifier.get(path))["verdict"] == "valid"


async def test_what_lies_ready_is_what_the_records_say_and_follows_every_change(verifier: Verifier) -> None:
    world = verifier.world
    school, other = world.admit("school"), world.admit("other")
    parts = [award(world, school), award(world, school)]
    whole = stack(world, school, parts)
    ids = [awarded.credential_id for awarded in (*parts, whole)]

    async def compare() -> list[str]:
        await verifier.catches_up()
        verdicts = []
        for credential_id in ids:
            path = f"/v1/credentials/{credential_id}"
            ready = [await verifier.get(path) for _ in range(2)][-1]
            at = ready["question"]["at"]
            looked_up = await verifier.get(f"{path}?at={at}")
            assert looked_up["checks"][-1]["result"] == ready["checks"][-1]["result"] == "valid"
            assert looked_up.pop("today")["verdict"] == ready["verdict"]
            for answer in (ready, looked_up):
                answer["as_of"].pop("age_seconds")
                answer["checks"].pop()  # freshness tells the age in words
                answer["as_of"].pop("time")
            assert ready == looked_up
            verdicts.append(ready["verdict"])
        return verdicts

    assert await compare() == ["valid"] * 3
    world.say(world.recognition(other, parts[1].credential_id))
    assert await compare() == ["valid"] * 3
    world.say(world.hold(school, parts[0].credential_id))
    assert await compare() == ["invalid", "valid", "invalid"]
    world.say(world.release(school, parts[0].credential_id))
    assert await compare() == ["valid"] * 3
    world.say(world.condemnation(school, school, school.event, world.received_at(2)), key=school.recovery)
    assert set(await compare()) == {"invalid"}


async def test_an_etag_saves_the_answer_until_the_record_changes(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    awarded = award(world, school)
    await verifier.catches_up()
    url = f"{verifier.url}/v1/credentials/{awarded.credential_id}"
    async with verifier.session.get(url) as response:
        etag = response.headers["ETag"]
        assert response.headers["Cache-Control"] == "public, no-cache"
    async with verifier.session.get(url, headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read()) == (304, b"")
    world.say(world.revocation(school, awarded.credential_id))
    await verifier.catches_up()
    async with verifier.session.get(url, headers={"If-None-Match": etag}) as response:
        assert response.status == 200
        assert response.headers["ETag"] != etag


async def test_an_address_that_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    async with served(World()) as log, running(log, tmp_path / "p.sqlite", rate_per_second=0.1, rate_burst=3) as desk:
        for _ in range(3):
            await desk.get(f"/v1/credentials/{'00' * 32}", status=404)
        problem = await desk.get(f"/v1/credentials/{'00' * 32}", status=429)
        assert problem["type"].endswith("rate-limited")


async def test_the_future_is_not_promised(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    answer = await verifier.get(f"/v1/credentials/{awarded.credential_id}?at=2999-01-01T00:00:00Z")
    assert answer["verdict"] == "indeterminate"
    assert codes(answer)["status"] == "status-open"


async def test_a_log_that_is_down_makes_answers_indeterminate_after_the_limit(tmp_path: Path) -> None:
    world = World()
    awarded = award(world, world.admit("school"))
    file = tmp_path / "projection.sqlite"
    async with served(world) as log, running(log, file, freshness_seconds_max=1.5) as verifier:
        await verifier.catches_up()
        assert await verifier.verdict(awarded) == "valid"
        log.is_down = True
        await until(verifier.says(awarded, "indeterminate"))
        answer = await verifier.post(awarded.data)
        assert codes(answer)["freshness"] == "stale"
        assert codes(answer)["status"] == "status-stale", "what was kept while the records were fresh is not repeated"
        assert answer["status"]["state"] == "unknown"
        await verifier.get("/readyz", status=503)
        log.is_down = False
        await until(verifier.says(awarded, "valid"))
        assert codes(await verifier.post(awarded.data))["status"] == "status-active"


async def test_a_faulty_log_makes_every_answer_indeterminate_also_after_a_restart(tmp_path: Path) -> None:
    world = World()
    awarded = award(world, world.admit("school"))
    file = tmp_path / "projection.sqlite"
    async with served(world) as log:
        async with running(log, file) as verifier:
            await verifier.catches_up()
            stranger = world.party("stranger")
            force(world, world.seal(world.issue(stranger, "x")))
            await until(verifier.shows('log_state{state="faulty"} 1.0'))
            answer = await verifier.post(awarded.data)
            assert (answer["verdict"], codes(answer)["freshness"]) == ("indeterminate", "log-faulty")
            assert b'"event":"log_faulty"' in verifier.lines.getvalue()
        async with running(log, file) as verifier:
            answer = await verifier.post(awarded.data)
            assert (answer["verdict"], codes(answer)["freshness"]) == ("indeterminate", "log-faulty")


async def test_a_removed_file_gives_the_same_answers(tmp_path: Path) -> None:
    world = World()
    school = world.admit("school")
    parts = [award(world, school), award(world, school)]
    whole = stack(world, school, parts)
    world.say(world.recognition(world.admit("college"), whole.credential_id))
    answers = []
    async with served(world) as log:
        for name in ("first", "first", "second"):
            async with running(log, tmp_path / f"{name}.sqlite") as verifier:
                await verifier.catches_up()
                answer = await verifier.get(f"/v1/credentials/{whole.credential_id}?at={world.now}")
                assert answer["today"].pop("at") > world.now
                for moving in ("time", "age_seconds"):
                    answer["as_of"].pop(moving)
                answers.append([check for check in answer.pop("checks") if check["check"] != "freshness"] + [answer])
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][-1]["recognitions"][0]["recogniser_name"] == "College of Example"


async def test_a_list_is_answered_one_by_one_and_a_bad_document_sinks_no_other(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"), suite=None)
    await verifier.catches_up()
    twice = b'{"issuer": 1, "issuer": 2}'
    lines = await verifier.post(b"[" + b",".join([awarded.data, b"7", twice, b"{}", awarded.data]) + b"]")
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line.get("answer", {}).get("verdict") for line in lines] == ["valid", None, None, None, "valid"]
    assert [line.get("problem", {}).get("status") for line in lines] == [None, 422, 400, 422, None]


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"{", 400, "malformed"),
        (b"", 400, "malformed"),
        (b"[]", 422, "invalid"),
        (b"[" + b"{}," * 200 + b"{}]", 413, "too-many-documents"),
        (b"{}", 422, "not-an-open-badge"),
        (b'{"issuer": "x", "issuer": "y"}', 400, "malformed"),
        (b'{"issuer": NaN}', 400, "malformed"),
        (b'{"issuer": ' + b"[" * 100 + b"]" * 100 + b"}", 400, "malformed"),
        (b"x" * 9_000_000, 413, "body-too-large"),
    ],
)
async def test_wrong_input_gets_a_problem_that_names_the_fault(
    verifier: Verifier, body: bytes, status: int, slug: str
) -> None:
    problem = await verifier.post(body, status=status)
    assert problem["type"].endswith(f":{slug}")
    assert problem["detail"]


async def test_unknown_names_and_wrong_times_get_problems_with_words(verifier: Verifier) -> None:
    await verifier.catches_up()
    problem = await verifier.get(f"/v1/credentials/{'0' * 64}", status=404)
    assert "on record" in problem["detail"]
    await verifier.get("/v1/credentials/nonsense", status=422)
    problem = await verifier.get(f"/v1/credentials/{'0' * 64}?at=yesterday", status=422)
    assert problem["parameter"] == "at"
    await verifier.get("/v1/issuers/did:web:nobody.example", status=404)


async def test_an_institution_is_found_by_its_did_encoded_or_not(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    world.admit("localhost%3A8102:issuers:waterland", uri_prefixes=("https://waterland.example/",))
    await verifier.catches_up()
    found = await verifier.get(f"/v1/issuers/{school.did}")
    assert (found["issuer"]["state"], len(found["keys"])) == ("active", 3)
    for path in (
        "did:web:localhost%3A8102:issuers:waterland.example",
        "did%3Aweb%3Alocalhost%253A8102%3Aissuers%3Awaterland.example",
        "did:web:localhost:8102:issuers:waterland.example",  # as nginx passes it on
    ):
        url = f"{verifier.url}/v1/issuers/{path}"
        async with verifier.session.get(URL(url, encoded=True)) as response:
            assert response.status == 200, await response.text()


async def test_the_page_shows_the_verdict_of_a_pasted_document_and_keeps_nothing(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    for field, filename in (("document", None), ("file", "credential.json")):
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field(field, awarded.data.decode(), filename=filename)
        async with verifier.session.post(verifier.url + "/", data=form) as response:
            page = await response.text()
            assert response.status == 200, page
            assert "script-src" not in response.headers["Content-Security-Policy"]
            assert response.headers["Cache-Control"] == "no-store"
        assert ">Valid</span>" in page
        assert "<script" not in page
    name = awarded.document["credentialSubject"][IRIS["familyName"]].encode()
    assert name not in verifier.lines.getvalue()
    assert awarded.credential_id.encode() not in verifier.lines.getvalue()


async def test_the_page_says_what_is_wrong_with_what_was_pasted(verifier: Verifier) -> None:
    for text, status in (("{oops", 400), ("", 422), ("<script>alert(1)</script>", 400)):
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("document", text)
        async with verifier.session.post(verifier.url + "/", data=form) as response:
            page = await response.text()
            assert (response.status, "Not read" in page) == (status, True)
            assert "<script>" not in page


async def test_the_status_page_shows_history_stack_and_recognitions(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    parts = [award(world, school, ects_hundredths=300), award(world, school)]
    whole = stack(world, school, parts)
    world.say(world.recognition(world.admit("college"), whole.credential_id))
    world.say(world.revocation(school, parts[0].credential_id))
    await verifier.catches_up()
    page = await verifier.page(f"/c/{whole.credential_id}")
    for words in ("Not valid", "3.5 of 6.5", "College of Example", "impaired", "revoked", parts[0].credential_id):
        assert words in page
    assert "Asked for" in await verifier.page(f"/c/{whole.credential_id}?at={from_ms(to_ms(world.now) - 1)}")
    none = await verifier.page(f"/c/{'0' * 64}", status=404)
    assert "No credential" in none
    for html in (page, none):  # a proxy may have the verifier under a path of its own
        assert 'href="/' not in html
        assert 'action="/' not in html
    await verifier.page("/c/nonsense", status=422)
    await verifier.get(f"/?id={whole.credential_id}", status=303)
    for pasted in (whole.credential_id.upper(), f"  https://elsewhere.example/c/{whole.credential_id}?lang=de\n"):
        form = aiohttp.FormData({"document": pasted, "at": "2026-03-01"})
        async with verifier.session.post(f"{verifier.url}/?lang=de", data=form, allow_redirects=False) as answer:
            assert answer.status == 303
            assert answer.headers["Location"] == f"c/{whole.credential_id}?at=2026-03-01&lang=de"


async def test_the_interface_describes_itself(verifier: Verifier) -> None:
    document = await verifier.get("/openapi.json")
    assert {"/v1/verifications", "/v1/credentials/{credential_id}", "/c/{credential_id}"} <= document["paths"].keys()
    assert "Answer" in document["components"]["schemas"]


async def test_a_clock_that_is_behind_the_log_confirms_nothing_and_says_so_everywhere(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    awarded = award(world, school)
    await verifier.catches_up()
    await until(verifier.says(awarded, "valid"))
    world.advance(days=1)  # for the log it is tomorrow
    world.say(world.revocation(school, awarded.credential_id))
    await until(verifier.says(awarded, "indeterminate"))
    answer = await verifier.get(f"/v1/credentials/{awarded.credential_id}")
    assert (answer["verdict"], codes(answer)["freshness"]) == ("indeterminate", "clock-behind")
    freshness = next(check["cause"] for check in answer["checks"] if check["check"] == "freshness")
    assert "that clock is behind, or the log dates its entries ahead" in freshness
    assert answer["question"]["at"] >= world.received_at(world.size - 1), "it is no earlier than the log has shown"
    assert "clock is behind" in str(await verifier.get("/readyz", status=503))
    metrics = await verifier.page("/metrics")
    assert 'credentify_verifier_log_state{state="clock_behind"} 1.0' in metrics
    (behind,) = (line for line in metrics.splitlines() if line.startswith("credentify_verifier_clock_behind_seconds "))
    assert 80_000 < float(behind.split()[1]) < 90_000
