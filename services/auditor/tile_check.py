"""Every tile that a log serves, compared with the one that its entries make. Fetches; proves no checkpoint.

A follower looks only at tiles that its proofs need, so a wrong one elsewhere would mislead other clients unseen
(golang/go #80744).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from proto.base64_strict import encode_base64
from proto.ids import LeafIndex, TreeSize
from proto.log.checkpoint import OpenedCheckpoint
from proto.log.merkle import HASH_BYTES, Hash, leaf_hash
from proto.log.tile import TILE_WIDTH, TileId, tile_at, tiles_of
from proto.problem import Problem
from services.auditor.finding import Accuser
from services.clients.tile_client import TileClient
from services.verifier.projection.reader import ReadTransaction
from services.verifier.projection.store import Store

TILES_AT_ONCE = 8
Tell = Callable[[int, int], None]


async def compare_tiles(
    client: TileClient, store: Store, accuser: Accuser, opened: OpenedCheckpoint, done: TreeSize, *, tell: Tell
) -> int:
    """Compare every tile that is new or has grown since the tree of `done` entries; return how many.

    `tell` is called with how many were compared and how many there are. Raises `LyingLogProblem` at the first that
    differs.
    """
    wanted = [tile for tile in tiles_of(opened.checkpoint.size) if tile != tile_at(done, tile.level, tile.index)]
    for begin in range(0, len(wanted), TILES_AT_ONCE):
        some = wanted[begin : begin + TILES_AT_ONCE]
        served = await _fetched(client, some)
        own = await store.read(_reader_of(some))
        for tile, found, expected in zip(some, served, own, strict=True):
            if found != expected:
                words = f"The tile {tile.path} is not the one that the log's entries make"
                texts = {"served": encode_base64(found), "expected": encode_base64(expected)}
                raise accuser.accuse("tile", words, opened.encoded, path=tile.path, **texts)
        tell(begin + len(some), len(wanted))
    return len(wanted)


def _reader_of(some: Sequence[TileId]) -> Callable[[ReadTransaction], list[bytes]]:
    return lambda own: [own.tile(tile) for tile in some]


async def _fetched(client: TileClient, some: Sequence[TileId]) -> list[bytes]:
    """Fetch side by side; the first problem is raised as itself, after all are done."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_outcome(client.tile(tile))) for tile in some]
    outcomes = [task.result() for task in tasks]
    for outcome in outcomes:
        if isinstance(outcome, Problem):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, bytes)]


async def _outcome(work: Awaitable[bytes]) -> bytes | Problem:
    try:
        return await work
    except Problem as problem:
        return problem


async def check_prefix(store: Store, accuser: Accuser, note: bytes, start: int, before: Sequence[bytes]) -> None:
    """Raise `LyingLogProblem` unless what was in a bundle when it was read first is in it still.

    `before` are the entries of the bundle that lie before index `start`.
    """
    known = await store.read(lambda own: own.tile(TileId(0, start // TILE_WIDTH, len(before))))
    for offset, entry in enumerate(before):
        expected = Hash(known[offset * HASH_BYTES : (offset + 1) * HASH_BYTES])
        if leaf_hash(entry) != expected:
            index = LeafIndex(start - len(before) + offset)
            texts = {"served": encode_base64(entry), "expected": encode_base64(expected)}
            raise accuser.accuse(
                "altered", f"Entry {index} is not the one that was read before", note, index=index, **texts
            )
