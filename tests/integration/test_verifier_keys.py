"""API keys of a verifier over real HTTP: quotas of their own, told in headers; an unknown key is nobody's."""

import asyncio
import io
import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from services.command.verifier_key import verifier_key
from services.settings import SettingsFault
from services.verifier.limits.api_keys import read_keys
from services.verifier.limits.quotas import Usage, Window
from tests.support.awarded import award
from tests.support.served_logs import served
from tests.support.verifier_keys import make_key
from tests.support.verifiers import Verifier, running, until
from tests.support.worlds import World, lately


@pytest.fixture
async def verifier(tmp_path: Path) -> AsyncIterator[Verifier]:
    await make_key(tmp_path / "keys.toml", "nobody-uses-this")
    async with (
        served(World(start=lately())) as log,
        running(
            log,
            tmp_path / "projection.sqlite",
            api_keys_file=tmp_path / "keys.toml",
            rate_per_second=0.001,
            rate_burst=5,
        ) as found,
    ):
        yield found


async def ask(
    verifier: Verifier, key: str | None, body: bytes | None = None, media: str = "application/json"
) -> tuple[int, dict[str, Any] | list[dict[str, Any]], aiohttp.ClientResponse]:
    headers = {"Content-Type": media} | ({"Authorization": f"Bearer {key}"} if key else {})
    method, path = ("POST", "/v1/verifications") if body is not None else ("GET", "/v1/statistics")
    data = io.BytesIO(body) if body is not None else None
    async with verifier.session.request(method, verifier.url + path, data=data, headers=headers) as response:
        text = await response.text()
        lines = [json.loads(line) for line in text.splitlines()]
        return response.status, lines if media.endswith("ndjson") else lines[0], response


async def known(verifier: Verifier, key: str) -> None:
    """Wait until the verifier has read the file again."""

    async def is_known() -> bool:
        return (await ask(verifier, key))[0] != 401

    await until(is_known)


async def test_a_key_has_its_own_requests_and_everybody_else_those_of_an_address(
    verifier: Verifier, tmp_path: Path
) -> None:
    key = await make_key(tmp_path / "keys.toml", "ats-example", "--requests-per-minute", "40")
    await known(verifier, key)
    anonymous = [(await ask(verifier, None))[0] for _ in range(7)]
    assert anonymous[-1] == 429
    status, _, response = await ask(verifier, key)
    assert status == 200
    assert response.headers["RateLimit-Policy"] == '"requests";q=40;w=60, "documents";q=50000;w=86400'
    assert response.headers["RateLimit"].startswith('"requests";r=')
    statuses = [await ask(verifier, key) for _ in range(45)]
    status, problem, response = statuses[-1]
    assert (status, problem["type"]) == (429, "urn:credentify:problem:quota-used-up")  # type: ignore[call-overload] # a problem is no list
    assert 0 < int(response.headers["Retry-After"]) <= 60


async def test_documents_are_counted_one_by_one_also_in_lines(verifier: Verifier, tmp_path: Path) -> None:
    key = await make_key(tmp_path / "keys.toml", "ats-example", "--documents-per-day", "4")
    await known(verifier, key)
    document = award(verifier.world, verifier.world.admit("school")).data
    status, answer, response = await ask(verifier, key, b"[" + document + b"," + document + b"]")
    assert (status, len(answer)) == (200, 2)
    assert '"documents";r=2' in response.headers["RateLimit"]
    line = document.replace(b"\n", b"")
    status, lines, _ = await ask(verifier, key, b"\n".join([line] * 3), "application/x-ndjson")
    assert isinstance(lines, list)
    assert [each["line"] for each in lines] == [1, 2, 0]
    assert lines[-1]["problem"]["type"].endswith(":quota-used-up")
    assert (await ask(verifier, key, document))[0] == 429
    assert (await ask(verifier, key))[0] == 200, "what asks for no document goes on"


async def test_more_documents_at_once_than_are_left_are_refused_with_how_many_are(
    verifier: Verifier, tmp_path: Path
) -> None:
    key = await make_key(tmp_path / "keys.toml", "ats-example", "--documents-per-day", "3")
    await known(verifier, key)
    document = award(verifier.world, verifier.world.admit("school")).data
    for count, left in ((4, "3 are left"), (2, ""), (2, "1 is left")):
        status, answer, _ = await ask(verifier, key, b"[" + b",".join([document] * count) + b"]")
        assert status == (429 if left else 200)
        assert isinstance(answer, dict) == bool(left)
        assert left in str(answer)


async def test_a_key_that_is_not_known_or_was_taken_out_is_refused(verifier: Verifier, tmp_path: Path) -> None:
    status, problem, _ = await ask(verifier, "cfv_nobody")
    assert (status, problem["type"]) == (401, "urn:credentify:problem:unauthenticated")  # type: ignore[call-overload] # see above
    key = await make_key(tmp_path / "keys.toml", "short-lived")
    await known(verifier, key)
    (tmp_path / "keys.toml").write_text("")

    async def is_refused() -> bool:
        return (await ask(verifier, key))[0] == 401

    await until(is_refused)


async def test_a_file_that_breaks_while_it_runs_changes_nothing_and_is_reported(
    verifier: Verifier, tmp_path: Path
) -> None:
    key = await make_key(tmp_path / "keys.toml", "stays")
    await known(verifier, key)
    (tmp_path / "keys.toml").write_text("[[keys]\n")

    async def is_reported() -> bool:
        assert (await ask(verifier, key))[0] == 200
        return b"api_keys_not_read" in verifier.lines.getvalue()

    await until(is_reported)


async def test_no_token_and_no_document_is_written_anywhere(verifier: Verifier, tmp_path: Path) -> None:
    key = await make_key(tmp_path / "keys.toml", "quiet")
    await known(verifier, key)
    await ask(verifier, key, award(verifier.world, verifier.world.admit("school")).data)
    written = (
        b"".join((tmp_path / name).read_bytes() for name in ("keys.toml", "projection.sqlite"))
        + verifier.lines.getvalue()
    )
    assert key.encode() not in written


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[keys]]\nname = 'a'\n", "token_sha256"),
        (f"[[keys]]\nname = 'a'\ntoken_sha256 = '{'0' * 64}'\nrequests = 5\n", "requests"),
        (f"[[keys]]\nname = 'a'\ntoken_sha256 = '{'0' * 64}'\n" * 2, "several keys"),
        ("keys", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_refused_at_the_start(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "keys.toml").write_text(text)
    with pytest.raises(SettingsFault, match=words):
        read_keys(tmp_path / "keys.toml")


async def test_a_second_key_of_a_name_is_refused_and_the_file_stays_readable(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    await make_key(file, "one")
    await make_key(file, "two", "--documents-per-day", "5")
    found = await asyncio.to_thread(CliRunner().invoke, verifier_key, ["one", "--file", str(file)])
    assert found.exit_code != 0
    assert [key["name"] for key in tomllib.loads(file.read_text())["keys"]] == ["one", "two"]


def test_a_window_counts_until_it_is_over() -> None:
    window = Window(Usage(), "requests", 10, 60)
    assert window.charge(10, 100.0) == 0.0
    assert window.charge(1, 130.0) == 30.0
    assert window.words("requests", 130.0) == '"requests";r=0;t=30'
    assert window.charge(10, 160.0) == 0.0
    assert window.charge(11, 500.0) > 0.0
