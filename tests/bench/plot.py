"""The table as a picture: one bar per ratio, its least and greatest round, and the goal. Measures nothing."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.figures import Row, Series

LABELS_PX = 470
BARS_PX = 560
TEXT_PX = 330
MARGIN_PX = 24
ROW_PX = 34
FONT_PX = 15
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
