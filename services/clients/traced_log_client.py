"""The ledger's client with a span around each request. Used only where traces are on."""

from collections.abc import AsyncGenerator, Mapping

import aiohttp

from services.clients.log_client import ANSWER_BYTES_MAX, TIMEOUT_SECONDS, LogClient
from services.tracing import Tracing


class TracedLogClient(LogClient):
    """Asks as `LogClient` does; the ledger is told of which span it is, and answers as a part of the same trace."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, tracing: Tracing, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        super().__init__(session, url, timeout_seconds=timeout_seconds)
        self._tracing = tracing

    async def entries(self, start: int, end: int) -> AsyncGenerator[bytes]:
        """Yield as `LogClient.entries`."""
        with self._tracing.span("log GET entries", kind="client") as found:
            count = 0
            async for line in super().entries(start, end):
                count += 1
                yield line
            found["credentify.entries"] = count

    async def _get(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        bytes_max: int = ANSWER_BYTES_MAX,
        timeout_seconds: float | None = None,
    ) -> bytes:
        with self._tracing.span(f"log GET {_word(path)}", kind="client"):
            return await super()._get(path, query=query, bytes_max=bytes_max, timeout_seconds=timeout_seconds)

    async def _post(self, path: str, body: bytes, *, media_type: str = "application/json") -> bytes:
        with self._tracing.span(f"log POST {_word(path)}", kind="client"):
            return await super()._post(path, body, media_type=media_type)


def _word(path: str) -> str:
    """Return what a path begins with, which is a word of ours; what follows may be an id."""
    return path.removeprefix("/v1").split("/", 2)[1]


def log_client(
    session: aiohttp.ClientSession, url: str, tracing: Tracing | None, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> LogClient:
    """Return a client of the log, with spans where there are traces."""
    if tracing is None:
        return LogClient(session, url, timeout_seconds=timeout_seconds)
    return TracedLogClient(session, url, tracing, timeout_seconds=timeout_seconds)
