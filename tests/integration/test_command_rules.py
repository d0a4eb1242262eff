"""What the registrar's command signs for rules version 2, handed to a ledger as a user does it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto import envelope as envelopes
from proto import events
from services.command.key_file import write_key
from services.ledger import domain
from services.ledger.succession.opening import init_log, is_initialised
from tests.support.commands import credentify
from tests.support.databases import MakeDatabase
from tests.support.ledgers import RunningLedger, ledger_config, new_database, running_ledger
from tests.support.statements import p256_public_key, secret_key


@pytest.fixture
async def begun_with_1(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RunningLedger]:
    """A ledger of a log that began with version 1."""
    async with running_ledger(make_database, tmp_path / "begun") as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The key file of the tests' registrar."""
    path = tmp_path / "registrar.key"
    write_key(path, secret_key("registrar", "event", 0))
    return path


async def registrar(*arguments: str | Path, typed: str = "") -> tuple[int, str, str]:
    """Run the command as a user does, who types this; return its status and what it printed."""
    return await credentify("registrar", *arguments, typed=typed)


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
    begun_with_1: RunningLedger, key: Path, tmp_path: Path
) -> None:
    before = await said(begun_with_1, key, "admit", "--request", _request(begun_with_1, "before", tmp_path))
    assert await _type_at(begun_with_1, before["index"]) == "issuer-admitted.v1"
    activated = await said(begun_with_1, key, "activate-rules", "2", "--from-index", "3", "--yes")
    assert activated["index"] == 2
    after = await said(begun_with_1, key, "admit", "--request", _request(begun_with_1, "after", tmp_path))
    assert await _type_at(begun_with_1, after["index"]) == "issuer-admitted.v2"
    public_key = p256_public_key("after")
    added = await said(
        begun_with_1,
        key,
        *("add-key", begun_with_1.registrar.party("after").did, "--public-key", public_key, "--purpose", "form"),
    )
    assert await _type_at(begun_with_1, added["index"]) == "issuer-key-added.v2"
    school = begun_with_1.registrar.party("after")
    await begun_with_1.say(begun_with_1.registrar.issue_many(school, ["a", "b"]))


async def test_an_activation_is_ahead_of_the_log_unless_it_is_said_where(
    begun_with_1: RunningLedger, key: Path
) -> None:
    await said(begun_with_1, key, "activate-rules", "2", "--yes")
    status, _, err = await registrar("activate-rules", "2", "--yes", "--key", key, "--ledger", begun_with_1.url)
    assert status != 0
    assert "next rules version is 3" in err
    async for line in begun_with_1.client.entries(1, 2):
        event = envelopes.open_envelope(msgspec.json.decode(line, type=_Line).envelope).event
        assert isinstance(event, events.RulesActivated)
        assert event.from_index == 101


async def test_unfinished_rules_are_put_in_force_in_development_alone(
    ledger: RunningLedger, key: Path, tmp_path: Path, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "RULES_VERSIONS_FINISHED", frozenset({1}))
    status, _, err = await registrar("activate-rules", "2", "--yes", "--key", key, "--ledger", ledger.url)
    assert status != 0
    words = " ".join(err.split())
    assert "not finished" in words
    assert "Stay with version 1" in words
    assert "CREDENTIFY_LEDGER_DEVELOPMENT_RULES=true" in words
    assert (await ledger.client.log()).tree_size == 1
    opening = msgspec.json.encode(ledger.registrar.seal(ledger.registrar.opening(rules_version=2)))
    config = ledger_config(await new_database(make_database), tmp_path / "new")
    with pytest.raises(domain.UnfinishedRulesProblem, match="not finished"):
        await init_log(config, opening)
    assert not await is_initialised(config)
    assert (await init_log(msgspec.structs.replace(config, development_rules=True), opening)).is_new


async def test_whoever_activates_rules_is_told_whom_they_stop_and_asked(begun_with_1: RunningLedger, key: Path) -> None:
    status, out, _ = await registrar("activate-rules", "2", "--key", key, "--ledger", begun_with_1.url, typed="n\n")
    assert status != 0
    words = " ".join(out.split())
    assert "does not know that version stops there until it is updated" in words
    assert (await begun_with_1.client.log()).tree_size == 1


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
    for more, version in (((), 2), (("--rules-version", "1"), 1)):
        out = tmp_path / f"{version}.json"
        status, _, err = await registrar(*common, out, *more)
        assert status == 0, err
        event = envelopes.open_envelope(envelopes.decode(out.read_bytes())).event
        assert isinstance(event, events.LogOpened)
        assert event.rules_version == version
