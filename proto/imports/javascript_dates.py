"""Dates as JavaScript writes them (`Date.toString`, `toUTCString`, milliseconds), read as days or times. Knows no zone.

A program that makes a `Date` of a day (`2020-06-30`) and writes it as a text says midnight in UTC, in its own zone:
`Tue Jun 30 2020 02:00:00 GMT+0200 (…)`. So what is midnight, in UTC or where it was written, is a day.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from proto.problem import InvalidProblem

NO_DATE = "Invalid Date"
"""What JavaScript writes where there was none."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK = r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})"
_WRITTEN = (
    re.compile(
        rf"^(?:[A-Z][a-z]{{2}} )?(?P<month>[A-Z][a-z]{{2}}) (?P<day>\d{{2}}) (?P<year>\d{{4}})"
        rf"(?: {_CLOCK}(?: (?:GMT|UTC)(?P<sign>[+-])(?P<hours>\d{{2}}):?(?P<minutes>\d{{2}}))?(?: \([^()]*\))?)?$",
        re.ASCII,
    ),
    re.compile(
        rf"^[A-Z][a-z]{{2}}, (?P<day>\d{{2}}) (?P<month>[A-Z][a-z]{{2}}) (?P<year>\d{{4}}) {_CLOCK} (?:GMT|UTC)$",
        re.ASCII,
    ),
)
_MILLISECONDS = re.compile(r"^\d{12,14}$", re.ASCII)
_CHARACTERS_MAX = 120


def day_or_time(text: str) -> str | None:
    """Return a day (`2020-06-30`), else a time with its offset (RFC 3339); None for what JavaScript does not write.

    Raises `InvalidProblem` for a day that no month has.
    """
    moment = _moment(text.strip()[:_CHARACTERS_MAX])
    if moment is None or isinstance(moment, str):
        return moment
    for zoned in (moment.astimezone(UTC), moment):
        if (zoned.hour, zoned.minute, zoned.second, zoned.microsecond) == (0, 0, 0, 0):
            return zoned.date().isoformat()
    return moment.isoformat()


def _moment(text: str) -> datetime | str | None:
    if _MILLISECONDS.match(text):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
    match = next(filter(None, (form.match(text) for form in _WRITTEN)), None)
    if match is None or match["month"] not in _MONTHS:
        return None
    month = _MONTHS.index(match["month"]) + 1
    stated = match.groupdict()
    try:
        day = datetime(int(stated["year"]), month, int(stated["day"]), tzinfo=_zone(stated))
        if stated["hour"] is None:
            return day.date().isoformat()
        return day.replace(hour=int(stated["hour"]), minute=int(stated["minute"]), second=int(stated["second"]))
    except ValueError as error:
        raise InvalidProblem("There is no such day or time: a day is written 2026-11-23") from error


def _zone(stated: dict[str, str | None]) -> timezone:
    """Return the offset that was written; without one it is UTC."""
    if not stated.get("sign"):
        return UTC
    offset = timedelta(hours=int(stated["hours"] or 0), minutes=int(stated["minutes"] or 0))
    return timezone(-offset if stated["sign"] == "-" else offset)
