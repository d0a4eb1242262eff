"""Days as spreadsheets write them (`01.10.2026`, `10/1/2026`): taken where no doubt is possible. Knows no clock.

A day above 12 shows which number is the day. A column in which some cells show it, and none shows the contrary, is read
so throughout; else the sender is asked.
"""

import re
from datetime import date
from typing import Literal

DayOrder = Literal["dmy", "mdy"]
ORDER_NAMES: dict[DayOrder, str] = {"dmy": "day, month, year", "mdy": "month, day, year"}
_MIDNIGHT = r"(?:[T ]0{1,2}:00(?::00(?:\.0+)?)?)?"
_YEAR_LAST = re.compile(rf"^([0-9]{{1,2}})([./-])([0-9]{{1,2}})\2([0-9]{{4}}){_MIDNIGHT}$")
_YEAR_FIRST = re.compile(rf"^([0-9]{{4}})([./-])([0-9]{{1,2}})\2([0-9]{{1,2}}){_MIDNIGHT}$")
_SHORT_YEAR = re.compile(r"^[0-9]{1,2}([./-])[0-9]{1,2}\1[0-9]{2}$")
_MONTHS = 12
HOW_TO_SAY = "`--dates dmy` or `--dates mdy`, over HTTP `?dates=dmy` or `?dates=mdy`"


class DayError(ValueError):
    """A cell that names no day, or perhaps two; the message says what to do, `code` what it is."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Orders:
    """Gathers, column by column, in which order the cells of a file write day and month."""

    def __init__(self) -> None:
        self._seen: dict[str, set[DayOrder]] = {}

    def see(self, column: str, cell: str) -> None:
        """Count one cell."""
        match = _YEAR_LAST.match(cell)
        if match is None:
            return
        seen = self._seen.setdefault(column, set())
        first, second = int(match[1]), int(match[3])
        if first > _MONTHS >= second:
            seen.add("dmy")
        elif second > _MONTHS >= first:
            seen.add("mdy")

    def found(self, stated: DayOrder | None) -> dict[str, DayOrder]:
        """Return the order of each column that has one: as the sender states it, else as all its cells agree."""
        if stated is not None:
            return dict.fromkeys(self._seen, stated)
        return {column: next(iter(seen)) for column, seen in self._seen.items() if len(seen) == 1}


def written_day(cell: str, order: DayOrder | None, *, is_shown: bool = True) -> str:
    """Return a cell with its day as `YYYY-MM-DD`, where it is written with numbers alone; other cells as they are.

    Raises `DayError` where day and month cannot be told apart, and for a day that is not in the calendar; `is_shown` is
    whether such a day may be quoted.
    """
    if _SHORT_YEAR.match(cell):
        raise DayError("invalid", "The year has two digits: write all four, as 2026-11-23 or 23.11.2026")
    if match := _YEAR_FIRST.match(cell):
        return _day(cell, match[1], match[3], match[4], is_shown=is_shown)
    match = _YEAR_LAST.match(cell)
    if match is None:
        return cell
    first, second = int(match[1]), int(match[3])
    if order is None and first != second:
        order = "dmy" if first > _MONTHS else "mdy" if second > _MONTHS else None
        if order is None:
            raise DayError(
                "ambiguous-day",
                "Which number is the day and which the month cannot be told (01.10.2026 may be in January or October): "
                f"send the file again and say so ({HOW_TO_SAY}), or write days as 2026-10-01",
            )
    if order == "mdy":
        return _day(cell, match[4], match[1], match[3], is_shown=is_shown)
    return _day(cell, match[4], match[3], match[1], is_shown=is_shown)


def _day(cell: str, year: str, month: str, day: str, *, is_shown: bool) -> str:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError as error:
        which = f" {cell}" if is_shown else ""
        raise DayError(
            "no-such-day", f"There is no day{which}: correct day, month or year; a day is written 2026-11-23"
        ) from error


def is_no_day(cell: str) -> bool:
    """Tell whether a cell is written as a day and names none in either order: it is nobody's, and may be quoted."""
    match = _YEAR_FIRST.match(cell) or _YEAR_LAST.match(cell)
    if match is None:
        return False
    for order in ORDER_NAMES:
        try:
            written_day(cell, order)
        except DayError:
            continue
        return False
    return True
