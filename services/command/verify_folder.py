"""`credentify verify FOLDER`: every document of a folder in NDJSON requests, with a progress bar and a CSV report."""

import csv
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from proto.canonical import DOCUMENT_BYTES_MAX
from proto.ids import CredentialId
from proto.number_words import number_of
from proto.problem import NotFoundProblem
from proto.tables.inert import inert
from proto.wire.verifier import Answer, VerificationLine
from services.clients.http_client import AnsweredProblem
from services.clients.http_session import client_session
from services.clients.verifier_client import VerifierClient
from services.command.output import console
from services.verifier.languages import DEFAULT
from services.verifier.pages.said import pick

SUFFIXES = (".json", ".jsonld", ".vc", ".pdf", ".png", ".svg")
_ALONE = (".pdf", ".png", ".svg")
"""They hold a document, and are sent each alone."""
_PICTURES, _BADGE_MARK = (".png", ".svg"), b"openbadge"
PDF_BYTES_MAX = 8 * 1024 * 1024
REQUEST_DOCUMENTS_MAX = 500
REQUEST_BYTES_MAX = 4 * 1024 * 1024
COLUMNS = (
    "file",
    "verdict",
    "state",
    "issuer",
    "issuer_name",
    "ects",
    "credential_id",
    "finding",
    "as_of",
    "title",
    "holder",
)
UNREADABLE = "unreadable"
_HUNDRED = 100
_OK = 200
NO_ID = CredentialId("")


class FolderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One document's outcome, as the report has it; `verdict` may also be `unreadable`."""

    file: str
    verdict: str
    state: str = ""
    issuer: str = ""
    issuer_name: str = ""
    ects: str = ""
    credential_id: CredentialId = NO_ID
    finding: str = ""
    as_of: str = ""
    title: str = ""
    holder: str = ""
    """What the document says where it is proven: what it is, and whose."""


def _no_one(_: FolderRow) -> None:
    """Take a row, and do nothing."""


async def verify_folder(
    folder: Path,
    verifier: str,
    report: Path | None,
    *,
    lang: str = DEFAULT,
    seen: Callable[[FolderRow], None] = _no_one,
) -> Counter[str]:
    """Verify every document under a folder, write the report, and return how many had which verdict.

    `seen` is told each outcome.
    Raises `NotFoundProblem` where there is no document or no report can be written, and what `VerifierClient` raises.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and _may_hold_one(path))
    if not files:
        raise NotFoundProblem(f"{folder} holds no document (files that end in {', '.join(SUFFIXES)})")
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        writer = csv.DictWriter(stack.enter_context(opened_report(report)), COLUMNS) if report else None
        if writer:
            writer.writeheader()
        progress = stack.enter_context(_progress())
        bar = progress.add_task("verifying", total=len(files))
        async with client_session(headers={"Accept-Language": lang}) as session:
            async for row in _rows(VerifierClient(session, verifier), folder, files):
                counts[row.verdict] += 1
                seen(row)
                if writer:
                    writer.writerow({name: inert(value) for name, value in msgspec.to_builtins(row).items()})
                progress.advance(bar)
    return counts


def print_counts(counts: Counter[str], report: Path | None) -> None:
    """Print how many documents had which verdict, and where the report is."""
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    console.print(f"{number_of(sum(counts.values()), 'document')}: {said}", markup=False)
    if report:
        console.print(f"report    {report}", markup=False)


def opened_report(report: Path) -> TextIO:
    """Return a report of a folder, opened to be written; raises `NotFoundProblem`."""
    try:
        return report.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise NotFoundProblem(f"{report} cannot be written: {error.strerror}") from error


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _may_hold_one(path: Path) -> bool:
    """Tell whether a file may hold a document; of pictures, only those in which one is baked: others lie about, too."""
    suffix = path.suffix.lower()
    if suffix not in _PICTURES or path.stat().st_size > PDF_BYTES_MAX:
        return suffix in SUFFIXES
    try:
        return _BADGE_MARK in path.read_bytes()
    except OSError:
        return True


async def _rows(client: VerifierClient, folder: Path, files: Sequence[Path]) -> AsyncIterator[FolderRow]:
    """Yield the outcome of each file: documents many at a time, PDFs and pictures one by one behind them."""
    alone = [path for path in files if path.suffix.lower() in _ALONE]
    for group in _groups([path for path in files if path not in set(alone)]):
        for row in await _verified(client, folder, group):
            yield row
    for path in alone:
        yield await _verified_alone(client, str(path.relative_to(folder)), path)


async def _verified_alone(client: VerifierClient, name: str, path: Path) -> FolderRow:
    try:
        data = path.read_bytes() if path.stat().st_size <= PDF_BYTES_MAX else b""
        if not data:
            return FolderRow(file=name, verdict=UNREADABLE, finding="The file is empty or too large")
        return _row(name, VerificationLine(line=1, status=_OK, answer=await client.verify(data)))
    except OSError as error:
        return FolderRow(file=name, verdict=UNREADABLE, finding=f"The file cannot be read: {error.strerror}")
    except AnsweredProblem as problem:
        return _row(name, VerificationLine(line=1, status=problem.answer_status, problem=problem.answer))


def _groups(files: Sequence[Path]) -> Iterator[list[tuple[Path, bytes | None]]]:
    """Yield files with their content, as many as fit one request; None for what cannot be read or is too large."""
    group: list[tuple[Path, bytes | None]] = []
    byte_count = 0
    for path in files:
        data = _content(path)
        if group and (len(group) >= REQUEST_DOCUMENTS_MAX or byte_count + len(data or b"") > REQUEST_BYTES_MAX):
            yield group
            group, byte_count = [], 0
        group.append((path, data))
        byte_count += len(data or b"")
    if group:
        yield group


def _content(path: Path) -> bytes | None:
    """Return a document as one line (a line end is never inside of a JSON string), or None."""
    try:
        if path.stat().st_size > DOCUMENT_BYTES_MAX:
            return None
        data = path.read_bytes().replace(b"\r", b" ").replace(b"\n", b" ").strip()
    except OSError:
        return None
    return data or None


async def _verified(client: VerifierClient, folder: Path, group: list[tuple[Path, bytes | None]]) -> list[FolderRow]:
    lines = [data for _, data in group if data is not None]
    answers = iter(await client.verify_lines(lines) if lines else [])
    names = [(str(path.relative_to(folder)), data) for path, data in group]
    return [
        _row(name, next(answers))
        if data is not None
        else FolderRow(file=name, verdict=UNREADABLE, finding="The file is empty, too large or cannot be read")
        for name, data in names
    ]


def _row(name: str, line: VerificationLine) -> FolderRow:
    answer = line.answer
    if answer is None:
        problem: dict[str, Any] = line.problem or {}
        return FolderRow(
            file=name, verdict=UNREADABLE, finding=str(problem.get("detail") or problem.get("title") or "")
        )
    return row_of(name, answer)


def row_of(name: str, answer: Answer, lang: str = DEFAULT) -> FolderRow:
    """Return a document's row of the report, its title in this language where it has one."""
    content = answer.content
    return FolderRow(
        file=name,
        verdict=answer.verdict,
        state=answer.status.state if answer.status else "",
        issuer=answer.issuer.did if answer.issuer else "",
        issuer_name=answer.issuer.legal_name if answer.issuer else "",
        ects=f"{answer.credential.ects_hundredths / _HUNDRED:g}" if answer.credential else "",
        credential_id=answer.credential.credential_id if answer.credential else NO_ID,
        finding=_finding(answer),
        as_of=answer.as_of.time or "",
        title=pick(content.title, preferred=(lang, content.language, DEFAULT)).text if content else "",
        holder=content.holder.name or "" if content else "",
    )


def _finding(answer: Answer) -> str:
    """Return the sentences of the checks that did not go well."""
    return " ".join(check.detail for check in answer.checks if check.result in {"invalid", "unknown"})
