"""Fetches the bytes of entries within bounds. Looks at nothing in them."""

import contextlib

from services.clients.log_client import LogAnswerProblem, LogClient


async def download(client: LogClient, start: int, end: int, *, bytes_max: int) -> list[bytes]:
    """Return the entries from `start` on, up to `end` or to about so many bytes, at least one.

    Raises what the client raises, and `LogAnswerProblem` where the log sends none.
    """
    lines: list[bytes] = []
    byte_count = 0
    async with contextlib.aclosing(client.entries(start, end)) as stream:
        async for line in stream:
            lines.append(line)
            byte_count += len(line)
            if len(lines) == end - start or byte_count > bytes_max:
                break
    if not lines:
        raise LogAnswerProblem(f"The log published more than {start} entries and sends none from there on")
    return lines
