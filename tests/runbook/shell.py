"""A shell as an operator has it: the command `credentify`, PostgreSQL's own programs, and what was set before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.embedded import BinariesMissingFault, find_binaries
from tests.runbook.page import ROOT

TIMEOUT_S = 120


class Shell:
    """What one block sets, the next ones have."""

    def __init__(self, folder: Path, **variables: str | Path) -> None:
        self._folder = folder
        programs = folder / "programs"
        programs.mkdir()
        program = programs / "credentify"
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m services "$@"\n')
        program.chmod(0o755)
        self.variables = {name: str(value) for name, value in variables.items()}
        self.variables["PATH"] = f"{programs}:{_postgres_programs()}{os.environ['PATH']}"

    def run(self, block: str, *, typed: str = "") -> str:
        """Run a block and return what it printed; fails where a command does."""
        status, said = self.tried(block, typed=typed)
        if status != 0:
            pytest.fail(f"{block}\nended with {status}\n{said}")
        return said

    def tried(self, block: str, *, typed: str = "") -> tuple[int, str]:
        """Run a block and return its status, and what it printed; with a status other than 0 its errors too."""
        kept = self._folder / "variables"
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", f"{block}\nenv -0 > {kept}"],
            input=typed,
            capture_output=True,
            text=True,
            cwd=self._folder,
            env=_plain_environ() | self.variables,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            return done.returncode, done.stdout + done.stderr
        self.variables |= dict(line.split("=", 1) for line in kept.read_text().split("\0") if "=" in line)
        return 0, done.stdout


def _plain_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CREDENTIFY_")}


def _postgres_programs() -> str:
    try:
        return f"{find_binaries().folder}:"
    except BinariesMissingFault:
        return ""
