"""A verifier's dated word beside an offline bundle: signed by it, named as its word, and proof of nothing."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proto.bundles.bundle import encode_bundle
from proto.bundles.statement import Statement
from proto.ids import CredentialId, TreeSize
from proto.log.note_key import KeyKind, SignerKey
from proto.moment import Moment
from services.command.main import main
from services.settings import SettingsFault
from tests.support.awarded import Awarded, award
from tests.support.bundles import bundle_of
from tests.support.served_logs import served
from tests.support.statements import secret_key
from tests.support.verifiers import Verifier, codes, running
from tests.support.worlds import World

KEY = SignerKey(name="verifier.example", kind=KeyKind.ED25519, secret=secret_key("verifier"))
STRANGER = SignerKey(name="verifier.example", kind=KeyKind.ED25519, secret=secret_key("stranger"))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "statement.key"
    file.write_text(KEY.private_text + "\n")
    file.chmod(0o600)
    return file


async def _statement(verifier: Verifier, awarded: Awarded, status: int = 200) -> bytes:
    async with verifier.session.get(f"{verifier.url}/v1/credentials/{awarded.credential_id}/statement") as response:
        assert response.status == status, await response.text()
        return await response.read()


def _offline(folder: Path, world: World, awarded: Awarded, statement: bytes, *lines: str) -> Result:
    files = {
        "document.json": awarded.data,
        "bundle.json": encode_bundle(bundle_of(world, awarded.credential_id)),
        "policy": "\n".join([f"log {world.log_key.verifier.text}", *lines, "quorum none", ""]).encode(),
        "statement": statement,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    document, bundle, policy, stated = (str(folder / name) for name in files)
    arguments = ["verify", "--offline", document, bundle, "--policy", policy, "--statement", stated]
    return CliRunner().invoke(main, arguments)


def _said(awarded: Awarded, **changed: Any) -> Statement:
    fields: dict[str, Any] = {
        "origin": World().origin,
        "credential": awarded.credential_id,
        "verdict": "valid",
        "state": "active",
        "at": Moment("2026-06-01T00:00:00.000Z"),
        "size": TreeSize(3),
        "root": "0" * 64,
    }
    return Statement(**(fields | changed))


async def test_a_verifier_with_a_key_states_how_a_credential_stands_and_offline_that_is_named_as_its_word(
    tmp_path: Path, key_file: Path
) -> None:
    world = World()
    school = world.admit("school")
    held, gone = award(world, school), award(world, school)
    async with served(world) as log, running(log, tmp_path / "p.sqlite", statement_key_file=key_file) as verifier:
        await verifier.catches_up()
        before = await _statement(verifier, gone)
        world.now_ms = round(time.time() * 1000)  # what comes now is not dated back
        world.say(world.revocation(school, gone.credential_id))
        await verifier.catches_up()
        stated, revoked = await _statement(verifier, held), await _statement(verifier, gone)
        await verifier.get(f"/v1/credentials/{'0' * 64}/statement", status=404)
    trusted = f"verifier {KEY.verifier.text}"
    found = await asyncio.to_thread(_offline, tmp_path, world, held, stated, trusted)
    assert (found.exit_code, found.stdout[:15]) == (2, "AUTHENTIC AS OF")
    assert "verifier.example states, as its own word, that on" in found.stdout
    found = await asyncio.to_thread(_offline, tmp_path, world, gone, before, trusted)
    assert (found.exit_code, found.stdout[:7]) == (1, "INVALID")  # the bundle proves the revocation: no word undoes it
    assert b"state revoked" in revoked


def test_what_a_verifier_says_against_a_credential_counts_where_the_bundle_leaves_it_out(tmp_path: Path) -> None:
    world = World()
    awarded = award(world, world.admit("school"))
    said = _said(awarded, verdict="invalid", state="revoked").signed(KEY).encode()
    result = _offline(tmp_path, world, awarded, said, f"verifier {KEY.verifier.text}")
    assert (result.exit_code, result.stdout[:7]) == (1, "INVALID")
    assert "states, as its own word, that on 2026-06-01 00:00 UTC the credential was revoked" in result.stdout


@pytest.mark.parametrize(
    ("changed", "signer", "words"),
    [
        ({}, STRANGER, "No verifier of the policy has stated this"),
        ({"credential": CredentialId("0" * 64)}, KEY, "about another credential"),
        ({"origin": "other.example/log"}, KEY, "or another log"),
        ({"at": Moment("2999-01-01T00:00:00.000Z")}, KEY, "still to come"),
        ({"state": "excellent"}, KEY, "a state that there is not"),
        ({"at": "yesterday"}, KEY, "cannot be read"),
    ],
)
def test_a_statement_that_lies_or_is_about_something_else_is_refused_with_words(
    tmp_path: Path, changed: dict[str, Any], signer: SignerKey, words: str
) -> None:
    world = World()
    awarded = award(world, world.admit("school"))
    said = _said(awarded, **changed).signed(signer).encode()
    result = _offline(tmp_path, world, awarded, said, f"verifier {KEY.verifier.text}")
    assert (result.exit_code, words in result.output) == (3, True), result.output


def test_a_statement_needs_a_verifier_in_the_policy_and_one_altered_character_is_found(tmp_path: Path) -> None:
    world = World()
    awarded = award(world, world.admit("school"))
    said = _said(awarded, verdict="invalid", state="revoked").signed(KEY).encode()
    result = _offline(tmp_path, world, awarded, said)
    assert (result.exit_code, "verifier VKEY" in result.output) == (3, True)
    altered = said.replace(b"verdict invalid", b"verdict valid")
    result = _offline(tmp_path, world, awarded, altered, f"verifier {KEY.verifier.text}")
    assert (result.exit_code, "does not verify" in result.output) == (3, True)


async def test_nothing_is_signed_without_a_key_or_from_records_that_are_not_fresh(
    tmp_path: Path, key_file: Path
) -> None:
    world = World()
    awarded = award(world, world.admit("school"))
    async with served(world) as log:
        async with running(log, tmp_path / "a.sqlite") as verifier:
            await verifier.catches_up()
            assert b"no-statements" in await _statement(verifier, awarded, status=404)
        file = tmp_path / "b.sqlite"
        async with running(log, file, statement_key_file=key_file) as verifier:
            await verifier.catches_up()
            assert codes(await verifier.post(awarded.data))["freshness"] == "fresh-log"
        log.is_down = True
        settings = {"statement_key_file": key_file, "freshness_seconds_max": 0.001}
        async with running(log, file, **settings) as verifier:
            assert b"nothing-to-state" in await _statement(verifier, awarded, status=503)
        await asyncio.to_thread(key_file.write_text, "nothing")
        with pytest.raises(SettingsFault, match="keygen --statement"):
            async with running(log, file, statement_key_file=key_file):
                pass
