"""Proofs from tiles: first which tiles are needed, then the proof from their bytes. Fetches nothing itself.

An asynchronous caller asks `tiles_for_…`, fetches what is named, and hands the bytes to the function of the same name.
A proof made from tiles of another party is worth what its check against a signed root says, and nothing before that.
"""

from collections.abc import Iterable, Mapping

from proto.ids import LeafIndex, TreeSize
from proto.log import merkle
from proto.log.merkle import HASH_BYTES, Frontier, Hash, LeafRange, Node, NodeReader, ProofProblem
from proto.log.tile import TILE_HEIGHT, TILE_WIDTH, TileId, level_count, split_tile, tile_at
from proto.log.tile_edge import TileEdge, fold_hashes
from proto.problem import NotFoundProblem


def tiles_for_root(size: TreeSize) -> set[TileId]:
    """Return the tiles on the right edge, from which the root of a tree of `size` leaves is computed."""
    return _tiles_for([merkle.tree_range(size)], size)


def tiles_for_inclusion(index: LeafIndex, size: TreeSize) -> set[TileId]:
    """Return the tiles that the inclusion proof is made from; raises `ProofProblem` unless `0 <= index < size`."""
    return _tiles_for(merkle.inclusion_ranges(index, size), size)


def tiles_for_consistency(old: TreeSize, new: TreeSize) -> set[TileId]:
    """Return the tiles that the consistency proof is made from; raises `ProofProblem` unless `0 < old <= new`."""
    return _tiles_for(merkle.consistency_ranges(old, new), new)


def frontier_of_tiles(size: TreeSize, tiles: Mapping[TileId, bytes]) -> Frontier:
    """Return the frontier of a tree from the tiles that `tiles_for_root` names; its `root()` is the tree's root.

    This and the two below raise `MalformedProblem` for a tile of the wrong length and `NotFoundProblem` for one that is
    missing. A full tile may stand in for a partial one.
    """
    read = tile_reader(size, tiles)
    nodes = merkle.tree_range(size).nodes()
    return Frontier(size=size, hashes=tuple(read(node) for node in nodes))


def inclusion_proof(index: LeafIndex, size: TreeSize, tiles: Mapping[TileId, bytes]) -> list[Hash]:
    """Return the inclusion proof, sibling first, from the tiles that `tiles_for_inclusion` names."""
    return merkle.inclusion_proof(index, size, tile_reader(size, tiles))


def consistency_proof(old: TreeSize, new: TreeSize, tiles: Mapping[TileId, bytes]) -> list[Hash]:
    """Return the consistency proof from the tiles that `tiles_for_consistency` names."""
    return merkle.consistency_proof(old, new, tile_reader(new, tiles))


def edge_of_tiles(size: TreeSize, tiles: Mapping[TileId, bytes]) -> TileEdge:
    """Return the right edge from the partial tiles among those that `tiles_for_root` names."""
    partials = {tile.level: b"".join(_hashes(tile, tiles)) for tile in tiles_for_root(size)}
    return TileEdge(size=size, partials=tuple(partials.get(level, b"") for level in range(level_count(size))))


def tile_reader(size: TreeSize, tiles: Mapping[TileId, bytes]) -> NodeReader:
    """Return a reader of complete subtrees over the tiles of a tree of `size` leaves."""
    parsed: dict[TileId, list[Hash]] = {}

    def read(node: Node) -> Hash:
        tile, offset, count = _place(node, size)
        if tile not in parsed:
            parsed[tile] = _hashes(tile, tiles)
        return fold_hashes(b"".join(parsed[tile][offset : offset + count]))

    return read


def _place(node: Node, size: TreeSize) -> tuple[TileId, int, int]:
    """Return where a complete subtree lies: the tile, and offset and count of the hashes that fold to it."""
    level, height = divmod(node.height, TILE_HEIGHT)
    index, offset = divmod(node.index << height, TILE_WIDTH)
    tile = tile_at(size, level, index)
    if tile is None or offset + (1 << height) > tile.width:
        raise ProofProblem(f"The subtree {node.index} of height {node.height} is not complete in a tree of {size}")
    return tile, offset, 1 << height


def _tiles_for(ranges: Iterable[LeafRange], size: TreeSize) -> set[TileId]:
    return {_place(node, size)[0] for leaves in ranges for node in leaves.nodes()}


def _hashes(tile: TileId, tiles: Mapping[TileId, bytes]) -> list[Hash]:
    if tile in tiles:
        return split_tile(tile, tiles[tile])
    if tile.full in tiles:
        split_tile(tile.full, tiles[tile.full])
        return split_tile(tile, tiles[tile.full][: tile.width * HASH_BYTES])
    raise NotFoundProblem(f"The tile {tile.path} is needed and was not given")
