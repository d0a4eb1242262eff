"""`credentify batch FILE`: sends a file of awards or of changes to a gateway and shows what becomes of each row.

The file is sent as a stream and never held. Its own digest is the idempotency key, so the same file again continues,
and issues nothing twice. Exit status: 0 every row was accepted, 1 some rows were refused, or the whole file was.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from proto.changes_csv import REQUIRED_COLUMNS as CHANGE_COLUMNS
from proto.problem import InvalidProblem
from proto.wire.gateway import BatchAnswer, BatchProgress, BatchRow
from services.command.http_client import AnsweredProblem, HttpClient, UnreachableProblem, problem_document
from services.command.output import EXIT_PROBLEM, as_json_option, command, console, print_json

PIECE_BYTES = 65_536
SHOWN_ROWS_MAX = 20
RETRY_SECONDS = 1.0
RETRY_COUNT_MAX = 120
_FIRST_LINE_BYTES_MAX = 65_536
_ERROR_MIN, _UNAVAILABLE_MIN = 400, 500
_LIMITS = aiohttp.ClientTimeout(total=None, connect=10, sock_read=120)
_CSV, _NDJSON = "text/csv", "application/x-ndjson"
_MEDIA = {".csv": _CSV, ".ndjson": _NDJSON, ".jsonl": _NDJSON}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be sent: what it is, and where it goes."""

    path: Path
    media_type: str
    route: str
    size_bytes: int
    key: str


def read_source(path: Path, *, key: str | None = None) -> Source:
    """Return what a file is, by its ending and its first line; raises `InvalidProblem` for another ending."""
    media_type = _MEDIA.get(path.suffix.lower())
    if media_type is None:
        raise InvalidProblem(f"{path.name} is neither .csv nor .ndjson")
    with path.open("rb") as file:
        first = file.readline(_FIRST_LINE_BYTES_MAX)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Source(
        path=path,
        media_type=media_type,
        route="/v1/batches/changes" if _is_change(first, media_type) else "/v1/batches",
        size_bytes=path.stat().st_size,
        key=key or f"file-{digest[:48]}",
    )


def _is_change(first: bytes, media_type: str) -> bool:
    if media_type == _CSV:
        names = {name.strip().strip('"') for name in first.decode("utf-8-sig", "replace").split(",")}
        return CHANGE_COLUMNS[0] in names
    try:
        found = json.loads(first)
    except ValueError:
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
        self.show("rows", now.accepted_count + now.refused_count, now.row_count, refused)
        if not now.is_dry_run and now.accepted_count:
            self.show("published", now.published_count, now.accepted_count)


class BatchClient(HttpClient):
    """What the gateway offers for batches."""

    async def send(self, source: Source, *, is_dry_run: bool, bar: _Bar) -> BatchAnswer:
        """Send the file; return the first answer. Raises `AnsweredProblem` or `UnreachableProblem`."""
        headers = self.headers | {"Content-Type": source.media_type, "Idempotency-Key": source.key}
        query = {"dry_run": "true"} if is_dry_run else {}
        try:
            async with self.session.post(
                self.url + source.route, data=_pieces(source, bar), params=query, headers=headers, timeout=_LIMITS
            ) as response:
                data = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            detail = f"{self.url} went away while the file was sent ({type(error).__name__})"
            raise UnreachableProblem(f"{detail}; send it again: nothing is done twice") from error
        if response.status >= _ERROR_MIN:
            raise AnsweredProblem(problem_document(data), response.status)
        return msgspec.json.decode(data, type=BatchAnswer)

    async def follow(self, batch_id: str, bar: _Bar) -> None:
        """Show how far the batch is until nothing more happens to it; a gateway that restarts is waited for."""
        failures = 0
        while True:
            try:
                async for now in self._progress_of(batch_id):
                    failures = 0
                    bar.rows(now)
                    if now.is_over:
                        return
            except (aiohttp.ClientError, TimeoutError, AnsweredProblem) as error:
                if isinstance(error, AnsweredProblem) and error.answer_status < _UNAVAILABLE_MIN:
                    raise
                failures += 1
                if failures > RETRY_COUNT_MAX:
                    detail = f"{self.url} does not answer any more. The batch {batch_id} goes on once it runs"
                    raise UnreachableProblem(f"{detail}; send the same file again to follow it") from error
            await asyncio.sleep(RETRY_SECONDS)

    async def _progress_of(self, batch_id: str) -> AsyncIterator[BatchProgress]:
        """Yield the progress events of a batch (server-sent events, HTML Living Standard 9.2)."""
        async for line in self._lines(f"/v1/batches/{batch_id}/events"):
            if line.startswith(b"data: {") and line.strip() != b"data: {}":
                yield msgspec.json.decode(line[len(b"data: ") :], type=BatchProgress)

    async def rows(self, batch_id: str) -> AsyncIterator[BatchRow]:
        """Yield the result of each row, by line."""
        async for line in self._lines(f"/v1/batches/{batch_id}/rows"):
            yield msgspec.json.decode(line, type=BatchRow)

    async def _lines(self, path: str) -> AsyncIterator[bytes]:
        async with self.session.get(self.url + path, headers=self.headers, timeout=_LIMITS) as response:
            if response.status >= _ERROR_MIN:
                raise AnsweredProblem(problem_document(await response.read()), response.status)
            async for line in response.content:
                yield line


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

    def add(self, row: BatchRow) -> None:
        """Keep one result."""
        if self._file is not None:
            self._file.write(msgspec.json.encode(row) + b"\n")
        if row.state == "refused" and len(self.refused) < SHOWN_ROWS_MAX:
            self.refused.append(row)
        elif row.notes and len(self.noted) < SHOWN_ROWS_MAX:
            self.noted.append(row)

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()


async def _run(client: BatchClient, source: Source, *, is_dry_run: bool, results: _Results, bar: _Bar) -> BatchAnswer:
    answer = await client.send(source, is_dry_run=is_dry_run, bar=bar)
    if answer.state is None or answer.batch_id is None:
        for row in answer.rows:
            results.add(row)
        return answer
    await client.follow(answer.batch_id, bar)
    async for row in client.rows(answer.batch_id):
        results.add(row)
    return await client.request("GET", f"/v1/batches/{answer.batch_id}", BatchAnswer)


def _print(answer: BatchAnswer, results: _Results) -> None:
    right = answer.row_count - answer.refused_count if answer.is_dry_run else answer.accepted_count
    word = "right" if answer.is_dry_run else "accepted"
    state = f" ({answer.state})" if answer.state not in {None, "finished"} else ""
    console.print(f"{answer.row_count} rows: {right} {word}, {answer.refused_count} refused{state}", markup=False)
    for row in results.refused:
        problem: dict[str, Any] = row.problem or {}
        where = f" {problem['pointer']}" if problem.get("pointer") else ""
        console.print(f"  line {row.line}{where}: {problem.get('detail') or problem.get('title')}", markup=False)
    for row in results.noted:
        console.print(f"  line {row.line}, noted: {'; '.join(row.notes)}", markup=False)
    if answer.refused_count > len(results.refused):
        console.print(f"  … and {answer.refused_count - len(results.refused)} more (--results FILE keeps all)")


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
@click.option("--key", metavar="TEXT", help="Idempotency key; default: the digest of FILE.")
@as_json_option
@command
async def batch(
    *, file: Path, gateway: str, api_key_file: Path, dry_run: bool, results: Path | None, key: str | None, as_json: bool
) -> None:
    """Issue what FILE (CSV or NDJSON of up to 100,000 rows) awards, or make the changes that it lists."""
    source = read_source(file, key=key)
    kept = _Results(results)
    try:
        async with aiohttp.ClientSession() as session:
            client = BatchClient(session, gateway, token=api_key_file.read_text().strip())
            with _Bar(is_wanted=not as_json) as bar:
                answer = await _run(client, source, is_dry_run=dry_run, results=kept, bar=bar)
    finally:
        kept.close()
    if as_json:
        print_json(msgspec.structs.replace(answer, rows=tuple(kept.refused)))
    else:
        _print(answer, kept)
    if answer.refused_count or not answer.is_complete:
        sys.exit(EXIT_PROBLEM)
