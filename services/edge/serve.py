"""Runs an application on a socket: starts, says where it listens, stops without cutting anybody off. Knows no route."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
from aiohttp import web

from services.edge.app import CONFIG, CONNECTIONS, LOG
from services.edge.connections import Connection, ConnectionLimits, descriptors
from services.edge.log import Log
from services.edge.operations import STOPPING
from services.edge.service_manager import service_manager
from services.edge.sockets import bound_sockets

BACKLOG = 4096
"""Connections that wait to be accepted, where the kernel allows it. Whoever finds no room asks again a second later."""
ACCEPTED_PER_TURN = 32
"""Connections that are accepted in one turn of the loop. libuv accepts one for each descriptor, so hundreds that come
together would wait for as many turns, whoever comes behind them for all: each socket is listened on by copies."""
LINE_BYTES_MAX = 32_768
"""How long a request line or a header may be: our longest query, where each character takes twelve bytes, fits in."""
LINGERING_SECONDS = 2.0  # for what a refused client still sends: closing at once would lose it the answer


class Address(msgspec.Struct, frozen=True):
    """Where an application listens; the port is the real one where 0 was asked for."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The base URL, without a final slash."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


class _LogHandler(logging.Handler):
    """Makes what the HTTP server says of broken connections and requests one line of our log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's unfilled sentence: the values filled in are addresses and what a stranger sent."""
        error = record.exc_info[1] if record.exc_info else None
        self._log.warning("http_server", words=str(record.msg), error=type(error).__qualname__ if error else None)


@contextlib.asynccontextmanager
async def listening(
    app: web.Application, *, host: str, port: int, reuse_port: bool = False, drain_seconds: float = 0.0
) -> AsyncIterator[Address]:
    """Run `app` on a socket while the block runs, and yield where; raises `ListenFault` where it cannot listen.

    `host` may be several addresses, divided by commas; the first is the one that is yielded. On leaving: no new
    connections, `/readyz` says no, long polls are told (`STOPPING`), every answer says that the connection will be
    closed, idle connections are kept for `drain_seconds` to be told so, running requests have
    `shutdown_timeout_seconds` to finish, then the app's `cleanup_ctx` run.
    """
    log = app[LOG]
    limits = ConnectionLimits.of(app[CONFIG], descriptors())
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=app[CONFIG].shutdown_timeout_seconds, handle_signals=False
    )
    try:
        await runner.setup()  # what has started when a later part cannot is stopped below
        with bound_sockets(host, port, reuse_port=reuse_port) as sockets, _copied(sockets) as copies:
            servers = await _accepting(app, runner, copies, limits)
            try:
                bound = sockets[0].getsockname()
                yield Address(host=bound[0], port=bound[1])
            finally:
                app[STOPPING].set()
                for server in servers:
                    server.close()
        await app[CONNECTIONS].drained(drain_seconds)
    finally:
        app[STOPPING].set()
        await runner.cleanup()
        log.flush()


@contextlib.contextmanager
def _copied(sockets: list[socket.socket]) -> Iterator[list[socket.socket]]:
    """Yield descriptors of the same sockets, `ACCEPTED_PER_TURN` in all."""
    with contextlib.ExitStack() as opened:
        yield [
            opened.enter_context(each.dup()) for each in sockets for _ in range(-(-ACCEPTED_PER_TURN // len(sockets)))
        ]


async def _accepting(
    app: web.Application, runner: web.AppRunner, sockets: list[socket.socket], limits: ConnectionLimits
) -> list[asyncio.Server]:
    """Accept connections on all of these sockets."""
    loop, server = asyncio.get_running_loop(), runner.server
    assert server is not None, "the runner is set up"
    logger = logging.Logger("services.edge.server")  # noqa: LOG001 - one for each app, outside the global tree
    logger.addHandler(_LogHandler(app[LOG]))
    settings: dict[str, Any] = {
        "access_log": None,
        "logger": logger,
        "lingering_time": LINGERING_SECONDS,
        "max_line_size": LINE_BYTES_MAX,
    }

    def connection() -> Connection:
        return Connection(server, app[CONNECTIONS], limits, loop=loop, **settings)

    return [await loop.create_server(connection, sock=each, backlog=BACKLOG) for each in sockets]


async def serve(
    app: web.Application,
    *,
    host: str,
    port: int,
    stop: asyncio.Event | None = None,
    on_started: Callable[[Address], None] | None = None,
    reuse_port: bool = False,
) -> None:
    """Run `app` until `stop` is set or, where no `stop` is given, until SIGINT or SIGTERM; then stop gracefully.

    Told to stop while it starts, it starts no further. `on_started` is called once it listens. Raises `ListenFault`
    where it cannot. The caller chooses the event loop.
    """
    ending, loop = stop or asyncio.Event(), asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _say_unhandled(app[LOG], context))
    async with contextlib.AsyncExitStack() as stack:
        if stop is None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, ending.set)
                stack.callback(loop.remove_signal_handler, number)
        try:
            async with asyncio.timeout(None) as starting:
                watching = loop.create_task(_end_at(ending, starting))
                stack.callback(watching.cancel)
                running = listening(
                    app, host=host, port=port, reuse_port=reuse_port, drain_seconds=app[CONFIG].drain_seconds
                )
                address = await stack.enter_async_context(running)
        except TimeoutError:
            if not starting.expired():
                raise
            app[LOG].event("stopped_while_starting")
            app[LOG].flush()
            return
        watching.cancel()
        app[LOG].event("started", host=address.host, port=address.port)
        if on_started is not None:
            on_started(address)
        async with service_manager().told():
            await ending.wait()
        app[LOG].event("stopping")


async def _end_at(ending: asyncio.Event, starting: asyncio.Timeout) -> None:
    """Let what starts come to its end as soon as the service is told to stop."""
    await ending.wait()
    starting.reschedule(asyncio.get_running_loop().time())


def _say_unhandled(log: Log, context: dict[str, Any]) -> None:
    """Write what a task or a callback raised that nobody waited for; by itself it would go to standard error."""
    error = context.get("exception")
    log.failure("unhandled", error if isinstance(error, BaseException) else None, words=str(context.get("message")))
