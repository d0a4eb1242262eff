"""Texts of others in files that a spreadsheet opens: none is taken for a formula. Knows no column."""

from typing import Final

_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula in a cell of CSV; spreadsheets of East Asia take the wide signs as well."""


def inert(text: str) -> str:
    """Return a text as a cell that no spreadsheet works out: what would be a formula has an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text
