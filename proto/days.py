"""Days as people write them, in the zone of who writes them: from which moment on, and up to which. Knows no clock."""

import functools
import re
from datetime import UTC, date, datetime, timedelta, tzinfo

from proto.moment import Moment, from_datetime, normalise, to_datetime
from proto.problem import InvalidProblem

DAY_PATTERN = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_DAY = re.compile(rf"^{DAY_PATTERN}\Z")
_MIDNIGHT = re.compile(rf"^({DAY_PATTERN})T00:00(:00(\.0+)?)?(Z|[+-][0-9]{{2}}:[0-9]{{2}})\Z")
_FIRST, _LAST = "1970-01-01", "9000-01-01"
_DAY_LENGTH = timedelta(days=1)
_FARTHEST_WEST, _FARTHEST_EAST = timedelta(hours=14), timedelta(hours=14)
"""No zone lies farther from UTC: what is a day somewhere begins within these of the same day in UTC."""


def is_day(text: str) -> bool:
    """Tell whether a text is a day, `YYYY-MM-DD`, with no time of day; not whether there is such a day."""
    return _DAY.match(text) is not None


def begin(written: str, zone: tzinfo) -> Moment:
    """Return the moment from which on something holds: of a day its beginning in `zone`, of a time that time.

    Raises `InvalidProblem` for what is neither.
    """
    return _midnight(written, zone, timedelta()) if is_day(written) else normalise(written)


def end(written: str, zone: tzinfo) -> Moment:
    """Return the first moment at which something holds no more: a day holds up to its end in `zone`, a time excludes.

    Raises `InvalidProblem` for what is neither.
    """
    return _midnight(written, zone, _DAY_LENGTH) if is_day(written) else normalise(written)


def on_record(moment: Moment, pointer: str | None = None) -> Moment:
    """Return a moment that an event can state; raises `InvalidProblem` for one before 1970 or after 8999."""
    if not _FIRST <= moment < _LAST:
        raise InvalidProblem(
            "Events state times in the years 1970 to 8999; leave out what has no end, and correct another year",
            pointer=pointer,
        )
    return moment


def day_of_begin(written: str) -> str | None:
    """Return the day on which something begins, where a day or the beginning of one was written."""
    if is_day(written):
        return written
    match = _MIDNIGHT.match(written)
    return match[1] if match else None


def day_of_end(written: str) -> str | None:
    """Return the last day on which something holds, where a day was written."""
    return written if is_day(written) else None


def may_begin(day: str, moment: Moment) -> bool:
    """Tell whether a day begins at this moment in some zone of the world; raises `InvalidProblem` for no day."""
    begins = to_datetime(_midnight(day, UTC, timedelta()))
    return -_FARTHEST_EAST <= to_datetime(moment) - begins <= _FARTHEST_WEST


def may_end(day: str, moment: Moment) -> bool:
    """Tell whether a day ends at this moment in some zone of the world; raises `InvalidProblem` for no day."""
    ends = to_datetime(_midnight(day, UTC, _DAY_LENGTH))
    return -_FARTHEST_EAST <= to_datetime(moment) - ends <= _FARTHEST_WEST


@functools.lru_cache(maxsize=1024)
def _midnight(day: str, zone: tzinfo, later: timedelta) -> Moment:
    """Return when a day begins, or the one after; where clocks jump over midnight, when they jump."""
    try:
        written = date.fromisoformat(day) + later
        return from_datetime(datetime(written.year, written.month, written.day, tzinfo=zone))
    except OverflowError as error:
        detail = "The day lies too far away to be written: leave out what has no end, and correct another year"
        raise InvalidProblem(detail) from error
    except ValueError as error:
        raise InvalidProblem("There is no such day: a day is written 2026-11-23") from error
