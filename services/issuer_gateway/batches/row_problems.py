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
    shown = {cell.strip() for cell in cells}
    wanted = sorted((cell for cell in shown if cell and not is_no_day(cell)), key=len, reverse=True)
    fixed: dict[str, Any] = {name: document[name] for name in ("type", "title", "status", "code") if name in document}
    if _POINTER.match(document.get("pointer") or ""):
        fixed["pointer"] = document.get("pointer")
    return {name: fixed[name] if name in fixed else _masked(value, wanted) for name, value in document.items()}


def notes_without_cells(notes: Iterable[str], cells: Iterable[str]) -> tuple[str, ...]:
    """Return notes on a row in which what stood in its cells is masked."""
    return tuple(without_cells({"notes": list(notes)}, cells)["notes"])


def document_of(problem: Problem, content: bytes, *, is_csv: bool) -> dict[str, Any]:
    """Return the problem document that is answered and kept for a row of this content."""
    return without_cells(problem.document(), cells_of(content, is_csv=is_csv))


def _masked(value: Any, cells: list[str]) -> Any:
    if isinstance(value, str):
        return _masked_text(value, cells)
    if isinstance(value, dict):
        return without_cells(value, cells)
    if isinstance(value, list | tuple):
        return [_masked(item, cells) for item in value]
    return value


def _masked_text(text: str, cells: list[str]) -> str:
    def unquoted(match: re.Match[str]) -> str:
        inner = next(filter(None, match.groups()))
        return _PLACEHOLDER if any(inner in cell or inner in repr(cell) for cell in cells) else match[0]

    text = _QUOTED.sub(unquoted, text)
    for cell in cells:
        if len(cell) >= _SHORTEST and cell in text and not _CREDITS.match(cell):
            text = re.sub(rf"(?<!\w){re.escape(cell)}(?!\w)", _PLACEHOLDER, text)
    return text
