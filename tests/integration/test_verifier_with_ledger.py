"""The verifier over the real ledger: it follows, answers, and survives a restart; fsck is clean at the end."""

import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.edge import Log, listening
from services.verifier import fsck
from services.verifier.app import make_app
from services.verifier.config import Config
from tests.support.ledgers import Registrar, RunningLedger, until


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


def _config(ledger: RunningLedger, file: Path) -> Config:
    return Config(
        ledger_url=ledger.url, log_verifier_key=ledger.verifier_key, database_file=file, poll_seconds=5, port=0
    )


def _asks(session: aiohttp.ClientSession, url: str, state: str) -> Callable[[], Awaitable[dict[str, Any] | None]]:
    async def ask() -> dict[str, Any] | None:
        async with session.get(url) as response:
            answer = await response.json(content_type=None)
            return answer if response.status == 200 and answer["status"]["state"] == state else None

    return ask


async def test_a_credential_is_followed_from_the_ledger_to_the_verdict(
    ledger: RunningLedger, registrar: Registrar, tmp_path: Path
) -> None:
    config = _config(ledger, tmp_path / "projection.sqlite")
    app = make_app(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
    async with listening(app, host="127.0.0.1", port=0) as address, aiohttp.ClientSession() as session:
        school = await ledger.admit("school")
        parts = [await ledger.issued(school, name) for name in ("a", "b")]
        whole = registrar.stack(school, parts)
        await ledger.say(whole)
        url = f"{address.url}/v1/credentials/{whole.credential_id}"
        answer = await until(_asks(session, url, "active"), "the stack is known")
        assert answer["verdict"] == "valid", answer["checks"]
        await ledger.stop()
        await ledger.start()
        await ledger.say(registrar.revocation(school, parts[0]))
        answer = await until(_asks(session, url, "impaired"), "the revocation of the part is known")
        assert answer["verdict"] == "invalid"
        tree = answer["stack"]
        assert (tree["ects_hundredths"], tree["ects_hundredths_remaining"]) == (700, 350)
        report = await fsck.check(config)
        assert report.is_clean, report


async def test_many_entries_are_followed_in_several_chunks(
    ledger: RunningLedger, registrar: Registrar, tmp_path: Path
) -> None:
    school = await ledger.admit("school")
    lines = await ledger.submit(registrar.issues(school, 700))
    assert all(line.appended for line in lines)
    await ledger.published(702)
    config = Config(
        ledger_url=ledger.url,
        log_verifier_key=ledger.verifier_key,
        database_file=tmp_path / "projection.sqlite",
        chunk_entries_max=256,
    )
    app = make_app(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
    async with listening(app, host="127.0.0.1", port=0) as address, aiohttp.ClientSession() as session:
        last = registrar.credential_id(school, "credential 699")
        await until(_asks(session, f"{address.url}/v1/credentials/{last}", "active"), "the last one is known")
    report = await fsck.check(config)
    assert report.is_clean, report
    assert report.tree_size == 702
