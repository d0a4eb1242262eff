"""A tree grown through tiles is the tree grown leaf by leaf, and every proof can be made from its tiles alone."""

import itertools
import random

import pytest

from proto.ids import LeafIndex, TreeSize
from proto.log.merkle import Frontier, Hash, check_consistency, check_inclusion, leaf_hash
from proto.log.tile import TileId, tiles_of
from proto.log.tile_edge import TileEdge, grow
from proto.log.tile_proof import (
    consistency_proof,
    edge_of_tiles,
    frontier_of_tiles,
    inclusion_proof,
    tiles_for_consistency,
    tiles_for_inclusion,
    tiles_for_root,
)
from proto.problem import InvalidProblem, MalformedProblem, NotFoundProblem

SIZE = 66_000
LEAVES = [leaf_hash(i.to_bytes(8, "big")) for i in range(SIZE)]


def grown(*batches: int) -> tuple[dict[TileId, bytes], TileEdge]:
    tiles: dict[TileId, bytes] = {}
    edge = TileEdge()
    for batch in batches:
        growth = grow(edge, LEAVES[edge.size : edge.size + batch])
        assert not tiles.keys() & dict(growth.full_tiles).keys()
        tiles |= dict(growth.full_tiles)
        edge = growth.edge
    return tiles | edge.tiles, edge


@pytest.fixture(scope="module")
def tree() -> dict[TileId, bytes]:
    return grown(1, 254, 1, 1, 255, 40_000, SIZE - 40_512)[0]


def test_every_batch_reaches_the_root_of_the_frontier() -> None:
    edge, frontier = TileEdge(), Frontier()
    for batch in (0, 1, 2, 253, 1, 0, 255, 1, 512, 1000, 65):
        growth = grow(edge, LEAVES[edge.size : edge.size + batch])
        frontier = frontier.extend(LEAVES[edge.size : edge.size + batch])
        edge = growth.edge
        assert (growth.root, edge.frontier()) == (frontier.root(), frontier)


def test_batches_do_not_change_the_tiles(tree: dict[TileId, bytes]) -> None:
    assert grown(SIZE)[0] == tree
    assert sorted(tree) == sorted(tiles_of(TreeSize(SIZE)))


def test_the_edge_is_found_again_in_the_tiles(tree: dict[TileId, bytes]) -> None:
    for size in (0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, SIZE):
        edge = edge_of_tiles(TreeSize(size), {t: cut(tree, t) for t in tiles_for_root(TreeSize(size))})
        assert edge == grow(TileEdge(), LEAVES[:size]).edge
        assert frontier_of_tiles(TreeSize(size), edge.tiles) == Frontier().extend(LEAVES[:size])


def cut(tree: dict[TileId, bytes], tile: TileId) -> bytes:
    """Return a tile of an earlier size from the wider one that the tree holds now."""
    wider = next(data for held, data in tree.items() if (held.level, held.index) == (tile.level, tile.index))
    return wider[: tile.byte_count]


def test_inclusion_is_proven_from_the_named_tiles_alone(tree: dict[TileId, bytes]) -> None:
    drawn = random.Random(6962)
    for size in (1, 2, 255, 256, 257, 513, 65_537, SIZE):
        root = Frontier().extend(LEAVES[:size]).root()
        for index in {0, size - 1, *(drawn.randrange(size) for _ in range(20))}:
            needed = tiles_for_inclusion(LeafIndex(index), TreeSize(size))
            assert len(needed) <= 4
            tiles = {tile: cut(tree, tile) for tile in needed}
            proof = inclusion_proof(LeafIndex(index), TreeSize(size), tiles)
            check_inclusion(LeafIndex(index), TreeSize(size), LEAVES[index], proof, root)


def test_consistency_is_proven_from_the_named_tiles_alone(tree: dict[TileId, bytes]) -> None:
    sizes = (1, 2, 100, 255, 256, 257, 512, 40_000, 65_536, 65_537, SIZE)
    roots = {size: Frontier().extend(LEAVES[:size]).root() for size in sizes}
    for old, new in itertools.combinations_with_replacement(sizes, 2):
        tiles = {tile: cut(tree, tile) for tile in tiles_for_consistency(TreeSize(old), TreeSize(new))}
        proof = consistency_proof(TreeSize(old), TreeSize(new), tiles)
        check_consistency(TreeSize(old), TreeSize(new), roots[old], roots[new], proof)


def test_a_full_tile_may_stand_in_for_the_partial_one(tree: dict[TileId, bytes]) -> None:
    size = TreeSize(100)
    assert frontier_of_tiles(size, {TileId(0, 0): tree[TileId(0, 0)]}) == Frontier().extend(LEAVES[:100])


def test_a_missing_or_mutilated_tile_is_refused() -> None:
    with pytest.raises(NotFoundProblem):
        frontier_of_tiles(TreeSize(3), {})
    with pytest.raises(MalformedProblem):
        frontier_of_tiles(TreeSize(3), {TileId(0, 0, 3): bytes(95)})
    with pytest.raises(MalformedProblem):
        frontier_of_tiles(TreeSize(3), {TileId(0, 0): bytes(96)})


def test_an_edge_that_does_not_fit_its_size_is_refused() -> None:
    for size, partials in ((1, ()), (1, (bytes(64),)), (0, (b"",)), (256, (b"",)), (2, (bytes(63),))):
        with pytest.raises(InvalidProblem):
            TileEdge(size=TreeSize(size), partials=partials)
    with pytest.raises(InvalidProblem):
        grow(TileEdge(), [Hash(b"short")])
