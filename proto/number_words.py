"""Numbers with their nouns in English, as commands and problem documents say them; pages have languages for that."""


def number_of(count: int, one: str, many: str = "") -> str:
    """Return a number and its noun: `1 link`, `2 links`; `many` is the noun with an s where it is left out."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def number_of_entries(count: int) -> str:
    """Return how many entries of a log: `1 entry`, `2 entries`."""
    return number_of(count, "entry", "entries")
