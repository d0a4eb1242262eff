"""`credentify verify FILE|FOLDER|ZIP`: asks a verifier, or a bundle with `--offline`; prints the answer for a person.

Exit status (of a folder or ZIP: the worst of its documents): 0 valid, 1 invalid, 2 indeterminate (offline: authentic as
of a time), 3 could not ask (no such file, no verifier, not a document, no such option).
"""

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from proto.moment import from_datetime
from proto.wire.verifier import Answer
from services.clients.http_session import client_session
from services.clients.verifier_client import VerifierClient
from services.command.offline import heading, verify_offline
from services.command.offline_files import UsageProblem, file_with_bundle, read_file
from services.command.output import (
    EXIT_COULD_NOT_ASK,
    REFUSALS,
    as_json_option,
    command,
    console,
    print_json,
    print_problem,
)
from services.command.shown_answer import ShownAnswer
from services.command.shown_rows import ShownRows
from services.command.verify_archive import is_archive, unpacked
from services.command.verify_exported import verify_exported
from services.command.verify_folder import UNREADABLE, print_counts, verify_folder
from services.verifier.languages import DEFAULT, LANGUAGES

DEFAULT_VERIFIER = "http://127.0.0.1:8103"
EXIT_STATUS = {"valid": 0, "invalid": 1, "indeterminate": 2}


async def _ask(verifier: str, file: str, lang: str, *, at: str | None, known_at: str | None) -> Answer:
    document = read_file(file)
    async with client_session(headers={"Accept-Language": lang}) as session:
        return await VerifierClient(session, verifier).verify(document, at=at, known_at=known_at)


async def _ask_offline(file: str, bundle: str | None, policy: str | None, statement: str | None, lang: str) -> Answer:
    document, proof = await file_with_bundle(file, bundle)
    if policy is None:
        raise UsageProblem(
            "Offline, say whom you trust: --policy FILE, with a line `log VERIFIER-KEY` for each log, and `quorum "
            "none` or its witnesses"
        )
    stated = read_file(statement) if statement else None
    now = from_datetime(datetime.now(UTC))
    return verify_offline(document, proof, read_file(policy), now=now, statement=stated, language=LANGUAGES[lang])


async def _ask_for_folder(folder: Path, verifier: str, report: Path | None, lang: str, *, as_json: bool) -> int:
    """Print how documents came out and how many had which verdict, and return the exit status of the worst."""
    rows = ShownRows()
    counts = await verify_folder(folder, verifier, report, lang=lang, seen=rows.add)
    if as_json:
        print_json(counts)
    else:
        rows.show()
        print_counts(counts, report)
    return _worst(counts)


def _worst(counts: Counter[str]) -> int:
    for verdict in ("invalid", "indeterminate"):
        if counts[verdict]:
            return EXIT_STATUS[verdict]
    return EXIT_COULD_NOT_ASK if counts[UNREADABLE] else EXIT_STATUS["valid"]


async def _ask_for_archive(
    file: str, verifier: str, policy: str | None, report: Path | None, lang: str, *, offline: bool, as_json: bool
) -> int:
    """Print how the documents of a ZIP stand, and return the exit status of the worst."""
    if not offline:
        with unpacked(file) as folder:
            return await _ask_for_folder(folder, verifier, report, lang, as_json=as_json)
    counts = verify_exported(file, policy, report, LANGUAGES[lang], as_json=as_json)
    if as_json:
        print_json(counts)
    return _worst(counts)


def _refuse(
    *,
    offline: bool,
    is_folder: bool,
    is_archive: bool,
    is_stated: bool,
    is_bundled: bool,
    is_timed: bool,
    is_reported: bool,
) -> None:
    """Refuse options that do not go together, with what to do instead."""
    is_many = is_folder or is_archive
    for is_wrong, words in (
        (is_stated and not offline, "A statement is used with --offline only; without it, a verifier is asked"),
        (is_bundled and not offline, "A bundle is used with --offline only; without it, a verifier is asked"),
        (
            is_timed and offline,
            "Offline, the bundle's own time is all there is: leave --at and --known-at out",
        ),
        (is_folder and offline, "Offline, name one document and its bundle, or a ZIP as a learner exports it"),
        (is_archive and is_bundled, "A ZIP holds the bundles of its documents: leave BUNDLE out"),
        (is_archive and is_stated, "A statement is about one credential: name its document, and its bundle"),
        (is_many and is_timed, "Another day is asked about for one document; name its file"),
        (is_reported and not is_many, "A report is written for a folder; for one document use --json"),
    ):
        if is_wrong:
            raise UsageProblem(words)


@click.command()
@click.argument("file")
@click.argument("bundle", required=False)
@click.option("--verifier", default=DEFAULT_VERIFIER, show_default=True, help="The verifier's address.")
@click.option(
    "--offline",
    is_flag=True,
    help="Ask nobody: use BUNDLE, as fetched by `credentify bundle`, or what a PDF or a learner's ZIP holds.",
)
@click.option("--policy", metavar="FILE", help="Offline: the logs and witnesses that you trust (C2SP tlog-policy).")
@click.option("--statement", metavar="FILE", help="Offline: a verifier's dated word, of one that the policy names.")
@click.option("--report", metavar="CSV", type=click.Path(path_type=Path), help="For a folder: one row per document.")
@click.option("--at", metavar="DAY", help="Did it hold on this day? A day as 2026-03-01, or a time with its offset.")
@click.option("--known-at", metavar="DAY", help="By what was on record at the end of this day, or at this time.")
@click.option(
    "--lang",
    type=click.Choice(sorted(LANGUAGES)),
    default=DEFAULT,
    show_default=True,
    help="Language of the answer.",
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
    at: str | None,
    known_at: str | None,
    lang: str,
    as_json: bool,
) -> None:
    """Ask whether the credential document FILE (- for standard input) is authentic and still holds.

    For a FOLDER or a ZIP, as a learner exports it, ask for each document in it; --report FILE.csv writes a row for
    each. Offline, FILE may also be the paper (PDF) that holds document and bundle, or such a ZIP.
    """
    packed = file != "-" and is_archive(file)
    try:
        _refuse(
            offline=offline,
            is_folder=file != "-" and Path(file).is_dir(),
            is_archive=packed,
            is_stated=bool(statement),
            is_bundled=bool(bundle),
            is_timed=bool(at or known_at),
            is_reported=bool(report),
        )
        if packed:
            asked = _ask_for_archive(file, verifier, policy, report, lang, offline=offline, as_json=as_json)
            sys.exit(await asked)
        if file != "-" and Path(file).is_dir():
            sys.exit(await _ask_for_folder(Path(file), verifier, report, lang, as_json=as_json))
        if offline:
            answer = await _ask_offline(file, bundle, policy, statement, lang)
        else:
            answer = await _ask(verifier, file, lang, at=at, known_at=known_at)
    except REFUSALS as problem:
        print_problem(problem, as_json=as_json)
        sys.exit(EXIT_COULD_NOT_ASK)
    if as_json:
        print_json(answer)
    else:
        ShownAnswer(console, LANGUAGES[lang]).show(answer, words=heading(answer, LANGUAGES[lang]) if offline else "")
    sys.exit(EXIT_STATUS[answer.verdict])
