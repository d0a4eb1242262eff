"""How stores look up which URI prefixes overlap, by keys alone. Knows no SQL and no rule."""

AFTER_URIS = "\x7f"
"""Comes after every character of a URI: what begins with a prefix lies between it and it with this behind."""


def beginnings(prefix: str) -> list[str]:
    """Return a prefix and every other one that it begins with; as prefixes end in `/`, these are few."""
    return [prefix[: at + 1] for at, character in enumerate(prefix) if character == "/"]
