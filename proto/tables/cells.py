"""Rows of a table by their columns, and every fault in them: each names the column and what to do. Knows no column.

Where a row is wrong, what is right of it is read all the same, so that its sender hears of all its faults at once.
"""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

import msgspec

from proto import days
from proto.events import Record
from proto.expected import with_expected
from proto.located import located
from proto.problem import InvalidProblem
from proto.tables.day_order import DayError, DayOrder, written_day
from proto.tables.dialect import NOT_UTF_8, CsvProblem
from proto.tables.records import FileRecord
from proto.visible_text import fault_of

_CONTROLS = frozenset(map(chr, [*range(9), 11, 12, *range(14, 32), 127]))
_NEEDS_A_READER = re.compile('["\r\n\0]')
_CELL_CHARACTERS_MAX = csv.field_size_limit()
_NAME_CHARACTERS_MAX = 200
_BLANK = " \t\r\n\xa0"
_SHOWN_NAMES_CHARACTERS = 300
_NAMED_CELLS_MAX = 10_000


class RowFault(Record, frozen=True, kw_only=True):
    """What is wrong in one row: its line in the file (the header is line 1), the column, and a sentence."""

    line: int
    field: str
    code: str
    detail: str


class RowError(ValueError):
    """A row that cannot be read: all its faults, at least one."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        super().__init__(faults[0].detail)
        self.faults = tuple(faults)


class Row:
    """One row while it is read: its cells that say something, by column, and its faults so far."""

    def __init__(self, line: int, cells: Mapping[str, str] | None = None) -> None:
        self.line = line
        self.cells = dict(cells or {})
        self.faults: list[RowFault] = []

    def fault(self, field: str, code: str, detail: str) -> None:
        """Note a fault; a cell that has one is not looked at again."""
        self.faults.append(RowFault(line=self.line, field=field, code=code, detail=detail))
        self.cells.pop(field, None)

    def is_wrong(self, field: str) -> bool:
        """Tell whether a column has a fault already."""
        return any(fault.field == field for fault in self.faults)

    def check(self) -> None:
        """Raise `RowError` where there is a fault."""
        if self.faults:
            raise RowError(self.faults)

    def require(self, names: Iterable[str], reason: str = "") -> None:
        """Note each of these columns that is empty, once."""
        for name in names:
            if name not in self.cells and not self.is_wrong(name):
                self.fault(name, "missing", f"{reason}{name} is empty: fill it in")

    def read_days(self, orders: Mapping[str, DayOrder], columns: Iterable[str], *, hidden: Iterable[str] = ()) -> None:
        """Make the days of these columns `YYYY-MM-DD`, and note those that are none; `hidden` are not quoted."""
        for name in columns:
            if name not in self.cells:
                continue
            try:
                self.cells[name] = written_day(self.cells[name], orders.get(name), is_shown=name not in hidden)
            except DayError as error:
                self.fault(name, error.code, str(error))

    def convert(self, name: str, kind: Any) -> None:
        """Note what is wrong in one cell by the type of its field; one that is absent is not."""
        if name not in self.cells:
            return
        try:
            msgspec.convert(self.cells[name], kind)
        except msgspec.ValidationError as error:
            self.fault(name, "invalid", with_expected(located(error).detail, kind, ""))

    def check_moment(self, name: str) -> None:
        """Note a time that is in no calendar, and a day too far away."""
        if name in self.cells:
            is_day = days.is_day(self.cells[name])
            try:
                days.end(self.cells[name], UTC)
            except InvalidProblem as problem:
                no_time = "There is no such time: a time is written 2026-11-23T10:00:00+01:00"
                self.fault(name, "no-such-day" if is_day else "no-such-time", problem.detail if is_day else no_time)


def read_header(record: FileRecord, *, known: Sequence[str], required: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that the first record of a file names; raises `CsvProblem` for one that does not fit."""
    if not record.content:
        raise CsvProblem(f"The file is empty: its first row names the columns, {', '.join(required)} and others")
    try:
        return check_header(_cells(record.content.decode("utf-8")), known=known, required=required)
    except csv.Error as error:
        raise CsvProblem(f"Line {record.line} is not CSV: a quote stands where none belongs") from error
    except UnicodeDecodeError as error:
        raise CsvProblem(f"Line {record.line} {NOT_UTF_8}") from error


def check_header(cells: Sequence[str], *, known: Sequence[str], required: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a header, in small letters, if all are known, distinct, and the required ones are there.

    Names may be written in any case, with blanks or hyphens; cells without a name may stand between and behind them.
    Raises `CsvProblem`.
    """
    if len(cells) > _NAMED_CELLS_MAX and sum(map(bool, cells)) > _NAMED_CELLS_MAX:
        raise CsvProblem(
            f"More than {_NAMED_CELLS_MAX} cells of the first row are filled in, and a list has at most {len(known)} "
            "columns: copy the list alone into a new file"
        )
    header = tuple(_column(name) for name in cells)
    named = [name for name in header if name]
    unknown = [name.strip() for name, column in zip(cells, header, strict=True) if column and column not in known]
    missing = [name for name in required if name not in header]
    if unknown and not any(name in known for name in named):
        raise CsvProblem(
            "Unknown columns: no cell of the first row is the name of one, so it may be a row of the list already. "
            f"Put a first row above it that names the columns. Known: {', '.join(known)}"
        )  # without its cells: they may be somebody's name
    if unknown:
        shown = ", ".join(map(repr, unknown))[:_SHOWN_NAMES_CHARACTERS]
        raise CsvProblem(
            f"Unknown columns: {shown}. Rename them or take them out; columns are separated by commas, semicolons or "
            f"tabs. Known: {', '.join(known)}"
        )
    if missing:
        raise CsvProblem(f"Columns are missing: {', '.join(missing)}. Their names stand in the first row")
    if twice := sorted(name for name, count in Counter(named).items() if count > 1):
        raise CsvProblem(f"A column stands twice in the header: {', '.join(twice)}. Take one of them out")
    return header


def _column(name: str) -> str:
    stripped = name.strip(f"{_BLANK}\ufeff")
    if len(stripped) > _NAME_CHARACTERS_MAX:  # no column of ours; to normalise thousands of accents takes seconds
        return stripped
    text = unicodedata.normalize("NFKC", stripped).casefold()
    return "_".join(text.replace("-", " ").replace("_", " ").split())


def read_row(header: Sequence[str], record: FileRecord, *, required: Sequence[str]) -> Row:
    """Return the cells of a record by column, with what is wrong in them; raises `RowError` where none can be told."""
    row = Row(record.line)
    try:
        text = record.content.decode("utf-8")
    except UnicodeDecodeError:
        row.fault("", "not-utf-8", f"The row {NOT_UTF_8}")
        text = record.content.decode("cp1252", "replace")
    try:
        cells = _cells(text)
    except csv.Error:
        row.fault("", "not-csv", "The row is not CSV: a quote stands where none belongs, or is never closed")
        raise RowError(row.faults) from None
    while len(cells) > len(header) and not cells[-1].strip(_BLANK):
        cells.pop()
    if len(cells) != len(header):
        more = "is a separator in a cell, which then needs quotes, or a column without a name?"
        row.fault("", "cell-count", f"The row has {len(cells)} cells, the header {len(header)}: {more}")
        raise RowError(row.faults)
    _name(row, header, cells)
    row.require(required)
    return row


def _name(row: Row, header: Sequence[str], cells: Sequence[str]) -> None:
    if "" not in header and "".join(cells).isprintable():  # no control character, no line end: nearly every row
        found = {name: text for name, cell in zip(header, cells, strict=True) if (text := cell.strip(_BLANK))}
        if all(text.isascii() or fault_of(text) is None for text in found.values()):
            row.cells = found
            return
    for place, (name, cell) in enumerate(zip(header, cells, strict=True), start=1):
        said = cell.strip(_BLANK)
        if not said:
            continue
        if not name:
            row.fault("", "no-column", f"Cell {place} stands under no name: name the column, or empty the cell")
        elif not _CONTROLS.isdisjoint(said):
            row.fault(name, "control-character", "The cell holds a control character: write it anew")
        elif fault := fault_of(said):
            row.fault(name, "unreadable", f"The cell {fault}")
        else:
            row.cells[name] = said


def cell_in(header: Sequence[str], record: FileRecord, column: str) -> str | None:
    """Return what stands in one column of a record, without blanks around it; None where that cannot be told."""
    try:
        cells = _cells(record.content.decode("utf-8"))
        return cells[list(header).index(column)].strip(_BLANK)
    except (UnicodeDecodeError, csv.Error, ValueError, IndexError):
        return None


def _cells(text: str) -> list[str]:
    if 0 < len(text) < _CELL_CHARACTERS_MAX and _NEEDS_A_READER.search(text) is None:
        return text.split(",")
    found = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if len(found) != 1:
        raise csv.Error("a carriage return stands where no quotes are")
    return found[0]


def faults_of(line: int, error: Exception) -> tuple[RowFault, ...]:
    """Return what is wrong in a row by what was raised over it; what nobody foresaw is a fault of the row, too."""
    if isinstance(error, RowError):
        return error.faults
    detail = "This row cannot be read: look at its cells one by one"
    return (RowFault(line=line, field="", code="unreadable", detail=detail),)
