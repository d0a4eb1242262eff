"""Durations of learning (ISO 8601, xsd:duration) in hours, with a doubt wherever hours are a guess. Knows no clock."""

import re

from proto.events import Record

_DURATION = re.compile(
    r"^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?$",
    re.ASCII,
)
_MINUTES_PER_HOUR, _SECONDS_PER_HOUR = 60, 3600
_MONTHS_SUSPECT_MIN = 13
HOURS_MAX = 20_000


class Hours(Record, frozen=True, kw_only=True):
    """Whole hours, or None where the text states none; `doubt` says in a sentence what was guessed or left out."""

    hours: int | None = None
    doubt: str | None = None


def hours_of(text: str) -> Hours:
    """Return the hours of a duration.

    Years, months, weeks and days are spans of a calendar and no hours of work: they are left out, with a doubt. `P60M`
    is sixty months; who writes it mostly means sixty minutes, `PT60M`, or sixty hours, `PT60H`: that is never guessed.
    """
    match = _DURATION.match(text.strip())
    if match is None or not any(match.groups()):
        return Hours(doubt=f"{text[:40]!r} is no duration (PT60H is sixty hours); left out")
    years, months, weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    if months >= _MONTHS_SUSPECT_MIN and not (years or weeks or days):
        return Hours(doubt=f"{text} says {months} months; PT{months}M is minutes and PT{months}H hours. Left out")
    if years or months or weeks or days:
        return Hours(doubt=f"{text} is a span of the calendar and says no hours of work; left out")
    exact = hours + minutes / _MINUTES_PER_HOUR + seconds / _SECONDS_PER_HOUR
    whole = max(1, round(exact))
    if whole > HOURS_MAX:
        return Hours(doubt=f"{text} is more than {HOURS_MAX} hours; left out")
    return Hours(hours=whole, doubt=None if exact == whole else f"{text} is {exact:g} hours; kept as {whole}")
