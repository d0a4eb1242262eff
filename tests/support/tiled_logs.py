"""A `World` served over real HTTP by the C2SP read interface alone: checkpoint, tiles, bundles; it can be told to lie.

`ServedTiles.tamper` sees each answer with its path, so that a test alters exactly one of them.
"""

import contextlib
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from proto.ids import TreeSize
from proto.log.tile import TILE_WIDTH, BundleId, TileId, encode_bundle, is_tile_of, parse_path
from proto.log.tile_edge import Growth, TileEdge, grow
from tests.support.loopback import on_loopback
from tests.support.worlds import World


class ServedTiles:
    """What is served: the world's first `size` entries (None: all). `url` is where."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = ""
        self.size: int | None = None
        self.checkpoint: bytes | None = None
        """Served instead of the world's own."""
        self.tamper: Callable[[str, bytes], bytes] = lambda _, data: data
        """What becomes of a tile or bundle on its way."""
        self.missing: set[str] = set()
        """Paths that are not served."""
        self.refusals: list[web.Response] = []
        """Given, one each, in place of the next tiles and bundles."""
        self.paths: list[str] = []
        """What was asked for."""
        self._grown: dict[tuple[int, bytes], Growth] = {}

    @property
    def published_size(self) -> TreeSize:
        """The size of what is served."""
        return self.world.size if self.size is None else TreeSize(self.size)

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_get("/checkpoint", self._checkpoint)
        app.router.add_get("/{path:tile/.+}", self._tile)
        return app

    async def _checkpoint(self, _: web.Request) -> web.Response:
        self.paths.append("checkpoint")
        note = self.checkpoint or self.world.checkpoint(self.published_size)
        return web.Response(body=note, content_type="text/plain")

    async def _tile(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.paths.append(path)
        if self.refusals:
            return self.refusals.pop()
        if path in self.missing:
            raise web.HTTPNotFound
        wanted = parse_path(path)
        if not is_tile_of(self.published_size, wanted):
            raise web.HTTPNotFound
        return web.Response(body=self.tamper(path, self.content(wanted)), content_type="application/octet-stream")

    def content(self, wanted: TileId | BundleId) -> bytes:
        """Return the true bytes of a tile or bundle."""
        if isinstance(wanted, BundleId):
            begin = wanted.index * TILE_WIDTH
            return encode_bundle(self.world.entries[begin : begin + wanted.width])
        key = (self.published_size, self.world.root_hash(self.published_size))
        if key not in self._grown:
            self._grown[key] = grow(TileEdge(), self.world.leaf_hashes[: self.published_size])
        growth = self._grown[key]
        found = {(t.level, t.index): data for t, data in [*growth.full_tiles, *growth.edge.tiles.items()]}
        return found[wanted.level, wanted.index][: wanted.byte_count]


@contextlib.asynccontextmanager
async def served_tiles(world: World) -> AsyncIterator[ServedTiles]:
    """Serve the world on loopback while the block runs."""
    log = ServedTiles(world)
    async with on_loopback(log.app()) as log.url:
        yield log
