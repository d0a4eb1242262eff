"""Limits of HTTP: prepared requests to a server that does nothing, sent by the load generator of all sections."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.crew import Crew, Measure
from tests.bench.limits.http_server import HOST
from tests.bench.load import Burst, fire, request

ROOT = Path(__file__).parents[3]
PER_SECOND_MAX = 60_000
START_TIMEOUT_S = 20.0
_OK = 200


class HttpLimits:
    """Measures against a running limit server."""

    def __init__(self, crew: Crew, port: int, *, seconds: float) -> None:
        self._crew = crew
        self._port = port
        self._seconds = seconds

    def get_json(self, connections: int) -> Measure:
        """Return a measure of GETs per second, each answered with a kilobyte of JSON."""
        return self._measure(request("GET", "/json"), connections)

    def post_envelope(self, body: bytes, connections: int) -> Measure:
        """Return a measure of POSTs per second of one envelope, decoded to its record."""
        return self._measure(request("POST", "/envelope", body), connections)

    def post_any(self, body: bytes, connections: int) -> Measure:
        """Return a measure of POSTs per second of this JSON, decoded and answered with a kilobyte."""
        return self._measure(request("POST", "/any", body), connections)

    def _measure(self, sent: bytes, connections: int) -> Measure:
        requests = [sent] * round(PER_SECOND_MAX * self._seconds)

        async def measure(_round: int) -> float:
            burst = Burst(host=HOST, port=self._port, requests=requests, connections=connections, seconds=self._seconds)
            outcome = await self._crew.run(fire, burst)
            outcome.check(status=_OK)
            return outcome.per_second

        return measure


@asynccontextmanager
async def http_limits(crew: Crew, *, seconds: float) -> AsyncIterator[HttpLimits]:
    """Run the limit server as a process of its own while the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.limits.http_server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,  # Ctrl-C is for us; it ends when its input does
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            port = int(await process.stdout.readline())
        yield HttpLimits(crew, port, seconds=seconds)
    finally:
        process.stdin.close()
        await process.wait()
