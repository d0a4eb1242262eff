"""Times as they are signed: RFC 3339 in UTC with exactly three decimals. Knows no clock.

Moments are strings, because datetimes do not survive the round trip (DESIGN 3.3). Their order as strings is their order
in time, so they are compared as they are; arithmetic goes through milliseconds since 1970.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NewType

from proto.problem import InvalidProblem

Moment = NewType("Moment", str)

MOMENT_PATTERN = (
    r"^(19[7-9][0-9]|[2-8][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z\Z"
)
_MOMENT = re.compile(MOMENT_PATTERN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


TEXT_CHARACTERS_MAX = 64
"""A longer text is no time that anybody writes."""
SECONDS_MAX = 221_845_391_999
"""POSIX time of the last second that a moment can name, the end of the year 8999."""


def from_ms(milliseconds: int) -> Moment:
    """Return the moment that lies `milliseconds` after 1970-01-01T00:00:00Z."""
    return from_datetime(_EPOCH + milliseconds * _MILLISECOND)


def from_datetime(value: datetime) -> Moment:
    """Return an aware datetime as a moment, cut (not rounded) to milliseconds."""
    return Moment(value.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z")  # instead of +00:00


def to_ms(moment: Moment) -> int:
    """Return milliseconds since 1970-01-01T00:00:00Z, or raise `InvalidProblem` where no such day exists."""
    return (to_datetime(moment) - _EPOCH) // _MILLISECOND


def to_datetime(moment: Moment) -> datetime:
    """Return the aware UTC datetime of a moment; raises `InvalidProblem` where no such day exists."""
    try:
        return datetime.fromisoformat(moment)
    except ValueError as error:
        raise InvalidProblem(f"{moment[:40]!r} is not a time that exists") from error


def in_seconds(moment: Moment) -> Moment:
    """Return the whole second in which a moment lies: …10:00:00.900Z → …10:00:00.000Z."""
    return Moment(moment[:19] + ".000Z")


def as_written(moment: Moment) -> str:
    """Return the whole second in which a moment lies as documents and proofs write it: 2026-11-23T10:00:00Z.

    Programs in JavaScript and other languages write a time without fractions again as it was, and no other.
    """
    return moment[:19] + "Z"


def parse(text: str) -> Moment:
    """Return `text` as a moment if it has exactly the signed form, else raise `InvalidProblem`."""
    if not _MOMENT.match(text):
        raise InvalidProblem(
            f"{text[:40]!r} is not a time: write RFC 3339 UTC with milliseconds, 2026-11-23T10:00:00.000Z"
        )
    to_datetime(Moment(text))
    return Moment(text)


def normalise(text: str) -> Moment:
    """Return any RFC 3339 time with an offset as a moment (2026-11-23T10:00:00+01:00 → 2026-11-23T09:00:00.000Z).

    For times in documents and queries, which people write in many ways; a time without an offset is refused, since it
    does not say when it is. Awards of one list say the same times: the latest are remembered.
    """
    if len(text) > TEXT_CHARACTERS_MAX:  # what is remembered has a bound in bytes, too
        raise InvalidProblem(f"{text[:40]!r}… is not an RFC 3339 time, as in 2026-11-23T10:00:00Z")
    return _normalised(text)


@lru_cache(maxsize=1_024)
def _normalised(text: str) -> Moment:
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidProblem(f"{text[:40]!r} is not an RFC 3339 time, as in 2026-11-23T10:00:00Z") from error
    if value.tzinfo is None:
        raise InvalidProblem(f"{text[:40]!r} has no time zone: add Z or an offset, as in 2026-11-23T10:00:00Z")
    try:
        return from_datetime(value)
    except OverflowError as error:  # in UTC it lies before the year 1 or after the year 9999
        raise InvalidProblem(f"{text[:40]!r} is in no year from 1 to 9999 in UTC: write a nearer time") from error
