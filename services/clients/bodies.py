"""Bodies of answers, read within bounds: whoever answers is not believed in how much there is. Knows no route."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from proto.problem import Problem

CHUNK_BYTES = 65_536


async def body_within(response: aiohttp.ClientResponse, bytes_max: int, *, refusal: Problem) -> bytes:
    """Return the whole body; raises `refusal` as soon as it is longer than so many bytes, and what the session does."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            raise refusal
    return bytes(body)


async def lines_within(
    response: aiohttp.ClientResponse, line_bytes_max: int, *, refusal: Problem
) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield the lines of a body as they come, without their ends, each with whether its end has come.

    Holds one line and one chunk at most; raises `refusal` for a line that is longer, and what the session does.
    """
    rest = b""
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if len(line) > line_bytes_max:
                raise refusal
            yield line, True
        if len(rest) > line_bytes_max:
            raise refusal
        await asyncio.sleep(0)  # who sends fast must not starve the other tasks
    if rest:
        yield rest, False
