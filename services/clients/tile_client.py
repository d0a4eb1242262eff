"""The read interface of C2SP tlog-tiles as a follower's client: nothing else is asked of the log. Proves nothing.

One checkpoint at a time is looked at: `refresh` fetches it, and tiles and bundles are those of its size until the next.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

import aiohttp

from proto.ids import TreeSize
from proto.log.checkpoint import parse_checkpoint
from proto.log.merkle import HASH_BYTES
from proto.log.note import NOTE_BYTES_MAX, parse_note
from proto.log.tile import ENTRY_BYTES_MAX, TILE_BYTES, TILE_WIDTH, BundleId, TileId, decode_bundle, tile_at
from proto.log.tile_proof import consistency_proof, tiles_for_consistency
from proto.problem import NotFoundProblem, Problem
from services.clients.log_client import (
    TIMEOUT_SECONDS,
    LogAnswerProblem,
    LogClient,
    LogProblem,
    LogUnreachableProblem,
)

TILES_KEPT_MAX = 512
ATTEMPTS_MAX, UNASKED_ATTEMPTS_MAX = 60, 4
"""How often one tile is asked for: where the log asks to wait (429, 503 with Retry-After), and where it is gone."""
PAUSE_SECONDS_MAX, _PAUSE_SECONDS_MIN = 30.0, 0.05
_BUNDLE_BYTES_MAX = TILE_WIDTH * (ENTRY_BYTES_MAX + 2)
_NOT_FOUND = 404

CheckPrefix = Callable[[int, list[bytes]], Awaitable[None]]
"""Called with an index and the entries of its bundle before it: raises if they are not those that are known."""


class TileClient(LogClient):
    """One log by its tiles. Fetched tiles are kept while one checkpoint is looked at."""

    says_what_it_holds = False

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        check_prefix: CheckPrefix | None = None,
    ) -> None:
        super().__init__(session, url, timeout_seconds=timeout_seconds)
        self.note = b""
        self.size = TreeSize(0)
        self._check_prefix = check_prefix
        self._tiles: dict[TileId, bytes] = {}
        self._rest: tuple[int, list[bytes]] | None = None
        """Where the last reading of entries ended, and the bundle that it ended in."""

    async def refresh(self) -> bytes:
        """Fetch the checkpoint that is looked at from now on, and forget the tiles of the last one."""
        self.note = await self._get("/checkpoint", bytes_max=NOTE_BYTES_MAX)
        self.forget_tiles()
        try:
            self.size = parse_checkpoint(parse_note(self.note).text).size
        except Problem:  # whoever verifies the note says what is wrong with it
            self.size = TreeSize(0)
        return self.note

    def forget_tiles(self) -> None:
        """Fetch tiles and entries anew: those at hand did not lead to the root that was signed."""
        self._tiles.clear()
        self._rest = None

    async def held_size(self, _: TreeSize) -> TreeSize | None:
        """Return how many entries the log says it holds; None for a copy of it, which may be behind unknowingly."""
        try:
            return (await self.log()).tree_size
        except (LogProblem, LogUnreachableProblem, LogAnswerProblem):
            return None

    async def checkpoint(self) -> bytes:
        """Return the checkpoint that is looked at; nothing of it is verified."""
        return self.note or await self.refresh()

    async def checkpoint_after(self, size: int, *, wait_seconds: float) -> bytes | None:  # noqa: ARG002 - tiles know no waiting
        """Return the checkpoint that is looked at if it is larger, else None at once."""
        return self.note if self.size > size else None

    async def consistency(self, first: TreeSize, second: TreeSize) -> list[bytes]:
        """Return the consistency proof as the log's own tiles give it; unchecked."""
        tiles = await self.tiles(tiles_for_consistency(first, second))
        return list(consistency_proof(first, second, tiles))

    async def entries(self, start: int, end: int) -> AsyncGenerator[bytes]:
        """Yield the entries `[start, end)` out of their bundles, after those before `start` were checked.

        Large entries are taken out of one bundle in several turns: who goes on where the last turn ended gets the rest
        of what was fetched then, and what was before it is not checked again, since it may not be applied yet.
        """
        is_inside = start % TILE_WIDTH > 0
        rest = self._rest[1] if is_inside and self._rest is not None and self._rest[0] == start else None
        for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
            begin = index * TILE_WIDTH
            found = await self.bundle(index) if rest is None else rest
            if begin < start and rest is None and self._check_prefix is not None:
                await self._check_prefix(start, found[: start - begin])
            rest = None
            first = max(0, start - begin)
            for offset, entry in enumerate(found[first : end - begin], first):
                self._rest = (begin + offset + 1, found)
                yield entry

    async def bundle(self, index: int) -> list[bytes]:
        """Return the entries of a bundle as far as the checkpoint goes; raises `LogAnswerProblem` for a bad length."""
        await self.checkpoint()
        tile = tile_at(self.size, 0, index)
        if tile is None:
            raise NotFoundProblem(f"The tree of {self.size} entries has no bundle {index}")
        data, width = await self._fetch(BundleId(index, tile.width), BundleId(index), _BUNDLE_BYTES_MAX)
        try:
            return decode_bundle(data, width)[: tile.width]
        except Problem as problem:
            raise LogAnswerProblem(f"/{BundleId(index, width).path}: {problem.detail}") from problem

    async def tiles(self, wanted: Iterable[TileId]) -> dict[TileId, bytes]:
        """Return the bytes of these tiles, each of its own length; nothing of them is verified."""
        return {tile: await self.tile(tile) for tile in sorted(wanted)}

    async def tile(self, tile: TileId) -> bytes:
        """Return a tile's bytes, cut from the full tile where the partial one is not served any more (tlog-tiles)."""
        if tile not in self._tiles:
            data, width = await self._fetch(tile, tile.full, TILE_BYTES)
            if len(data) != width * HASH_BYTES:
                path = TileId(tile.level, tile.index, width).path
                raise LogAnswerProblem(f"/{path} has {len(data)} bytes where {width * HASH_BYTES} belong")
            if len(self._tiles) >= TILES_KEPT_MAX:
                self._tiles.clear()
            self._tiles[tile] = data[: tile.byte_count]
        return self._tiles[tile]

    async def _patient_get(self, path: str, bytes_max: int) -> bytes:
        """Fetch, and wait as long as the log asks to: an audit reads much, and need not be fast."""
        for attempt in range(ATTEMPTS_MAX):
            try:
                return await self._get(path, bytes_max=bytes_max)
            except LogUnreachableProblem as problem:
                asked = problem.retry_after_seconds
                if attempt + 1 >= (ATTEMPTS_MAX if asked is not None else UNASKED_ATTEMPTS_MAX):
                    raise
                pause_seconds = _PAUSE_SECONDS_MIN * 2**attempt if asked is None else max(asked, _PAUSE_SECONDS_MIN)
                await asyncio.sleep(min(PAUSE_SECONDS_MAX, pause_seconds))
        raise AssertionError("the last attempt returns or raises")

    async def _fetch(self, wanted: TileId | BundleId, full: TileId | BundleId, bytes_max: int) -> tuple[bytes, int]:
        try:
            return await self._patient_get(f"/{wanted.path}", bytes_max), wanted.width
        except LogProblem as problem:
            if wanted.is_full or problem.log_status != _NOT_FOUND:
                raise
        return await self._patient_get(f"/{full.path}", bytes_max), full.width
