"""Which tile or entry was altered on a log that does not lead to its own signed root. Repairs nothing.

From the root down: the tiles on the right edge give the signed root, each full tile folds to its hash in the tile above
(C2SP tlog-tiles), each entry hashes to its place in the tile of level 0. The first that does not is named.
"""

import msgspec

from proto.log.checkpoint import Checkpoint
from proto.log.merkle import HASH_BYTES, Hash, leaf_hash
from proto.log.tile import TILE_HEIGHT, TILE_WIDTH, BundleId, level_count, tile_at
from proto.log.tile_edge import fold_hashes
from proto.log.tile_proof import frontier_of_tiles, tiles_for_root
from services.clients.tile_client import TileClient

BUNDLES_MAX = 16


class Alteration(msgspec.Struct, frozen=True, kw_only=True):
    """What was served in place of what the log signed; `index` where it is an entry."""

    path: str
    detail: str
    served: bytes
    expected: Hash | None = None
    index: int | None = None


async def find_alteration(client: TileClient, signed: Checkpoint, start: int) -> Alteration | None:
    """Return the first alteration in or above the bundles from entry `start` on; None if nothing is found there.

    Looks at 16 bundles, more than a follower takes in one chunk. Raises what the client raises.
    """
    edge = await client.tiles(tiles_for_root(signed.size))
    if frontier_of_tiles(signed.size, edge).root() != signed.root_hash:
        paths = ", ".join(tile.path for tile in edge)
        last = max(edge)
        return Alteration(
            path=last.path,
            detail=f"The tiles on the right edge do not give the root that the log signed: {paths}",
            served=edge[last],
        )
    first, end = start // TILE_WIDTH, -(-signed.size // TILE_WIDTH)
    for index in range(first, min(end, first + BUNDLES_MAX)):
        found = await _in_tiles(client, signed, index) or await _in_bundle(client, signed, index)
        if found is not None:
            return found
    return None


async def _in_tiles(client: TileClient, signed: Checkpoint, index: int) -> Alteration | None:
    """Look at the tile of level 0 at `index` and at those above it, the highest first."""
    for level in reversed(range(level_count(signed.size) - 1)):
        place = index >> (TILE_HEIGHT * level)
        tile, above = tile_at(signed.size, level, place), tile_at(signed.size, level + 1, place >> TILE_HEIGHT)
        if tile is None or above is None or not tile.is_full:
            continue  # it lies on the right edge, which was looked at
        data = await client.tile(tile)
        expected = _hash_at(await client.tile(above), place % TILE_WIDTH)
        if fold_hashes(data) != expected:
            words = f"The tile {tile.path} does not fold to its hash in {above.path}"
            return Alteration(path=tile.path, detail=words, served=data, expected=expected)
    return None


async def _in_bundle(client: TileClient, signed: Checkpoint, index: int) -> Alteration | None:
    tile = tile_at(signed.size, 0, index)
    assert tile is not None, "the caller stays within the tree"
    hashes = await client.tile(tile)
    for offset, entry in enumerate(await client.bundle(index)):
        expected = _hash_at(hashes, offset)
        if leaf_hash(entry) != expected:
            number = index * TILE_WIDTH + offset
            words = f"Entry {number} was altered: it does not hash to the leaf hash that the log signed"
            path = BundleId(index, tile.width).path
            return Alteration(path=path, detail=words, served=entry, expected=expected, index=number)
    return None


def _hash_at(tile: bytes, offset: int) -> Hash:
    return Hash(tile[offset * HASH_BYTES : (offset + 1) * HASH_BYTES])
