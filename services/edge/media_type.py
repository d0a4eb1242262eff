"""The media types that Content-Type and Accept headers name.

aiohttp's own reading of a Content-Type takes seconds for one that is full of semicolons.
"""

from collections.abc import Sequence

import aiohttp
from aiohttp import web

UNNAMED = "application/octet-stream"
"""What a body is whose header is missing (RFC 9110 section 8.3)."""


def media_type_of(message: web.BaseRequest | aiohttp.ClientResponse) -> str:
    """Return type and subtype in small letters, without parameters, of a request or a response."""
    return message.headers.get("Content-Type", UNNAMED).partition(";")[0].strip().lower()


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Return which of the offered media types an Accept header asks for most (RFC 9110 section 12.5.1).

    Of those that are asked for alike, it is what the header names first; where it names none, the first offered.
    """
    asked = [_range(item) for item in accept.lower().split(",")]
    named = {name: (quality, -place) for place, (name, quality) in reversed([*enumerate(asked)])}
    last = -len(asked)

    def rank(offer: str) -> tuple[float, int]:
        if offer in named:
            return named[offer]
        ranges = (f"{offer.partition('/')[0]}/*", "*/*")
        return next((named[each][0] for each in ranges if each in named), 0.0), last

    return max(offered, key=rank)


def _range(item: str) -> tuple[str, float]:
    """Return a media range and its quality; what is no number counts as 1."""
    name, *parameters = item.split(";")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name.strip(), min(1.0, max(0.0, float(value)))
            except ValueError:
                break
    return name.strip(), 1.0
