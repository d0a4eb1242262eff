"""The runbook's entries are walked: the commands are read from the page, so that it cannot say what does not work."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.end_to_end.conftest import ROOT, Up

PAGE = (ROOT / "deploy" / "RUNBOOK.md").read_text()
TIMEOUT_S = 120


def blocks(entry: str) -> list[str]:
    """Return the fenced commands of an entry, in order."""
    (text,) = re.findall(rf"^#+ {entry}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return [re.sub("^ {3}", "", block, flags=re.MULTILINE) for block in re.findall(r"```\n(.*?)```", text, re.DOTALL)]


class Shell:
    """A shell of an operator: what one block sets, the next ones have."""

    def __init__(self, folder: Path, **variables: str | Path) -> None:
        self._folder = folder
        programs = folder / "programs"
        programs.mkdir()
        program = programs / "credentify"
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m services "$@"\n')
        program.chmod(0o755)
        self.variables = {name: str(value) for name, value in variables.items()}
        self.variables["PATH"] = f"{programs}:{os.environ['PATH']}"

    def run(self, block: str, *, typed: str = "") -> str:
        """Run a block and return what it printed; fails where a command does."""
        kept = self._folder / "variables"
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", f"{block}\nenv -0 > {kept}"],
            input=typed,
            capture_output=True,
            text=True,
            cwd=self._folder,
            env=os.environ | self.variables,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            pytest.fail(f"{block}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        self.variables |= dict(line.split("=", 1) for line in kept.read_text().split("\0") if "=" in line)
        return done.stdout


def event_keys(answer: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(answer)["keys"]
    return [key for key in found if key["purpose"] == "event"]


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
    (backup,) = blocks("restore")
    said = shell.run(backup)
    assert re.search(
        r"rehearsed   backup of .*, \d+ entries\nchecked     ledger and gateway: clean\ntime        ", said
    )
