"""`credentify verify FILE`: asks a verifier and prints its answer for a person.

Exit status: 0 valid, 1 invalid, 2 indeterminate, 3 could not ask (no such file, no verifier, not a document).
"""

import sys
from pathlib import Path

import aiohttp
import click

from proto.problem import NotFoundProblem, Problem
from proto.wire.verifier import Answer, AsOf
from services.command.output import as_json_option, command, console, print_json, print_problem
from services.command.verifier_client import VerifierClient

DEFAULT_VERIFIER = "http://127.0.0.1:8103"
EXIT_STATUS = {"valid": 0, "invalid": 1, "indeterminate": 2}
EXIT_COULD_NOT_ASK = 3
_SIGNS = {"valid": "[green]ok[/]", "invalid": "[red]NO[/]", "unknown": "[yellow]??[/]", "not_applicable": "[dim]--[/]"}
_WORDS = {
    "valid": "[bold green]VALID[/]: authentic, and it holds",
    "invalid": "[bold red]INVALID[/]",
    "indeterminate": "[bold yellow]INDETERMINATE[/]: could not be decided; do not rely on it",
}


async def _ask(verifier: str, file: str) -> Answer:
    try:
        document = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise NotFoundProblem(f"{file} cannot be read: {error.strerror}") from error
    async with aiohttp.ClientSession() as session:
        return await VerifierClient(session, verifier).verify(document)


def print_answer(answer: Answer) -> None:
    """Print a verdict with its checks, what the register says of the issuer, and how fresh the answer is."""
    console.print(_WORDS[answer.verdict])
    for check in answer.checks:
        console.print(f"  {_SIGNS[check.result]} {check.check:<10} ", end="")
        console.print(check.detail, markup=False)
    if answer.status:
        reason = f", reason: {answer.status.reason}" if answer.status.reason else ""
        console.print(f"status    {answer.status.state} since {answer.status.since}{reason}", markup=False)
    if answer.issuer:
        console.print(
            f"issuer    {answer.issuer.legal_name} ({answer.issuer.country}), {answer.issuer.did}", markup=False
        )
    _print_freshness(answer.as_of)


def _print_freshness(as_of: AsOf) -> None:
    source = "by the log's word" if as_of.time_source == "log" else "by its witnesses' word"
    age = "of unknown age" if as_of.age_seconds is None else f"{as_of.age_seconds:g} s old"
    console.print(f"as of     {as_of.time} {source}, {age}; log {as_of.origin}, {as_of.size} entries", markup=False)


@click.command()
@click.argument("file")
@click.option("--verifier", default=DEFAULT_VERIFIER, show_default=True, help="The verifier's address.")
@as_json_option
@command
async def verify(*, file: str, verifier: str, as_json: bool) -> None:
    """Ask whether the credential document FILE (- for standard input) is authentic and still holds."""
    try:
        answer = await _ask(verifier, file)
    except Problem as problem:
        print_problem(problem, as_json=as_json)
        sys.exit(EXIT_COULD_NOT_ASK)
    if as_json:
        print_json(answer)
    else:
        print_answer(answer)
    sys.exit(EXIT_STATUS[answer.verdict])
