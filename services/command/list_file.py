"""Files of awards or changes as they are sent: what they are, and their rows that were refused, to be mended and sent.

What is written for that says no more and no less than the file; only days whose order other rows of the file showed are
written as `YYYY-MM-DD`, since those rows are not sent along.
"""

import csv
import hashlib
import io
import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from proto.documents.fields import OnRepeat
from proto.problem import InvalidProblem, Problem
from proto.tables.awards_csv import COLUMNS as AWARD_COLUMNS
from proto.tables.awards_csv import REQUIRED_COLUMNS as AWARD_COLUMNS_NEEDED
from proto.tables.cells import read_header
from proto.tables.changes_csv import COLUMNS as CHANGE_COLUMNS
from proto.tables.changes_csv import DAY_COLUMNS
from proto.tables.changes_csv import REQUIRED_COLUMNS as CHANGE_COLUMNS_NEEDED
from proto.tables.day_order import DayError, DayOrder, written_day
from proto.tables.dialect import ENCODINGS, CsvText, Encoding
from proto.tables.reading import Glance
from proto.tables.records import FileRecord, RecordCutter
from services.clients.gateway.batches import BatchMedia
from services.issuer_gateway.batches.workbooks.workbook import Workbooks

PIECE_BYTES = 65_536
_FIRST_LINE_BYTES_MAX = 65_536
_CSV: Final = "text/csv"
_NDJSON: Final = "application/x-ndjson"
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MEDIA: Mapping[str, BatchMedia] = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), _CSV),
    **dict.fromkeys((".ndjson", ".jsonl"), _NDJSON),
    ".xlsx": _XLSX,
}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


dates_option = click.option(
    "--dates",
    type=click.Choice(["dmy", "mdy"]),
    help="In which order FILE writes days such as 01.10.2026, where none of them shows it.",
)
encoding_option = click.option("--encoding", type=click.Choice(ENCODINGS), help="Of CSV, where it is not UTF-8.")


class ListFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be sent: what it is, how it is written, and where it goes."""

    path: Path
    media_type: BatchMedia
    is_change: bool
    size_bytes: int
    key: str
    on_repeat: OnRepeat | None = None
    dates: DayOrder | None = None
    encoding: Encoding | None = None


async def read_source(
    path: Path,
    *,
    key: str | None = None,
    on_repeat: OnRepeat | None = None,
    dates: DayOrder | None = None,
    encoding: Encoding | None = None,
) -> ListFile:
    """Return what a file is, by its ending and its first row.

    Raises `InvalidProblem` for another ending, and where `on_repeat` is said of changes.
    """
    media_type = _MEDIA.get(path.suffix.lower())
    if media_type is None:
        raise InvalidProblem(f"{path.name} is neither .csv, .xlsx nor .ndjson: save it as one of them")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    source = ListFile(
        path=path,
        media_type=media_type,
        is_change=False,
        size_bytes=path.stat().st_size,
        key=key or "-".join(filter(None, (f"file-{digest[:48]}", on_repeat, dates, encoding))),
        on_repeat=on_repeat,
        dates=dates,
        encoding=encoding,
    )
    source = msgspec.structs.replace(source, is_change=await _is_change(source))
    if source.is_change and on_repeat:
        raise InvalidProblem("--on-repeat is about awards; changes name the credential that they are about")
    return source


async def _is_change(source: ListFile) -> bool:
    if source.media_type == _NDJSON:
        with source.path.open("rb") as file:
            first = file.readline(_FIRST_LINE_BYTES_MAX)
        try:
            found = json.loads(first)
        except (ValueError, RecursionError):  # the gateway says what is wrong
            return False
        return isinstance(found, dict) and CHANGE_COLUMNS_NEEDED[0] in found
    try:
        async for record in _table(source, CsvText(source.encoding)):
            row = io.StringIO(record.content.decode("utf-8", "replace"), newline="")
            names = {name.strip().casefold() for name in next(csv.reader(row), [])}
            return CHANGE_COLUMNS_NEEDED[0] in names
    except Problem:  # the gateway says what is wrong
        pass
    return False


async def write_refused(source: ListFile, lines: Collection[int], path: Path) -> None:
    """Write the records of a file that begin on these lines, of a table behind its header and as CSV."""
    with path.open("wb") as out:
        if source.media_type == _NDJSON:
            out.writelines(record.content + b"\n" for record in _lines(source) if record.line in lines)
            return
        async for piece in _refused_rows(source, lines):
            out.write(piece)


async def _refused_rows(source: ListFile, lines: Collection[int]) -> AsyncIterator[bytes]:
    reader = await _reader(source)
    text = CsvText(source.encoding)
    is_header = True
    async for record in _table(source, text):
        if is_header and (source.media_type == _XLSX or text.encoding != "utf-8"):
            yield _BYTE_ORDER_MARK  # then it is UTF-8, whatever the file was
        if is_header or record.line in lines:
            yield _mended(record, None if is_header else reader, text.separator) + b"\n"
        is_header = False


class _Days(msgspec.Struct, frozen=True):
    """Which cells of a row are days whose order the whole file shows."""

    header: tuple[str, ...]
    orders: Mapping[str, DayOrder]


async def _reader(source: ListFile) -> _Days:
    """Return how the file as a whole writes days."""
    text = CsvText(source.encoding)
    glance: Glance | None = None
    header: tuple[str, ...] = ()
    known: Sequence[str] = CHANGE_COLUMNS if source.is_change else AWARD_COLUMNS
    needed: Sequence[str] = CHANGE_COLUMNS_NEEDED if source.is_change else AWARD_COLUMNS_NEEDED
    async for record in _table(source, text):
        if glance is None:
            header = read_header(record, known=known, required=needed)
            glance = Glance(header, DAY_COLUMNS)
        else:
            glance.see(record)
    return _Days(header, glance.reading(source.dates).orders if glance else {})


def _mended(record: FileRecord, days: _Days | None, separator: bytes) -> bytes:
    """Return a record with its file's separator; days that only the whole file explains as `YYYY-MM-DD`."""
    if separator == b"," and not (days and days.orders):
        return record.content
    text = record.content.decode("latin-1")  # byte for byte: what is not UTF-8 stays as it is
    try:
        (cells,) = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError):
        return record.content
    if days is not None:
        cells = [_cell(name, cell, days) for name, cell in _named(days.header, cells)]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator.decode(), lineterminator="").writerow(cells)
    return out.getvalue().encode("latin-1")


def _named(header: Sequence[str], cells: Sequence[str]) -> Iterator[tuple[str, str]]:
    for place, cell in enumerate(cells):
        yield header[place] if place < len(header) else "", cell


def _cell(name: str, cell: str, days: _Days) -> str:
    if name not in days.orders:
        return cell
    try:
        return written_day(cell.strip(), days.orders[name])
    except DayError:
        return cell


async def _table(source: ListFile, text: CsvText) -> AsyncIterator[FileRecord]:
    """Yield the rows of a table, with its header; raises what reading raises."""
    if source.media_type == _XLSX:
        for record in await Workbooks().records(source.path.read_bytes()):
            yield record
        return
    with source.path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            for record in text.feed(piece):
                yield record
    for record in text.close():
        yield record


def _lines(source: ListFile) -> Iterator[FileRecord]:
    cutter = RecordCutter("ndjson")
    with source.path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield from cutter.feed(piece)
    yield from cutter.close()
