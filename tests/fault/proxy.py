"""A wire to PostgreSQL that can be stopped or cut at any statement. Understands messages, not what they mean.

It listens on a socket of its own and passes everything on, message by message (PostgreSQL manual, 54.7), until the
statement that a `Trap` names comes by.
"""

import asyncio
import contextlib
import urllib.parse
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

Where = Literal["before", "half", "after"]
"""Stop before the statement is passed on, after half of its bytes, or after all of it: then its answer is held."""
CHUNK_BYTES = 65_536
SOCKET = ".s.PGSQL.5432"
_PARSE, _BIND, _QUERY, _SYNC = b"P", b"B", b"Q", b"S"


class Trap(msgspec.Struct, frozen=True, kw_only=True):
    """What to wait for (words of a statement), where to stop, and whether the connection is then cut or held.

    `sprung` is called at that moment. A connection that is cut `after` its statement is cut when the server has
    answered; nobody hears the answer. With `since_begin` only a transaction that has said that counts: a COMMIT is
    everybody's, the publisher's and the readers' too.
    """

    words: str
    where: Where
    sprung: Callable[[], None]
    is_cut: bool = False
    since_begin: str = ""


class _Wire:
    """One connection through the proxy."""

    def __init__(self, proxy: "Proxy", client: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.proxy = proxy
        self.from_client, self.to_client = client
        self.statements: dict[bytes, bytes] = {}
        self.said: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.is_answer_lost = False

    async def run(self) -> None:
        """Pass messages on until either side ends."""
        self.from_server, self.to_server = await self.proxy.connect()
        both = [asyncio.create_task(self._requests()), asyncio.create_task(self._answers())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            await self.open.wait()  # the end is held back as well
        finally:
            self.to_client.close()
            self.to_server.close()
            for task in both:
                task.cancel()
            await asyncio.gather(*both, self.to_server.wait_closed(), return_exceptions=True)

    async def _answers(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await self.from_server.read(CHUNK_BYTES):
                if self.is_answer_lost:
                    return
                await self.open.wait()
                self.to_client.write(data)
                await self.to_client.drain()
                await self.open.wait()

    async def _requests(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await self.from_client.readexactly(4)
            rest = await self.from_client.readexactly(int.from_bytes(first, "big") - 4)
            self.to_server.write(first + rest)
            while True:
                head = await self.from_client.readexactly(5)
                body = await self.from_client.readexactly(int.from_bytes(head[1:], "big") - 4)
                await self.open.wait()
                if not await self._pass(head[:1], head + body):
                    return

    async def _pass(self, kind: bytes, message: bytes) -> bool:
        """Pass one message on, or spring the trap; False if the connection is to be cut."""
        statement = self._statement(kind, message)
        if statement.startswith("BEGIN"):
            self.said.clear()
        trap = self.proxy.take_trap(statement, self.said)
        self.said.append(statement)
        if trap is None:
            self.to_server.write(message)
            await self.to_server.drain()
            return True
        if trap.where == "after":
            return await self._stop_after(trap, kind, message)
        if trap.where == "half":
            self.to_server.write(message[: len(message) // 2])
            await self.to_server.drain()
        if not trap.is_cut:
            self.proxy.hold(self)
        trap.sprung()
        if trap.is_cut:
            return False
        await self.open.wait()
        self.to_server.write(message[len(message) // 2 :] if trap.where == "half" else message)
        await self.to_server.drain()
        return True

    async def _stop_after(self, trap: Trap, kind: bytes, message: bytes) -> bool:
        """Pass the whole statement on, up to its Sync, and keep its answer from the client."""
        if trap.is_cut:
            self.is_answer_lost = True
        else:
            self.proxy.hold(self)
        trap.sprung()
        self.to_server.write(message)
        while kind not in {_QUERY, _SYNC}:
            head = await self.from_client.readexactly(5)
            body = await self.from_client.readexactly(int.from_bytes(head[1:], "big") - 4)
            kind = head[:1]
            self.to_server.write(head + body)
        await self.to_server.drain()
        if trap.is_cut:
            await asyncio.Event().wait()  # until the answer has come, and is lost
        return True

    def _statement(self, kind: bytes, message: bytes) -> str:
        """Return the text of the statement that a message runs, or nothing."""
        if kind == _QUERY:
            return message[5:-1].decode()
        if kind == _PARSE:
            name, text = message[5:].split(b"\0")[:2]
            self.statements[name] = text
        if kind == _BIND:
            return self.statements.get(message[5:].split(b"\0")[1], b"").decode()
        return ""


class Proxy:
    """A socket folder that leads to the server of a database URL."""

    def __init__(self, folder: Path, database_url: str) -> None:
        parts = urllib.parse.urlsplit(database_url)
        query = urllib.parse.parse_qs(parts.query)
        self._socket = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}" if "host" in query else None
        self._address = parts.hostname, parts.port
        self._folder = folder
        login = parts.netloc.rpartition("@")[0]
        self.url = f"{parts.scheme}://{login}@{parts.path}?host={folder}&port=5432"
        if not parts.netloc:  # urlsplit drops what stands for an empty host
            self.url = f"{parts.scheme}://{parts.path}?host={folder}&port=5432"
        self._trap: Trap | None = None
        self._held: list[_Wire] = []
        self._wires: set[asyncio.Task[None]] = set()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection to the server."""
        if self._socket is not None:
            return await asyncio.open_unix_connection(self._socket)
        host, port = self._address
        return await asyncio.open_connection(host, port)

    def set_trap(self, trap: Trap | None) -> None:
        """Wait for a statement; springs once."""
        self._trap = trap

    def take_trap(self, statement: str, said: Sequence[str]) -> Trap | None:
        """Return the trap if this statement springs it, after what its transaction has said before."""
        trap = self._trap
        if trap is None or not statement or trap.words not in statement:
            return None
        if trap.since_begin and not any(trap.since_begin in each for each in said):
            return None
        self._trap = None
        return trap

    def hold(self, wire: _Wire) -> None:
        """Let nothing through a connection until `release`."""
        wire.open.clear()
        self._held.append(wire)

    def release(self) -> None:
        """Let everything through again."""
        held, self._held = self._held, []
        for wire in held:
            wire.open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._wires.add(task)
        try:
            # the server of asyncio's streams complains of a handler that ends cancelled
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await _Wire(self, (reader, writer)).run()
        finally:
            writer.close()
            self._wires.discard(task)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Proxy"]:
        """Accept connections while the block runs."""
        server = await asyncio.start_unix_server(self._accept, path=self._folder / SOCKET)
        try:
            yield self
        finally:
            server.close()
            self.release()
            while self._wires:  # one more may have been accepted meanwhile
                for task in self._wires:
                    task.cancel()
                await asyncio.wait(self._wires)
            await server.wait_closed()
