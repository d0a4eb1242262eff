"""Where a page of a list ends, as an opaque text that comes back as it went out. Knows no list."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from proto.canonical import DECODE_ERRORS
from services.edge.problems import parameter_problem

T = TypeVar("T")

CURSOR_CHARACTERS_MAX = 1024
_INT_MAX = 2**63 - 1
_AS_IS: Any = {"builtin_types": (datetime,)}


def encode_cursor(kind: str, position: Any) -> str:
    """Return `position` (anything msgspec encodes) as an URL-safe text; `kind` names the list that it belongs to.

    A cursor is not secret and grants nothing: it only says where to go on.
    """
    return base64.urlsafe_b64encode(msgspec.json.encode((kind, position))).rstrip(b"=").decode()


def decode_cursor(kind: str, text: str, of: type[T]) -> T:
    """Return the position in a cursor that `encode_cursor` made for the same `kind`.

    Raises `InvalidProblem` (member `parameter` is `cursor`) for any other text: altered, of another list, too long.
    """
    refusal = parameter_problem("cursor", "This cursor is not one that this list gave out; start without one")
    if len(text) > CURSOR_CHARACTERS_MAX or not text.isascii():
        raise refusal
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found, raw = msgspec.json.decode(data, type=tuple[str, msgspec.Raw])
        position = msgspec.json.decode(raw, type=of)
    except (binascii.Error, *DECODE_ERRORS) as error:
        raise refusal from error
    if found != kind or encode_cursor(kind, position) != text or not _is_kept(msgspec.to_builtins(position, **_AS_IS)):
        raise refusal
    return position


def _is_kept(value: Any) -> bool:
    """Tell whether a value is one that a database can hold: whoever makes a cursor writes what they like into it."""
    match value:
        case str():
            return "\0" not in value
        case int():
            return -_INT_MAX <= value <= _INT_MAX
        case datetime():
            return _is_in_calendar(value)
        case list() | tuple():
            return all(map(_is_kept, value))
        case dict():
            return all(map(_is_kept, value.values()))
        case _:
            return True


def _is_in_calendar(value: datetime) -> bool:
    """Tell whether a moment has a time in UTC: the calendar's first and last hours have none in some zones."""
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True
