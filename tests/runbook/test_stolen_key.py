"""The runbook's entries are walked: the commands are read from the page, so that it cannot say what does not work."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.end_to_end.conftest import Up
from tests.runbook.page import blocks
from tests.runbook.shell import Shell


def event_keys(answer: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(answer)["keys"]
    return [key for key in found if key["purpose"] == "event"]


@pytest.fixture
def up(open_folder: Path) -> Iterator[Up]:
    stack = Up(open_folder / "data")
    yield stack
    stack.stop()


@pytest.mark.walk("stolen-key", "restore")
def test_the_entries_on_a_stolen_key_and_on_backups_work_as_they_are_written(up: Up, open_folder: Path) -> None:
    addresses = up.start("--demo")
    token = msgspec.json.decode((up.data / "demo" / "state.json").read_bytes())["api_keys"]["waterland"]
    key_file = open_folder / "api-key"
    key_file.write_text(token)
    since = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shell = Shell(
        open_folder,
        DATA=up.data,
        DID=f"did:web:localhost%3A{up.ports[1]}:issuers:waterland",
        SINCE=since,
        RECOVERY_KEY_FILE=up.data / "demo" / "waterland-recovery.key",
        API_KEY_FILE=key_file,
        VOID_FILE=open_folder / "void.ndjson",
        BACKUP=open_folder / "backup",
    )
    see, act, look = blocks("stolen-key")
    (stolen,) = event_keys(shell.run(see))
    assert shell.variables["LEDGER"] == addresses.ledger
    shell.variables["KEY_ID"] = stolen["key_id"]
    assert "new key" in shell.run(act, typed="y\n")
    up.wait("the verifier follows", lambda: len(event_keys(shell.run(see))) == 2, seconds=30)
    kept = {key["key_id"]: key for key in event_keys(shell.run(look.splitlines()[0]))}
    assert kept.pop(stolen["key_id"]) != stolen
    assert len(kept) == 1
    assert shell.run(look)
    backup, _ = blocks("restore")
    said = shell.run(backup)
    assert re.search(
        r"rehearsed   backup of .*, \d+ entries\nchecked     ledger and gateway: clean\ntime        ", said
    )
