"""The right edge of a tiled tree and how it grows. Knows no storage: new full tiles are handed to the caller."""

import hashlib
from collections.abc import Sequence

import msgspec

from proto.ids import TreeSize
from proto.log.merkle import HASH_BYTES, Frontier, Hash, Node, tree_range
from proto.log.tile import TILE_BYTES, TILE_HEIGHT, TileId, full_count, level_count, partial_width
from proto.problem import InvalidProblem

_PAIR_BYTES = 2 * HASH_BYTES


class TileEdge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that growing a tiled tree needs: its size and the bytes of the partial tile of each level, level 0 first.

    A level whose last tile is full has `b""`. At most 255 hashes per level, so under 24 KiB for 16 million leaves.
    Raises `InvalidProblem` when made from partial tiles that do not fit the size.
    """

    size: TreeSize = TreeSize(0)
    partials: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        tree_range(self.size)
        widths = [partial_width(self.size, level) for level in range(level_count(self.size))]
        if [len(data) for data in self.partials] != [HASH_BYTES * width for width in widths]:
            raise InvalidProblem(f"These partial tiles are not the right edge of a tree of {self.size} leaves")

    @property
    def tiles(self) -> dict[TileId, bytes]:
        """The partial tiles by name, without the empty ones."""
        return {
            TileId(level, full_count(self.size, level), len(data) // HASH_BYTES): data
            for level, data in enumerate(self.partials)
            if data
        }

    def frontier(self) -> Frontier:
        """Return the tree's frontier, folded from the partial tiles (at most 255 node hashes per level)."""
        hashes = [self._read(node) for node in tree_range(self.size).nodes()]
        return Frontier(size=self.size, hashes=tuple(hashes))

    def root(self) -> Hash:
        """Return the root hash of the tree; the root of the empty tree for size 0."""
        return self.frontier().root()

    def _read(self, node: Node) -> Hash:
        level, height = divmod(node.height, TILE_HEIGHT)
        begin = ((node.index << height) - (full_count(self.size, level) << TILE_HEIGHT)) * HASH_BYTES
        return fold_hashes(self.partials[level][begin : begin + (HASH_BYTES << height)])


class Growth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What appending leaves gives: the tiles that became full, the new right edge and the new root hash."""

    full_tiles: tuple[tuple[TileId, bytes], ...]
    edge: TileEdge
    root: Hash


def fold_hashes(data: bytes) -> Hash:
    """Return the root over a complete subtree, given as a power of two of 32-byte hashes one after the other."""
    while len(data) > HASH_BYTES:
        data = b"".join(
            [hashlib.sha256(b"\x01" + data[at : at + _PAIR_BYTES]).digest() for at in range(0, len(data), _PAIR_BYTES)]
        )
    return Hash(data)


def grow(edge: TileEdge, leaves: Sequence[Hash]) -> Growth:
    """Return what appending `leaves` (leaf hashes, in order) to the tree does.

    The cost is linear in the count of leaves, plus a constant (the edge) for the root; nothing older than the edge is
    needed. Full tiles come level by level, each level in order. Raises `InvalidProblem` for hashes of another length.
    """
    if any(len(leaf) != HASH_BYTES for leaf in leaves):
        raise InvalidProblem(f"A leaf hash has {HASH_BYTES} bytes")
    size = TreeSize(edge.size + len(leaves))
    full_tiles: list[tuple[TileId, bytes]] = []
    partials: list[bytes] = []
    arrived = b"".join(leaves)
    for level in range(level_count(size)):
        before = edge.partials[level] if level < len(edge.partials) else b""
        complete, rest = _cut(before + arrived)
        first = full_count(edge.size, level)
        full_tiles += [(TileId(level, first + offset), data) for offset, data in enumerate(complete)]
        partials.append(rest)
        arrived = b"".join(fold_hashes(data) for data in complete)
    grown = TileEdge(size=size, partials=tuple(partials))
    return Growth(full_tiles=tuple(full_tiles), edge=grown, root=grown.root())


def _cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the full tiles in a level's hashes, and what is left for its partial tile."""
    whole = len(data) - len(data) % TILE_BYTES
    return [data[at : at + TILE_BYTES] for at in range(0, whole, TILE_BYTES)], data[whole:]
