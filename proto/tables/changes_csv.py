"""Changes of many credentials as a file: what to do with which, and why, one a row. Knows no log and no gateway."""

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proto import days
from proto.documents.credential import Award
from proto.documents.fields import DayOrTimeField
from proto.events import CredentialIdField, Reason, Record
from proto.problem import InvalidProblem
from proto.tables.awards_csv import COLUMNS as AWARD_COLUMNS
from proto.tables.awards_csv import RowError, RowFault, award_of, read_cells, row_fault
from proto.tables.records import FileRecord

Action = Literal["revoke", "suspend", "reinstate", "reissue"]
REQUIRED_COLUMNS = ("action", "credential_id", "reason")
CHANGE_COLUMNS = (*REQUIRED_COLUMNS, "effective_at", "replaced_by")
COLUMNS = CHANGE_COLUMNS + AWARD_COLUMNS
_NEEDED_TO_REISSUE = ("learner_ref", "achievement", "valid_from")


class ChangeRow(Record, frozen=True, kw_only=True):
    """One change. `reissue` issues `award` and revokes the old credential, which then names the new one.

    `replaced_by` names an existing credential that takes the place of a revoked one.
    """

    action: Action
    credential_id: CredentialIdField
    reason: Reason
    effective_at: DayOrTimeField | UnsetType = UNSET
    replaced_by: Annotated[CredentialIdField, Meta(description="Only where it is revoked")] | UnsetType = UNSET
    award: Annotated[Award, Meta(description="Only, and always, where it is reissued")] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.action == "reissue") != isinstance(self.award, Award):
            raise ValueError("A reissue, and nothing else, says what is awarded instead")
        if self.replaced_by is not UNSET and self.action != "revoke":
            raise ValueError("replaced_by belongs to revoke; a reissue makes the credential that replaces the old one")


class NumberedChange(Record, frozen=True, kw_only=True):
    """One right row: the line it begins on, and its change."""

    line: int
    change: ChangeRow


def read_change(header: Sequence[str], record: FileRecord, *, zone: tzinfo = UTC) -> NumberedChange | RowFault:
    """Return the change of one record of a CSV file with this header, or what is wrong in it.

    Where `effective_at` is a day, the change is in effect from its beginning in `zone` on.
    """
    try:
        cells = read_cells(header, record, required=REQUIRED_COLUMNS)
        return NumberedChange(line=record.line, change=_change(cells, zone))
    except Exception as error:  # noqa: BLE001 - whatever one row breaks, the others are read
        return row_fault(record.line, error)


def _change(cells: Mapping[str, str], zone: tzinfo) -> ChangeRow:
    fields: dict[str, Any] = {name: cells[name] for name in CHANGE_COLUMNS if name in cells}
    award = {name: cell for name, cell in cells.items() if name not in CHANGE_COLUMNS}
    if cells["action"] == "reissue":
        missing = [name for name in _NEEDED_TO_REISSUE if name not in award]
        if missing:
            raise RowError(missing[0], "missing", f"A reissue says the whole award anew; {missing[0]} is empty")
        fields["award"] = award_of(award)
    elif award:
        name = next(iter(award))
        raise RowError(name, "unexpected", f"{name} belongs to a reissue, which this row is not: empty the cell")
    if "effective_at" in fields:
        fields["effective_at"] = _moment(fields["effective_at"], zone)
    try:
        return msgspec.convert(fields, ChangeRow)
    except msgspec.ValidationError as error:
        sentence, _, path = str(error).partition(" - at `$.")
        raise RowError(path.rstrip("`").split(".")[0].split("[")[0], "invalid", sentence) from error


def _moment(cell: str, zone: tzinfo) -> str:
    try:
        return days.on_record(days.begin(cell, zone))
    except InvalidProblem as problem:
        raise RowError("effective_at", "invalid", problem.detail) from problem
