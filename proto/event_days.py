"""Days in an event that no month has. Knows which fields are moments; their pattern bounds everything else of them."""

import types
import typing
from functools import cache
from typing import Any

import msgspec

from proto.moment import Moment, to_datetime
from proto.problem import InvalidProblem

_LAST_DAY_ALWAYS = "28"
_MOMENT_FIELDS = frozenset({"at", "until", "invalid_from", "valid_from", "valid_until", "effective_at"})


class _Dated(msgspec.Struct, frozen=True):
    """Which fields of a record are moments, and which are records that hold some."""

    moments: tuple[str, ...]
    records: tuple[str, ...]


def check_days(record: msgspec.Struct, pointer: str = "") -> None:
    """Raise `InvalidProblem`, with the field's pointer, for a day that no month has; also in records within."""
    dated = _dated(type(record))
    for name in dated.moments:
        if value := getattr(record, name):
            check_day(value, f"{pointer}/{name}")
    for name in dated.records:
        if value := getattr(record, name):
            check_days(value, f"{pointer}/{name}")


def check_day(moment: Moment, pointer: str) -> None:
    """Raise `InvalidProblem` with this pointer for a day that no month has."""
    if moment[8:10] > _LAST_DAY_ALWAYS:
        try:
            to_datetime(moment)
        except InvalidProblem as problem:
            raise InvalidProblem(problem.detail, pointer=pointer) from problem


@cache
def _dated(kind: type[msgspec.Struct]) -> _Dated:
    inner = {field.name: _record_in(field.type) for field in msgspec.structs.fields(kind)}
    return _Dated(
        moments=tuple(name for name in inner if name in _MOMENT_FIELDS),
        records=tuple(name for name, record in inner.items() if record and _dated(record) != _Dated((), ())),
    )


def _record_in(annotation: Any) -> type[msgspec.Struct] | None:
    """Return the record that a field holds where it holds one; no record within a tuple has a moment."""
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return next((each for each in options if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)
