"""What an employer reads: whose credential it is and what it says, where the document is proven, and only there."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.awarded import Awarded, award
from tests.support.document_files import pdf
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running, until
from tests.support.worlds import World, lately

NAME = "Łukasz Ó Briain"
TITLE = "Data literacy for public services"


@pytest.fixture
async def verifier(tmp_path: Path) -> AsyncIterator[Verifier]:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as found:
        yield found


async def page_of(verifier: Verifier, data: bytes, language: str = "en") -> str:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("document", data.decode())
    async with verifier.session.post(f"{verifier.url}/?lang={language}", data=form) as response:
        assert response.status == 200
        return await response.text()


def altered(awarded: Awarded) -> bytes:
    return awarded.data.replace("Ó Briain".encode(), "Ó Brien".encode())


async def test_a_proven_document_shows_whose_it_is_and_what_it_says(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    answers: list[dict[str, Any]] = [await verifier.post(awarded.data) for _ in range(3)]  # found, then kept ready
    for answer in answers:
        assert answer["content"]["holder"]["name"] == NAME
        assert answer["content"]["title"]["en"] == TITLE
    assert answers[0]["content"] == answers[-1]["content"]
    listed = await verifier.post(b"[" + awarded.data + b"]")
    assert listed[0]["answer"]["content"] == answers[0]["content"]
    page = await page_of(verifier, awarded.data)
    for words in (NAME, TITLE, "Judges whether a published figure", "EQF level 5 of 8", "School of Example", ">Valid<"):
        assert words in page, words
    assert "Kompetencje danych" in await page_of(verifier, awarded.data, "pl")
    assert "Verliehen an" in await page_of(verifier, awarded.data, "de")


async def test_an_altered_document_shows_nothing_of_itself_as_if_it_were_true(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    answer = await verifier.post(altered(awarded))
    assert answer["verdict"] == "invalid"
    assert "content" not in answer
    page = await page_of(verifier, altered(awarded))
    assert "Brien" not in page
    assert TITLE not in page


async def test_a_document_with_a_wrong_proof_shows_nothing_of_itself(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    document = json.loads(awarded.data)
    document["proof"]["proofValue"] = document["proof"]["proofValue"][:-4] + "1111"
    answer = await verifier.post(json.dumps(document).encode())
    assert answer["verdict"] == "invalid"
    assert "content" not in answer


async def test_a_revoked_credential_still_says_whose_it_was(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    awarded = award(world, school)
    await verifier.catches_up()
    await verifier.post(awarded.data)
    world.say(world.revocation(school, awarded.credential_id))
    await until(verifier.says(awarded, "invalid"))
    assert (await verifier.post(awarded.data))["content"]["holder"]["name"] == NAME
    page = await page_of(verifier, awarded.data)
    assert NAME in page
    assert ">Not valid<" in page


async def test_the_public_record_names_nobody(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    await verifier.post(awarded.data)
    assert "content" not in await verifier.get(f"/v1/credentials/{awarded.credential_id}")
    page = await verifier.page(f"/c/{awarded.credential_id}")
    assert "Briain" not in page
    assert "holds no name" in page


def read_all(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_what_was_shown_is_nowhere_afterwards(verifier: Verifier, tmp_path: Path) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    for _ in range(2):
        await verifier.post(awarded.data)
        await page_of(verifier, awarded.data)
    for sent in ({"at": "2026-03-01"}, {"at": NAME}, {"at": "soon"}, {"document": f'{{"half": "{NAME}", '}):
        async with verifier.session.post(
            verifier.url + "/", data={"document": awarded.data.decode(), **sent}
        ) as response:
            assert response.status in {200, 400, 422}
    for name, data in (("a.pdf", pdf(credential=awarded.data)), ("a.json", awarded.data), ("a.txt", awarded.data[:-9])):
        form = aiohttp.FormData()
        form.add_field("file", data, filename=name)
        async with verifier.session.post(verifier.url + "/?lang=de", data=form) as response:
            assert response.status in {200, 400, 422}
    async with verifier.session.post(
        verifier.url + "/v1/verifications",
        data=b"%s\n{}\n" % awarded.data.replace(b"\n", b""),
        headers={"Content-Type": "application/x-ndjson"},
    ) as response:
        assert len((await response.text()).splitlines()) == 2
    kept = await asyncio.to_thread(read_all, tmp_path)
    for words in (NAME.encode(), TITLE.encode(), b"Briain"):
        assert words not in kept
        assert words not in verifier.lines.getvalue()


@pytest.mark.parametrize(
    "around",
    [
        "{id}",
        "  {ID}\n",
        "https://verifier.example/x/c/{id}?lang=de",
        "{id}/",
        "<https://x.example/c/{ID}>.",
        "Id: {id}, mine",
    ],
)
async def test_an_id_is_understood_in_capitals_in_blanks_and_in_a_link(verifier: Verifier, around: str) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    typed = around.format(id=awarded.credential_id, ID=awarded.credential_id.upper())
    async with verifier.session.get(f"{verifier.url}/", params={"id": typed}) as response:
        assert response.status == 200
        assert response.url.path == f"/c/{awarded.credential_id}"


async def test_what_is_no_id_is_told_so_and_stays_in_the_field(verifier: Verifier) -> None:
    async with verifier.session.get(f"{verifier.url}/", params={"id": "<b>abc"}) as response:
        page = await response.text()
        assert response.status == 422
    assert "This holds no credential id" in page
    assert "&lt;b&gt;abc" in page


async def test_pasted_text_is_not_lost_after_a_fault(verifier: Verifier) -> None:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("document", '{"half": ')
    async with verifier.session.post(f"{verifier.url}/", data=form) as response:
        assert response.status == 400
        assert "{&#34;half&#34;:</textarea>" in await response.text()


@pytest.mark.parametrize(
    ("accept", "is_page"), [("text/html,*/*;q=0.8", True), ("*/*", False), ("application/json", False)]
)
async def test_a_refusal_is_a_page_for_a_browser_and_a_document_for_a_machine(
    verifier: Verifier, accept: str, is_page: bool
) -> None:
    for path, method, status in (("/nowhere/at/all", "GET", 404), ("/v1/verifications", "GET", 405)):
        async with verifier.session.request(method, verifier.url + path, headers={"Accept": accept}) as response:
            assert response.status == status
            text = await response.text()
            assert ("<h1>" in text) is is_page
            assert response.content_type == ("text/html" if is_page else "application/problem+json")
            assert response.headers["X-Request-Id"]
            assert ('class="next"' in text) is is_page  # it says what to do
