"""Connections of strangers, counted and timed: how many there may be, of each address too, and how long one may idle.

Knows the protocol's connections and no request; what a request may do is bounded where it is read.
"""

import asyncio
import resource
from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import StreamReader, web
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from services.edge.address import TrustedProxies, rate_key
from services.edge.config import EdgeConfig
from services.edge.log import Log
from services.edge.problems import ListenFault

DESCRIPTORS_MIN = 512
DESCRIPTORS_WANTED = 8_192
DESCRIPTORS_KEPT = 192
"""For files, the database, other services: never given to connections."""
HEAD_BYTES_MAX = 65_536
CHUNK_OVERHEAD_BYTES_MAX = 1_048_576
CHUNK_OVERHEAD_TIMES = 16
"""A body in chunks may take so many bytes on the wire for each of its own, and the first besides: chunks of one byte
need six, extensions and trailers without end know no bound."""
PIPELINED_MAX = 4
"""Requests of one connection that wait behind the one being answered; more are not read yet."""
LOG_PAUSE_SECONDS = 60.0
_ADDRESS, _FULL = "address", "full"
_HEADER, _CHUNKS, _UNREAD, _CROWDED, _HALF_CLOSED = "header", "chunks", "unread", "crowded", "half_closed"
_ANSWERS = {
    _ADDRESS: b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    _FULL: b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
}
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_HEAD_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def descriptors() -> int:
    """Return how many files and connections this process may have open, after raising that as far as it is allowed.

    Raises `ListenFault` where that is fewer than a service needs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(DESCRIPTORS_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft != resource.RLIM_INFINITY and soft < DESCRIPTORS_MIN:
        raise ListenFault(
            f"This process may have {soft} files and connections open, and needs {DESCRIPTORS_MIN}: allow it more "
            "(`ulimit -n 8192`; LimitNOFILE of systemd; `ulimits` of a container)"
        )
    return DESCRIPTORS_WANTED if soft == resource.RLIM_INFINITY else soft


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections there may be, and how many seconds each may take for what."""

    connections_max: int
    per_address_max: int
    header_seconds: float
    idle_seconds: float
    unread_seconds: float

    @classmethod
    def of(cls, config: EdgeConfig, descriptor_count: int) -> "ConnectionLimits":
        """Return what is configured, within what the system allows this process."""
        possible = max(1, descriptor_count - DESCRIPTORS_KEPT)
        return cls(
            connections_max=min(config.connections_max, possible),
            per_address_max=config.connections_per_address_max,
            header_seconds=config.header_timeout_seconds,
            idle_seconds=config.idle_timeout_seconds,
            unread_seconds=config.unread_timeout_seconds,
        )


class Connections(Collector):
    """All connections of one app, by address: admits them, makes room among the idle ones, counts what it refuses."""

    def __init__(self, *, log: Log, proxies: TrustedProxies) -> None:
        self.refused = dict.fromkeys((_ADDRESS, _FULL), 0)
        self.cut = dict.fromkeys((_HEADER, _CHUNKS, _UNREAD, _CROWDED, _HALF_CLOSED), 0)
        self._log = log
        self._proxies = proxies
        self._by_key: dict[str, dict[Connection, None]] = {}
        self._open_count = 0
        self._changed = asyncio.Event()
        self._say_at = 0.0
        self._said_count = 0

    def __len__(self) -> int:
        return self._open_count

    def admit(self, connection: "Connection", peer: str, limits: ConnectionLimits) -> str | None:
        """Count a new connection and return None, or why it is refused."""
        key = peer if self._proxies.is_trusted(peer) else rate_key(peer)
        own = self._by_key.get(key, {})
        if len(own) >= limits.per_address_max and key and not self._proxies.is_trusted(peer):
            return self._refuse(_ADDRESS)
        if self._open_count >= limits.connections_max and not self._make_room():
            return self._refuse(_FULL)
        self._by_key.setdefault(key, own)[connection] = None
        connection.key = key
        self._open_count += 1
        return None

    def leave(self, connection: "Connection") -> None:
        """Count a connection no more; one that is not counted is passed over."""
        own = self._by_key.get(connection.key)
        if own is None or connection not in own:
            return
        del own[connection]
        if not own:
            del self._by_key[connection.key]
        self._open_count -= 1
        self._changed.set()

    async def drained(self, seconds: float) -> None:
        """Return when no connection is left, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while self._open_count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    def _make_room(self) -> bool:
        """Close the connection that idles longest, of the address that has the most of them."""
        largest = max(self._by_key.values(), key=len)
        idle = next((connection for connection in largest if connection.is_idle), None)
        if idle is None:
            return False
        self.leave(idle)
        idle.force_close()
        self.cut[_CROWDED] += 1
        self._say(_CROWDED)
        return True

    def _refuse(self, reason: str) -> str:
        self.refused[reason] += 1
        self._say(reason)
        return reason

    def _say(self, reason: str) -> None:
        """Write that there are too many connections: at once, then no more often than `LOG_PAUSE_SECONDS`."""
        now = asyncio.get_running_loop().time()
        if now < self._say_at:
            return
        self._say_at = now + LOG_PAUSE_SECONDS
        count = sum(self.refused.values()) + self.cut[_CROWDED]
        self._log.warning(
            "too_many_connections", reason=reason, connections=self._open_count, closed_since=count - self._said_count
        )
        self._said_count = count

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield GaugeMetricFamily(
            "credentify_http_connections",
            "Connections open now. Near the configured bound means that new ones are refused, or idle ones closed.",
            self._open_count,
        )
        refused = CounterMetricFamily(
            "credentify_http_connections_refused",
            "Connections refused, because one address has too many (`address`) or all have (`full`). A rise is an "
            "attack, or a reverse proxy that is not in the trusted proxies.",
            labels=("reason",),
        )
        cut = CounterMetricFamily(
            "credentify_http_connections_cut",
            "Connections closed because a request's head came too slowly or is too large (`header`), its chunks held "
            "little but extensions (`chunks`), an answer was not read (`unread`), idle ones had to make room "
            "(`crowded`), or a client that had closed its own side waited too long for an answer (`half_closed`).",
            labels=("reason",),
        )
        for family, counts in ((refused, self.refused), (cut, self.cut)):
            for reason, count in counts.items():
                family.add_metric([reason], count)
            yield family


class Connection(web.RequestHandler):
    """One connection: counted, and closed where its client neither asks in time nor reads what it asked for.

    A client may close its own side once it has asked (RFC 9112 section 9.6): it gets its answers, then the connection
    is closed. One that has gone for good looks the same until something is written to it, so that wait is bounded.
    """

    __slots__ = (
        "_answered_count",
        "_body",
        "_connections",
        "_half_closed_timer",
        "_head_bytes",
        "_head_timer",
        "_is_admitted",
        "_is_half_closed",
        "_limits",
        "_unread_timer",
        "_wire_bytes",
        "key",
    )

    def __init__(self, server: web.Server, connections: Connections, limits: ConnectionLimits, **settings: Any) -> None:
        super().__init__(
            server, keepalive_timeout=limits.idle_seconds, auto_decompress=False, **settings
        )  # no route takes compressed bodies: one that is refused must not be unpacked while it is drained
        self.key = ""
        self._connections = connections
        self._limits = limits
        self._is_admitted = False
        self._is_half_closed = False
        self._answered_count = 0
        self._head_bytes = self._wire_bytes = 0
        self._half_closed_timer: asyncio.TimerHandle | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._body: StreamReader | None = None
        # aiohttp has no setting for how many requests of a connection wait: these two private fields are its bound.
        # What else of it is read here stands in tests/unit/test_edge_aiohttp.py, which fails where aiohttp changes it.
        self._max_msg_queue_size = PIPELINED_MAX
        self._msg_queue_resume_size = PIPELINED_MAX // 2

    @property
    def is_idle(self) -> bool:
        """Whether every request that came has been answered."""
        return self._request_count == self._answered_count

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, or answer and close it."""
        peer = transport.get_extra_info("peername")
        refusal = self._connections.admit(self, peer[0] if isinstance(peer, tuple) else "", self._limits)
        if refusal is None:
            self._is_admitted = True
            super().connection_made(transport)
            self._await_head()
            return
        assert isinstance(transport, asyncio.Transport)
        transport.write(_ANSWERS[refusal])
        transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what came; a request's head is bounded in bytes and time, whatever stood before it."""
        if not self._is_admitted:
            return
        is_head = self._body is None or self._body.is_eof()
        count = self._request_count
        super().data_received(data)
        if self._request_count != count:
            self._body = self._messages[-1][1] if self._messages else None
            self._head_bytes = self._wire_bytes = 0
            self._forget_head()
        elif is_head and data:
            self._head_bytes += len(data)
            self._await_head()
            if self._head_bytes > HEAD_BYTES_MAX:
                self._cut_head(_HEAD_TOO_LARGE)
        elif self._body is not None:
            self._wire_bytes += len(data)
            if self._wire_bytes > CHUNK_OVERHEAD_BYTES_MAX + CHUNK_OVERHEAD_TIMES * self._body.total_bytes:
                self._connections.cut[_CHUNKS] += 1
                self.force_close()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for a bool, aiohttp promises it None
        """Tell whether to stay open for answers that are still to come; a body that is cut short is said to its route.

        May be called more than once: who reads on finds the end again.
        """
        if not self._is_admitted or self.is_idle:
            return False
        if not self._is_half_closed:
            self._is_half_closed = True
            self._forget_head()
            if self._body is not None and not self._body.is_eof():
                self._body.set_exception(web.RequestPayloadError("The client closed its side within the body"))
            self._await_answers()
        return True

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send one answer; the last one to a client that has closed its side ends the connection."""
        if self._is_half_closed and not self._messages:
            resp.force_close()
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._answered_count += 1
            if self._is_half_closed and self.is_idle:  # it may have closed its side while this was written
                self.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count the connection no more."""
        if not self._is_admitted:
            return
        self._connections.leave(self)
        self._forget_head()
        self._forget_unread()
        if self._half_closed_timer is not None:
            self._half_closed_timer.cancel()
            self._half_closed_timer = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client its time to read what was written."""
        super().pause_writing()
        if self._unread_timer is None:
            self._unread_timer = self._loop.call_later(self._limits.unread_seconds, self._cut_unread)

    def resume_writing(self) -> None:
        """See that the client reads."""
        super().resume_writing()
        self._forget_unread()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._limits.header_seconds, self._cut_head, _HEAD_TOO_SLOW)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _forget_unread(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _await_answers(self, written: tuple[int, int] | None = None) -> None:
        """Cut off a client that has closed its side once nothing was written to it for as long as one may idle."""
        request = self._current_request
        now = self._answered_count, request.writer.output_size if request is not None else 0
        if now == written:
            self._connections.cut[_HALF_CLOSED] += 1
            self.force_close()
            return
        self._half_closed_timer = self._loop.call_later(self._limits.idle_seconds, self._await_answers, now)

    def _cut_head(self, answer: bytes) -> None:
        self._head_timer = None
        self._connections.cut[_HEADER] += 1
        if self.transport is not None and self.is_idle:
            self.transport.write(answer)
        self.force_close()

    def _cut_unread(self) -> None:
        self._unread_timer = None
        self._connections.cut[_UNREAD] += 1
        if self.transport is not None:
            self.transport.abort()
