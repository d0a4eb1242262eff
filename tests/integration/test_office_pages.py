"""Recognition from page to page, as an applicant and two people of an office go through it, over real HTTP."""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from proto.documents.baked_picture import with_credential
from services.issuer_gateway.http.office_session import COOKIE
from services.persistence import postgres
from tests.support.databases import MakeDatabase
from tests.support.document_files import png
from tests.support.erased import assert_nowhere
from tests.support.foreign_documents import open_badge
from tests.support.gateways import Office, RunningGateway, running_gateway
from tests.support.judged import Verifier, document_of
from tests.support.ledgers import Registrar, running_ledger
from tests.support.page_reader import Reader

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

Json = dict[str, Any]
REFUSED = {"decision": "refused", "reason-not-authentic": "1", "text": "Nobody answers for this badge."}
PARTIAL = {"decision": "partial", "ects": "2,5", "reason-outcomes-differ": "1", "text": "Half of it is ours too."}


@pytest.fixture
def gateway_settings(verifier: Verifier) -> Mapping[str, Any]:
    """The gateway asks the test's verifier about evidence."""
    return {"evidence_verifier_url": verifier.url}


async def _school(gateway: RunningGateway, **settings: Any) -> tuple[Office, str]:
    school = await gateway.institution("school")
    programme = f"{school.created.admission_request.uri_prefixes[0]}programmes/data"
    answer = await school.client.send(
        "PUT", "/v1/settings", {"programmes": [{"uri": programme, "title": "Data and water"}]} | settings
    )
    assert answer.status == 200, answer
    return school, programme


async def _second_key(office: Office, *scopes: str) -> str:
    made = await office.client.post("/v1/keys", {"name": "second", "scopes": scopes or ("recognitions:write",)})
    return str(made.body["api_key"])


async def _document(verifier: Verifier, office: Office, name: str, ref: str = "s1") -> bytes:
    issued = await office.issue(name, ref)
    await office.published(issued.credential_id)
    document = await document_of(office, issued.credential_id)
    await verifier.answer(document)
    return msgspec.json.encode(document)


async def _log_size(gateway: RunningGateway) -> int:
    return (await gateway.ledger.client.log()).tree_size


async def _apply_after_a_mistake(applicant: Reader, gateway: RunningGateway, programme: str, *files: bytes) -> str:
    """Forget the name, and send it again with the files that the page has kept; return the address of the own page."""
    assert "Data and water" in await applicant.open("/recognition")
    assert "Anerkennung beantragen" in await applicant.open("/recognition/school")
    fields = {"programme": programme, "given_name": "Mia", "family_name": "Żółć", "publish": "yes"}
    await applicant.send("/recognition/school", fields | {"given_name": ""}, *files)
    assert applicant.status == 422
    assert "Schreiben Sie Ihren Vornamen" in applicant.text
    assert 'value="Żółć"' in applicant.text
    kept = re.findall(r'name="kept" value="([^"]+)"', applicant.text)
    assert len(kept) == len(files)
    form = aiohttp.FormData()
    for name, value in [*fields.items(), *(("kept", each) for each in kept)]:
        form.add_field(name, value, content_type="text/plain")
    async with applicant.session.post(f"{gateway.url}/recognition/school", data=form) as response:
        page, own = await response.text(), response.url.path
    assert re.fullmatch(r"/applications/cfa_[\w-]{43}", own)
    assert "Bewahren Sie die Adresse dieser Seite auf" in page
    return own


async def _decide_three(decider: Reader, gateway: RunningGateway, path: str, badge: bytes) -> None:
    """See the evidence in the office's terms, and decide in full, in part, and refuse with reasons."""
    await decider.open(path)
    for said in ("Explains it", "EQF level 6 of 8", "Assessed by", "Hogeschool College", "Genuine and in force"):
        assert said in decider.text
    assert "Whether report 47569 is in the quality register is not known here." in decider.text
    async with decider.session.get(f"{gateway.url}{path}/items/3/file") as response:
        assert (await response.read(), response.content_type) == (badge, "application/octet-stream")
        assert response.headers["Content-Disposition"].endswith('-3.png"')
    await decider.decide(path, 1, {"decision": "full"})
    await decider.decide(path, 2, PARTIAL)
    await decider.decide(path, 3, {"decision": "refused", "text": "No."})
    assert decider.status == 422
    assert "A refusal states its reasons" in decider.text
    assert ">No.</textarea>" in decider.text
    await decider.decide(path, 3, REFUSED)
    assert (decider.status, decider.address) == (200, path)


async def _appeal_and_have_it_decided_anew(
    applicant: Reader, decider: Reader, second: tuple[Reader, str], own: str, path: str
) -> None:
    other, key = second
    await applicant.open(own)
    for said in ("Ganz anerkannt", "Zum Teil anerkannt: 2.5 ECTS", "Nicht anerkannt", "Half of it is ours too."):
        assert said in applicant.text
    assert "Dass es echt ist, ließ sich nicht feststellen" in applicant.text
    await applicant.send(f"{own}/items/3/appeal", {"text": "The badge's issuer answers mail."})
    assert "Ihr Widerspruch:" in applicant.text
    await decider.open("/office/applications?appealed=1")
    assert path in decider.text
    await decider.open(path)
    assert "The badge&#39;s issuer answers mail." in decider.text
    await decider.decide(path, 3, REFUSED)
    assert decider.status == 409
    assert "another person" in decider.text
    await other.sign_in(key, then=path)
    assert other.address == path
    await other.decide(path, 3, {"decision": "partial", "ects": "1", "reason-other": "1", "text": "One counts."})
    assert other.status == 200
    await applicant.open(own)
    assert "Zum Teil anerkannt: 1 ECTS" in applicant.text


async def test_an_applicant_gets_three_decisions_reads_why_appeals_and_leaves_nothing_behind(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, academy = await gateway.institution("college"), await gateway.institution("academy")
    school, programme = await _school(gateway)
    quality = [{"type": "institutional-quality-assurance", "name": "NVAO", "url": "https://data.deqar.eu/report/47569"}]
    await college.describe("hydrology", quality_assurance=quality)
    await academy.describe("soil")
    documents = [await _document(verifier, college, "hydrology"), await _document(verifier, academy, "soil")]
    badge = with_credential(png(), msgspec.json.encode(open_badge()))
    size = await _log_size(gateway)
    async with Reader(gateway, "de") as applicant, Reader(gateway) as decider, Reader(gateway) as other:
        own = await _apply_after_a_mistake(applicant, gateway, programme, *documents, badge)
        await decider.open("/office")
        assert decider.status == 401
        await decider.sign_in(school.created.api_key)
        assert decider.address == "/office/applications"
        (path,) = re.findall(r'href="(/office/applications/[0-9a-f-]{36})"', decider.text)
        await _decide_three(decider, gateway, path, badge)
        await _appeal_and_have_it_decided_anew(applicant, decider, (other, await _second_key(school)), own, path)

        async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
            await connection.execute("UPDATE application_item SET publish_at = now() WHERE publish_at IS NOT NULL")
        assert gateway.commands is not None
        assert await gateway.commands.publish_recognitions.publish_due() == 2
        for event in await _recognitions(gateway):
            await school.event_published(event)
        assert await _log_size(gateway) == size + 2, "what she asked for: the two that are on this log, and no refusal"

        await applicant.open(own)
        (export,) = re.findall(r'id="export" href="([^"]+)"', applicant.text)
        async with applicant.session.get(URL(gateway.url + own).join(URL(export))) as response:
            assert response.content_type == "application/zip"
            with zipfile.ZipFile(io.BytesIO(await response.read())) as archive:
                assert sorted(archive.read(name) for name in archive.namelist() if "evidence" in name) == sorted(
                    [*documents, badge]
                )
        await applicant.send(f"{own}/withdraw", {})
        assert "wurde gelöscht" in applicant.text
        await decider.open(path)
        assert "What was written and shown was erased." in decider.text
        assert "Żółć" not in decider.text
    for table in ("application_item", "application_decision", "application_reminder"):
        assert await gateway.database_count(table) == 0
    ids = [msgspec.json.decode(document)["id"] for document in documents]
    await assert_nowhere(gateway, ["Żółć", PARTIAL["text"], REFUSED["text"], badge.hex(), *ids])
    assert own.rpartition("/")[2].encode() not in gateway.log.getvalue()
    assert school.created.api_key.encode() not in gateway.log.getvalue()


async def _recognitions(gateway: RunningGateway) -> list[str]:
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        rows = await connection.fetch("SELECT recognition FROM application_decision WHERE recognition IS NOT NULL")
    return [row["recognition"].hex() for row in rows]


async def test_the_office_is_warned_of_like_cases_and_confirms_in_words(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college = await gateway.institution("college")
    school, programme = await _school(gateway)
    await college.describe("hydrology")
    documents = [await _document(verifier, college, "hydrology", ref) for ref in ("s1", "s2")]
    fields = {"programme": programme, "given_name": "Mia", "family_name": "Ö"}
    async with Reader(gateway) as applicant, Reader(gateway) as decider:
        for document in documents:
            await applicant.send("/recognition/school", fields, document)
            assert applicant.status == 200
        await decider.sign_in(school.created.api_key)
        first, second = re.findall(r'href="(/office/applications/[0-9a-f-]{36})"', decider.text)
        await decider.open(first)
        await decider.decide(first, 1, PARTIAL)
        await decider.open(second)
        assert "here: 1" in decider.text
        await decider.decide(second, 1, {"decision": "full"})
        assert decider.status == 409
        assert "A like case was decided otherwise" in decider.text
        await decider.decide(second, 1, {"decision": "full", "despite": "1"})
        assert decider.status == 422
        await decider.decide(second, 1, {"decision": "full", "despite": "1", "text": "The exam was another."})
        assert decider.status == 200
        await decider.open("/office/report")
        assert "In full: 1, in part: 1, not recognised: 0" in decider.text


async def test_only_who_is_signed_in_sees_anything_and_forms_of_others_do_nothing(gateway: RunningGateway) -> None:
    school, programme = await _school(gateway)
    college = await gateway.institution("college")
    fields = {"programme": programme, "given_name": "Mia", "family_name": "Ö"}
    prior = {"dossier_title": "Sailing", "dossier_description": "Years at sea."}
    async with Reader(gateway) as reader, Reader(gateway) as stranger:
        await reader.send("/recognition/school", fields | prior)
        for key in ("nonsense", "operator-of-the-tests", await _second_key(school, "credentials:read")):
            await reader.sign_in(key)
            assert reader.status == 401
            assert key not in reader.text
            assert not list(reader.session.cookie_jar)
        await reader.sign_in(school.created.api_key)
        (cookie,) = reader.session.cookie_jar
        assert (cookie.key, cookie["path"], cookie["httponly"], cookie["samesite"]) == (
            COOKIE,
            "/office",
            True,
            "Strict",
        )
        (path,) = re.findall(r'href="(/office/applications/[0-9a-f-]{36})"', reader.text)
        await reader.send(f"{path}/items/1", REFUSED | {"token": "of another session"})
        assert reader.status == 403
        await stranger.sign_in(college.created.api_key)
        await stranger.open(path)
        assert stranger.status == 404
        await reader.open(path)
        assert "Years at sea." in reader.text
        assessed = {"decision": "partial", "ects": "2", "reason-other": "1", "text": "Counts.", "assessor": "Dr Wind"}
        await reader.decide(path, 1, assessed)
        assert "Dr Wind" in reader.text
        headers = {"Sec-Fetch-Site": "cross-site"}
        sent = {"key": school.created.api_key}
        async with stranger.session.post(f"{gateway.url}/office/session", data=sent, headers=headers) as response:
            assert response.status == 403
        await reader.send("/office/session/end", {"token": reader.token})
        await reader.open(path)
        assert reader.status == 401
        await reader.sign_in(school.created.api_key, then="https://elsewhere.example/office/")
        assert reader.address == "/office/applications"
        keys = (await school.client.get("/v1/keys")).body["keys"]
        gone = await school.client.send("DELETE", f"/v1/keys/{keys[0]['api_key_id']}", None)
        assert gone.status == 204
        await reader.open(path)
        assert reader.status == 401, "a key that was revoked ends its sessions"


async def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(gateway: RunningGateway) -> None:
    school, _ = await _school(gateway)
    async with Reader(gateway) as reader, Reader(gateway) as elsewhere, aiohttp.ClientSession() as copies:

        async def shown_to(cookie: str) -> tuple[int, str]:
            headers = {"Cookie": f"{COOKIE}={cookie}"}
            async with copies.get(f"{gateway.url}/office/applications", headers=headers) as response:
                return response.status, response.cookies[COOKIE].value if COOKIE in response.cookies else ""

        for each in (reader, elsewhere):
            await each.sign_in(school.created.api_key)
        (cookie,) = reader.session.cookie_jar
        status, longer = await shown_to(cookie.value)
        assert (status, longer != cookie.value) == (200, True)
        await reader.send("/office/session/end", {"token": reader.token})
        assert [await shown_to(each) for each in (cookie.value, longer)] == [(401, "")] * 2
        await elsewhere.open("/office/applications")
        assert elsewhere.status == 200, "another session of the same key goes on"
        async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
            await connection.execute("UPDATE ended_office_session SET ends_at = now()")
        await elsewhere.send("/office/session/end", {"token": elsewhere.token})
    assert await gateway.database_count("ended_office_session") == 1, "what ended by itself is forgotten"


async def test_a_page_takes_applications_towards_stated_programmes_only(gateway: RunningGateway) -> None:
    school, programme = await _school(gateway)
    college = await gateway.institution("college")
    evidence = [{"dossier": {"title": "Sailing", "description": "Years at sea."}}]
    body = {"institution": "school", "given_name": "A", "family_name": "B", "evidence": evidence}
    async with Reader(gateway) as reader:
        assert "takes no applications here" in await reader.open("/recognition/college")
        await reader.send("/recognition/college", {"programme": programme})
        assert reader.status == 422
        await reader.open("/recognition/nobody")
        assert reader.status == 404
    other = f"{school.created.admission_request.uri_prefixes[0]}programmes/other"
    refused = await gateway.client().post("/v1/recognition-applications", body | {"programme": other})
    assert (refused.status, refused.body["pointer"]) == (422, "/programme")
    wrong = {"programmes": [{"uri": programme, "title": "Not ours"}]}
    answer = await college.client.send("PUT", "/v1/settings", wrong)
    assert (answer.status, answer.body["pointer"]) == (422, "/programmes/0/uri")
    public = (await gateway.client().get("/v1/institutions/school")).body
    assert public["programmes"] == [{"uri": programme, "title": "Data and water"}]
    assert (await school.client.send("PUT", "/v1/settings", {"programmes": []})).status == 200
    closed = await gateway.client().post("/v1/recognition-applications", body | {"programme": programme})
    assert (closed.status, closed.body["pointer"]) == (422, "/programme")


async def test_standing_decisions_are_made_and_withdrawn_on_a_page(make_database: MakeDatabase, tmp_path: Path) -> None:
    registrar = Registrar(rules_version=2)
    async with (
        running_ledger(make_database, tmp_path / "ledger", registrar, development_rules=True) as ledger,
        running_gateway(make_database, tmp_path / "gateway", ledger) as gateway,
        Reader(gateway) as decider,
    ):
        school, programme = await _school(gateway)
        college = await gateway.institution("college")
        uri = (await college.describe("hydrology")).achievement.uri
        await decider.sign_in(school.created.api_key)
        await decider.open(f"/office/standing-decisions?achievement={uri}")
        assert f'value="{uri}"' in decider.text
        said = {"achievement_issuer": college.did, "achievement": uri, "programme": programme, "decision": "full"}
        said |= {"ects": "3.5", "valid_until": "2029-06-30", "token": decider.token}
        await decider.send("/office/standing-decisions", said | {"valid_until": "soon"})
        assert decider.status == 422
        assert "Write the last day as 2029-06-30" in decider.text
        await decider.send("/office/standing-decisions", said)
        assert decider.status == 200
        assert "on its way to the log" in decider.text
        made = (await _statement(gateway)).hex()
        await school.event_published(made)
        await decider.open("/office/standing-decisions")
        assert "In force" in decider.text
        await decider.send(f"/office/standing-decisions/{made}/withdraw", {"token": decider.token})
        assert decider.status == 200


async def _statement(gateway: RunningGateway) -> bytes:
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        found: bytes = await connection.fetchval(
            "SELECT event_id FROM outbox WHERE event_type = 'achievement-recognised.v1'"
        )
    return found
