"""What was measured and how it compares: series, ratios, goals, and the table of them. Measures nothing."""

import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

COLUMNS = ("what", "ours", "limit or peer", "ratio", "goal")
ROUNDS_MIN = 5
"""A median of fewer is marked as such."""
SIZES = frozenset({"B", "MB", "GB"})
"""Units of what is looked at once, and does not swing with the machine."""
_SMALL = 10
_PERCENT = 100


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The samples of one figure, one per round, in the order of the rounds."""

    name: str
    unit: str
    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    @property
    def words(self) -> str:
        """Median, least and greatest, as `15,600 (14,900 to 16,300) /s`; and of how few rounds, if they are few.

        A size stands alone, as `351 B`.
        """
        if self.unit in SIZES and len(self.samples) == 1:
            return f"{_number(self.median)} {self.unit}"
        low, high, count = min(self.samples), max(self.samples), len(self.samples)
        few = f" [{count} of {ROUNDS_MIN} rounds]" if count < ROUNDS_MIN else ""
        return f"{_number(self.median)} ({_number(low)} to {_number(high)}) {self.unit}{few}"


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What the figure should reach; exactly one bound is set, on the ratio or on our own value."""

    on: Literal["ratio", "ours"]
    at_least: float | None = None
    at_most: float | None = None

    def words(self, value: float) -> str:
        """Return the goal and how far `value` is from it."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}, {_judged(value / self.at_least)}"
        assert self.at_most is not None
        return f"≤ {self.at_most:g}, {_judged(self.at_most / value)}"


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """How figures go with another: one point per line for each value of x."""

    name: str
    x: str
    y: str
    xs: tuple[float, ...]
    lines: dict[str, tuple[float, ...]]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `ratio` is ours to the limit, round by round; a row without a limit has none."""

    section: str
    what: str
    ours: Series
    limit: Series | None = None
    goals: tuple[Goal, ...] = ()
    note: str = ""

    @property
    def ratio(self) -> Series | None:
        """Ours divided by the limit of the same round: machines have slower and faster minutes."""
        if self.limit is None:
            return None
        pairs = zip(self.ours.samples, self.limit.samples, strict=True)
        return Series(name=f"{self.what} ratio", unit="", samples=tuple(ours / limit for ours, limit in pairs))

    def cells(self) -> tuple[str, ...]:
        """Return the row in words, in the order of COLUMNS."""
        limit = f"{self.limit.name}: {self.limit.words}" if self.limit else "-"
        ratio = self.ratio
        return (
            f"{self.section}: {self.what}",
            self.ours.words,
            limit,
            ratio.words.strip() if ratio else "-",
            "; ".join(self._judged(goal, ratio) for goal in self.goals) or "-",
        )

    def _judged(self, goal: Goal, ratio: Series | None) -> str:
        if goal.on == "ours":
            return goal.words(self.ours.median)
        assert ratio is not None, "a goal on the ratio needs a limit"
        return goal.words(ratio.median)


def least(limits: Sequence[Series]) -> Series:
    """Return the limit with the least median: the one that binds."""
    return min(limits, key=lambda series: series.median)


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return the value that so many per cent of the samples do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // _PERCENT)]


def table(rows: Sequence[Row]) -> str:
    """Return all rows under their headings, in columns."""
    lines = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    padded = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    padded.insert(1, "-+-".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in padded)


def _judged(part: float) -> str:
    return "met" if part >= 1 else f"missed by {(1 - part) * _PERCENT:.0f} %"


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < _SMALL else f"{value:,.0f}"
