"""The read interface of C2SP tlog-tiles: checkpoint, tiles, entry bundles. Serves nothing beyond what is published."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.log.tile import BundleId, encode_bundle, is_tile_of, parse_path
from proto.problem import MalformedProblem
from services.edge import Media, Reply, Route
from services.ledger import store
from services.ledger.http.proof_routes import NotPublishedProblem
from services.ledger.http.read_routes import IMMUTABLE, NO_STORE, PUBLIC
from services.ledger.service import LEDGER

_TILE_HEADERS = {**PUBLIC, "Cache-Control": IMMUTABLE}


class TilePath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`."""

    name: Annotated[str, Meta(max_length=100)]


async def checkpoint(request: web.Request) -> Reply:
    """Return the published checkpoint, a signed note."""
    return Reply(request.app[LEDGER].publication.now.note, headers=NO_STORE)


async def tile(request: web.Request, *, path: TilePath) -> Reply:
    """Return a tile or an entry bundle of the published tree, with exactly its own length."""
    wanted = parse_path(f"tile/{path.name}")
    if request.rel_url.raw_path_qs != f"/{wanted.path}":  # another spelling of the same name would split caches
        raise MalformedProblem(f"The canonical path is /{wanted.path}, without a query")
    ledger = request.app[LEDGER]
    if not is_tile_of(ledger.publication.size, wanted):
        raise NotPublishedProblem(f"{wanted.path} is not in the published tree of {ledger.publication.size} entries")
    if isinstance(wanted, BundleId):
        content = encode_bundle(await store.bundle(ledger.pool, wanted.index, wanted.width))
    else:
        content = (await store.tiles(ledger.pool, [wanted]))[wanted]
    return Reply(content, headers=_TILE_HEADERS)


def tlog_routes() -> list[Route]:
    """Return the routes that any client of transparency logs knows."""
    return [
        Route(
            "GET",
            "/checkpoint",
            checkpoint,
            operation="read_checkpoint",
            summary="The published checkpoint, a signed note (C2SP tlog-checkpoint)",
            tag="tlog-tiles",
            response={200: Media("text/plain")},
        ),
        Route(
            "GET",
            r"/tile/{name:[\s\S]+}",
            tile,
            operation="read_tile",
            summary="A tile of hashes, or a bundle of entries (C2SP tlog-tiles)",
            description="`<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`, in the one canonical spelling.",
            tag="tlog-tiles",
            path_parameters=TilePath,
            response={200: Media("application/octet-stream", bytes)},
            problems=(MalformedProblem, NotPublishedProblem),
        ),
    ]
