"""What the registrar's command signs for rules version 2, handed to a ledger as a user does it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto import envelope as envelopes
from proto import events
from services.command.key_file import write_key
from tests.support.ledgers import RunningLedger
from tests.support.statements import p256_public_key, secret_key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The key file of the tests' registrar."""
    path = tmp_path / "registrar.key"
    write_key(path, secret_key("registrar", "event", 0))
    return path


async def registrar(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the command as a user does; return its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", "registrar", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def said(ledger: RunningLedger, key: Path, *arguments: str | Path) -> dict[str, Any]:
    """Return the place of what the command appended."""
    status, out, err = await registrar(*arguments, "--key", key, "--ledger", ledger.url, "--json")
    assert status == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def _request(ledger: RunningLedger, name: str, folder: Path) -> Path:
    event = ledger.registrar.admission(ledger.registrar.party(name))
    fields = {field: getattr(event, field) for field in ("subject", "legal_name", "country", "uri_prefixes", "keys")}
    path = folder / f"{name}.json"
    path.write_bytes(msgspec.json.encode(fields | {"scope": event.scope, "accreditation": event.accreditation}))
    return path


async def _type_at(ledger: RunningLedger, index: int) -> str:
    await ledger.published(index + 1)
    async for line in ledger.client.entries(index, index + 1):
        return str(envelopes.open_envelope(msgspec.json.decode(line, type=_Line).envelope).event.__struct_config__.tag)
    raise AssertionError("no entry")


class _Line(msgspec.Struct):
    envelope: envelopes.Envelope


async def test_rules_are_activated_and_what_is_signed_after_is_of_theirs(
    ledger: RunningLedger, key: Path, tmp_path: Path
) -> None:
    before = await said(ledger, key, "admit", "--request", _request(ledger, "before", tmp_path))
    assert await _type_at(ledger, before["index"]) == "issuer-admitted.v1"
    activated = await said(ledger, key, "activate-rules", "2", "--from-index", "3", "--yes")
    assert activated["index"] == 2
    after = await said(ledger, key, "admit", "--request", _request(ledger, "after", tmp_path))
    assert await _type_at(ledger, after["index"]) == "issuer-admitted.v2"
    public_key = p256_public_key("after")
    added = await said(
        ledger,
        key,
        *("add-key", ledger.registrar.party("after").did, "--public-key", public_key, "--purpose", "form"),
    )
    assert await _type_at(ledger, added["index"]) == "issuer-key-added.v2"
    school = ledger.registrar.party("after")
    await ledger.say(ledger.registrar.issue_many(school, ["a", "b"]))


async def test_an_activation_is_ahead_of_the_log_unless_it_is_said_where(ledger: RunningLedger, key: Path) -> None:
    await said(ledger, key, "activate-rules", "2", "--yes")
    status, _, err = await registrar("activate-rules", "2", "--yes", "--key", key, "--ledger", ledger.url)
    assert status != 0
    assert "next rules version is 3" in err
    async for line in ledger.client.entries(1, 2):
        event = envelopes.open_envelope(msgspec.json.decode(line, type=_Line).envelope).event
        assert isinstance(event, events.RulesActivated)
        assert event.from_index == 101


async def test_a_version_that_nobody_has_is_not_offered(key: Path) -> None:
    for arguments in (["activate-rules", "3"], ["activate-rules", "1"]):
        status, _, err = await registrar(*arguments, "--key", key, "--yes")
        assert status != 0
        assert "2" in err


async def test_a_log_opens_with_the_version_that_is_said(key: Path, tmp_path: Path) -> None:
    common = (
        *("open-log", "--origin", "log.example/rules", "--key", key),
        *("--recovery-public-key", secret_key("registrar", "recovery", 0).public_key, "--out"),
    )
    for more, version in (((), 1), (("--rules-version", "2"), 2)):
        out = tmp_path / f"{version}.json"
        status, _, err = await registrar(*common, out, *more)
        assert status == 0, err
        event = envelopes.open_envelope(envelopes.decode(out.read_bytes())).event
        assert isinstance(event, events.LogOpened)
        assert event.rules_version == version
