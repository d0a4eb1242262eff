"""What an `Accept-Language` header asks for. Knows no language that we have."""

import re
from collections.abc import Iterator

_RANGE = re.compile(r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)(?:\s*;\s*q=([01](?:\.[0-9]{0,3})?))?")
_RANGES_MAX = 20


def accepted_languages(header: str | None) -> Iterator[tuple[str, float]]:
    """Yield language range and weight (RFC 9110 section 12.5.4), in the header's order; what is no range is left."""
    for item in (header or "").split(",")[:_RANGES_MAX]:
        if found := _RANGE.fullmatch(item.strip()):
            yield found[1], float(found[2] or 1)
