"""`credentify verify --offline FILE.zip`: each document of an export by the bundle beside it. Asks nobody."""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from proto.moment import from_datetime
from proto.number_words import number_of
from proto.problem import Problem
from proto.tables.inert import inert
from proto.wire.verifier import Answer
from services.command.offline import heading, verify_offline
from services.command.offline_files import OfflineFile, UsageProblem, exported, read_file
from services.command.output import console
from services.command.terminal import clean
from services.command.verify_folder import COLUMNS, UNREADABLE, FolderRow, opened_report, row_of
from services.verifier.languages import Language

_NO_BUNDLE = "Its bundle is missing"


def verify_exported(
    file: str, policy: str | None, report: Path | None, language: Language, *, as_json: bool
) -> Counter[str]:
    """Print what each document of an export comes to, write the report, and return how many had which verdict.

    Raises `UsageProblem` without a policy, and as `exported`.
    """
    if policy is None:
        raise UsageProblem(
            "Name whom you trust: --policy FILE. policy.txt in the ZIP says whom the institution trusts: compare its "
            "lines with what the registrar has published, and write them into a file of your own"
        )
    trusted = read_file(policy)
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        writer = csv.DictWriter(stack.enter_context(opened_report(report)), COLUMNS) if report else None
        if writer:
            writer.writeheader()
        for row, answer in _judged(file, trusted, language):
            counts[row.verdict] += 1
            if writer:
                writer.writerow({name: inert(value) for name, value in msgspec.to_builtins(row).items()})
            if not as_json:
                _print(row, answer, language)
    if not as_json:
        _print_counts(counts, report)
    return counts


def _judged(file: str, trusted: bytes, language: Language) -> Iterator[tuple[FolderRow, Answer | None]]:
    """Yield the outcome of each document; what cannot be judged for itself costs the others nothing."""
    now = from_datetime(datetime.now(UTC))
    for each in exported(file):
        try:
            answer = verify_offline(each.document, _bundle(each, language), trusted, now=now, language=language)
        except Problem as problem:
            yield FolderRow(file=each.name, verdict=UNREADABLE, finding=problem.detail), None
        else:
            yield row_of(each.name, answer, language.code), answer


def _bundle(each: OfflineFile, language: Language) -> bytes:
    if each.bundle is None:
        raise UsageProblem(language.word(_NO_BUNDLE))
    return each.bundle


def _print(row: FolderRow, answer: Answer | None, language: Language) -> None:
    """Print one document: how it stands, whose it is, and what is wrong with it."""
    if answer is None:
        console.print(f"{clean(row.file)}: {clean(row.finding)}", markup=False, style="yellow")
        return
    console.print(heading(answer, language), markup=True)
    whose = language.word("Awarded to {name}", name=row.holder) if row.holder else ""
    console.print(clean(f"  {', '.join(filter(None, (row.file, row.title, whose)))}"), markup=False)
    for check in answer.checks:
        if check.result == "invalid":
            console.print(f"  {clean(check.detail)}", markup=False)


def _print_counts(counts: Counter[str], report: Path | None) -> None:
    said = {"indeterminate": "authentic as of a time, or not decided"}
    listed = ", ".join(f"{count} {said.get(verdict, verdict)}" for verdict, count in sorted(counts.items()))
    console.print(f"{number_of(sum(counts.values()), 'document')}: {listed}", markup=False)
    if report:
        console.print(f"report    {report}", markup=False)
