"""A stack as it is drawn: a tree from left to right, and a bar of its credits. Pure geometry, in units of an SVG."""

from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import unquote

import msgspec

from proto.visible_text import within_sentence
from proto.wire.verifier import Result, ShownState, StackNode

LEAVES_DRAWN_MAX = 40
"""A wider tree is a list only."""
PARTS_LISTED_MAX = 12
"""More are folded away: those that fell away stand before them."""
_LABELLED_MIN = 4.0
"""A narrower stretch of the bar, in per cent, has no room for its number."""
BOX_WIDTH, BOX_HEIGHT = 76, 34
_COLUMN, _ROW = 104, 44
Share = Literal["holds", "fallen", "unsure"]
_FALLEN: frozenset[ShownState] = frozenset({"revoked", "void", "suspended", "expired", "not_yet_valid"})
_SIGNS: dict[ShownState, Result] = {"active": "valid", "unknown": "unknown"}


class DrawnPart(msgspec.Struct, frozen=True, kw_only=True):
    """One box: where it is, the number that it has in the list beside, and a line to it from what it is part of."""

    x: int
    y: int
    number: str
    sign: Result
    ects_hundredths: int
    line: str = ""


class DrawnTree(msgspec.Struct, frozen=True, kw_only=True):
    """All boxes, and how much room they take."""

    width: int
    height: int
    parts: tuple[DrawnPart, ...]


class BarShare(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the bar, in per cent of its length; `label` is the number of the part that begins with it."""

    start: float
    width: float
    share: Share
    label: str


def name_of_achievement(uri: str) -> str:
    """Return the name at the end of an achievement's address, or the whole of what is no address."""
    # By hand: the library refuses some addresses that may stand on a log, such as `https://[x/a`.
    scheme, mark, rest = uri.partition("#")[0].partition("?")[0].partition(":")
    path = rest.removeprefix("//").partition("/")[2] if rest.startswith("//") else rest if mark else scheme
    return within_sentence(unquote(path.rstrip("/").rpartition("/")[2])).strip() or uri


def count_of(stack: StackNode) -> int:
    """Return how many parts a stack has in all, those of its parts among them."""
    return sum(1 + count_of(part) for part in stack.parts)


def fallen_in(stack: StackNode, number: str = "") -> Iterator[tuple[str, StackNode]]:
    """Yield each part that does not hold by itself, with the number that it has in the list; nothing below it."""
    for place, part in enumerate(stack.parts, 1):
        below = f"{number}.{place}" if number else str(place)
        if part.state in _FALLEN:
            yield below, part
        else:
            yield from fallen_in(part, below)


def tree_of(stack: StackNode) -> DrawnTree | None:
    """Return where to draw what; None where there are too many parts to be seen."""
    rows = _leaves(stack)
    if rows > LEAVES_DRAWN_MAX:
        return None
    parts = tuple(_placed(stack, "", 0, 0, None))
    return DrawnTree(
        width=max(part.x for part in parts) + BOX_WIDTH + 2, height=rows * _ROW - (_ROW - BOX_HEIGHT) + 2, parts=parts
    )


def bar_of(stack: StackNode) -> tuple[BarShare, ...]:
    """Return the credits of each part side by side: what of them holds, and what fell away or is not known."""
    whole = sum(part.ects_hundredths for part in stack.parts)
    return tuple(_shares(stack.parts, whole)) if whole else ()


def _shares(parts: Sequence[StackNode], whole: int) -> Iterator[BarShare]:
    start = 0.0
    for number, part in enumerate(parts, 1):
        remaining = min(part.ects_hundredths_remaining, part.ects_hundredths)
        label = str(number)
        open_: Share = "unsure" if part.state == "unknown" else "holds"
        for credits_, share in ((remaining, open_), (part.ects_hundredths - remaining, "fallen")):
            if credits_:
                width = round(credits_ / whole * 100, 2)
                shown = label if width >= _LABELLED_MIN else ""
                yield BarShare(start=round(start, 2), width=width, share=share, label=shown)
                start, label = start + width, ""


def _leaves(node: StackNode) -> int:
    return sum(map(_leaves, node.parts)) or 1


def _placed(node: StackNode, number: str, column: int, row: int, parent: tuple[int, int] | None) -> Iterator[DrawnPart]:
    """Yield a node and all below it; a node stands in the middle of its own rows."""
    x, y = column * _COLUMN + 1, row * _ROW + (_leaves(node) - 1) * _ROW // 2 + 1
    middle = y + BOX_HEIGHT // 2
    line = "" if parent is None else f"M{parent[0]} {parent[1]}H{x - 14}V{middle}H{x}"
    yield DrawnPart(
        x=x,
        y=y,
        number=number,
        sign=_SIGNS.get(node.state, "invalid"),
        ects_hundredths=node.ects_hundredths_remaining,
        line=line,
    )
    for place, part in enumerate(node.parts, 1):
        below = f"{number}.{place}" if number else str(place)
        yield from _placed(part, below, column + 1, row, (x + BOX_WIDTH, middle))
        row += _leaves(part)
