"""One command sets right what a thief of a key did: what was issued never held, and what was revoked holds."""

import json
from pathlib import Path

import msgspec
import pytest

from proto.ids import CredentialId
from proto.problem import Problem
from services.command.key_file import write_key
from tests.support.commands import credentify
from tests.support.ledgers import RunningLedger
from tests.support.statements import Party, secret_key


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


async def stolen_key(ledger: RunningLedger, *arguments: str | Path, typed: str = "") -> tuple[int, str, str]:
    return await credentify("stolen-key", *arguments, "--ledger", ledger.url, typed=typed)


async def robbed(ledger: RunningLedger, tmp_path: Path) -> tuple[Party, CredentialId, CredentialId, tuple[str, ...]]:
    """An institution, its credential that a thief revoked, the one that the thief issued, the options of the act."""
    school = await ledger.admit("school")
    old = await ledger.issued(school, "old")
    key = tmp_path / "recovery.key"
    write_key(key, secret_key("school", "recovery", 0))
    since = ledger.registrar.now
    await ledger.say(ledger.registrar.revocation(school, old))
    forged = await ledger.issued(school, "forged")
    await ledger.published((await ledger.client.log()).tree_size)
    new = f"event={school.key('event', 1).public_key}"
    return school, old, forged, (school.event.key_id, "--since", since, "--key", str(key), "--new-key", new)


async def test_one_act_of_the_recovery_key_undoes_what_the_thief_said_and_puts_a_new_key_in_place(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    school, old, forged, options = await robbed(ledger, tmp_path)
    size = (await ledger.client.log()).tree_size
    status, _, asked = await stolen_key(ledger, *options, typed="n\n")
    assert status == 1
    assert "1 credentials that it issued since then never held" in asked
    assert "1 credentials that it revoked or suspended since then hold again" in asked
    assert (await ledger.client.log()).tree_size == size, "a no signs nothing"

    listed = tmp_path / "void.ndjson"
    status, out, err = await stolen_key(ledger, *options, "--list", listed, "--yes", "--json")
    assert status == 0, err
    done = json.loads(out)
    assert (done["issued_void"], done["revoked_void"], done["other_void"]) == (1, 1, 0)
    assert [place["index"] for place in done["appended"]] == [size, size + 1]
    lines = [msgspec.json.decode(line) for line in listed.read_bytes().splitlines()]
    assert [line["credential_ids"] for line in lines] == [[old], [forged]]

    new = school.key("event", 1)
    with pytest.raises(Problem, match="was retired"):
        await ledger.say(ledger.registrar.revocation(school, old))
    with pytest.raises(Problem):
        await ledger.say(ledger.registrar.revocation(school, forged), key=new)
    await ledger.say(ledger.registrar.revocation(school, old), key=new)
    await ledger.say(ledger.registrar.issue(school, "forged"), key=new)


async def test_the_registrar_does_it_for_an_institution_that_has_lost_its_recovery_key_too(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    _, _, _, options = await robbed(ledger, tmp_path)
    key = tmp_path / "registrar.key"
    write_key(key, secret_key("registrar", "event", 0))
    at = options.index("--key") + 1
    by_registrar = (*options[:at], str(key), *options[at + 1 :], "--by-registrar", "--yes")
    status, out, err = await stolen_key(ledger, *by_registrar)
    assert status == 0, err
    assert "void now    1 issued, 1 revoked or suspended, 0 others" in out


async def test_a_wrong_key_or_time_is_refused_in_words_and_changes_nothing(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    school, _, _, options = await robbed(ledger, tmp_path)
    size = (await ledger.client.log()).tree_size
    stranger = tmp_path / "stranger.key"
    write_key(stranger, secret_key("stranger", "event", 0))
    at = options.index("--key") + 1
    status, _, err = await stolen_key(ledger, *options[:at], stranger, *options[at + 1 :], "--yes")
    assert (status, "The ledger refused the event" in err) == (1, True)
    others = ("did:web:other.example#z6Mk", *options, "--yes")
    status, _, err = await stolen_key(ledger, *others)
    assert (status, "The keys belong to several institutions" in err) == (1, True)
    status, _, err = await stolen_key(ledger, *options[:-1], "z6Mk", "--yes")
    assert (status, "event=z6Mk" in err) == (1, True)
    status, _, err = await stolen_key(ledger, school.event.key_id, "--since", "yesterday", *options[3:], "--yes")
    assert status == 1
    assert (await ledger.client.log()).tree_size == size
