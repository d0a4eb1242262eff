"""`credentify batch FILE`: sends a file of awards or of changes to a gateway and shows what becomes of each row.

The file is sent as a stream and never held. Its own digest is the idempotency key, so the same file again continues,
and issues nothing twice. Exit status: 0 every row was accepted, 1 some rows were refused, or the whole file was.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from proto.documents.fields import OnRepeat
from proto.ids import BatchId
from proto.number_words import number_of
from proto.problem import InvalidProblem
from proto.tables.day_order import DayOrder
from proto.tables.dialect import Encoding
from proto.wire.batches import BatchAnswer, BatchProgress, BatchRow
from services.clients.gateway import AnsweredProblem, GatewayClient, UnreachableProblem
from services.command.institution import gateway_client, institution_key_option
from services.command.links import gateway_option
from services.command.list_file import (
    PIECE_BYTES,
    ListFile,
    dates_option,
    encoding_option,
    read_source,
    write_refused,
)
from services.command.output import EXIT_PROBLEM, as_json_option, command, console, print_json
from services.command.terminal import clean

SHOWN_ROWS_MAX = 20
RETRY_SECONDS = 1.0
RETRY_COUNT_MAX = 120
_UNAVAILABLE_MIN = 500


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


async def _send(client: GatewayClient, source: ListFile, *, is_dry_run: bool, bar: _Bar) -> BatchAnswer:
    """Send the file; return the first answer. Raises `AnsweredProblem` or `UnreachableProblem`."""
    pieces = _pieces(source, bar)
    fields: dict[str, Any] = {"media_type": source.media_type, "key": source.key, "is_dry_run": is_dry_run}
    fields |= {"dates": source.dates, "encoding": source.encoding}
    if source.is_change:
        return await client.change_batch(pieces, **fields)
    return await client.issue_batch(pieces, **fields, on_repeat=source.on_repeat)


async def _follow(client: GatewayClient, batch_id: BatchId, bar: _Bar) -> None:
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


async def _pieces(source: ListFile, bar: _Bar) -> AsyncIterator[bytes]:
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


async def _run(
    client: GatewayClient, source: ListFile, *, is_dry_run: bool, results: _Results, bar: _Bar
) -> BatchAnswer:
    answer = await _send(client, source, is_dry_run=is_dry_run, bar=bar)
    if answer.state is None or answer.batch_id is None:
        for row in answer.rows:
            results.add(row)
        return answer
    await _follow(client, answer.batch_id, bar)
    async for row in client.batch_rows(answer.batch_id):
        results.add(row)
    return await client.batch(answer.batch_id)


def _print(answer: BatchAnswer, results: _Results) -> None:
    known = answer.already_awarded_count
    right = answer.row_count - answer.refused_count - known if answer.is_dry_run else answer.accepted_count
    word = "right" if answer.is_dry_run else "accepted"
    before = f"{known} already awarded, " if known else ""
    state = f" ({answer.state})" if answer.state not in {None, "finished"} else ""
    counts = f"{before}{right} {word}, {answer.refused_count} refused{state}"
    console.print(f"{number_of(answer.row_count, 'row')}: {counts}", markup=False)
    if answer.batch_id:
        console.print(f"Batch {answer.batch_id}", markup=False)
    for note in answer.read_as:
        console.print(f"  {note}", markup=False)
    for row in results.refused:
        problem: dict[str, Any] = row.problem or {}
        for error in problem.get("errors") or [problem]:
            where = f" {error['pointer'].removeprefix('/')}" if error.get("pointer") else ""
            said = clean(f"line {row.line}{where}: {error.get('detail') or problem.get('title')}")
            console.print(f"  {said}")
    for row in results.noted:
        console.print(f"  line {row.line}, noted: {'; '.join(row.notes)}", markup=False)
    if answer.refused_count > len(results.refused):
        console.print(f"  … and {answer.refused_count - len(results.refused)} more (--results FILE keeps all of them)")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@gateway_option
@institution_key_option
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
@dates_option
@encoding_option
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
    dates: DayOrder | None,
    encoding: Encoding | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Issue what FILE (CSV, XLSX or NDJSON of up to 100,000 rows) awards, or make the changes that it lists."""
    source = await read_source(file, key=key, on_repeat=on_repeat, dates=dates, encoding=encoding)
    if refused is not None and refused.resolve() == file.resolve():
        raise InvalidProblem("--refused names FILE itself: it would be overwritten while it is needed")
    if refused is not None and refused.suffix.lower() == ".xlsx":
        raise InvalidProblem("Refused rows are written as CSV: let --refused name a file that ends in .csv")
    kept = _Results(results)
    try:
        async with gateway_client(gateway, api_key_file) as client:
            with _Bar(is_wanted=not as_json) as bar:
                answer = await _run(client, source, is_dry_run=dry_run, results=kept, bar=bar)
    finally:
        kept.close()
    if refused is not None:
        await write_refused(source, kept.refused_lines, refused)
    if as_json:
        print_json(msgspec.structs.replace(answer, rows=tuple(kept.refused)))
    else:
        _print(answer, kept)
    if answer.refused_count or not answer.is_complete:
        sys.exit(EXIT_PROBLEM)
