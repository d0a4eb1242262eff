"""What is no credential of the kind that is judged here is named, and is never said to be forged."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from services.verifier.languages import LANGUAGES
from services.verifier.languages.english import SENTENCES
from tests.support.awarded import award
from tests.support.other_formats import JWT, OB, OTHERS, V2, Json
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running
from tests.support.worlds import World, lately

FILES: dict[str, tuple[bytes, str]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "picture (PNG)"),
    "SVG": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>', "picture (SVG)"),
    "SVG without a prologue": (b"  <svg xmlns:openbadges='x'></svg>", "picture (SVG)"),
    "JWT": (JWT.encode(), "token (JWT)"),
    "JWT as JSON": (json.dumps(JWT).encode(), "token (JWT)"),
    "SD-JWT": (f"{JWT}~WyJhIl0~".encode(), "token (JWT)"),
    "UTF-16": ('{"issuer": "x"}'.encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": ('{"issuer": "x"}'.encode("utf-16-le"), "UTF-16"),
    "UTF-16, big end first": ('{"issuer": "x"}'.encode("utf-16-be"), "UTF-16"),
    "ZIP": (b"PK\x03\x04\x14\x00", "archive"),
    "a page": (b"<!DOCTYPE html><html></html>", "page"),
}


@pytest.fixture
async def verifier(tmp_path: Path, unhurried: None) -> AsyncIterator[Verifier]:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as found:
        await found.catches_up()
        yield found


async def test_credentials_of_other_standards_are_named_and_not_judged(verifier: Verifier) -> None:
    for name, (document, code) in OTHERS.items():
        answer = await verifier.post(json.dumps(document).encode())
        codes = {check["check"]: check["code"] for check in answer["checks"]}
        assert (answer["verdict"], codes["document"]) == ("indeterminate", code), (name, answer["checks"])
        assert "invalid" not in {check["result"] for check in answer["checks"]}, name


async def test_what_an_institution_here_may_issue_in_times_to_come_is_not_called_forged(verifier: Verifier) -> None:
    document = dict(award(verifier.world, verifier.world.admit("school")).document)
    await verifier.catches_up()
    for old, new in ((V2, V2.replace("v2", "v3")), (OB, OB.replace("v3p0/context-3.0.3", "v3p1/context-3.1.0"))):
        contexts = [new if context == old else context for context in document["@context"]]
        assert contexts != document["@context"]
        answer = await verifier.post(json.dumps(document | {"@context": contexts}).encode())
        codes = {check["check"]: check["code"] for check in answer["checks"]}
        assert (answer["verdict"], codes["document"]) == ("indeterminate", "document-newer-model"), answer["checks"]
        assert "content" not in answer


async def test_a_presentation_answers_for_what_is_in_it_and_an_empty_one_says_so(verifier: Verifier) -> None:
    presentation = {"@context": [V2], "type": ["VerifiablePresentation"], "holder": "did:example:h"}
    nothing: tuple[Json, ...] = ({}, {"verifiableCredential": []}, {"verifiableCredential": None})
    for inside in nothing:
        problem = await verifier.post(json.dumps(presentation | inside).encode(), status=422)
        assert "presentation without a credential" in problem["detail"]
    envelope = OTHERS["an envelope"][0]
    lines = await verifier.post(json.dumps(presentation | {"verifiableCredential": [envelope, JWT]}).encode())
    assert lines[0]["answer"]["verdict"] == "indeterminate"
    assert "token (JWT)" in lines[1]["problem"]["detail"]
    assert all(line["note"] for line in lines)
    url, headers = f"{verifier.url}/v1/verifications", {"Content-Type": "application/vp"}
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    one = json.dumps(presentation | {"verifiableCredential": awarded.document}).encode()
    async with verifier.session.post(url, data=one, headers=headers) as answered:
        assert [line["answer"]["verdict"] for line in await answered.json()] == ["valid"]
    async with verifier.session.post(f"{verifier.url}/", data=aiohttp.FormData({"document": one.decode()})) as page:
        assert "not its own signature, and not who presents it" in await page.text()


@pytest.mark.parametrize("name", FILES)
async def test_what_is_no_json_is_named(verifier: Verifier, name: str) -> None:
    data, said = FILES[name]
    is_picture = said.startswith("picture")  # read, and nothing is inside: as a PDF without an attachment
    problem = await verifier.post(data, status=422 if is_picture else 400)
    assert said in problem["detail"], problem


async def test_a_byte_order_mark_is_taken(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    assert (await verifier.post(b"\xef\xbb\xbf" + awarded.data))["verdict"] == "valid"
    form = aiohttp.FormData()
    form.add_field("file", b"\xef\xbb\xbf" + awarded.data, filename="credential.json")
    async with verifier.session.post(f"{verifier.url}/", data=form) as page:
        assert "The document is authentic" in await page.text()


def test_what_others_are_is_said_in_every_language() -> None:
    codes = {code for _, code in OTHERS.values()} | {"proof-names-no-key", "proof-not-judged"}
    for language in LANGUAGES.values():
        assert language.code == "en" or codes <= language.sentences.keys()
    assert codes <= SENTENCES.keys()
