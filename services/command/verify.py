"""`credentify verify FILE|FOLDER`: asks a verifier, or a bundle with `--offline`, and prints the answer for a person.

Exit status (of a folder: the worst of its documents): 0 valid, 1 invalid, 2 indeterminate (offline: authentic as of a
time), 3 could not ask (no such file, no verifier, not a document, no such option).
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from proto.moment import from_datetime
from proto.problem import NotFoundProblem
from proto.stacking import ects_text
from proto.wire.content import Content
from proto.wire.verifier import Answer, AsOf
from services.clients.http_session import client_session
from services.clients.verifier_client import VerifierClient
from services.command.offline import UsageProblem, heading, verify_offline
from services.command.output import (
    EXIT_COULD_NOT_ASK,
    REFUSALS,
    as_json_option,
    command,
    console,
    print_json,
    print_problem,
)
from services.command.verify_folder import UNREADABLE, print_counts, verify_folder
from services.verifier.languages import DEFAULT, LANGUAGES

DEFAULT_VERIFIER = "http://127.0.0.1:8103"
EXIT_STATUS = {"valid": 0, "invalid": 1, "indeterminate": 2}
_SIGNS = {"valid": "[green]ok[/]", "invalid": "[red]NO[/]", "unknown": "[yellow]??[/]", "not_applicable": "[dim]--[/]"}
_WORDS = {
    "valid": "[bold green]VALID[/]: authentic, and it holds",
    "invalid": "[bold red]INVALID[/]",
    "indeterminate": "[bold yellow]INDETERMINATE[/]: could not be decided; do not rely on it",
}


async def _ask(verifier: str, file: str, lang: str) -> Answer:
    document = _read(file)
    async with client_session(headers={"Accept-Language": lang}) as session:
        return await VerifierClient(session, verifier).verify(document)


def _ask_offline(file: str, bundle: str | None, policy: str | None, statement: str | None, lang: str) -> Answer:
    if bundle is None or policy is None:
        raise UsageProblem(
            "Offline, name the bundle and a policy: credentify verify --offline FILE BUNDLE --policy FILE"
        )
    stated = _read(statement) if statement else None
    now = from_datetime(datetime.now(UTC))
    files = _read(file), _read(bundle), _read(policy)
    return verify_offline(*files, now=now, statement=stated, language=LANGUAGES[lang])


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise NotFoundProblem(f"{file} cannot be read: {error.strerror}") from error


async def _ask_for_folder(folder: Path, verifier: str, report: Path | None, lang: str, *, as_json: bool) -> int:
    """Print how many documents had which verdict, and return the exit status of the worst."""
    counts = await verify_folder(folder, verifier, report, lang=lang)
    if as_json:
        print_json(counts)
    else:
        print_counts(counts, report)
    for verdict in ("invalid", "indeterminate"):
        if counts[verdict]:
            return EXIT_STATUS[verdict]
    return EXIT_COULD_NOT_ASK if counts[UNREADABLE] else EXIT_STATUS["valid"]


def print_answer(answer: Answer, *, words: str = "") -> None:
    """Print a verdict with its checks, what the register says of the issuer, and how fresh the answer is."""
    if answer.today:
        console.print(f"today: {_WORDS[answer.today.verdict]}")
        console.print(f"for {answer.question.at}, as was asked:", markup=False)
    console.print(words or _WORDS[answer.verdict])
    if answer.content:
        _print_content(answer.content)
    for check in answer.checks:
        console.print(f"  {_SIGNS[check.result]} {check.check:<10} ", end="")
        console.print(check.detail, markup=False)
    if answer.status:
        reason = f", reason: {answer.status.reason}" if answer.status.reason else ""
        state = answer.status.state
        since = "not known" if state == "unknown" else f"{state} since {answer.status.since}"
        console.print(f"status    {since}{reason}", markup=False)
    if answer.issuer:
        console.print(
            f"issuer    {answer.issuer.legal_name} ({answer.issuer.country}), {answer.issuer.did}", markup=False
        )
    _print_freshness(answer.as_of)


def _print_content(content: Content) -> None:
    """Print whose credential it is and what it says, as the institution states it in the document."""
    title = content.title.get("en") or next(iter(content.title.values()), "")
    credits_ = "" if content.ects_hundredths is None else f"{ects_text(content.ects_hundredths)} ECTS"
    level = f"EQF level {content.level.eqf}" if content.level.eqf else ""
    results = ", ".join(filter(None, (item.value or item.status for item in content.results)))
    outcomes = [item.title.get("en") or next(iter(item.title.values()), "") for item in content.learning_outcomes]
    for label, text in (
        ("title", title),
        ("awarded", f"to {content.holder.name}" if content.holder.name else "the document names no holder"),
        ("worth", ", ".join(filter(None, (credits_, level, f"result {results}" if results else "")))),
        *(("outcome", text) for text in outcomes),
    ):
        if text:
            console.print(f"{label:<9} {text}", markup=False)


def _print_freshness(as_of: AsOf) -> None:
    source = "by the log's word" if as_of.time_source == "log" else "by its witnesses' word"
    age = "of unknown age" if as_of.age_seconds is None else f"{as_of.age_seconds:g} s old"
    console.print(f"as of     {as_of.time} {source}, {age}; log {as_of.origin}, {as_of.size} entries", markup=False)
    if not as_of.pinned:
        console.print("          nothing pins the log's registrar: who holds the log's key could have begun it anew")
    if as_of.imported:
        console.print("          the verifier's records began with a snapshot, and are still being derived again")


@click.command()
@click.argument("file")
@click.argument("bundle", required=False)
@click.option("--verifier", default=DEFAULT_VERIFIER, show_default=True, help="The verifier's address.")
@click.option("--offline", is_flag=True, help="Ask nobody: use BUNDLE, as fetched by `credentify bundle`.")
@click.option("--policy", metavar="FILE", help="Offline: the logs and witnesses that you trust (C2SP tlog-policy).")
@click.option("--statement", metavar="FILE", help="Offline: a verifier's dated word, of one that the policy names.")
@click.option("--report", metavar="CSV", type=click.Path(path_type=Path), help="For a folder: one row per document.")
@click.option(
    "--lang",
    type=click.Choice(sorted(LANGUAGES)),
    default=DEFAULT,
    show_default=True,
    help="Language of what the checks found.",
)
@as_json_option
@command
async def verify(
    *,
    file: str,
    bundle: str | None,
    verifier: str,
    offline: bool,
    policy: str | None,
    statement: str | None,
    report: Path | None,
    lang: str,
    as_json: bool,
) -> None:
    """Ask whether the credential document FILE (- for standard input) is authentic and still holds.

    For a FOLDER, ask for each document in it; --report FILE.csv writes one row for each.
    """
    try:
        if statement and not offline:
            raise UsageProblem("A statement is used with --offline only; without it, a verifier is asked")
        if bundle and not offline:
            raise UsageProblem("A bundle is used with --offline only; without it, a verifier is asked")
        is_folder = file != "-" and Path(file).is_dir()
        if is_folder and offline:
            raise UsageProblem("Offline, name one document and its bundle; a folder is for a verifier to check")
        if report and not is_folder:
            raise UsageProblem("A report is written for a folder; for one document use --json")
        if is_folder:
            sys.exit(await _ask_for_folder(Path(file), verifier, report, lang, as_json=as_json))
        answer = _ask_offline(file, bundle, policy, statement, lang) if offline else await _ask(verifier, file, lang)
    except REFUSALS as problem:
        print_problem(problem, as_json=as_json)
        sys.exit(EXIT_COULD_NOT_ASK)
    if as_json:
        print_json(answer)
    else:
        print_answer(answer, words=heading(answer) if offline else "")
    sys.exit(EXIT_STATUS[answer.verdict])
