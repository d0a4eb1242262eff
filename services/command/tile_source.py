"""Somebody who kept a log, for `ledger recover`: a mirror's folder, or an address that serves tiles. Proves nothing."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from proto.checkpoint import parse_checkpoint
from proto.note import parse_note
from proto.problem import InvalidProblem
from proto.tile import TILE_WIDTH, BundleId, decode_bundle, tile_at
from services.tile_client import TileClient


class FolderSource:
    """The files of a mirror, laid out as C2SP tlog-tiles has them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def checkpoint(self) -> bytes:
        """Return the mirror's checkpoint."""
        return self._read("checkpoint")

    async def read(self, begin: int, end: int) -> list[bytes]:
        """Return the bytes of the entries `[begin, end)`."""
        size = parse_checkpoint(parse_note(self._read("checkpoint")).text).size
        found: list[bytes] = []
        for index in range(begin // TILE_WIDTH, -(-end // TILE_WIDTH)):
            tile = tile_at(size, 0, index)
            if tile is None:
                raise InvalidProblem(f"The mirror has {size} entries, not {end}")
            found += self._bundle(BundleId(index, tile.width))
        offset = begin // TILE_WIDTH * TILE_WIDTH
        return found[begin - offset : end - offset]

    def _bundle(self, wanted: BundleId) -> list[bytes]:
        """Return a bundle's entries, cut from the full one where the partial one has gone."""
        full = BundleId(wanted.index)
        name = full if (self._folder / full.path).exists() else wanted
        return decode_bundle(self._read(name.path), name.width)[: wanted.width]

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise InvalidProblem(f"{self._folder / name} cannot be read: {error.strerror}") from error


class TileSource:
    """A log, or a copy of it, by its tiles over HTTP."""

    def __init__(self, client: TileClient) -> None:
        self._client = client

    async def checkpoint(self) -> bytes:
        """Return the checkpoint that is served."""
        return await self._client.refresh()

    async def read(self, begin: int, end: int) -> list[bytes]:
        """Return the bytes of the entries `[begin, end)`."""
        return [entry async for entry in self._client.entries(begin, end)]


@contextlib.asynccontextmanager
async def open_source(name: str) -> AsyncIterator[FolderSource | TileSource]:
    """Hold what `name` names: an address (http…), or a folder."""
    if not name.startswith(("http://", "https://")):
        yield FolderSource(Path(name))
        return
    async with aiohttp.ClientSession() as session:
        yield TileSource(TileClient(session, name))
