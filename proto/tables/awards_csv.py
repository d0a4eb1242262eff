"""Awards as rows of a table, one a row, with line and column in every fault. Knows no achievement but by name.

RFC 4180 with a header line; how files differ from that is for `proto.tables.dialect`. One wrong row does not sink the
others: its faults are collected beside the awards of the rows that are right.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, get_type_hints

import msgspec

from proto.documents.credential import Award, Learner, Result
from proto.documents.fields import PrerequisiteIds
from proto.documents.open_badge_claims import ECTS_HUNDREDTHS_MAX
from proto.documents.provision import Evidence
from proto.events import Record
from proto.expected import in_words
from proto.located import located
from proto.one_of_many import OneOfMany
from proto.tables.cells import Row, RowFault, faults_of, read_header, read_row
from proto.tables.day_order import DayOrder
from proto.tables.dialect import CsvProblem, CsvText
from proto.tables.reading import READ_AS_USUAL, Glance, Reading
from proto.tables.records import FileRecord

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
    "/evidence": "evidence_url",
    "/ects_hundredths": "ects",
    "/other_identifiers": "former_id",
}
DAY_COLUMNS = ("date_of_birth", "awarded_at", "valid_from", "valid_until", "activity_start", "activity_end")
UNQUOTED_DAY_COLUMNS = ("date_of_birth",)
"""Days that say something of a person, which no message quotes."""
_MOMENT_COLUMNS = ("awarded_at", "valid_from", "valid_until")
_IDENTITY_COLUMNS = ("given_name", "family_name", "email", "learner_uri")
_ECTS = re.compile(r"^([0-9]{1,4})(?:[.,]([0-9]{1,2}))?$", re.ASCII)


def _kinds() -> dict[str, Any]:
    """Return the type of the field that each column fills."""
    kinds = (Award, Learner, Result, Evidence)
    award, learner, result, evidence = (get_type_hints(kind, include_extras=True) for kind in kinds)
    found = {column: learner[member] for column, member in _LEARNER_COLUMNS.items()}
    found |= {column: result[member] for column, member in _RESULT_COLUMNS.items()}
    found |= {column: evidence[member] for column, member in _EVIDENCE_COLUMNS.items()}
    return found | {column: award[column] for column in _PLAIN_COLUMNS}


_KINDS = _kinds()


class AwardRow(Record, frozen=True, kw_only=True):
    """One right row: the line it begins on, and its award."""

    line: int
    award: Award


class WrongRow(Record, frozen=True, kw_only=True):
    """One wrong row: all its faults and, where enough of it is right to judge more, the award without what is wrong."""

    line: int
    faults: tuple[RowFault, ...]
    rest: Award | None = None


class Awards(Record, frozen=True, kw_only=True):
    """All rows of a file: the awards of those that are right, the faults of those that are not, both by line."""

    rows: tuple[AwardRow, ...]
    faults: tuple[RowFault, ...]
    notes: tuple[str, ...] = ()


def parse_awards(data: bytes, *, dates: DayOrder | None = None) -> Awards:
    """Return the awards and the faults of a CSV file.

    Columns are `COLUMNS`, in any order; those of `REQUIRED_COLUMNS` must be there. An empty cell says nothing. `ects`
    is a number with a decimal point or comma. Dates are `YYYY-MM-DD`, or in an order that shows (`day_order`); where
    times are asked, RFC 3339 is read too, and a bare date is a day in the institution's time zone: valid from its
    beginning, valid until its end. Raises `CsvProblem` for what sinks the whole file.
    """
    if len(data) > CSV_BYTES_MAX:
        raise CsvProblem(f"The file has {len(data)} bytes; at most {CSV_BYTES_MAX} are read")
    text = CsvText()
    first, *records = [*text.feed(data), *text.close()] or [FileRecord(1, b"")]
    header = read_header(first, known=COLUMNS, required=REQUIRED_COLUMNS)
    if len(records) > ROW_COUNT_MAX:
        raise CsvProblem(f"The file has more than {ROW_COUNT_MAX} rows: split it")
    glance = Glance(header, DAY_COLUMNS)
    for record in records:
        glance.see(record)
    reading = glance.reading(dates, text.notes())
    found = [read_award(header, record, reading) for record in records]
    return Awards(
        rows=tuple(row for row in found if isinstance(row, AwardRow)),
        faults=tuple(fault for row in found if isinstance(row, WrongRow) for fault in row.faults),
        notes=reading.notes,
    )


def read_award(header: Sequence[str], record: FileRecord, reading: Reading = READ_AS_USUAL) -> AwardRow | WrongRow:
    """Return the award of one record of a file with this header, or what is wrong in it."""
    with OneOfMany() as this:
        row = read_row(header, record, required=REQUIRED_COLUMNS)
        award = award_in(row, reading)
    if this.broken is not None:
        return WrongRow(line=record.line, faults=faults_of(record.line, this.broken))
    if row.faults or award is None:
        return WrongRow(line=record.line, faults=tuple(row.faults), rest=award)
    return AwardRow(line=record.line, award=award)


def award_in(row: Row, reading: Reading) -> Award | None:
    """Return the award that a row says; where it has faults, which are noted, what is right of it, or None.

    Each cell is checked alone, then what cells say together.
    """
    row.read_days(reading.orders, DAY_COLUMNS, hidden=UNQUOTED_DAY_COLUMNS)
    if not row.faults and (award := _without_fault(row.cells)) is not None:
        return award
    has_identity = any(name in row.cells for name in _IDENTITY_COLUMNS) or any(map(row.is_wrong, _IDENTITY_COLUMNS))
    for name, kind in _KINDS.items():
        row.convert(name, kind)
    for name in _MOMENT_COLUMNS:
        row.check_moment(name)
    _check_ects(row)
    _check_prerequisites(row)
    _check_evidence(row)
    if not has_identity:
        row.fault("", "invalid", f"The row does not say whose it is: fill in one of {', '.join(_IDENTITY_COLUMNS)}")
    if any(name not in row.cells for name in REQUIRED_COLUMNS) or not row.cells.keys() & set(_IDENTITY_COLUMNS):
        return None
    return _together(row)


def _without_fault(cells: Mapping[str, str]) -> Award | None:
    """Return the award of a row in which nothing is wrong, which is nearly every row; None where it has to be told."""
    if "ects" in cells and not _is_ects(cells["ects"]):
        return None
    if "evidence_kind" in cells and cells.keys().isdisjoint(("evidence_url", "evidence_text")):
        return None
    try:
        return msgspec.convert(_fields(cells), Award)
    except msgspec.ValidationError:
        return None


def _together(row: Row) -> Award | None:
    """Return the award of cells that are right one by one; notes what contradicts itself, and takes that out."""
    for optional in ("valid_until", "activity_end", ""):
        try:
            return msgspec.convert(_fields(row.cells), Award)
        except msgspec.ValidationError as error:
            found = located(error)
            pointer = "".join(f"/{step}" for step in takewhile(lambda step: not step.isdecimal(), found.steps))
            field = _COLUMN_OF.get(pointer, pointer.removeprefix("/"))
            row.fault("" if field == "learner" else field, "invalid", in_words(found.detail))
            row.cells.pop(optional, None)
    return None


def _fields(cells: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: cell for name, cell in cells.items() if name in _PLAIN_COLUMNS}
    fields["learner"] = {_LEARNER_COLUMNS[name]: cell for name, cell in cells.items() if name in _LEARNER_COLUMNS}
    if not cells.keys().isdisjoint(_RESULT_COLUMNS):
        fields["result"] = _renamed(cells, _RESULT_COLUMNS)
    if not cells.keys().isdisjoint(_EVIDENCE_COLUMNS):
        fields["evidence"] = [_renamed(cells, _EVIDENCE_COLUMNS)]
    if "ects" in cells:
        fields["ects_hundredths"] = _hundredths(cells["ects"])
    if "former_id" in cells:
        fields["other_identifiers"] = [{"identifier": cells["former_id"], "type": "identifier"}]
    if "prerequisites" in cells:
        fields["prerequisites"] = cells["prerequisites"].split()
    return fields


def _renamed(cells: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {member: cells[column] for column, member in names.items() if column in cells}


def _check_prerequisites(row: Row) -> None:
    cell = row.cells.get("prerequisites", "")
    try:
        msgspec.convert(cell.split(), PrerequisiteIds)
    except msgspec.ValidationError as error:
        row.fault("prerequisites", "invalid", in_words(located(error).detail))


def _check_evidence(row: Row) -> None:
    has_any = any(name in row.cells or row.is_wrong(name) for name in ("evidence_url", "evidence_text"))
    if "evidence_kind" in row.cells and not has_any:
        row.fault("evidence_url", "missing", "Evidence has an address (evidence_url), a text (evidence_text), or both")
    if not row.cells.keys() & {"evidence_url", "evidence_text"}:
        row.cells.pop("evidence_kind", None)


def _check_ects(row: Row) -> None:
    cell = row.cells.get("ects")
    if cell is not None and not _is_ects(cell):
        row.fault("ects", "invalid", "This is not a number of credits, 0 to 1000 with at most two decimals: write 3.5")


def _is_ects(cell: str) -> bool:
    return _ECTS.match(cell) is not None and _hundredths(cell) <= ECTS_HUNDREDTHS_MAX


def _hundredths(cell: str) -> int:
    match = _ECTS.match(cell)
    assert match is not None, "it was checked before"
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
