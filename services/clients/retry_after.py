"""When a server says that it may be asked again, the one way in which it is read. Knows no client and no route."""

from collections.abc import Mapping

HEADER = "Retry-After"


def asked_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the whole seconds of `Retry-After` (RFC 9110 section 10.2.3), or None: the form with a date is not read.

    A date would be told by the other machine's clock.
    """
    text = headers.get(HEADER, "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) <= len("100000000") else None
