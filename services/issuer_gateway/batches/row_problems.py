"""Why rows were refused, in words that quote nothing of them: what is kept of a refusal outlives a learner's erasure.

Knows no rule. The messages say which column is wrong and what it takes; what stood there is in the sender's own file.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from proto.documents.credential import Award
from proto.problem import Problem
from proto.tables.day_order import is_no_day

_PLACEHOLDER = "…"
_SHORTEST = 3
"""A cell of fewer characters is masked only where it is quoted: otherwise it is most often a part of our own words."""
_QUOTED = re.compile(r"""'([^']+)'|"([^"]+)"|`([^`]+)`""")
_OUR_MEMBERS = ("type", "title", "status", "code")
_BETWEEN = "\u241f"
"""Between cells, where it is asked whether any of them holds a text: it stands in none of our words."""
_CREDITS = re.compile(r"^\d{1,4}(\.\d{1,2})?$", re.ASCII)
_POINTER = re.compile(r"^(/[a-z0-9_]*)*$", re.ASCII)
_MEMBER_NAME = re.compile(r"^[a-z][a-zA-Z0-9_]{0,40}$", re.ASCII)


def cells_of(content: bytes, *, is_csv: bool) -> list[str]:
    """Return the texts that a record of a file holds: cells, or values of JSON and such keys as name no member."""
    text = content.decode("utf-8", "replace")
    try:
        if is_csv:
            return [cell for cells in csv.reader(io.StringIO(text, newline="")) for cell in cells]
        return list(_texts(json.loads(text)))
    except (csv.Error, ValueError, RecursionError):
        return re.split(r"[\s,;:\"'{}\[\]]+", text)


def texts_of(award: Award) -> list[str]:
    """Return the texts that an award holds."""
    return list(_texts(msgspec.to_builtins(award)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, member in value.items():
            if not _MEMBER_NAME.match(key):
                yield key
            yield from _texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def without_cells(document: dict[str, Any], cells: Iterable[str]) -> dict[str, Any]:
    """Return a problem document in which what stood in the row's cells is masked; days in no calendar are nobody's."""
    return _RowMask(cells, document).document(document)


def notes_without_cells(notes: Iterable[str], cells: Iterable[str]) -> tuple[str, ...]:
    """Return notes on a row in which what stood in its cells is masked."""
    return tuple(without_cells({"notes": list(notes)}, cells)["notes"])


def document_of(problem: Problem, content: bytes, *, is_csv: bool) -> dict[str, Any]:
    """Return the problem document that is answered and kept for a row of this content."""
    return without_cells(problem.document(), cells_of(content, is_csv=is_csv))


class _RowMask:
    """Masks in texts what a row holds; a row may have ten thousand cells, of which its problem quotes a few."""

    def __init__(self, cells: Iterable[str], document: dict[str, Any]) -> None:
        self._cells = sorted({cell.strip() for cell in cells} - {""}, key=len, reverse=True)
        self._quoted = [repr(cell) for cell in self._cells]
        self._all = _BETWEEN.join((*self._cells, *self._quoted))
        self._no_days: dict[str, bool] = {}
        said = "\n".join(_all_texts(document))
        self._named = [cell for cell in self._cells if len(cell) >= _SHORTEST and cell in said]

    def document(self, document: dict[str, Any]) -> dict[str, Any]:
        fixed: dict[str, Any] = {name: document[name] for name in _OUR_MEMBERS if name in document}
        if _POINTER.match(document.get("pointer") or ""):
            fixed["pointer"] = document.get("pointer")
        return {name: fixed[name] if name in fixed else self._masked(value) for name, value in document.items()}

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._masked_text(value)
        if isinstance(value, dict):
            return self.document(value)
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        return value

    def _masked_text(self, text: str) -> str:
        text = _QUOTED.sub(self._unquoted, text)
        for cell in self._named:
            if cell in text and not _CREDITS.match(cell) and not self._is_no_day(cell):
                text = re.sub(rf"(?<!\w){re.escape(cell)}(?!\w)", _PLACEHOLDER, text)
        return text

    def _unquoted(self, match: re.Match[str]) -> str:
        inner = next(filter(None, match.groups()))
        if inner not in self._all:
            return match[0]
        both = zip(self._cells, self._quoted, strict=True)
        is_of_row = any((inner in cell or inner in quoted) and not self._is_no_day(cell) for cell, quoted in both)
        return _PLACEHOLDER if is_of_row else match[0]

    def _is_no_day(self, cell: str) -> bool:
        """Tell it of a cell that is quoted, once for all that quote it."""
        known = self._no_days.get(cell)
        if known is None:
            known = self._no_days[cell] = is_no_day(cell)
        return known


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _all_texts(member)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _all_texts(item)
