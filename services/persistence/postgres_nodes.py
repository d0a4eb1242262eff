"""Which nodes a database's URL names, and a connection to the one of them that leads. Knows no statement of a service.

The driver asks the nodes of a URL one after the other within one time-out, so one that takes connections and answers
nothing (stopped, cut off, out of memory) would keep everybody from the others. Here all are asked side by side.
"""

import asyncio
import contextlib
import os
import urllib.parse
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from services.persistence.postgres_errors import DATABASE_ERRORS, NOT_LEADING_ERRORS, DatabaseUnavailableProblem

GRACE_SECONDS = 0.25
"""For how long others are waited for once one has answered: two may take writes while a leader is replaced."""
HEAD_START_SECONDS = 0.5
"""For how long the node that led last is asked alone: most connections are made while nothing is wrong."""
AGAIN_SECONDS = 0.5
"""After which a node that did not fit is asked again, while another has not answered yet."""
TIMELINE_SECONDS = 2.0
TIMELINE = "CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END"
"""Eight hex digits, which grow with each leader of a cluster; nothing for a standby."""
_STANDBYS = {"standby", "read-only", "prefer-standby"}
_DEFAULT_PORT = 5432
_IPV6 = ("[", "]")


class DatabaseNode(msgspec.Struct, frozen=True):
    """Where one node listens: a host, or the folder of a socket, and its port."""

    host: str
    port: int


class Connected(Protocol):
    """What is needed of a connection."""

    async def fetchval(self, query: str, /) -> object:
        """Return the one value of a query."""
        ...

    def terminate(self) -> None:
        """End it at once."""
        ...


_LED: dict[tuple[DatabaseNode, ...], DatabaseNode] = {}
"""Which of these nodes this process was connected to last."""
_C = TypeVar("_C", bound=Connected)
Connect = Callable[[DatabaseNode], Awaitable[_C]]


def nodes_of(url: str) -> list[DatabaseNode]:
    """Return the nodes between which a URL leaves a choice; none where it names one, or asks for a standby.

    Then the driver itself connects, by its own rules.
    """
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    wanted = query.get("target_session_attrs") or os.environ.get("PGTARGETSESSIONATTRS", "any")
    named = parts.netloc.rpartition("@")[2]
    hosts = [urllib.parse.unquote(each) for each in named.split(",")] if named else query.get("host", "").split(",")
    if len(hosts) == 1 or wanted in _STANDBYS or not all(hosts):
        return []
    ports = [int(each) for each in (query.get("port") or os.environ.get("PGPORT") or str(_DEFAULT_PORT)).split(",")]
    ports = ports * len(hosts) if len(ports) == 1 else ports
    is_given = "port" in query
    return [_node(host, port, is_given=is_given) for host, port in zip(hosts, ports, strict=True)]


def _node(host: str, port: int, *, is_given: bool) -> DatabaseNode:
    """Return a node from `host`, `host:port` or `[::1]:port`; a port of the query counts before one beside the host."""
    if host.startswith("/"):
        return DatabaseNode(host, port)
    before, after = _IPV6
    name, _, own = (host[1:] if host.startswith(before) else host).partition(after if before in host else ":")
    own = own.removeprefix(":")
    return DatabaseNode(name, int(own) if own and not is_given else port)


async def connect_to_leader(
    nodes: Sequence[DatabaseNode], connect: Connect[_C], *, seconds: float, asks_all: bool = False
) -> _C:
    """Return a connection to the node that fits, the one on the newest timeline where several answer.

    The one that led last has a head start, unless all are to be asked. `connect` raises where a node does not fit, or
    is away. Raises what was gravest once each node has answered, and `TimeoutError` where one has not after so many
    seconds and no other fits.
    """
    known = tuple(nodes)
    race = _Race(nodes, connect)
    chosen: tuple[DatabaseNode, _C] | None = None
    try:
        async with asyncio.timeout(seconds):
            chosen = await newest(await race.found(first=None if asks_all else _LED.get(known)))
        _LED[known] = chosen[0]
        return chosen[1]
    finally:
        await race.end(chosen[1] if chosen else None)


async def newest(found: Sequence[tuple[DatabaseNode, _C]]) -> tuple[DatabaseNode, _C]:
    """Return the node, with its connection, whose server is on the newest timeline; the first one of several."""
    if len(found) == 1:
        return found[0]
    timelines = await asyncio.gather(*(_timeline(connection) for _, connection in found))
    return found[timelines.index(max(timelines))]


async def _timeline(connection: Connected) -> str:
    """Return the server's timeline; nothing where it does not say."""
    try:
        async with asyncio.timeout(TIMELINE_SECONDS):
            return str(await connection.fetchval(f"SELECT {TIMELINE}"))
    except DATABASE_ERRORS:
        return ""


class _Race(Generic[_C]):
    """All nodes, asked side by side; those that did not fit are asked again until one does."""

    def __init__(self, nodes: Sequence[DatabaseNode], connect: Connect[_C]) -> None:
        self._nodes, self._connect = nodes, connect
        self._asking: dict[asyncio.Task[_C], DatabaseNode] = {}
        self._open: dict[DatabaseNode, _C] = {}
        self._troubles: dict[DatabaseNode, Exception] = {}
        self._asked: set[DatabaseNode] = set()
        self._hurry = asyncio.Event()

    async def found(self, *, first: DatabaseNode | None) -> list[tuple[DatabaseNode, _C]]:
        """Return who fits, in the order of the URL; raises the gravest trouble where none does."""
        for node in self._nodes:
            self._ask(node, after_seconds=0.0 if first in {None, node} else HEAD_START_SECONDS)
        while not self._open:
            await self._answered(list(self._asking), None)
            if not self._open and len(self._troubles) == len(self._nodes):
                raise self._gravest()
        loop = asyncio.get_running_loop()
        grace_ends = loop.time() + GRACE_SECONDS
        while late := [task for task, node in self._asking.items() if node in self._asked - self._troubles.keys()]:
            if (left := grace_ends - loop.time()) <= 0:
                break
            await self._answered(late, left)
        return [(node, self._open[node]) for node in self._nodes if node in self._open]

    def _ask(self, node: DatabaseNode, *, after_seconds: float) -> None:
        async def attempt() -> _C:
            if node not in self._troubles:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(after_seconds):
                        await self._hurry.wait()  # nobody waits for one that has said no
            else:
                await asyncio.sleep(after_seconds)
            self._asked.add(node)
            return await self._connect(node)

        self._asking[asyncio.create_task(attempt(), name="database-node")] = node

    async def _answered(self, waiting: list[asyncio.Task[_C]], seconds: float | None) -> None:
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            node = self._asking.pop(task)
            error = task.exception()
            if error is None:
                self._open[node] = task.result()
            elif not isinstance(error, Exception):
                raise error  # the process is told to end
            else:
                self._troubles[node] = error
                self._hurry.set()
                self._ask(node, after_seconds=AGAIN_SECONDS)

    def _gravest(self) -> Exception:
        """Return what the server said of us, before that it is a standby, before that it is away."""
        errors = [self._troubles[node] for node in self._nodes]
        for error in errors:
            if not isinstance(error, (OSError, *NOT_LEADING_ERRORS)):
                return error
        if any(isinstance(error, NOT_LEADING_ERRORS) for error in errors):
            return DatabaseUnavailableProblem(
                f"Of the {len(errors)} nodes that the database's URL names, none that answers takes writes: the "
                "cluster is choosing its leader. If it stays so, look at it (patronictl list)"
            )
        return errors[0]

    async def end(self, chosen: _C | None) -> None:
        """End every attempt and every connection but the chosen one."""
        for task in self._asking:
            task.cancel()
        for result in await asyncio.gather(*self._asking, return_exceptions=True):
            if not isinstance(result, BaseException):
                result.terminate()
        for connection in self._open.values():
            if connection is not chosen:
                connection.terminate()
