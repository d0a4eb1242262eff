"""Secret links of learners: what they show, to whom, until when; they leave no trace and go with an erasure."""

import asyncio
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from pypdf import PdfReader

from proto.bundles.bundle import decode_bundle
from proto.documents.document import credential_id_of
from proto.log.policy import parse_policy
from proto.wire.holder_links import HolderLink, HolderLinkList, ShownCredentials
from proto.wire.requests import Claimed, ClaimMade
from services.persistence import postgres
from tests.support.command_shell import Shell
from tests.support.gateways import Office, RunningGateway
from tests.support.judged import running_verifier

VERIFIER = "https://verifier.example"
GRADE, REMARK, BORN = "9.25", "With the highest honours", "1994-03-08"
LEARNER = {"ref": "s-1", "given_name": "Zoë", "family_name": "Łącka", "date_of_birth": BORN}
_SECRET = re.compile(r"cf[hs]_[A-Za-z0-9_-]{43}")


@pytest.fixture
def gateway_settings() -> Mapping[str, Any]:
    """The gateway's papers and pages lead to a verifier."""
    return {"verifier_url": VERIFIER}


async def _issued(office: Office, name: str = "hydrology", **fields: Any) -> str:
    uri = (await office.describe(name)).achievement.uri
    credential = await office.issue(uri, learner=LEARNER, result={"value": GRADE}, narrative=REMARK, **fields)
    await office.published(credential.credential_id)
    return credential.credential_id


async def _link(office: Office, **body: Any) -> str:
    answered = await office.client.post("/v1/holder-links", body)
    assert answered.status == 201, answered
    made = answered.as_(HolderLink)
    assert made.link is not None
    return str(made.link.rpartition("/")[2])


class Seen(msgspec.Struct, frozen=True):
    """What a browser got."""

    status: int
    body: bytes
    headers: Any

    @property
    def text(self) -> str:
        return self.body.decode()


async def _get(gateway: RunningGateway, path: str, **headers: str) -> Seen:
    async with gateway.ledger.session.get(gateway.url + path, headers=headers, allow_redirects=False) as response:
        return Seen(response.status, await response.read(), response.headers)


async def _form(gateway: RunningGateway, path: str, **fields: str) -> Seen:
    data = aiohttp.FormData(fields or {"x": ""})
    async with gateway.ledger.session.post(gateway.url + path, data=data, allow_redirects=False) as response:
        return Seen(response.status, await response.read(), response.headers)


async def _share(gateway: RunningGateway, secret: str, credential_id: str, **fields: str) -> str:
    """Share a credential by the form of its page, and return the secret of the newest link there."""
    before = set(_SECRET.findall((await _get(gateway, f"/credentials/{secret}/{credential_id}")).text))
    answered = await _form(gateway, f"/credentials/{secret}/{credential_id}/shares", **fields)
    assert answered.status == 303, answered.text
    after = set(_SECRET.findall((await _get(gateway, answered.headers["Location"])).text))
    (new,) = after - before
    return str(new)


def text_of(pdf: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


async def test_a_learner_sees_all_that_is_held_here_with_the_sum_and_a_sheet_of_each(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    first, second = await _issued(office), await _issued(office, "ecology")
    secret = await _link(office, learner="s-1")
    page = await _get(gateway, f"/credentials/{secret}")
    assert "7 ECTS in all" in page.text
    assert page.text.count("Holds") == 2
    revoked = await office.client.post(f"/v1/credentials/{second}/revoke", {"reason": "error"})
    await office.event_published(revoked.body["event_id"])
    page = await _get(gateway, f"/credentials/{secret}", **{"Accept-Language": "de"})
    assert "Zusammen 3.5 ECTS" in page.text
    assert await gateway.database_count("document_proof") == 0, "a list hands nothing out that is signed"
    sheet = await _get(gateway, f"/credentials/{secret}/{first}")
    for words in ("Zoë Łącka", "Hydrology", "Explains it", GRADE, BORN, "data:image/svg+xml", f"{VERIFIER}/c/{first}"):
        assert words in sheet.text
    assert 's-active">Holds' in sheet.text
    fallen = await _get(gateway, f"/credentials/{secret}/{second}")
    assert 'class="verdict invalid"' in fallen.text
    assert "s-active" not in fallen.text.partition("</style>")[2]
    assert "linkedin" not in fallen.text
    document = await _get(gateway, f"/credentials/{secret}/{first}/document")
    assert msgspec.json.decode(document.body) == (await office.client.get(f"/v1/credentials/{first}/document")).body
    assert (await _get(gateway, f"/credentials/{secret}/{'0' * 64}")).status == 404


async def test_nothing_of_a_secret_link_is_cached_indexed_or_sent_to_others(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    credential_id = await _issued(office)
    secret = await _link(office, credential_id=credential_id)
    share = await _share(gateway, secret, credential_id, extent="whole", audience="Rijkswaterstaat HR")
    for each in (secret, share):
        files = [f"/{credential_id}/{name}" for name in ("document", "pdf", "picture.png", "picture.svg")]
        for path in ("", f"/{credential_id}", *files):
            found = await _get(gateway, f"/credentials/{each}{path}")
            assert found.status == 200
            assert found.headers["Cache-Control"] == "no-store"
            assert found.headers["Referrer-Policy"] == "no-referrer"
            assert "noindex" in found.headers["X-Robots-Tag"]
            if path in files:
                assert each.encode() not in found.body
    api = await _get(gateway, f"/v1/credential-links/{share}")
    assert (api.headers["Cache-Control"], api.status) == ("no-store", 200)
    metrics = (await _get(gateway, "/metrics")).text
    said = gateway.log.getvalue().decode()
    for each in (secret, share, "Rijkswaterstaat", "Łącka"):
        assert each not in metrics
        assert each not in said
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        rows = str(await connection.fetch("SELECT * FROM holder_link"))
    assert secret not in rows
    assert "Rijkswaterstaat" not in rows


async def test_a_share_whose_button_is_pressed_twice_is_made_once_and_another_mark_makes_another(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    credential_id = await _issued(office)
    secret = await _link(office, learner="s-1")
    here = f"/credentials/{secret}/{credential_id}"
    assert 'name="once"' in (await _get(gateway, here)).text
    fields = {"extent": "whole", "days": "7", "once": "a-mark-of-the-page-1"}
    pressed = await asyncio.gather(*(_form(gateway, f"{here}/shares", **fields) for _ in range(3)))
    assert {each.status for each in pressed} == {303}
    before = set(_SECRET.findall((await _get(gateway, here)).text))
    await _share(gateway, secret, credential_id, **fields | {"once": "a-mark-of-the-page-2"})
    assert len(before) == 1 + len(set(_SECRET.findall(here)))


async def test_a_share_without_the_result_shows_none_on_page_source_pdf_and_api(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    credential_id = await _issued(office)
    secret = await _link(office, learner="s-1")
    share = await _share(gateway, secret, credential_id, extent="parts", audience="Employer", days="7")
    page = await _get(gateway, f"/credentials/{share}")
    pdf = await _get(gateway, f"/credentials/{share}/{credential_id}/pdf")
    api = await _get(gateway, f"/v1/credential-links/{share}")
    for text in (page.text, text_of(pdf.body), api.text):
        assert "Łącka" in text
        for hidden in (GRADE, REMARK, BORN, "Employer", "urn:uuid:", "proofValue"):
            assert hidden not in text
    assert PdfReader(io.BytesIO(pdf.body)).attachments == {}
    assert "parts that the holder chose" in text_of(pdf.body).replace("\n", " ")
    assert "rests on the word of Hogeschool Waterland" in page.text
    assert f"{VERIFIER}/c/{credential_id}" in page.text
    assert not msgspec.json.decode(api.body, type=ShownCredentials).credentials[0].is_whole
    for file in ("document", "picture.png", "picture.svg"):
        assert (await _get(gateway, f"/credentials/{share}/{credential_id}/{file}")).status == 404
    with_grade = await _share(gateway, secret, credential_id, extent="parts", result="yes")
    found = await _get(gateway, f"/credentials/{with_grade}")
    assert GRADE in found.text
    assert BORN not in found.text


async def test_a_share_without_an_extent_shows_no_more_than_it_names(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    credential_id = await _issued(office)
    secret = await _link(office, learner="s-1")
    share = await _share(gateway, secret, credential_id, date_of_birth="yes")
    page = await _get(gateway, f"/credentials/{share}")
    assert BORN in page.text
    assert GRADE not in page.text
    for fields, words in (
        ({"days": "0"}, "between 1 and"),
        ({"days": "9" * 30}, "between 1 and"),
        ({"audience": "x" * 201}, "200"),
    ):
        refused = await _form(gateway, f"/credentials/{secret}/{credential_id}/shares", **fields)
        assert (refused.status, words in refused.text) == (422, True)


async def test_shares_are_counted_ended_by_their_learner_and_end_nothing_themselves(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    credential_id, other_id = await _issued(office), await _issued(office, "ecology")
    secret = await _link(office, learner="s-1")
    share = await _share(gateway, secret, credential_id, extent="whole")
    for _ in range(3):
        await _get(gateway, f"/credentials/{share}")
    page = (await _get(gateway, f"/credentials/{secret}/{credential_id}")).text
    assert "views: 3" in page
    assert (await _get(gateway, f"/credentials/{share}/{other_id}")).status == 404
    assert "Make a link" not in (await _get(gateway, f"/credentials/{share}")).text
    for path in (f"/credentials/{share}/end", f"/credentials/{share}/{credential_id}/shares"):
        assert (await _form(gateway, path)).status == 403
    link_id = re.findall(r"shares/([0-9a-f-]{36})/end", page)[0]
    assert (await _form(gateway, f"/credentials/{secret}/{credential_id}/shares/{link_id}/end")).status == 303
    gone = await _get(gateway, f"/credentials/{share}")
    assert (gone.status, "works no more" in gone.text) == (410, True)
    again = await _share(gateway, secret, credential_id, extent="whole")
    assert "This link works no more" in (await _form(gateway, f"/credentials/{secret}/end")).text
    assert [(await _get(gateway, f"/credentials/{each}")).status for each in (secret, again)] == [410, 410]


async def test_staff_list_and_end_links_and_no_other_institution_does(gateway: RunningGateway) -> None:
    office, other = await gateway.institution("waterland"), await gateway.institution("nadmorska")
    credential_id = await _issued(office)
    secret = await _link(office, credential_id=credential_id, days_valid=3)
    (link,) = (await office.client.get("/v1/holder-links?learner=s-1")).as_(HolderLinkList).links
    assert (link.state, link.link, link.credential_id) == ("open", None, credential_id)
    assert (await other.client.send("DELETE", f"/v1/holder-links/{link.link_id}")).slug == "unknown-holder-link"
    assert (await other.client.post("/v1/holder-links", {"credential_id": credential_id})).status == 404
    assert (await other.client.post("/v1/holder-links", {"learner": "s-1"})).slug == "unknown-learner-here"
    assert (await office.client.post("/v1/holder-links", {})).status == 422
    twice = [await office.client.post("/v1/holder-links", {"learner": "s-1"}, key="once") for _ in "ab"]
    assert twice[0].body == twice[1].body
    ended = await office.client.send("DELETE", f"/v1/holder-links/{link.link_id}")
    assert ended.as_(HolderLink).state == "ended"
    assert (await _get(gateway, f"/credentials/{secret}")).status == 410
    issuer = await office.client.post("/v1/keys", {"name": "issue only", "scopes": ["credentials:issue"]})
    only = gateway.client(issuer.body["api_key"])
    assert (await only.post("/v1/holder-links", {"credential_id": credential_id})).status == 403


async def test_a_claim_and_a_request_lead_to_the_credentials_own_page_again_and_again(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe(takes_requests=True)).achievement.uri
    made = (await office.client.post("/v1/claims", {"award": office.award(uri, "s-2")})).as_(ClaimMade)
    secret, token = made.link.rpartition("/")[2], "t" * 43
    first, again = [
        (await gateway.client().post(f"/v1/claim-links/{secret}", {"retry_token": token})).as_(Claimed) for _ in "ab"
    ]
    assert first.page is not None
    assert first.page == again.page
    page = await _get(gateway, "/credentials/" + first.page.rpartition("/")[2])
    assert "Łukasiewicz s-2" in page.text
    asked = await gateway.client().post(
        "/v1/requests", {"institution": "waterland", "achievement": "hydrology", "family_name": "Ó Briain"}
    )
    (request,) = (await office.client.get("/v1/requests")).body["requests"]
    await office.client.post(f"/v1/requests/{request['request_id']}/accept", {})
    places = [await _form(gateway, f"/requests/{asked.body['secret']}/page") for _ in "ab"]
    assert {each.status for each in places} == {303}
    assert places[0].headers["Location"] == places[1].headers["Location"]
    opened = places[0].headers["Location"].rpartition("/")[2]
    assert "Ó Briain" in (await _get(gateway, f"/credentials/{opened}")).text
    await _form(gateway, f"/credentials/{opened}/end")
    anew = await _form(gateway, f"/requests/{asked.body['secret']}/page")
    assert anew.headers["Location"] != places[0].headers["Location"]
    asked_page = f"/requests/{asked.body['secret']}"
    assert 'class="verdict valid"' in (await _get(gateway, asked_page)).text
    accepted = (await office.client.get(f"/v1/requests/{request['request_id']}")).body["credential_id"]
    await office.client.post(f"/v1/credentials/{accepted}/revoke", {"reason": "error"})
    fallen = (await _get(gateway, asked_page)).text
    assert 'class="verdict invalid"' in fallen
    assert "Revoked." in fallen
    assert "works no more" in (await _form(gateway, f"{asked_page}/end")).text
    assert [(await _get(gateway, asked_page + path)).status for path in ("", "/document")] == [410, 410]


async def test_links_end_by_themselves_and_shares_never_outlive_the_link_they_were_made_with(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    credential_id = await _issued(office)
    secret = await _link(office, credential_id=credential_id, days_valid=1)
    share = await _share(gateway, secret, credential_id, extent="whole", days="90")
    ends = [(await _get(gateway, f"/v1/credential-links/{each}")).body for each in (secret, share)]
    assert len({msgspec.json.decode(end)["expires_at"] for end in ends}) == 1
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("UPDATE holder_link SET expires_at = now() - interval '1 second'")
    for each in (secret, share):
        assert (await _get(gateway, f"/credentials/{each}/{credential_id}/pdf")).status == 410


async def test_an_erasure_ends_every_link_document_and_paper(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    credential_id = await _issued(office)
    secret = await _link(office, learner="s-1")
    share = await _share(gateway, secret, credential_id, extent="whole")
    assert (await office.client.send("DELETE", "/v1/learners/s-1")).status == 200
    assert await gateway.database_count("holder_link") == 0
    for each in (secret, share):
        for ending in ("", "/document", "/pdf", "/picture.png", "/picture.svg"):
            assert (await _get(gateway, f"/credentials/{each}/{credential_id}{ending}")).status == 404
        for ending in ("", "/export"):
            assert (await _get(gateway, f"/credentials/{each}{ending}")).status == 404
        assert (await _get(gateway, f"/v1/credential-links/{each}")).status == 404


async def test_a_suspended_credential_is_under_no_green_sign_and_its_paper_says_so(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    credential_id = await _issued(office)
    secret = await _link(office, credential_id=credential_id)
    suspended = await office.client.post(f"/v1/credentials/{credential_id}/suspend", {"reason": "error"})
    assert suspended.status in {201, 202}
    page = (await _get(gateway, f"/credentials/{secret}")).text
    assert 'class="verdict indeterminate"' in page
    assert "Suspended" in page
    assert "s-active" not in page.partition("</style>")[2]
    paper = text_of((await _get(gateway, f"/credentials/{secret}/{credential_id}/pdf")).body)
    assert "Suspended" in paper.partition("1. The holder")[0]


async def test_a_logo_is_a_small_png_and_stands_on_the_sheet(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    credential_id = await _issued(office)
    secret = await _link(office, credential_id=credential_id)
    assert "/issuers/waterland/logo" not in (await _get(gateway, f"/credentials/{secret}")).text
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"

    async def put(content: bytes) -> int:
        return (await office.client.send("PUT", "/v1/institution/logo", content, media_type="image/png")).status

    assert await put(png) == 204
    assert (await _get(gateway, "/issuers/waterland/logo")).body == png
    assert "/issuers/waterland/logo" in (await _get(gateway, f"/credentials/{secret}")).text
    assert await put(b"<svg/>") == 422
    assert await put(png[:16] + b"\x00\x01\x00\x00" + png[20:]) == 422
    assert (await office.client.send("DELETE", "/v1/institution/logo")).status == 204
    assert (await _get(gateway, "/issuers/waterland/logo")).status == 404


async def test_everything_is_exported_as_one_zip_whose_documents_others_check(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    office = await gateway.institution("waterland")
    first, second = await _issued(office), await _issued(office, "ecology")
    secret = await _link(office, learner="s-1")
    await _share(gateway, secret, first, extent="parts", audience="Rijkswaterstaat HR")
    exported = await _get(gateway, f"/credentials/{secret}/export")
    assert exported.headers["Cache-Control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(exported.body)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert files["README.txt"].decode().startswith("What Hogeschool Waterland keeps of you")
    record = msgspec.json.decode(files["record.json"])
    assert record["name_here"] == "s-1"
    assert {link["audience"] for link in record["links"]} == {"", "Rijkswaterstaat HR"}
    for credential_id in (first, second):
        name = f"credential-{credential_id[:12]}"
        document = msgspec.json.decode(files[f"documents/{name}.json"])
        assert credential_id_of(document, office.did) == credential_id
        assert decode_bundle(files[f"bundles/{name}.bundle"]).credential_id == credential_id
        assert PdfReader(io.BytesIO(files[f"pdf/{name}.pdf"])).attachments["credential.json"] == [
            files[f"documents/{name}.json"]
        ]
    policy = parse_policy(files["policy.txt"])
    assert f"--verifier {VERIFIER} " in files["README.txt"].decode()
    assert gateway.ledger.url not in files["README.txt"].decode(), "who reads it cannot come there"
    assert [log.key.text for log in policy.logs] == [gateway.ledger.verifier_key]
    packed = tmp_path / "everything (1)"
    packed.write_bytes(exported.body)
    async with running_verifier(gateway.ledger, tmp_path) as elsewhere:
        await elsewhere.answer(msgspec.json.decode(files[f"documents/credential-{second[:12]}.json"]))
        shell = Shell(gateway, tmp_path, office)
        said = await shell.run("verify", str(packed), "--verifier", elsewhere.url, "--json")
        assert msgspec.json.decode(said) == {"valid": 2}
        trusted = tmp_path / "policy"
        trusted.write_text(f"log {gateway.ledger.verifier_key}\nquorum none\n")
        said = await shell.run("verify", "--offline", str(packed), "--policy", str(trusted), "--json", status=2)
        assert msgspec.json.decode(said) == {"indeterminate": 2}, "authentic, and nobody was asked"
        packed.write_bytes(exported.body[:-400])
        assert "cannot be unpacked" in await shell.run("verify", str(packed), "--verifier", elsewhere.url, status=3)
    one = await _link(office, credential_id=first)
    assert (await _get(gateway, f"/credentials/{one}/export")).status == 403


async def test_a_claim_may_open_all_that_its_learner_holds_if_its_maker_may_read_that(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await _issued(office)
    uri = (await office.describe("ecology")).achievement.uri
    body = {"award": office.award(uri) | {"learner": LEARNER}, "opens_all": True}
    made = (await office.client.post("/v1/claims", body)).as_(ClaimMade)
    claimed = (await gateway.client().post(f"/v1/claim-links/{made.link.rpartition('/')[2]}", {})).as_(Claimed)
    assert claimed.page is not None
    page = (await _get(gateway, "/credentials/" + claimed.page.rpartition("/")[2])).text
    assert page.count("3.5 ECTS") == 2
    issuer = await office.client.post("/v1/keys", {"name": "issue only", "scopes": ["credentials:issue"]})
    refused = await gateway.client(issuer.body["api_key"]).post("/v1/claims", body)
    assert (refused.status, refused.slug) == (403, "may-not-read")
