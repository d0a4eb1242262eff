"""Credentials that travel inside of a PDF, over real HTTP: taken out within bounds, or refused with what to do."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from proto.documents.baked_picture import with_credential
from services.command.verify_folder import verify_folder
from services.verifier.documents import pdf as pdf_module
from services.verifier.documents.pdf import PdfProblem, PdfReader
from tests.support.awarded import award
from tests.support.document_files import pdf
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running
from tests.support.worlds import World, lately


@pytest.fixture
async def verifier(tmp_path: Path, unhurried: None) -> AsyncIterator[Verifier]:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as found:
        yield found


async def ask(verifier: Verifier, body: bytes, status: int = 200) -> dict[str, str]:
    headers = {"Content-Type": "application/pdf"}
    url = f"{verifier.url}/v1/verifications"
    async with verifier.session.post(url, data=io.BytesIO(body), headers=headers) as response:
        assert response.status == status, await response.text()
        found: dict[str, str] = await response.json(content_type=None)
        return found


async def test_the_credential_attached_to_a_pdf_is_verified(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    assert (await ask(verifier, pdf(credential=awarded.data, notes=b'{"a": 1}')))["verdict"] == "valid"
    altered = awarded.data.replace(b"3.5", b"4.5", 1)
    assert (await ask(verifier, pdf(credential=altered)))["verdict"] == "invalid"
    form = aiohttp.FormData()
    form.add_field("file", pdf(credential=awarded.data), filename="diploma.pdf", content_type="application/pdf")
    async with verifier.session.post(verifier.url, data=form) as response:
        assert ">Valid<" in await response.text()


async def test_a_pdf_that_holds_none_or_several_or_is_none_is_refused_with_what_to_do(verifier: Verifier) -> None:
    one, other = (award(verifier.world, verifier.world.admit(name)).data for name in ("school", "academy"))
    await verifier.catches_up()
    for body, words in (
        (pdf(), "ask for the JSON file"),
        (pdf(notes=b'{"a": 1}', picture=b"\xff\xd8"), "ask for the JSON file"),
        (pdf(one=one, two=other), "2 credentials are attached"),
        (b"%PDF-1.7\n" + b"\x00" * 5_000, "cannot be read"),
        (pdf(one=one)[:-200], "ask for the JSON file|cannot be read"),
    ):
        problem = await ask(verifier, body, status=422)
        assert problem["type"] == "urn:credentify:problem:pdf"
        assert any(word in problem["detail"] for word in words.split("|")), problem


async def test_a_pdf_that_unpacks_without_end_is_refused(verifier: Verifier) -> None:
    bomb = pdf(credential=b'{"credentialSubject":"' + b"0" * 200_000_000 + b'"}')
    assert len(bomb) < 1_000_000
    problem = await ask(verifier, bomb, status=422)
    assert problem["type"] == "urn:credentify:problem:pdf"


ENDLESS = """
import json, sys, time
data = sys.stdin.buffer.read()
if b"endless" in data:
    time.sleep(3_600)
sys.stdout.write(json.dumps(['{"credentialSubject": 1}']))
"""


async def test_slow_pdfs_delay_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_module, "QUICK_SECONDS", 6.0)  # so long a quick one may take on a slow machine
    monkeypatch.setattr(pdf_module, "READ_SECONDS_MAX", 8.0)
    reader = PdfReader(program=("-c", ENDLESS))
    slow = [asyncio.create_task(reader.credential_in(b"endless", address=name)) for name in "aabbc"]
    for _ in range(10):
        await asyncio.sleep(0)
    assert await reader.credential_in(b"quick", address="d")
    assert sum(task.done() for task in slow) < 4, "one has its whole time, and nobody waits for that"
    for outcome in await asyncio.gather(*slow, return_exceptions=True):
        assert isinstance(outcome, PdfProblem)
        assert "too long" in outcome.detail


async def test_a_small_pdf_gets_no_more_memory_than_a_small_pdf_needs(tmp_path: Path) -> None:
    code = (
        "import services.verifier.documents.pdf_process as p; p.attached = lambda data: [b'x' * 400_000_000]; p.main()"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate(b"%PDF-1.7")
    assert said == b"It needs more memory than it may have"


async def test_a_folder_with_pdfs_is_reported_row_by_row(verifier: Verifier, tmp_path: Path) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.json").write_bytes(awarded.data)
    (folder / "b.pdf").write_bytes(pdf(credential=awarded.data))
    (folder / "c.PDF").write_bytes(pdf())
    counts = await verify_folder(folder, verifier.url, tmp_path / "report.csv")
    assert counts == {"valid": 2, "unreadable": 1}
    assert "c.PDF,unreadable" in (tmp_path / "report.csv").read_text()


async def test_the_credential_baked_into_a_picture_is_verified_whatever_it_is_said_to_be(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), "white").save(stream, "PNG")
    pictures = {
        "image/png": with_credential(stream.getvalue(), awarded.data),
        "image/svg+xml": with_credential(b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', awarded.data),
    }
    for kind, picture in pictures.items():
        for said in (kind, "application/json"):
            url, headers = f"{verifier.url}/v1/verifications", {"Content-Type": said}
            async with verifier.session.post(url, data=io.BytesIO(picture), headers=headers) as response:
                assert (await response.json())["verdict"] == "valid"
        form = aiohttp.FormData()
        form.add_field("file", picture, filename="badge", content_type=kind)
        async with verifier.session.post(verifier.url, data=form) as response:
            assert ">Valid<" in await response.text()
    bare = aiohttp.FormData()
    bare.add_field("file", stream.getvalue(), filename="shot.png", content_type="image/png")
    async with verifier.session.post(verifier.url, data=bare) as response:
        text = await response.text()
        assert (response.status, "A screenshot has none" in text) == (422, True)
