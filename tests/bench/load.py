"""A load generator: keep-alive connections that send prepared requests as fast as they are answered. Runs in a worker.

It speaks just enough HTTP/1.1 for loopback: the client of a benchmark shares two cores with what it measures, and a
full client library would cost more than the server that answers it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import cast

import msgspec
import uvloop

BURST_TIMEOUT_S = 120.0
_HEAD_END = b"\r\n\r\n"
_CHUNKS_END = b"0\r\n\r\n"


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: whole requests over so many connections, until all are sent or the time is over.

    `marker` is counted in the bodies of the answers. What was sent in time is waited for, and counts.
    """

    host: str
    port: int
    requests: list[bytes]
    connections: int
    seconds: float
    marker: bytes = b""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a burst: seconds from the first request to the last answer, and how each was answered."""

    seconds: float
    latencies_ms: list[float]
    statuses: dict[int, int]
    markers: int
    first_refusal: bytes

    @property
    def count(self) -> int:
        """How many requests were sent and answered."""
        return len(self.latencies_ms)

    @property
    def per_second(self) -> float:
        """Answers per second over the burst."""
        return self.count / self.seconds

    def check(self, *, status: int, markers: int | None = None) -> None:
        """Raise `LoadError` unless every answer had this status (and all of them together so many markers)."""
        if set(self.statuses) != {status} or (markers is not None and markers != self.markers):
            said = self.first_refusal[:600].decode("utf-8", "replace")
            raise LoadError(f"answers {self.statuses}, {self.markers} of {markers} markers; the first refusal: {said}")


class LoadError(Exception):
    """The service answered something else than what is measured."""


def request(method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of one request to a service on this machine."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def fire(burst: Burst) -> Outcome:
    """Send every request of a burst and return its outcome; blocks until all are answered."""
    return uvloop.run(_fire(burst))


class _Tally:
    """What all connections of a burst write into; `done` is set when every one of them has nothing left to send."""

    def __init__(self, burst: Burst) -> None:
        self.requests: Iterator[bytes] = iter(burst.requests)
        self.marker = burst.marker
        self.deadline = 0.0
        self.latencies_ms: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.markers = 0
        self.first_refusal = b""
        self.open_count = burst.connections
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answered(self, status: int, answer: bytes, seconds: float) -> None:
        self.latencies_ms.append(seconds * 1000)
        self.statuses[status] += 1
        found = answer.count(self.marker) if self.marker else 0
        self.markers += found
        if not self.first_refusal and (status >= 300 or (self.marker and not found)):
            self.first_refusal = answer

    def finished(self) -> None:
        self.open_count -= 1
        if not self.open_count and not self.done.done():
            self.done.set_result(None)

    def failed(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class _Connection(asyncio.Protocol):
    """One connection: sends a request, waits for its whole answer, sends the next."""

    def __init__(self, tally: _Tally) -> None:
        self._tally = tally
        self._received = b""
        self._sent_at = 0.0
        self._is_finished = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, which only looks like one

    def send_next(self) -> None:
        self._sent_at = time.perf_counter()
        data = next(self._tally.requests, None) if self._sent_at < self._tally.deadline else None
        if data is None:
            self._is_finished = True
            self._transport.close()
            self._tally.finished()
            return
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if not _is_whole(self._received):
            return
        answer, self._received = self._received, b""
        self._tally.answered(int(answer[9:12]), answer, time.perf_counter() - self._sent_at)
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_finished:
            self._tally.failed(exc or LoadError("the service closed a connection before it had answered"))


def _is_whole(received: bytes) -> bool:
    """Tell whether the one answer that is under way has come completely."""
    end = received.find(_HEAD_END)
    if end < 0:
        return False
    head = received[:end].lower()
    at = head.find(b"content-length:")
    if at < 0:
        return b"transfer-encoding:" not in head or received.endswith(_CHUNKS_END)
    return len(received) >= end + len(_HEAD_END) + int(head[at + 15 :].split(b"\r\n", 1)[0])


async def _fire(burst: Burst) -> Outcome:
    loop = asyncio.get_running_loop()
    tally = _Tally(burst)
    connections = []
    for _ in range(burst.connections):
        _, connection = await loop.create_connection(lambda: _Connection(tally), burst.host, burst.port)
        connections.append(connection)
    started = time.perf_counter()
    tally.deadline = started + burst.seconds
    for connection in connections:
        connection.send_next()
    async with asyncio.timeout(BURST_TIMEOUT_S):
        await tally.done
    return Outcome(
        seconds=time.perf_counter() - started,
        latencies_ms=tally.latencies_ms,
        statuses=dict(tally.statuses),
        markers=tally.markers,
        first_refusal=tally.first_refusal,
    )
