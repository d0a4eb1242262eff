"""The media type that a Content-Type header names: aiohttp's own reading takes seconds for one full of semicolons."""

import aiohttp
from aiohttp import web

UNNAMED = "application/octet-stream"
"""What a body is whose header is missing (RFC 9110 section 8.3)."""


def media_type_of(message: web.BaseRequest | aiohttp.ClientResponse) -> str:
    """Return type and subtype in small letters, without parameters, of a request or a response."""
    return message.headers.get("Content-Type", UNNAMED).partition(";")[0].strip().lower()
