"""`credentify batch FILE`: sends a file of awards or of changes to a gateway and shows what becomes of each row.

The file is sent as a stream and never held. Its own digest is the idempotency key, so the same file again continues,
and issues nothing twice. Exit status: 0 every row was accepted, 1 some rows were refused, or the whole file was.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from proto.documents.fields import OnRepeat
from proto.problem import InvalidProblem
from proto.tables.changes_csv import REQUIRED_COLUMNS as CHANGE_COLUMNS
from proto.tables.records import FileRecord, RecordCutter
from proto.wire.gateway import BatchAnswer, BatchProgress, BatchRow
from services.clients.gateway import AnsweredProblem, GatewayClient, UnreachableProblem
from services.clients.gateway.batches import BatchMedia
from services.clients.http_session import client_session
from services.command.output import EXIT_PROBLEM, as_json_option, command, console, print_json

PIECE_BYTES = 65_536
SHOWN_ROWS_MAX = 20
RETRY_SECONDS = 1.0
RETRY_COUNT_MAX = 120
_FIRST_LINE_BYTES_MAX = 65_536
_UNAVAILABLE_MIN = 500
_CSV: Final = "text/csv"
_NDJSON: Final = "application/x-ndjson"
_MEDIA: Mapping[str, BatchMedia] = {".csv": _CSV, ".ndjson": _NDJSON, ".jsonl": _NDJSON}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be sent: what it is, and where it goes."""

    path: Path
    media_type: BatchMedia
    is_change: bool
    size_bytes: int
    key: str
    on_repeat: OnRepeat | None = None


def read_source(path: Path, *, key: str | None = None, on_repeat: OnRepeat | None = None) -> Source:
    """Return what a file is, by its ending and its first line.

    Raises `InvalidProblem` for another ending, and where `on_repeat` is said of changes.
    """
    media_type = _MEDIA.get(path.suffix.lower())
    if media_type is None:
        raise InvalidProblem(f"{path.name} is neither .csv nor .ndjson")
    with path.open("rb") as file:
        first = file.readline(_FIRST_LINE_BYTES_MAX)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    is_change = _is_change(first, media_type)
    if is_change and on_repeat:
        raise InvalidProblem("--on-repeat is about awards; changes name the credential that they are about")
    return Source(
        path=path,
        media_type=media_type,
        is_change=is_change,
        size_bytes=path.stat().st_size,
        key=key or f"file-{digest[:48]}" + (f"-{on_repeat}" if on_repeat else ""),
        on_repeat=on_repeat,
    )


def _is_change(first: bytes, media_type: str) -> bool:
    if media_type == _CSV:
        names = {name.strip().strip('"') for name in first.decode("utf-8-sig", "replace").split(",")}
        return CHANGE_COLUMNS[0] in names
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):  # the gateway says what is wrong
        return False
    return isinstance(found, dict) and CHANGE_COLUMNS[0] in found


class _Bar:
    """Bars on the terminal: bytes while the file is sent, then rows done and rows published."""

    def __init__(self, *, is_wanted: bool) -> None:
        terminal = Console(stderr=True)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if is_wanted and terminal.is_terminal:
            columns = (TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
            words = TextColumn("{task.fields[words]}")
            self._progress = Progress(*columns, words, TimeRemainingColumn(), console=terminal)

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, name: str, done: int, total: int, words: str = "") -> None:
        """Move one bar, made when it is first shown."""
        if self._progress is None:
            return
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, words="")
        self._progress.update(self._tasks[name], completed=done, total=total, words=words)

    def rows(self, now: BatchProgress) -> None:
        """Show how far a batch is."""
        refused = f"{now.refused_count} refused" if now.refused_count else ""
        done = now.accepted_count + now.refused_count + now.already_awarded_count
        self.show("rows", done, now.row_count, refused)
        if not now.is_dry_run and now.accepted_count:
            self.show("published", now.published_count, now.accepted_count)


async def _send(client: GatewayClient, source: Source, *, is_dry_run: bool, bar: _Bar) -> BatchAnswer:
    """Send the file; return the first answer. Raises `AnsweredProblem` or `UnreachableProblem`."""
    pieces = _pieces(source, bar)
    fields: dict[str, Any] = {"media_type": source.media_type, "key": source.key, "is_dry_run": is_dry_run}
    if source.is_change:
        return await client.change_batch(pieces, **fields)
    return await client.issue_batch(pieces, **fields, on_repeat=source.on_repeat)


async def _follow(client: GatewayClient, batch_id: str, bar: _Bar) -> None:
    """Show how far the batch is until nothing more happens to it; a gateway that restarts is waited for."""
    failures = 0
    while True:
        try:
            async for now in client.batch_progress(batch_id):
                failures = 0
                bar.rows(now)
                if now.is_over:
                    return
        except (UnreachableProblem, AnsweredProblem) as error:
            if isinstance(error, AnsweredProblem) and error.answer_status < _UNAVAILABLE_MIN:
                raise
            failures += 1
            if failures > RETRY_COUNT_MAX:
                detail = f"{client.url} does not answer any more. The batch {batch_id} goes on once it runs"
                raise UnreachableProblem(f"{detail}; send the same file again to follow it") from error
        await asyncio.sleep(RETRY_SECONDS)


async def _pieces(source: Source, bar: _Bar) -> AsyncIterator[bytes]:
    sent = 0
    with source.path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
            sent += len(piece)
            bar.show("sending", sent, source.size_bytes)


class _Results:
    """What is kept of the rows' results: all of them in a file, where one is named, and the first refusals."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("wb") if path else None
        self.refused: list[BatchRow] = []
        self.noted: list[BatchRow] = []
        self.refused_lines: set[int] = set()

    def add(self, row: BatchRow) -> None:
        """Keep one result."""
        if self._file is not None:
            self._file.write(msgspec.json.encode(row) + b"\n")
        if row.state == "refused":
            self.refused_lines.add(row.line)
        if row.state == "refused" and len(self.refused) < SHOWN_ROWS_MAX:
            self.refused.append(row)
        elif row.notes and len(self.noted) < SHOWN_ROWS_MAX:
            self.noted.append(row)

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()


async def _run(client: GatewayClient, source: Source, *, is_dry_run: bool, results: _Results, bar: _Bar) -> BatchAnswer:
    answer = await _send(client, source, is_dry_run=is_dry_run, bar=bar)
    if answer.state is None or answer.batch_id is None:
        for row in answer.rows:
            results.add(row)
        return answer
    await _follow(client, answer.batch_id, bar)
    async for row in client.batch_rows(answer.batch_id):
        results.add(row)
    return await client.batch(answer.batch_id)


def write_refused(source: Source, lines: Collection[int], path: Path) -> None:
    """Write the records of a file that begin on these lines, as they are, behind its header where it is CSV."""
    is_header = source.media_type == _CSV
    with path.open("wb") as out:
        for record in _records(source):
            if is_header or record.line in lines:
                out.write(record.content + b"\n")
            is_header = False


def _records(source: Source) -> Iterator[FileRecord]:
    cutter = RecordCutter("csv" if source.media_type == _CSV else "ndjson")
    with source.path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield from cutter.feed(piece)
    yield from cutter.close()


def _print(answer: BatchAnswer, results: _Results) -> None:
    known = answer.already_awarded_count
    right = answer.row_count - answer.refused_count - known if answer.is_dry_run else answer.accepted_count
    word = "right" if answer.is_dry_run else "accepted"
    before = f"{known} already awarded, " if known else ""
    state = f" ({answer.state})" if answer.state not in {None, "finished"} else ""
    counts = f"{before}{right} {word}, {answer.refused_count} refused{state}"
    console.print(f"{answer.row_count} rows: {counts}", markup=False)
    for row in results.refused:
        problem: dict[str, Any] = row.problem or {}
        where = f" {problem['pointer']}" if problem.get("pointer") else ""
        console.print(f"  line {row.line}{where}: {problem.get('detail') or problem.get('title')}", markup=False)
    for row in results.noted:
        console.print(f"  line {row.line}, noted: {'; '.join(row.notes)}", markup=False)
    if answer.refused_count > len(results.refused):
        console.print(f"  … and {answer.refused_count - len(results.refused)} more (--results FILE keeps all of them)")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--gateway", required=True, envvar="GATEWAY", metavar="URL", help="Base URL of the issuer gateway.")
@click.option(
    "--api-key-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the institution's API key.",
)
@click.option("--dry-run", is_flag=True, help="Check every row; issue and change nothing.")
@click.option(
    "--results", type=click.Path(dir_okay=False, path_type=Path), help="Write each row's result here (NDJSON)."
)
@click.option(
    "--refused", type=click.Path(dir_okay=False, path_type=Path), help="Write the refused rows here, to mend and send."
)
@click.option(
    "--on-repeat",
    type=click.Choice(["replace", "repeat"]),
    help="What is meant where a learner was awarded the same before, with other content; rows may say it too.",
)
@click.option("--key", metavar="TEXT", help="Idempotency key; default: the digest of FILE.")
@as_json_option
@command
async def batch(
    *,
    file: Path,
    gateway: str,
    api_key_file: Path,
    dry_run: bool,
    results: Path | None,
    refused: Path | None,
    on_repeat: OnRepeat | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Issue what FILE (CSV or NDJSON of up to 100,000 rows) awards, or make the changes that it lists."""
    source = read_source(file, key=key, on_repeat=on_repeat)
    if refused is not None and refused.resolve() == file.resolve():
        raise InvalidProblem("--refused names FILE itself: it would be overwritten while it is needed")
    kept = _Results(results)
    try:
        async with client_session() as session:
            client = GatewayClient(session, gateway, token=api_key_file.read_text().strip())
            with _Bar(is_wanted=not as_json) as bar:
                answer = await _run(client, source, is_dry_run=dry_run, results=kept, bar=bar)
    finally:
        kept.close()
    if refused is not None:
        write_refused(source, kept.refused_lines, refused)
    if as_json:
        print_json(msgspec.structs.replace(answer, rows=tuple(kept.refused)))
    else:
        _print(answer, kept)
    if answer.refused_count or not answer.is_complete:
        sys.exit(EXIT_PROBLEM)
