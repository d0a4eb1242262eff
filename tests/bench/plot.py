"""The table as a picture: one bar per ratio, its least and greatest round, and the goal. Measures nothing."""

import importlib
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.figures import Curve, Row, Series

LABELS_PX = 470
BARS_PX = 560
TEXT_PX = 330
MARGIN_PX = 24
ROW_PX = 34
FONT_PX = 15
CURVE_PX = (760, 420)
CURVE_MARGINS_PX = (80, 60, 30, 50)
"""Left, top, right, bottom."""
GRID_LINES = 5
LABEL_PX = 80
_COLOURS = ("#4477aa", "#cc3311", "#228833", "#aa3377")
_INK, _BAR, _SPREAD, _GOAL, _GRID = "#222222", "#4477aa", "#222222", "#cc3311", "#dddddd"


def plot(rows: Sequence[Row], path: Path) -> bool:
    """Write a PNG with every row that has a ratio; return False where Pillow is not installed (nothing is written)."""
    if importlib.util.find_spec("PIL") is None:
        return False
    image = importlib.import_module("PIL.Image")
    compared = [(row, ratio) for row in rows if (ratio := row.ratio) is not None]
    size = (LABELS_PX + BARS_PX + TEXT_PX + 2 * MARGIN_PX, 3 * MARGIN_PX + ROW_PX * max(1, len(compared)))
    canvas = image.new("RGB", size, "white")
    _Plot(canvas, axis_max=_axis_max(compared)).draw(compared)
    canvas.save(path)
    return True


def _axis_max(compared: Sequence[tuple[Row, Series]]) -> float:
    """Return the right end of the axis: 1, the limit itself, or a little beyond what was reached."""
    return max([1.0, *(max(ratio.samples) * 1.05 for _, ratio in compared)])


class _Plot:
    """Draws on one canvas; positions in pixels."""

    def __init__(self, canvas: Any, *, axis_max: float) -> None:
        self._draw = importlib.import_module("PIL.ImageDraw").Draw(canvas)
        self._font = importlib.import_module("PIL.ImageFont").load_default(size=FONT_PX)
        self._axis_max = axis_max

    def draw(self, compared: Sequence[tuple[Row, Series]]) -> None:
        """Draw the axis and every row."""
        bottom = 2 * MARGIN_PX + ROW_PX * len(compared)
        for tenth in range(0, int(self._axis_max * 10) + 1, 2):
            x = self._x(tenth / 10)
            self._draw.line([(x, 2 * MARGIN_PX), (x, bottom)], fill=_GRID)
            self._text(x - 10, MARGIN_PX, f"{tenth / 10:.1f}")
        self._text(MARGIN_PX, MARGIN_PX, "ours / limit of the same run (median, least, greatest; red: goal)")
        for number, (row, ratio) in enumerate(compared):
            self._row(2 * MARGIN_PX + number * ROW_PX, row, ratio)

    def _row(self, y: int, row: Row, ratio: Series) -> None:
        middle = y + ROW_PX // 2
        self._text(MARGIN_PX, y + 8, f"{row.section}: {row.what}")
        self._draw.rectangle([(self._x(0), y + 8), (self._x(ratio.median), y + ROW_PX - 8)], fill=_BAR)
        spread = [(self._x(min(ratio.samples)), middle), (self._x(max(ratio.samples)), middle)]
        self._draw.line(spread, fill=_SPREAD, width=2)
        for goal in row.goals:
            if goal.on == "ratio" and goal.at_least is not None and goal.at_least <= self._axis_max:
                x = self._x(goal.at_least)
                self._draw.line([(x, y + 4), (x, y + ROW_PX - 4)], fill=_GOAL, width=3)
        self._text(self._x(self._axis_max) + 12, y + 8, f"{ratio.median:.2f} · {row.ours.median:,.0f} {row.ours.unit}")

    def _x(self, value: float) -> int:
        return MARGIN_PX + LABELS_PX + round(BARS_PX * min(value, self._axis_max) / self._axis_max)

    def _text(self, x: int, y: int, text: str) -> None:
        self._draw.text((x, y), text, fill=_INK, font=self._font)


def plot_curve(curve: Curve, path: Path) -> bool:
    """Write a PNG of the curve; x on a logarithmic axis. Return False where Pillow is not installed."""
    if importlib.util.find_spec("PIL") is None:
        return False
    canvas = importlib.import_module("PIL.Image").new("RGB", CURVE_PX, "white")
    _CurvePlot(canvas, curve).draw()
    canvas.save(path)
    return True


class _CurvePlot:
    """Draws one curve on one canvas."""

    def __init__(self, canvas: Any, curve: Curve) -> None:
        self._draw = importlib.import_module("PIL.ImageDraw").Draw(canvas)
        self._font = importlib.import_module("PIL.ImageFont").load_default(size=FONT_PX)
        self._curve = curve
        self._logs = [math.log(x) for x in curve.xs]
        self._y_max = max(max(values) for values in curve.lines.values()) * 1.1 or 1.0

    def draw(self) -> None:
        """Draw axes, lines and their names."""
        left, top, right, bottom = CURVE_MARGINS_PX
        width, height = CURVE_PX
        self._text(left, 8, f"{self._curve.name}: {self._curve.y} against {self._curve.x}")
        for step in range(GRID_LINES + 1):
            value = self._y_max * step / GRID_LINES
            y = self._y(value)
            self._draw.line([(left, y), (width - right, y)], fill=_GRID)
            self._text(6, y - 8, f"{value:,.0f}" if self._y_max >= GRID_LINES else f"{value:.2f}")
        free_from = 0
        for value, x in zip(self._curve.xs, map(self._x, self._logs), strict=True):
            if x >= free_from:
                self._text(x - 14, height - bottom + 10, f"{value:,.0f}")
                free_from = x + LABEL_PX
        for number, (name, values) in enumerate(self._curve.lines.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            points = [(self._x(log), self._y(value)) for log, value in zip(self._logs, values, strict=True)]
            self._draw.line(points, fill=colour, width=2)
            for x, y in points:
                self._draw.ellipse([(x - 3, y - 3), (x + 3, y + 3)], fill=colour)
            self._text(left + number * 160, top - 28, name, colour)

    def _x(self, log: float) -> int:
        left, _, right, _ = CURVE_MARGINS_PX
        span = self._logs[-1] - self._logs[0] or 1.0
        return left + round((CURVE_PX[0] - left - right) * (log - self._logs[0]) / span)

    def _y(self, value: float) -> int:
        _, top, _, bottom = CURVE_MARGINS_PX
        return CURVE_PX[1] - bottom - round((CURVE_PX[1] - top - bottom) * value / self._y_max)

    def _text(self, x: int, y: int, text: str, colour: str = _INK) -> None:
        self._draw.text((x, y), text, fill=colour, font=self._font)
