"""What the command prints: the same facts for a person or, with `--json`, for a machine. Knows no service."""

import asyncio
import functools
import io
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
import msgspec
import uvloop

from proto.problem import Problem, UnavailableProblem
from services.command.terminal import Terminal, visible
from services.operator_fault import OperatorFault

_P = ParamSpec("_P")
_R = TypeVar("_R")

EXIT_PROBLEM = 1
_SAID_MAX = 600
EXIT_COULD_NOT_ASK = 3
"""Of `verify`, whose 0, 1 and 2 are verdicts."""
EXIT_INTERRUPTED = 130
EXIT_USAGE, EXIT_CRASHED, EXIT_NOT_WRITTEN = 64, 70, 74
"""EX_USAGE, EX_SOFTWARE and EX_IOERR of sysexits.h: never a status that says something of what was asked."""
REFUSALS = (Problem, OperatorFault)
"""What ends a command with words: what it was given, or what it needs, is wrong."""
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
running_data_option = click.option(
    "--data",
    envvar="CREDENTIFY_DATA",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data folder of a running `up`.",
)
WIDTH_ELSEWHERE = 120
"""Columns where the output is no terminal."""
console = Terminal(width=None if sys.stdout.isatty() else WIDTH_ELSEWHERE)


def own_name() -> str:
    """Return how this command is called in this shell: by its name where that is found, else by its path."""
    return "credentify" if shutil.which("credentify") else sys.argv[0]


def print_json(value: Any) -> None:
    """Print any value of records, dictionaries and lists as indented JSON, escaped where the output is no UTF-8."""
    is_ascii = not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf8")
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=is_ascii))


def print_problem(problem: Problem | OperatorFault, *, as_json: bool) -> None:
    """Print a refusal: as its problem document, or as two lines that say what was wrong and where."""
    if as_json:
        print_json(
            problem.document() if isinstance(problem, Problem) else {"title": problem.title, "detail": problem.detail}
        )
        return
    where = f" (at {problem.pointer})" if isinstance(problem, Problem) and problem.pointer else ""
    click.echo(visible(f"error: {problem.title}{where}\n  {problem.detail}{_said_by_log(problem)}"), err=True)


def _said_by_log(problem: Problem | OperatorFault) -> str:
    """Return why a log has no answer now in its own words, such as that no standby confirms; "" where it gave none."""
    said = problem.members.get("log_problem", {}).get("detail") if isinstance(problem, UnavailableProblem) else None
    return f"\n  The log says: {said[:_SAID_MAX]}" if isinstance(said, str) else ""


def command(function: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, _R]:
    """Make a coroutine function a click callback: problems are printed and end with status 1, Ctrl-C with 130."""

    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_alone(function(*args, **kwargs)))
        except REFUSALS as problem:
            print_problem(problem, as_json=bool(kwargs.get("as_json")))
            sys.exit(EXIT_PROBLEM)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)

    return run


async def _alone(work: Coroutine[Any, Any, _R]) -> _R:
    """Return what comes of the work; what one of several tasks raised is raised as itself, and not as their group."""
    try:
        return await work
    except BaseExceptionGroup as several:
        first: BaseException = several
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


class Output(io.TextIOWrapper):
    """Standard output or error whose text always arrives, or is lost without ending the command.

    A sign that the terminal's encoding does not have is written as its escape; `lost` is what the system said where
    the other end is gone or its disk is full.
    """

    lost: OSError | None = None

    def write(self, text: str, /) -> int:
        """Write, or note what was lost."""
        try:
            return super().write(text)
        except OSError as error:
            return self._lose(error, len(text))

    def flush(self) -> None:
        """Flush, or note what was lost."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error, 0)

    def _lose(self, error: OSError, length: int) -> int:
        """Send what comes from now on to nowhere, as the interpreter's own last flush would fail again."""
        self.lost = self.lost or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return length


def settle_output() -> None:
    """Make standard output and error such that they are never what breaks; leaves those of a test alone."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__") and type(stream) is io.TextIOWrapper:
            encoding, is_by_line = stream.encoding, stream.line_buffering
            settled = Output(stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=is_by_line)
            setattr(sys, name, settled)
            setattr(sys, f"__{name}__", settled)


def exit_if_lost() -> None:
    """End with status 74 where a command that went well could not write what it found; not for a reader that left."""
    sys.stdout.flush()
    lost = getattr(sys.stdout, "lost", None)
    if lost is not None and not isinstance(lost, BrokenPipeError):
        click.echo(f"error: The output could not be written\n  {lost.strerror}", err=True)
        sys.exit(EXIT_NOT_WRITTEN)


def exit_crashed(error: Exception) -> None:
    """End with status 70 and say where, but not with which values: those may be somebody's."""
    places = "".join(traceback.format_tb(error.__traceback__))
    click.echo(
        f"{places}{type(error).__qualname__}\nerror: This is a fault of the program, and says nothing of what was asked"
        "\n  Report it with the lines above, which hold no value of yours",
        err=True,
    )
    sys.exit(EXIT_CRASHED)
