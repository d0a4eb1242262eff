"""Awards as a CSV file, one a row: strict, with line and field in every fault. Knows no achievement but by name.

UTF-8 (a byte order mark is allowed), commas, RFC 4180 quoting, a header line. One wrong row does not sink the others:
its faults are collected beside the awards of the rows that are right.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from proto.documents.credential import Award
from proto.events import Record
from proto.problem import MalformedProblem
from proto.tables.records import FileRecord
from proto.visible_text import fault_of

CSV_BYTES_MAX = 10_485_760
ROW_COUNT_MAX = 10_000
REQUIRED_COLUMNS = ("learner_ref", "achievement", "valid_from")
OPTIONAL_COLUMNS = (
    "given_name",
    "family_name",
    "date_of_birth",
    "email",
    "learner_uri",
    "awarded_at",
    "valid_until",
    "activity_start",
    "activity_end",
    "ects",
    "grade",
    "status",
    "narrative",
    "evidence_url",
    "evidence_text",
    "evidence_kind",
    "former_id",
    "prerequisites",
    "on_repeat",
)
COLUMNS = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
_LEARNER_COLUMNS = {
    "learner_ref": "ref",
    "given_name": "given_name",
    "family_name": "family_name",
    "date_of_birth": "date_of_birth",
    "email": "email",
    "learner_uri": "uri",
}
_RESULT_COLUMNS = {"grade": "value", "status": "status"}
_EVIDENCE_COLUMNS = {"evidence_url": "url", "evidence_text": "text", "evidence_kind": "kind"}
_PLAIN_COLUMNS = frozenset(
    {
        "achievement",
        "awarded_at",
        "valid_from",
        "valid_until",
        "activity_start",
        "activity_end",
        "narrative",
        "on_repeat",
    }
)
_COLUMN_OF = {
    **{f"/learner/{member}": column for column, member in _LEARNER_COLUMNS.items()},
    **{f"/result/{member}": column for column, member in _RESULT_COLUMNS.items()},
    **{f"/evidence/{member}": column for column, member in _EVIDENCE_COLUMNS.items()},
    "/evidence": "evidence_url",
    "/ects_hundredths": "ects",
    "/other_identifiers": "former_id",
}
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$", re.ASCII)
_ECTS = re.compile(r"^(\d{1,4})(?:\.(\d{1,2}))?$", re.ASCII)
_PLACE = re.compile(r"\[[^\]]*\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class CsvProblem(MalformedProblem):
    """The file as a whole cannot be read: encoding, header, size."""

    slug = "malformed-csv"
    title = "The CSV file cannot be read"


class RowFault(Record, frozen=True, kw_only=True):
    """What is wrong in one row: its line in the file (the header is line 1), the column, and a sentence."""

    line: int
    field: str
    code: str
    detail: str


class AwardRow(Record, frozen=True, kw_only=True):
    """One right row: the line it begins on, and its award."""

    line: int
    award: Award


class Awards(Record, frozen=True, kw_only=True):
    """All rows of a file: the awards of those that are right, the faults of those that are not, both by line."""

    rows: tuple[AwardRow, ...]
    faults: tuple[RowFault, ...]


class RowError(ValueError):
    """A row that cannot be read: the column (empty for the row as a whole), a code, and a sentence."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.code, self.detail = field, code, detail


def parse_awards(data: bytes) -> Awards:
    """Return the awards and the faults of a CSV file.

    Columns are `COLUMNS`, in any order; those of `REQUIRED_COLUMNS` must be there. An empty cell says nothing. `ects`
    is a number with a decimal point (`3.5`). Dates are `YYYY-MM-DD`; where times are asked, RFC 3339 is read too, and a
    bare date is a day in the institution's time zone: valid from its beginning, valid until its end. Raises
    `CsvProblem` for what sinks the whole file.
    """
    reader = csv.reader(io.StringIO(_decode(data), newline=""), strict=True)
    try:
        header = check_header(next(reader, []))
    except csv.Error as error:
        raise CsvProblem(f"Line 1 is not CSV: {error}") from error
    rows: list[AwardRow] = []
    faults: list[RowFault] = []
    seen: dict[tuple[str, ...], int] = {}
    for line, cells in _lines(reader):
        try:
            _refuse_repeated(seen, line, cells)
            rows.append(AwardRow(line=line, award=award_of(_named(header, cells, REQUIRED_COLUMNS))))
        except Exception as error:  # noqa: BLE001 - whatever one row breaks, the others are read
            faults.append(row_fault(line, error))
    return Awards(rows=tuple(rows), faults=tuple(faults))


def read_header(record: FileRecord, *, known: Sequence[str], required: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that the first record of a file names; raises `CsvProblem` for one that does not fit."""
    try:
        return check_header(_cells(record.content), known=known, required=required)
    except (csv.Error, UnicodeDecodeError) as error:
        raise CsvProblem(f"Line {record.line} is not CSV in UTF-8: {error}") from error


def read_cells(header: Sequence[str], record: FileRecord, *, required: Sequence[str]) -> dict[str, str]:
    """Return the cells of a record that say something, by column; raises `RowError`."""
    try:
        return _named(tuple(header), _cells(record.content), required)
    except UnicodeDecodeError as error:
        raise RowError("", "not-utf-8", "The row is not UTF-8: save the file as CSV UTF-8") from error
    except csv.Error as error:
        raise RowError("", "not-csv", f"The row is not CSV: {error}") from error


def _cells(content: bytes) -> list[str]:
    found = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    if len(found) != 1:
        raise csv.Error("a carriage return stands where no quotes are")
    return found[0]


def read_award(header: Sequence[str], record: FileRecord) -> AwardRow | RowFault:
    """Return the award of one record of a file with this header, or what is wrong in it."""
    try:
        return AwardRow(line=record.line, award=award_of(read_cells(header, record, required=REQUIRED_COLUMNS)))
    except Exception as error:  # noqa: BLE001 - whatever one row breaks, the others are read
        return row_fault(record.line, error)


def row_fault(line: int, error: Exception) -> RowFault:
    """Return what is wrong in a row by what was raised over it; what nobody foresaw is a fault of the row, too."""
    if isinstance(error, RowError):
        return RowFault(line=line, field=error.field, code=error.code, detail=error.detail)
    return RowFault(
        line=line, field="", code="unreadable", detail="This row cannot be read: look at its cells one by one"
    )


def _decode(data: bytes) -> str:
    if len(data) > CSV_BYTES_MAX:
        raise CsvProblem(f"The file has {len(data)} bytes; at most {CSV_BYTES_MAX} are read")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CsvProblem(f"The file is not UTF-8: byte {error.start}. Save it as CSV UTF-8") from error


def check_header(
    cells: Sequence[str], *, known: Sequence[str] = COLUMNS, required: Sequence[str] = REQUIRED_COLUMNS
) -> tuple[str, ...]:
    """Return the names in a header, if all are known, distinct, and the required ones are there, else `CsvProblem`."""
    header = tuple(name.strip() for name in cells)
    unknown = [name for name in header if name not in known]
    missing = [name for name in required if name not in header]
    if unknown:
        hint = " (columns are separated by commas)" if ";" in "".join(unknown) else ""
        raise CsvProblem(f"Unknown columns: {', '.join(map(repr, unknown))[:300]}{hint}. Known: {', '.join(known)}")
    if missing:
        raise CsvProblem(f"Columns are missing: {', '.join(missing)}")
    if len(set(header)) != len(header):
        raise CsvProblem("A column stands twice in the header")
    return header


def _lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row begins, and its cells; blank lines are skipped."""
    count = 0
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise CsvProblem(f"Line {line} is not CSV: {error}") from error
        if cells is None:
            return
        if not cells:
            continue
        count += 1
        if count > ROW_COUNT_MAX:
            raise CsvProblem(f"The file has more than {ROW_COUNT_MAX} rows: split it")
        yield line, cells


def _refuse_repeated(seen: dict[tuple[str, ...], int], line: int, cells: list[str]) -> None:
    first = seen.setdefault(tuple(cells), line)
    if first != line:
        raise RowError("", "row-repeated", f"The same row stands on line {first}: it would be awarded twice")


def _named(header: tuple[str, ...], cells: list[str], required: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise RowError("", "cell-count", f"The row has {len(cells)} cells, the header {len(header)}")
    named = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    for name, cell in named.items():
        if _CONTROL.search(cell):
            raise RowError(name, "control-character", "The cell holds a control character")
        if cell and (fault := fault_of(cell)):
            raise RowError(name, "unreadable", f"The cell {fault}")
        if not cell and name in required:
            raise RowError(name, "missing", f"{name} is empty")
    return {name: cell for name, cell in named.items() if cell}


def award_of(cells: Mapping[str, str]) -> Award:
    """Return the award that cells of a row say, by column; raises `RowError`."""
    fields: dict[str, Any] = {name: cell for name, cell in cells.items() if name in _PLAIN_COLUMNS}
    fields["learner"] = _renamed(cells, _LEARNER_COLUMNS)
    result = _renamed(cells, _RESULT_COLUMNS)
    if result:
        fields["result"] = result
    evidence = _renamed(cells, _EVIDENCE_COLUMNS)
    if evidence:
        fields["evidence"] = [evidence]
    if "ects" in cells:
        fields["ects_hundredths"] = _hundredths(cells["ects"])
    if "former_id" in cells:
        fields["other_identifiers"] = [{"identifier": cells["former_id"], "type": "identifier"}]
    if "prerequisites" in cells:
        fields["prerequisites"] = cells["prerequisites"].split()
    try:
        return msgspec.convert(fields, Award)
    except msgspec.ValidationError as error:
        raise _row_error(error) from error


def _renamed(cells: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {member: cells[column] for column, member in names.items() if column in cells}


def _hundredths(cell: str) -> int:
    match = _ECTS.match(cell)
    if match is None:
        raise RowError(
            "ects",
            "invalid",
            "This is not a number of credits such as 3.5 (decimal point, at most two decimals)",
        )
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def _row_error(error: msgspec.ValidationError) -> RowError:
    sentence, _, path = str(error).partition(" - at `$")
    member = _PLACE.sub("", path.rstrip("`")).replace(".", "/")
    pointer = path.rstrip("`").split("[")[0].replace(".", "/")
    field = _COLUMN_OF.get(member) or _COLUMN_OF.get(pointer, pointer.removeprefix("/"))
    return RowError("" if field == "learner" else field, "invalid", sentence)
