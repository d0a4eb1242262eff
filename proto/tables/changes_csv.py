"""Changes of many credentials as a file: what to do with which, and why, one a row. Knows no log and no gateway."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proto import days
from proto.documents.credential import Award
from proto.documents.fields import DayOrTimeField
from proto.event_fields import CredentialIdField, Reason
from proto.events import Record
from proto.expected import in_words
from proto.located import located
from proto.one_of_many import OneOfMany
from proto.problem import InvalidProblem
from proto.tables.awards_csv import COLUMNS as AWARD_COLUMNS
from proto.tables.awards_csv import DAY_COLUMNS as AWARD_DAY_COLUMNS
from proto.tables.awards_csv import WrongRow, award_in
from proto.tables.cells import Row, faults_of, read_row
from proto.tables.reading import READ_AS_USUAL, Reading
from proto.tables.records import FileRecord

Action = Literal["revoke", "suspend", "reinstate", "reissue"]
REQUIRED_COLUMNS = ("action", "credential_id", "reason")
CHANGE_COLUMNS = (*REQUIRED_COLUMNS, "effective_at", "replaced_by")
COLUMNS = CHANGE_COLUMNS + AWARD_COLUMNS
DAY_COLUMNS = ("effective_at", *AWARD_DAY_COLUMNS)
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


_KINDS: dict[str, Any] = {
    "action": Action,
    "credential_id": CredentialIdField,
    "reason": Reason,
    "replaced_by": CredentialIdField,
}


class NumberedChange(Record, frozen=True, kw_only=True):
    """One right row: the line it begins on, and its change."""

    line: int
    change: ChangeRow


def read_change(
    header: Sequence[str], record: FileRecord, reading: Reading = READ_AS_USUAL, *, zone: tzinfo = UTC
) -> NumberedChange | WrongRow:
    """Return the change of one record of a table with this header, or what is wrong in it.

    Where `effective_at` is a day, the change is in effect from its beginning in `zone` on.
    """
    with OneOfMany() as this:
        row = read_row(header, record, required=REQUIRED_COLUMNS)
        change = _change(row, reading, zone)
    if this.broken is not None:
        return WrongRow(line=record.line, faults=faults_of(record.line, this.broken))
    if row.faults or change is None:
        return WrongRow(line=record.line, faults=tuple(row.faults))
    return NumberedChange(line=record.line, change=change)


def _change(row: Row, reading: Reading, zone: tzinfo) -> ChangeRow | None:
    """Return the change that a row says, or None where it has faults, which are noted."""
    row.read_days(reading.orders, ("effective_at",))
    for name, kind in _KINDS.items():
        row.convert(name, kind)
    _check_moment(row, zone)
    said = {name: cell for name, cell in row.cells.items() if name not in CHANGE_COLUMNS}
    award: Award | None = None
    if row.cells.get("action") == "reissue":
        row.require(_NEEDED_TO_REISSUE, "A reissue says the whole award anew; ")
        award = award_in(row, reading)
    elif said and not row.is_wrong("action"):
        for name in said:
            row.fault(name, "unexpected", f"{name} belongs to a reissue, which this row is not: empty the cell")
    if row.faults:
        return None
    fields: dict[str, Any] = {name: row.cells[name] for name in CHANGE_COLUMNS if name in row.cells}
    try:
        return msgspec.convert(fields if award is None else {**fields, "award": msgspec.to_builtins(award)}, ChangeRow)
    except msgspec.ValidationError as error:
        found = located(error)
        row.fault(next(iter(found.steps), ""), "invalid", in_words(found.detail))
        return None


def _check_moment(row: Row, zone: tzinfo) -> None:
    if "effective_at" in row.cells:
        try:
            row.cells["effective_at"] = days.on_record(days.begin(row.cells["effective_at"], zone))
        except InvalidProblem as problem:
            row.fault("effective_at", "invalid", problem.detail)
