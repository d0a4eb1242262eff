"""What the command ends with: an answer's own status, or one that is never an answer. Output is never what breaks."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from services.command.main import main
from services.command.output import EXIT_CRASHED, EXIT_NOT_WRITTEN, command
from services.command.submit import RefusedProblem
from services.operator_fault import OperatorFault

COULD_NOT_ASK, PROBLEM, INTERRUPTED, USAGE = 3, 1, 130, 64
NAME = "Łódzka 😀 Ünïversity"
LATIN = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "LC_ALL": "C"}


def run(*arguments: str, stdout: Any = subprocess.PIPE, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | environ,
        check=False,
        timeout=240,
    )


def test_a_terminal_that_cannot_show_a_name_breaks_nothing(tmp_path: Path) -> None:
    missing = tmp_path / NAME
    for options in (["--offline"], ["--json"], []):
        done = run("verify", str(missing), *options, **LATIN)
        assert done.returncode == COULD_NOT_ASK, done
        assert b"Traceback" not in done.stderr
    assert b"\\" in done.stderr


def test_json_stays_json_whatever_the_terminal_shows() -> None:
    code = (
        f"from services.command.output import *; settle_output(); print_json({{'name': {NAME!a}, 'half': '\\ud800'}})"
    )
    for environ in (LATIN, {"PYTHONIOENCODING": "utf-8"}):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, env=os.environ | environ, check=True, timeout=240
        )
        assert json.loads(done.stdout)["name"] == NAME


def test_a_reader_that_leaves_and_a_full_disk_change_no_answer() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    assert run("--help", stdout=writing).returncode == 0
    os.close(writing)
    with Path("/dev/full").open("wb") as full:
        assert run("--help", stdout=full).returncode in {0, EXIT_NOT_WRITTEN}
        done = run("verify", "/nowhere", "--json", stdout=full)
    assert done.returncode == COULD_NOT_ASK
    assert b"Traceback" not in done.stderr


class FaultyError(Exception):
    """What nobody has thought of."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FaultyError("Anna Kowalska"), EXIT_CRASHED),
        (UnicodeEncodeError("latin-1", "Ł", 0, 1, "no"), EXIT_CRASHED),
        (BrokenPipeError(32, "Broken pipe"), EXIT_CRASHED),
        (MemoryError(), EXIT_CRASHED),
        (KeyboardInterrupt(), INTERRUPTED),
        (RefusedProblem("no"), PROBLEM),
        (OperatorFault("no"), PROBLEM),
        (click.UsageError("no"), COULD_NOT_ASK),
        (SystemExit(3), COULD_NOT_ASK),
    ],
)
def test_a_crash_is_never_an_answer(error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setattr("services.command.verify.verify", broken)
    done = CliRunner().invoke(main, ["verify"])
    assert done.exit_code == status, done.output
    assert "Kowalska" not in done.output
    assert ("This is a fault of the program" in done.output) == (status == EXIT_CRASHED)


@pytest.mark.parametrize(
    ("error", "status"), [(RefusedProblem("Ask again later"), PROBLEM), (FaultyError(), EXIT_CRASHED)]
)
def test_what_one_of_several_tasks_raised_is_told_as_itself(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> None:
        raise error

    @click.command()
    @command
    async def broken() -> None:
        async with asyncio.TaskGroup() as whole, asyncio.TaskGroup() as part:
            whole.create_task(asyncio.Event().wait())
            part.create_task(fails())

    monkeypatch.setattr("services.command.verify.verify", broken)
    done = CliRunner().invoke(main, ["verify"])
    assert done.exit_code == status, done.output
    assert "ExceptionGroup" not in done.output
    assert ("Ask again later" in done.output, "FaultyError" in done.output) == (status == PROBLEM, status != PROBLEM)


def test_a_call_that_cannot_be_followed_ends_with_no_verdict(tmp_path: Path) -> None:
    runner = CliRunner()
    file = str(tmp_path / "document.json")
    for wrong in (["verify"], ["verify", file, "--verifer", "x"], ["verify", file, "--lang", "xx"], ["verify", *"abc"]):
        assert runner.invoke(main, wrong).exit_code == COULD_NOT_ASK, wrong
    for wrong in (["verfy", file], ["--verbose", "verify", file], ["audit"], ["evidence", file]):
        done = runner.invoke(main, wrong)
        assert done.exit_code == USAGE, wrong
        assert "Usage:" in done.output
    assert runner.invoke(main, ["verify", "--help"]).exit_code == 0


@pytest.mark.parametrize(
    "act",
    [
        ("retire-key", "did:web:a.example#k", "--reason", "rotated"),
        ("close", "did:web:a.example"),
        ("revoke", "0" * 64, "--reason", "error"),
    ],
    ids=lambda act: act[0],
)
def test_what_nobody_can_take_back_is_asked_before_it_is_signed(tmp_path: Path, act: tuple[str, ...]) -> None:
    key, out = tmp_path / "key.json", tmp_path / "envelope.json"
    assert CliRunner().invoke(main, ["keygen", "--out", str(key)]).exit_code == 0
    arguments = ["registrar", *act, "--key", str(key), "--origin", "log.example", "--out", str(out)]
    refused = CliRunner().invoke(main, arguments, input="n\n")
    assert (refused.exit_code, out.exists(), "Nothing takes this back" in refused.output) == (PROBLEM, False, True)
    assert CliRunner().invoke(main, [*arguments, "--yes"]).exit_code == 0
    assert out.exists()
