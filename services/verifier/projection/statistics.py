"""Statistics of the log: sums gathered into the groups that were asked for, as records and as CSV. Pure."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from proto.ids import Did
from proto.problem import InvalidProblem
from proto.stacking import ects_text
from proto.tables.inert import inert
from proto.wire.verifier import Dimension, StatisticsRow
from services.verifier.projection.statistic_counts import NOT_STATED, Kind, StatisticKey, StatisticSum

ROWS_MAX = 10_000
DIMENSIONS: tuple[Dimension, ...] = ("issuer", "country", "eqf_level", "month")
COUNTS = tuple(name for name in StatisticsRow.__struct_fields__ if name.endswith(("_count", "_hundredths")))
_FIELDS: Mapping[Kind, tuple[str, str | None]] = {
    "credential": ("credential_count", "ects_hundredths"),
    "stack": ("stack_count", "stacked_ects_hundredths"),
    "revocation": ("revocation_count", None),
    "suspension": ("suspension_count", None),
    "reinstatement": ("reinstatement_count", None),
    "recognition": ("recognition_count", "recognised_ects_hundredths"),
    "withdrawal": ("withdrawal_count", None),
}


class TooManyGroupsProblem(InvalidProblem):
    """The answer would have more groups than one answer may have."""

    slug = "too-many-groups"
    title = "The answer would be too long"


class InstitutionName(msgspec.Struct, frozen=True):
    """What the register says of an institution now."""

    legal_name: str | None
    country: str | None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """By what to group, and what to leave out; None: nothing."""

    by: tuple[Dimension, ...]
    issuer: Did | None = None
    country: str | None = None
    eqf_level: int | None = None
    months: tuple[str, str] = ("0000-00", "9999-99")

    def admits(self, key: StatisticKey, institution: InstitutionName) -> bool:
        """Tell whether a key is asked for."""
        return (
            self.issuer in (None, key.issuer)
            and self.country in (None, institution.country)
            and self.eqf_level in (None, key.eqf_level)
        )


def gathered(
    sums: Iterable[tuple[StatisticKey, StatisticSum]], wanted: Wanted, institution_of: Callable[[Did], InstitutionName]
) -> tuple[list[StatisticsRow], StatisticsRow]:
    """Return a row for each group, in the order of the groups, and that of all; raises `TooManyGroupsProblem`."""
    groups: dict[tuple[Any, ...], dict[str, int]] = {}
    total = dict.fromkeys(COUNTS, 0)
    for key, sum_ in sums:
        institution = institution_of(key.issuer)
        if not wanted.admits(key, institution):
            continue
        group = groups.setdefault(_group(key, institution, wanted.by), dict.fromkeys(COUNTS, 0))
        if len(groups) > ROWS_MAX:
            raise TooManyGroupsProblem(f"More than {ROWS_MAX} groups; ask for fewer months, or by less", pointer="")
        for counts in (group, total):
            _add(counts, key.kind, sum_)
    ordered = sorted(groups.items(), key=lambda item: tuple(str(value or "") for value in item[0]))
    return [_row(group, counts, wanted.by, institution_of) for group, counts in ordered], msgspec.convert(
        total, StatisticsRow
    )


def _add(counts: dict[str, int], kind: Kind, sum_: StatisticSum) -> None:
    acts, credits_ = _FIELDS[kind]
    counts[acts] += sum_.acts
    if credits_ is not None:
        counts[credits_] += sum_.ects_hundredths


def _group(key: StatisticKey, institution: InstitutionName, by: Sequence[Dimension]) -> tuple[Any, ...]:
    values: dict[Dimension, Any] = {
        "issuer": key.issuer,
        "country": institution.country,
        "eqf_level": None if key.eqf_level == NOT_STATED else key.eqf_level,
        "month": key.month,
    }
    return tuple(values[name] for name in by)


def _row(
    group: tuple[Any, ...],
    counts: Mapping[str, int],
    by: Sequence[Dimension],
    institution_of: Callable[[Did], InstitutionName],
) -> StatisticsRow:
    named: dict[str, Any] = dict(zip(by, group, strict=True))
    if "issuer" in named:
        named["legal_name"] = institution_of(named["issuer"]).legal_name
    return msgspec.convert({**named, **counts}, StatisticsRow)


def as_csv(rows: Sequence[StatisticsRow], by: Sequence[Dimension]) -> bytes:
    """Return rows as CSV (RFC 4180) in UTF-8 with a header; what is not stated is empty.

    Credits stand twice: in hundredths of ECTS for machines, and beside them in ECTS for people.
    """
    dimensions = [name for each in by for name in ((each, "legal_name") if each == "issuer" else (each,))]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow((*dimensions, *(name for count in COUNTS for name in _column_names(count))))
    for row in rows:
        values = (getattr(row, name) for name in dimensions)
        stated = (
            "" if value in (None, UNSET) else inert(value) if isinstance(value, str) else value for value in values
        )
        writer.writerow((*stated, *(cell for count in COUNTS for cell in _cells(count, getattr(row, count)))))
    return text.getvalue().encode()


def _column_names(count: str) -> tuple[str, ...]:
    return (count, count.removesuffix("_hundredths")) if count.endswith("_hundredths") else (count,)


def _cells(count: str, value: int) -> tuple[int | str, ...]:
    return (value, ects_text(value)) if count.endswith("_hundredths") else (value,)
