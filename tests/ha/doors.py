"""Doors on loopback through which the nodes reach each other, so that a node can be cut off. Understands no protocol.

A cut is that of a cable: connections stay open, and nothing comes through until it is mended. Who has opened a
connection is found by the folder in which its process runs, so that a door knows which way a connection goes.
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

CHUNK_BYTES = 65_536
_TCP = Path("/proc/net/tcp")


class Sides:
    """Who is cut off: the names of the nodes of one half, empty while all is whole."""

    def __init__(self, name_of: Callable[[int], str]) -> None:
        self.name_of = name_of
        """The node that has opened the connection from a port of this machine."""
        self.cut_off: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._changed.set()

    def cut(self, *names: str) -> None:
        """Cut these nodes off from all others."""
        self.cut_off = frozenset(names)
        self._changed.clear()

    def mend(self) -> None:
        """Let everything through again."""
        self.cut_off = frozenset()
        self._changed.set()

    async def passing(self, source: "Source", node: str) -> None:
        """Return once nothing is between whoever opened a connection and a node."""
        while self.cut_off and (await source.name() in self.cut_off) != (node in self.cut_off):
            await self._changed.wait()


class Source:
    """Who has opened a connection; looked up only once something is cut, for that goes through all processes."""

    def __init__(self, sides: Sides, port: int) -> None:
        self._sides, self._port = sides, port
        self._name: str | None = None

    async def name(self) -> str:
        """Return the folder in which its process runs, "" for none of ours."""
        if self._name is None:
            self._name = await asyncio.to_thread(self._sides.name_of, self._port)
        return self._name


class Door:
    """A port that leads to a port of one node."""

    def __init__(self, sides: Sides, *, port: int, to: int, node: str) -> None:
        self.port = port
        self._sides, self._to, self._node = sides, to, node
        self._open: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Let connections through while the block runs."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            while self._open:
                for task in self._open:
                    task.cancel()
                await asyncio.wait(self._open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._carry(reader, writer)
        finally:
            writer.close()
            self._open.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = Source(self._sides, writer.get_extra_info("peername")[1])
        await self._sides.passing(source, self._node)
        there, to_there = await asyncio.open_connection("127.0.0.1", self._to)
        ways = [asyncio.create_task(self._one_way(*each, source)) for each in ((reader, to_there), (there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await self._sides.passing(source, self._node)  # nor does the end of a connection come through
        finally:
            to_there.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: Source) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._sides.passing(source, self._node)
                writer.write(data)
                await writer.drain()


def name_by_folder(folder: Path, port: int) -> str:
    """Return the name of the folder below `folder` in which the process runs that has opened a port; "" for others."""
    inode = _inode_of(port)
    if inode is None:
        return ""
    for process, name in _processes_in(folder):
        with contextlib.suppress(OSError), os.scandir(process / "fd") as files:
            if any(stat.S_ISSOCK((found := each.stat()).st_mode) and found.st_ino == inode for each in files):
                return name
    return ""


def _inode_of(port: int) -> int | None:
    end = f":{port:04X}"
    for line in _TCP.read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(end) and fields[9] != "0":
            return int(fields[9])
    return None


def _processes_in(folder: Path) -> list[tuple[Path, str]]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with contextlib.suppress(OSError):
                place = (process / "cwd").readlink()
                if place.is_relative_to(folder) and place != folder:
                    found.append((process, place.relative_to(folder).parts[0]))
    return found


def processes_of(folder: Path, name: str) -> list[int]:
    """Return the processes that run in the folder of one node."""
    return [int(process.name) for process, each in _processes_in(folder) if each == name]
