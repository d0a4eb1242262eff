"""Fetches the bytes of entries within bounds. Looks at nothing in them."""

import contextlib

from services.clients.log_client import LogAnswerProblem, LogClient
from services.follow.interface import CHUNK_BYTES_MAX


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


class Downloads:
    """Fetches the entries of one log in turns, each of so many bytes (`CHUNK_BYTES_MAX` at most) and one entry more.

    It asks for as many as fit if they are as large as the last were, so that the log reads no more than is taken, and
    the connection is whole afterwards.
    """

    def __init__(self, client: LogClient, *, bytes_max: int) -> None:
        self._client = client
        self._bytes_max = min(bytes_max, CHUNK_BYTES_MAX)
        self._entry_bytes = 1

    async def next(self, start: int, end: int) -> list[bytes]:
        """Return entries from `start` on, up to `end` at most, at least one; raises what `download` raises."""
        likely = start + self._bytes_max // self._entry_bytes + 1
        lines = await download(self._client, start, min(end, likely), bytes_max=self._bytes_max)
        self._entry_bytes = max(1, sum(map(len, lines)) // len(lines))
        return lines
