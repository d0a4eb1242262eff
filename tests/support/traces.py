"""Whether a text of an imported document left a trace: in what was read, or in the list of what had no place."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from proto.imports.imported import Imported
from proto.imports.ornaments import ascii_address
from proto.problem import InvalidProblem

MARK = "Qx7Zw"
"""What no document says otherwise; it is in ASCII, so that addresses keep it."""
Import = Callable[..., Imported]


def texts_of(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield the JSON pointer and the text of every text in decoded JSON."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from texts_of(member, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from texts_of(member, f"{pointer}/{place}")
    elif isinstance(value, str):
        yield pointer, value


def with_value(document: Any, pointer: str, change: Callable[[Any], Any]) -> Any:
    """Return a copy of a document whose value at a pointer is changed."""
    whole = [copy.deepcopy(document)]
    place: Any = whole
    key: Any = 0
    for step in pointer.split("/")[1:]:
        place = place[key]
        key = int(step) if isinstance(place, list) else step.replace("~1", "/").replace("~0", "~")
    place[key] = change(place[key])
    return whole[0]


def _is_said(text: str, said: str) -> bool:
    """Tell whether every word of a text was read; an address may be in ASCII."""
    words = [_escaped(word) for word in text.split() if any(map(str.isalnum, word))]
    return all(word in said for word in words) or _escaped(ascii_address(text)) in said


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


def untraced(document: Any, read: Import) -> list[str]:
    """Return pointers to the marked texts of a document that are neither in what was read nor in what had no place.

    A document that is refused loses nothing.
    """
    try:
        found = read(document, learner_ref="l-1")
    except InvalidProblem:
        return []
    said = json.dumps(msgspec.to_builtins([found.achievement, found.award, found.issuer]))
    listed = [*found.unmapped]
    return [
        pointer
        for pointer, text in texts_of(document)
        if MARK in text and not _is_said(text, said)
        if not any(pointer == each or pointer.startswith(f"{each}/") for each in listed)
    ]


def lost_by_one_change(document: Any, read: Import) -> list[str]:
    """Return pointers to texts that leave no trace where they are other than they were."""
    found = []
    for pointer, _ in texts_of(document):
        found += untraced(with_value(document, pointer, lambda text: text + MARK), read)
    return found
