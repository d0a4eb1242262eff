"""The operator's pages: each command is one that a shell can read, and names sub-commands and files that there are."""

import re
import subprocess

import click
import pytest

from services.command.main import main
from tests.operator.pages import OPERATIONS, README, ROOT, RUNBOOK
from tests.support.fenced import fenced

PAGES = {
    "OPERATIONS.md": list(fenced(OPERATIONS)),
    "RUNBOOK.md": list(fenced(RUNBOOK)),
    "README.md": list(fenced(README, frozenset({"sh"}))),
}


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_one_that_a_shell_can_read(name: str) -> None:
    for block in PAGES[name]:
        done = subprocess.run(["bash", "-n", "-c", block], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stderr}"


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_ours_that_is_named_exists(name: str) -> None:
    known = set(main.list_commands(click.Context(main)))
    named = {word for block in PAGES[name] for word in re.findall(r"^ *credentify ([a-z][a-z-]*)", block, re.MULTILINE)}
    assert named <= known
    assert named


def test_files_that_are_put_into_place_are_in_the_folder_in_which_one_stands() -> None:
    told = " ".join(PAGES["OPERATIONS.md"])
    named = set(re.findall(r"(?<=[ (])(?:systemd|monitoring|proxy|compose)/[\w.*-]+", told))
    assert {"systemd/as-service.sh", "proxy/nginx.conf", "monitoring/rules.yaml"} <= named
    assert [name for name in named if not list((ROOT / "deploy").glob(name))] == []
