"""The growth of the log as a page shows it: an area over days, and rows of months. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from proto.wire.register import DayCount

WIDTH, HEIGHT = 720, 160
_MONTH_CHARACTERS = 7


class Month(msgspec.Struct, frozen=True):
    """Entries of one month (`2026-11`), and how many the log had at its end."""

    month: str
    entries: int
    size: int


class GrowthCurve(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn: an SVG path in a box of this size, from the first day's beginning to the last day's end."""

    width: int
    height: int
    path: str
    first: str
    last: str
    begin: int
    end: int
    months: tuple[Month, ...]


def growth_of(days: Sequence[DayCount]) -> GrowthCurve | None:
    """Return how the log grew over these days, or None where there are none."""
    if not days:
        return None
    first, last = days[0], days[-1]
    begin = first.size - first.entries
    return GrowthCurve(
        width=WIDTH,
        height=HEIGHT,
        path=_path(days, begin),
        first=first.day,
        last=last.day,
        begin=begin,
        end=last.size,
        months=tuple(_months(days))[::-1],
    )


def _path(days: Sequence[DayCount], begin: int) -> str:
    """Return the area under the size: it rises over each day on which something was said, and is level between."""
    start = _ordinal(days[0].day)
    span = _ordinal(days[-1].day) + 1 - start
    points, size = [(0.0, float(HEIGHT))], begin
    for item in days:
        day = _ordinal(item.day) - start
        points += [(day / span, _height(size, days)), ((day + 1) / span, _height(item.size, days))]
        size = item.size
    points.append((1.0, float(HEIGHT)))
    return "M" + "L".join(f"{x * WIDTH:.1f} {y:.1f}" for x, y in points) + "Z"


def _height(size: int, days: Sequence[DayCount]) -> float:
    return HEIGHT - HEIGHT * size / max(1, days[-1].size)


def _ordinal(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def _months(days: Iterable[DayCount]) -> Iterable[Month]:
    found: dict[str, Month] = {}
    for item in days:
        month = item.day[:_MONTH_CHARACTERS]
        before = found.get(month, Month(month, 0, 0))
        found[month] = Month(month, before.entries + item.entries, item.size)
    return found.values()
