"""Records as SQLite holds them: read with one error for whatever is wrong with them; what a file of them raises."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import msgspec

_T = TypeVar("_T")
SQLITE_ERRORS = (OSError, sqlite3.Error)
"""All that a statement, or a file, of SQLite raises where the file, or the disk under it, fails."""


def record(decode: Callable[[bytes], _T], stored: bytes) -> _T:
    """Return what stored bytes hold; raises `msgspec.DecodeError` for whatever is wrong with them, bad UTF-8 too."""
    try:
        return decode(stored)
    except (UnicodeDecodeError, TypeError, RecursionError) as error:
        raise msgspec.DecodeError(f"a stored record is damaged: {error}") from error
