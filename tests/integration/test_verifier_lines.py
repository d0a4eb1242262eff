"""Many documents in one NDJSON request: streamed in and out, one answer for each line, whatever the others are."""

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from proto.wire.verifier import Answer, VerificationLine
from services.command import verify_folder
from services.command.shown_rows import ShownRows
from services.edge import Log, listening
from services.verifier.app import make_app
from services.verifier.config import Config
from services.verifier.documents import reader
from services.verifier.documents.sent_document import SentDocument
from tests.support.awarded import Awarded, award, documented
from tests.support.served_logs import ServedLog, served
from tests.support.worlds import World, lately

NDJSON = {"Content-Type": "application/x-ndjson"}


class Desk:
    """A running verifier and the log that it follows."""

    def __init__(self, url: str, session: aiohttp.ClientSession, log: ServedLog, lines: io.BytesIO) -> None:
        self.url, self.session, self.log, self.lines = f"{url}/v1/verifications", session, log, lines
        self.world = log.world
        self.party = self.world.admit("school")

    async def answers(self, body: object, status: int = 200) -> list[VerificationLine]:
        async with self.session.post(self.url, data=body, headers=NDJSON) as response:
            assert response.status == status, await response.text()
            text = await response.read()
        return [msgspec.json.decode(line, type=VerificationLine) for line in text.splitlines()] if status == 200 else []

    async def alone(self, data: bytes) -> Answer:
        headers = {"Content-Type": "application/json"}
        async with self.session.post(self.url, data=io.BytesIO(data), headers=headers) as response:
            return msgspec.json.decode(await response.read(), type=Answer)

    async def listed(self, data: bytes) -> list[dict[str, object]]:
        headers = {"Content-Type": "application/json"}
        async with self.session.post(self.url, data=io.BytesIO(data), headers=headers) as response:
            found: list[dict[str, object]] = await response.json()
            return found

    async def knows(self, awarded: Awarded) -> None:
        async with asyncio.timeout(120):
            while (await self.alone(awarded.data)).verdict != "valid":  # noqa: ASYNC110 - another task follows the log
                await asyncio.sleep(0.02)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with served(World(start=lately())) as log, aiohttp.ClientSession() as session:
        config = Config(
            ledger_url=log.url,
            log_verifier_key=log.world.log_key.verifier.text,
            database_file=tmp_path / "projection.sqlite",
            poll_seconds=1,
            lines_max=50,
            lines_bytes_max=1_000_000,
            verification_bytes_max=65_536,
        )
        lines = io.BytesIO()
        app = make_app(config, log=Log("verifier", lines), end_process=lambda _: None)
        async with listening(app, host="127.0.0.1", port=0) as address:
            yield Desk(address.url, session, log, lines)


async def test_lines_have_a_bound_of_their_own_however_small_that_of_one_document_is(desk: Desk) -> None:
    good = award(desk.world, desk.party)
    await desk.knows(good)
    found = await desk.answers(io.BytesIO(b"\n".join([good.data] * 40)))
    assert len(good.data) * 40 > 2 * 65_536
    assert [line.answer and line.answer.verdict for line in found] == ["valid"] * 40
    await desk.answers(io.BytesIO(b" " * 1_000_001), status=413)


async def test_a_line_that_breaks_what_reads_it_sinks_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    good = award(desk.world, desk.party)
    await desk.knows(good)
    read = reader.read

    def breaking(sent: SentDocument) -> reader.ReadDocument:
        if b"breaks" in sent.data:
            raise OverflowError(sent.data.decode())
        return read(sent)

    monkeypatch.setattr(reader, "read", breaking)
    bad = b'{"breaks":"Jane Doe"}'
    overflowing = good.data.replace(b"2026-", b"9999-", 1)
    found = await desk.answers(io.BytesIO(b"\n".join([good.data, bad, overflowing, b"[" * 15_000, good.data])))
    assert [line.status for line in found] == [200, 500, 200, 400, 200]
    listed = await desk.listed(b"[" + b",".join([good.data, bad, good.data]) + b"]")
    assert [bool(line.get("answer")) for line in listed] == [True, False, True]
    assert b"line_failed" in desk.lines.getvalue()
    assert b"Jane" not in desk.lines.getvalue(), "what broke may quote the document"


async def test_each_line_is_answered_in_order_and_a_bad_one_sinks_no_other(desk: Desk) -> None:
    good, travelled = award(desk.world, desk.party), award(desk.world, desk.party, suite=None)
    strange = documented(desk.world, desk.party)
    await desk.knows(travelled)
    reordered = msgspec.json.encode(dict(reversed(travelled.document.items())))
    twice = b'{"issuer": 1, "issuer": 2}'
    body = b"\n".join([good.data, b"not json", b"", strange.data, twice, b" " + reordered + b"\r", good.data])
    found = await desk.answers(io.BytesIO(body))
    assert [line.line for line in found] == [1, 2, 4, 5, 6, 7]
    assert [line.answer.verdict if line.answer else line.problem and line.status for line in found] == [
        "valid",
        400,
        "invalid",
        400,
        "valid",
        "valid",
    ]


async def test_answers_come_while_documents_are_still_being_sent(desk: Desk) -> None:
    awarded = award(desk.world, desk.party)
    await desk.knows(awarded)
    answered = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield awarded.data + b"\n"
        async with asyncio.timeout(120):
            await answered.wait()
        yield awarded.data + b"\n"

    async with desk.session.post(desk.url, data=body(), headers=NDJSON) as response:
        first = await response.content.readline()
        answered.set()
        rest = await response.read()
    assert b'"verdict":"valid"' in first
    assert rest.count(b"\n") == 1


async def test_a_line_says_what_the_document_alone_is_answered(desk: Desk) -> None:
    awarded = award(desk.world, desk.party)
    await desk.knows(awarded)
    lines = await desk.answers(io.BytesIO(awarded.data))
    alone = await desk.alone(awarded.data)
    assert lines[0].answer is not None
    assert msgspec.structs.replace(lines[0].answer, question=alone.question, as_of=alone.as_of) == alone


async def test_more_lines_than_are_taken_are_refused_after_those_that_are(desk: Desk) -> None:
    awarded = award(desk.world, desk.party, suite=None)
    await desk.knows(awarded)
    found = await desk.answers(io.BytesIO(b"\n".join([awarded.data] * 51)))
    assert [line.line for line in found] == [*range(1, 51), 0]
    assert found[-1].status == 413


async def test_nothing_of_the_documents_is_logged(desk: Desk) -> None:
    awarded = award(desk.world, desk.party)
    await desk.knows(awarded)
    await desk.answers(io.BytesIO(awarded.data))
    await asyncio.sleep(0)
    assert awarded.credential_id.encode() not in desk.lines.getvalue()
    assert awarded.document["id"].encode() not in desk.lines.getvalue()


async def test_a_folder_is_verified_with_a_report(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify_folder, "REQUEST_DOCUMENTS_MAX", 2)
    good, strange = award(desk.world, desk.party), documented(desk.world, desk.party)
    await desk.knows(good)
    folder = tmp_path / "inbox"
    (folder / "sub").mkdir(parents=True)
    pretty = json.dumps(good.document, indent=2, ensure_ascii=False)
    (folder / "a.json").write_text(pretty)
    (folder / "b.json").write_bytes(b"{")
    (folder / "empty.json").write_bytes(b"")
    (folder / "sub" / "=c.jsonld").write_bytes(strange.data)
    (folder / "notes.txt").write_text("no document")
    url = desk.url.removesuffix("/v1/verifications")
    seen = ShownRows()
    counts = await verify_folder.verify_folder(folder, url, tmp_path / "report.csv", seen=seen.add)
    assert counts == {"valid": 1, "invalid": 1, "unreadable": 2}
    seen.show()
    said = capsys.readouterr().out
    assert re.search(r"^valid +a\.json: .+, Łukasz Ó Briain, ", said, re.MULTILINE), said
    assert re.search(r"^invalid +sub/=c\.jsonld: School of Example\n +The institution", said, re.MULTILINE), said
    with (tmp_path / "report.csv").open(newline="") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    assert rows["a.json"]["verdict"] == "valid"
    assert rows["a.json"]["ects"] == "3.5"
    assert rows["b.json"]["verdict"] == rows["empty.json"]["verdict"] == "unreadable"
    assert "altered" in rows["sub/=c.jsonld"]["finding"]
