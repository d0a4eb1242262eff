"""Runs an application on a socket: starts, says where it listens, stops without cutting anybody off. Knows no route."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable

import msgspec
from aiohttp import web

from services.edge.app import CONFIG, LOG
from services.edge.log import Log
from services.edge.operations import STOPPING
from services.edge.problems import ListenProblem

BACKLOG = 1024
LINGERING_SECONDS = 2.0  # for what a refused client still sends: closing at once would lose it the answer
_WORDS = {
    errno.EADDRINUSE: "another program already listens there; stop it, or choose another port",
    errno.EACCES: "this user may not listen there; choose a port above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


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
async def listening(app: web.Application, *, host: str, port: int, reuse_port: bool = False) -> AsyncIterator[Address]:
    """Run `app` on a socket while the block runs, and yield where; raises `ListenProblem` where it cannot listen.

    On leaving: no new connections, `/readyz` says no, long polls are told (`STOPPING`), running requests have
    `shutdown_timeout_seconds` to finish, then the app's `cleanup_ctx` run.
    """
    log = app[LOG]
    logger = logging.Logger("services.edge.server")  # noqa: LOG001 - one for each app, outside the global tree
    logger.addHandler(_LogHandler(log))
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=logger,
        shutdown_timeout=app[CONFIG].shutdown_timeout_seconds,
        handle_signals=False,
        lingering_time=LINGERING_SECONDS,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG, reuse_port=reuse_port or None)
        await _start(site, host, port)
        bound = runner.addresses[0]
        yield Address(host=bound[0], port=bound[1])
    finally:
        app[STOPPING].set()
        await runner.cleanup()
        log.flush()


async def _start(site: web.TCPSite, host: str, port: int) -> None:
    try:
        await site.start()
    except socket.gaierror as error:
        raise ListenProblem(f"Cannot listen on {host}: this name has no address") from error
    except OSError as error:
        words = _WORDS.get(error.errno or 0, error.strerror or "the system refused")
        raise ListenProblem(f"Cannot listen on {host}, port {port}: {words}") from error


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

    `on_started` is called once it listens. Raises `ListenProblem` where it cannot. The caller chooses the event loop.
    """
    ending = stop or asyncio.Event()
    with contextlib.ExitStack() as undo:
        if stop is None:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, ending.set)
                undo.callback(loop.remove_signal_handler, number)
        async with listening(app, host=host, port=port, reuse_port=reuse_port) as address:
            app[LOG].event("started", host=address.host, port=address.port)
            if on_started is not None:
                on_started(address)
            await ending.wait()
            app[LOG].event("stopping")
