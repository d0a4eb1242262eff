"""Where a page of a list ends, as an opaque text that comes back as it went out. Knows no list."""

import base64
import binascii
from typing import Any, TypeVar

import msgspec

from proto.canonical import DECODE_ERRORS
from services.edge.problems import parameter_problem

T = TypeVar("T")

CURSOR_CHARACTERS_MAX = 1024


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
    if found != kind or encode_cursor(kind, position) != text:
        raise refusal
    return position
