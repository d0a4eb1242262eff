"""Somebody who kept a log, for `ledger recover`: a mirror's folder or bucket, or an address that serves tiles.

Proves nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from proto.log.checkpoint import parse_checkpoint
from proto.log.note import parse_note
from proto.log.tile import TILE_WIDTH, BundleId, decode_bundle, tile_at
from proto.problem import InvalidProblem
from services.clients.http_session import client_session
from services.clients.tile_client import TileClient
from services.ledger.succession.recovery import KeptLog
from services.persistence import bucket
from services.persistence.bucket import Bucket

_CHECKPOINT = "checkpoint"


class Files(Protocol):
    """Names and bytes."""

    async def read(self, name: str) -> bytes | None:
        """Return what is under a name; None where nothing is."""


class FolderFiles:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, name: str) -> bytes | None:
        """Return a file; raises `InvalidProblem` where it is there and cannot be read."""
        try:
            return await asyncio.to_thread((self._folder / name).read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InvalidProblem(f"{self._folder / name} cannot be read: {error.strerror}") from error


class BucketFiles:
    """The objects of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def read(self, name: str) -> bytes | None:
        """Return an object; raises `BucketProblem`."""
        found = await self._bucket.read(name)
        return found.data if found else None


class MirrorSource:
    """The files of a mirror, laid out as C2SP tlog-tiles has them; `place` names it for whoever is to look there."""

    def __init__(self, files: Files, place: str) -> None:
        self._files = files
        self._place = place

    async def checkpoint(self) -> bytes:
        """Return the mirror's checkpoint."""
        return await self._read(_CHECKPOINT)

    async def read(self, begin: int, end: int) -> list[bytes]:
        """Return the bytes of the entries `[begin, end)`."""
        size = parse_checkpoint(parse_note(await self.checkpoint()).text).size
        found: list[bytes] = []
        for index in range(begin // TILE_WIDTH, -(-end // TILE_WIDTH)):
            tile = tile_at(size, 0, index)
            if tile is None:
                raise InvalidProblem(f"The mirror has {size} entries, not {end}")
            found += await self._bundle(BundleId(index, tile.width))
        offset = begin // TILE_WIDTH * TILE_WIDTH
        return found[begin - offset : end - offset]

    async def _bundle(self, wanted: BundleId) -> list[bytes]:
        """Return a bundle's entries, cut from the full one where the partial one has gone."""
        full = BundleId(wanted.index)
        data, width = await self._files.read(full.path), full.width
        if data is None:
            data, width = await self._read(wanted.path), wanted.width
        return decode_bundle(data, width)[: wanted.width]

    async def _read(self, name: str) -> bytes:
        data = await self._files.read(name)
        if data is None:
            raise InvalidProblem(f"{self._place}/{name} is not there: name a mirror of this log")
        return data


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
async def open_source(name: str) -> AsyncIterator[KeptLog]:
    """Hold what `name` names: an address (http…), a bucket (s3://…), or a folder."""
    if name.startswith(bucket.SCHEME):
        yield MirrorSource(BucketFiles(Bucket(name)), name)
    elif name.startswith(("http://", "https://")):
        async with client_session() as session:
            yield TileSource(TileClient(session, name))
    else:
        yield MirrorSource(FolderFiles(Path(name)), name)
