"""The days of the form that asks how a credential stood on another one. Pure."""

import msgspec

_DAY_LENGTH = 10


class Days(msgspec.Struct, frozen=True):
    """What the form's two fields hold: days, as 2026-03-01, or nothing."""

    at: str = ""
    known_at: str = ""


def days_of(at: str | None, known_at: str | None) -> Days:
    """Return the days in which two moments lie, or which they are."""
    return Days(at=(at or "")[:_DAY_LENGTH], known_at=(known_at or "")[:_DAY_LENGTH])
