"""Proofs that the ledger makes of what is published: that an entry is in the log, that one tree continues another."""

from aiohttp import web

from proto.base64_strict import encode_base64
from proto.ids import LeafIndex, TreeSize
from proto.log.merkle import ProofProblem, check_consistency
from proto.log.tile_proof import consistency_proof, frontier_of_tiles, tiles_for_consistency, tiles_for_root
from proto.problem import NotFoundProblem
from proto.wire.ledger import Body, ConsistencyProof
from services.edge import Media, Reply, Route
from services.ledger import store
from services.ledger.http.read_routes import IMMUTABLE, NO_STORE, PUBLIC, EntriesRangeField
from services.ledger.receipts import make_receipt
from services.ledger.service import LEDGER


class IndexPath(Body, frozen=True, kw_only=True):
    """A leaf index, 0-based."""

    index: EntriesRangeField


class ConsistencyPath(Body, frozen=True, kw_only=True):
    """Two tree sizes, 0 < a ≤ b."""

    a: EntriesRangeField
    b: EntriesRangeField


class NotPublishedProblem(NotFoundProblem):
    """What was asked for lies beyond the published checkpoint."""

    slug = "not-published"
    title = "Not published yet"


async def receipt(request: web.Request, *, path: IndexPath) -> Reply:
    """Return the proof that a published entry is in the log, verified as a client would before it is handed out."""
    ledger = request.app[LEDGER]
    published = ledger.publication.now
    if path.index >= published.size:
        raise NotPublishedProblem(f"Entry {path.index} is not published; the checkpoint is of {published.size} entries")
    return Reply(await make_receipt(ledger, LeafIndex(path.index), published), headers=NO_STORE)


async def consistency(request: web.Request, *, path: ConsistencyPath) -> Reply:
    """Return the proof between two published sizes, checked against the roots that the tiles give."""
    ledger = request.app[LEDGER]
    old, new = TreeSize(path.a), TreeSize(path.b)
    if new > ledger.publication.size:
        raise NotPublishedProblem(f"{new} entries are not published; the checkpoint is of {ledger.publication.size}")
    wanted = tiles_for_consistency(old, new)
    tiles = await store.tiles(ledger.pool, wanted | tiles_for_root(old) | tiles_for_root(new))
    proof = consistency_proof(old, new, tiles)
    check_consistency(old, new, frontier_of_tiles(old, tiles).root(), frontier_of_tiles(new, tiles).root(), proof)
    body = ConsistencyProof(first=old, second=new, proof=tuple(map(encode_base64, proof)))
    return Reply(body, headers={**PUBLIC, "Cache-Control": IMMUTABLE})


def proof_routes() -> list[Route]:
    """Return the routes of proofs."""
    return [
        Route(
            "GET",
            "/v1/receipts/{index}",
            receipt,
            operation="read_receipt",
            summary="Proof that an entry is in the log (C2SP tlog-proof)",
            tag="log",
            path_parameters=IndexPath,
            response={200: Media("text/plain")},
            problems=(NotPublishedProblem,),
        ),
        Route(
            "GET",
            "/v1/consistency/{a}/{b}",
            consistency,
            operation="read_consistency_proof",
            summary="Proof that one published tree continues another (RFC 6962)",
            tag="log",
            path_parameters=ConsistencyPath,
            response={200: ConsistencyProof},
            problems=(NotPublishedProblem, ProofProblem),
        ),
    ]
