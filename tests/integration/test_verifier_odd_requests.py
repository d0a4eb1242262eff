"""What no client of ours sends to a verifier: each is answered in words, and none breaks anything."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec
import pytest

from tests.support.awarded import award
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running
from tests.support.worlds import World, lately

NUMBERS = ["1e400", "-0", "1E2", "NaN", "1" * 5_000, "0" * 40, "1e-999999999", "²", "٣", "0x10", "null"]
TIMES = [
    "2016-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31",
    "2026-02-30T00:00:00Z",
    "2026-01-01T00:00:00+99:99",
    "2026-01-01T24:00:00Z",
    "2026-W01-1",
    "2026-01-01T00:00:00.000000000001Z",
]
TEXTS = [
    "\0",
    "\u202e\u2066",
    "a" + "\u0301\u0316" * 600,
    "\ufeff",
    "\U0010ffff",
    "%",
    "'\"<&>",
    "\\",
    "a" * 3_000,
    " ",
]
BODIES = [
    b"<!---->" * 500,
    b"[" * 90_000,
    b'{"a":' + b"1" * 5_000 + b"}",
    b'{"issuer":"did:key:z","credentialSubject":{},"validFrom":"9999-12-31T23:59:59-14:00","proof":[{}]}',
    b'{"issuer":{"id":7},"credentialSubject":[[]],"type":{},"@context":[[[]]],"proof":{"type":[]}}',
    b'{"document":{"issuer":"x","credentialSubject":{},"credentialStatus":[{"type":{}}]},"status_lists":[{"id":[]}]}',
    b'"\\ud800"',
    b"\xff\xfe{\0}\0",
    b"eyJ.." + b"~a" * 900,
    b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffiTXt",
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><svg>&a;</svg>",
    b"PK\x03\x04",
    b"",
]
HOSTS = ["x" * 3_000, "evil.example/<b>", "a@b", "x\ty", "", None]


@pytest.fixture
async def verifier(tmp_path: Path, unhurried: None) -> AsyncIterator[Verifier]:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as found:
        yield found


async def asked(verifier: Verifier, head: str, *lines: str, body: bytes = b"") -> bytes:
    """Send one request as it stands and return the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(verifier.url).port)
    try:
        sent = [f"{head} HTTP/1.1", "Connection: close", f"Content-Length: {len(body)}", *lines, "", ""]
        writer.write("\r\n".join(sent).encode() + body)
        return await reader.read()
    finally:
        writer.close()


def questions(document: dict[str, object]) -> Iterator[str]:
    """Yield paths of every route with odd values in each place of a path and each parameter."""
    paths: dict[str, dict[str, dict[str, list[dict[str, str]]]]] = msgspec.convert(document["paths"], dict)
    for path, methods in paths.items():
        for each in methods.get("get", {}).get("parameters", []):
            for odd in (*NUMBERS, *TIMES, *TEXTS):
                value = quote(odd, safe="")
                known = path.replace("{" + each["name"] + "}", value).replace("{", "").replace("}", "")
                yield known if each["in"] == "path" else f"{known}?{each['name']}={value}"


def failures(verifier: Verifier) -> list[str]:
    """Return what the log says that broke."""
    lines = [msgspec.json.decode(line) for line in verifier.lines.getvalue().splitlines()]
    return [str(line) for line in lines if line["event"] in {"request_failed", "line_failed", "unhandled"}]


async def test_odd_values_in_every_place_are_answered(verifier: Verifier) -> None:
    every = [*questions(await verifier.get("/openapi.json"))]
    assert len(every) > 500
    for path in random.Random(20261129).sample(every, 300):
        answer = await asked(verifier, f"GET {path}", "Host: x", "Accept: text/html")
        assert answer[9:10] in b"234", (path, answer[:200])
    assert failures(verifier) == []


@pytest.mark.parametrize("media", ["application/json", "application/x-ndjson", "application/pdf", "image/svg+xml"])
async def test_odd_bodies_are_answered(verifier: Verifier, media: str) -> None:
    for body in BODIES:
        answer = await asked(verifier, "POST /v1/verifications", "Host: x", f"Content-Type: {media}", body=body)
        assert answer[9:10] in b"24", (body[:40], answer[:200])
        assert b'"verdict":"valid"' not in answer
    assert failures(verifier) == []


async def test_a_page_leads_to_no_address_that_a_request_made_up(verifier: Verifier) -> None:
    awarded = award(verifier.world, verifier.world.admit("school"))
    await verifier.catches_up()
    for host in HOSTS:
        lines = [] if host is None else [f"Host: {host}"]
        answer = await asked(verifier, f"GET /c/{awarded.credential_id}", *lines)
        assert answer[9:12] in {b"200", b"400"}
        assert b'class="qr"' not in answer
        assert b"evil.example" not in answer
    assert b'class="qr"' in await asked(verifier, f"GET /c/{awarded.credential_id}", "Host: verifier.example")
    assert failures(verifier) == []
