"""What the command prints: the same facts for a person or, with `--json`, for a machine. Knows no service."""

import asyncio
import functools
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import click
import msgspec
import uvloop
from rich.console import Console

from proto.problem import Problem

_P = ParamSpec("_P")
_R = TypeVar("_R")

EXIT_PROBLEM = 1
EXIT_INTERRUPTED = 130
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
WIDTH_ELSEWHERE = 120
"""Columns where the output is no terminal."""
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH_ELSEWHERE)


def print_json(value: Any) -> None:
    """Print any value of records, dictionaries and lists as indented JSON."""
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False))


def print_problem(problem: Problem, *, as_json: bool) -> None:
    """Print a refusal: as its problem document, or as two lines that say what was wrong and where."""
    if as_json:
        print_json(problem.document())
        return
    where = f" (at {problem.pointer})" if problem.pointer else ""
    click.echo(f"error: {problem.title}{where}\n  {problem.detail}", err=True)


def command(function: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, _R]:
    """Make a coroutine function a click callback: problems are printed and end with status 1, Ctrl-C with 130."""

    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(function(*args, **kwargs))
        except Problem as problem:
            print_problem(problem, as_json=bool(kwargs.get("as_json")))
            sys.exit(EXIT_PROBLEM)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)

    return run
