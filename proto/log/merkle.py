"""The Merkle tree of RFC 6962: hashes, frontier, proofs made and checked. Knows no tile, no signature and no storage.

A proof is a list of hashes of leaf ranges. Each range is either one complete subtree or reaches to the tree's right
edge, so it is folded from the complete subtrees of its binary decomposition; a `NodeReader` returns those.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NewType

import msgspec

from proto.ids import LeafIndex, TreeSize
from proto.problem import InvalidProblem, Problem

Hash = NewType("Hash", bytes)

HASH_BYTES = 32
SIZE_MAX = 2**63 - 1
EMPTY_ROOT = Hash(hashlib.sha256(b"").digest())


class ProofProblem(Problem):
    """A Merkle proof that does not prove what it is said to prove."""

    slug = "proof-wrong"
    title = "The Merkle proof does not verify"
    status = 422


class Node(msgspec.Struct, frozen=True, order=True):
    """A complete subtree: the leaves `[index << height, (index + 1) << height)`."""

    height: int
    index: int


class LeafRange(msgspec.Struct, frozen=True):
    """The leaves `[begin, end)` of a tree, as the recursions of RFC 6962 section 2.1 cut it."""

    begin: int
    end: int

    def nodes(self) -> list[Node]:
        """Return the complete subtrees that make up the range, left (largest) to right (smallest)."""
        nodes, begin = [], self.begin
        while begin < self.end:
            height = (self.end - begin).bit_length() - 1
            nodes.append(Node(height, begin >> height))
            begin += 1 << height
        return nodes


NodeReader = Callable[[Node], Hash]


def leaf_hash(entry: bytes) -> Hash:
    """Return SHA-256(0x00 ‖ entry), the 32-byte hash of a leaf (RFC 6962 section 2.1)."""
    return Hash(hashlib.sha256(b"\x00" + entry).digest())


def node_hash(left: Hash, right: Hash) -> Hash:
    """Return SHA-256(0x01 ‖ left ‖ right), the 32-byte hash of an inner node (RFC 6962 section 2.1)."""
    return Hash(hashlib.sha256(b"\x01" + left + right).digest())


def fold_right(hashes: Sequence[Hash]) -> Hash:
    """Return the root over subtrees given left (largest) to right (smallest); of none, the root of the empty tree."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


class Frontier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A compact range: all that appending to a tree of `size` leaves needs, one hash per set bit of `size`.

    `hashes` are the roots of the complete subtrees from left (largest) to right; they and the size are its
    serialisation. Raises `InvalidProblem` when made from hashes that do not fit the size.
    """

    size: TreeSize = TreeSize(0)
    hashes: tuple[Hash, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX:
            raise InvalidProblem(f"{self.size} is not a tree size")
        if len(self.hashes) != self.size.bit_count() or any(len(h) != HASH_BYTES for h in self.hashes):
            raise InvalidProblem(f"A tree of {self.size} leaves has a frontier of {self.size.bit_count()} hashes")

    def add(self, leaf: Hash) -> "Frontier":
        """Return the frontier after one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[Hash]) -> "Frontier":
        """Return the frontier after more leaf hashes, in order; one node hash per leaf on average."""
        stack, size = list(self.hashes), int(self.size)
        for leaf in leaves:
            carried, bits = leaf, size
            while bits & 1:
                carried, bits = node_hash(stack.pop(), carried), bits >> 1
            stack.append(carried)
            size += 1
        return Frontier(size=TreeSize(size), hashes=tuple(stack))

    def root(self) -> Hash:
        """Return the root hash of the tree (MTH of RFC 6962 section 2.1)."""
        return fold_right(self.hashes)


def range_hash(leaves: LeafRange, read: NodeReader) -> Hash:
    """Return the hash of a range from its complete subtrees; an empty range gives the root of the empty tree."""
    return fold_right([read(node) for node in leaves.nodes()])


def tree_range(size: TreeSize) -> LeafRange:
    """Return the range of the whole tree, whose hash is its root; raises `ProofProblem` for an impossible size."""
    if not 0 <= size <= SIZE_MAX:
        raise ProofProblem(f"{size} is not a tree size")
    return LeafRange(0, size)


def _split(begin: int, end: int) -> int:
    """Return where RFC 6962 cuts a range of two or more leaves: after the largest power of two smaller than it."""
    return begin + (1 << ((end - begin - 1).bit_length() - 1))


def inclusion_ranges(index: LeafIndex, size: TreeSize) -> list[LeafRange]:
    """Return the ranges whose hashes are the inclusion proof, the leaf's sibling first (RFC 6962 section 2.1.1).

    Raises `ProofProblem` unless `0 <= index < size`.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise ProofProblem(f"There is no leaf {index} in a tree of {size}")
    begin, end, siblings = 0, int(size), []
    while end - begin > 1:
        middle = _split(begin, end)
        if index < middle:
            siblings.append(LeafRange(middle, end))
            end = middle
        else:
            siblings.append(LeafRange(begin, middle))
            begin = middle
    return siblings[::-1]


def consistency_ranges(old: TreeSize, new: TreeSize) -> list[LeafRange]:
    """Return the ranges whose hashes are the consistency proof (RFC 6962 section 2.1.2); none where `old == new`.

    Raises `ProofProblem` unless `0 < old <= new`: every tree is consistent with the empty one, and nothing proves it.
    """
    if not 0 < old <= new <= SIZE_MAX:
        raise ProofProblem(f"There is no consistency proof from {old} to {new}: it needs 0 < old <= new")
    begin, end, whole, ranges = 0, int(new), True, []
    while old != end:
        middle = _split(begin, end)
        if old <= middle:
            ranges.append(LeafRange(middle, end))
            end = middle
        else:
            ranges.append(LeafRange(begin, middle))
            begin, whole = middle, False
    return [*([] if whole else [LeafRange(begin, end)]), *ranges[::-1]]


def inclusion_proof(index: LeafIndex, size: TreeSize, read: NodeReader) -> list[Hash]:
    """Return the inclusion proof of a leaf, the sibling first; raises `ProofProblem` unless `0 <= index < size`."""
    return [range_hash(leaves, read) for leaves in inclusion_ranges(index, size)]


def consistency_proof(old: TreeSize, new: TreeSize, read: NodeReader) -> list[Hash]:
    """Return the consistency proof from `old` to `new`; raises `ProofProblem` unless `0 < old <= new`."""
    return [range_hash(leaves, read) for leaves in consistency_ranges(old, new)]


def reader_of(leaves: Sequence[Hash]) -> NodeReader:
    """Return a reader over leaf hashes held in memory; it raises `ProofProblem` for nodes beyond them."""

    def read(node: Node) -> Hash:
        begin, end = node.index << node.height, (node.index + 1) << node.height
        if not 0 <= begin < end <= len(leaves):
            raise ProofProblem(f"The leaves {begin} to {end - 1} are not all among the {len(leaves)} known")
        return Frontier().extend(leaves[begin:end]).root()

    return read


def reader_beyond(known: Frontier, leaves: Sequence[Hash]) -> NodeReader:
    """Return a reader of the tree that `leaves` make of `known`: every subtree that reaches beyond it, and its own.

    It raises `ProofProblem` for what lies inside of the known tree, or beyond the leaves.
    """
    own = dict(zip(tree_range(known.size).nodes(), known.hashes, strict=True))

    def read(node: Node) -> Hash:
        begin, end = node.index << node.height, (node.index + 1) << node.height
        if node in own:
            return own[node]
        if begin >= known.size and end <= known.size + len(leaves):
            return Frontier().extend(leaves[begin - known.size : end - known.size]).root()
        if not begin < known.size < end:
            raise ProofProblem(f"The leaves {begin} to {end - 1} are not all among those known")
        below = node.height - 1
        return node_hash(read(Node(below, node.index * 2)), read(Node(below, node.index * 2 + 1)))

    return read


def check_inclusion(index: LeafIndex, size: TreeSize, leaf: Hash, proof: Sequence[Hash], root: Hash) -> None:
    """Raise `ProofProblem` unless `proof` shows that `leaf` lies at `index` under `root` (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size <= SIZE_MAX:
        raise ProofProblem(f"There is no leaf {index} in a tree of {size}")
    _check_lengths([leaf, root, *proof])
    fn, sn, computed = int(index), size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise ProofProblem("The inclusion proof is longer than the tree is high")
        if fn & 1 or fn == sn:
            computed = node_hash(sibling, computed)
            fn, sn = _up_to_sibling(fn, sn)
        else:
            computed = node_hash(computed, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or computed != root:
        raise ProofProblem(f"The inclusion proof of leaf {index} does not lead to the root of the tree of {size}")


def check_consistency(old: TreeSize, new: TreeSize, old_root: Hash, new_root: Hash, proof: Sequence[Hash]) -> None:
    """Raise `ProofProblem` unless `proof` shows that the tree of `old` leaves is a prefix of the tree of `new`.

    RFC 9162 section 2.1.4.2. With `old == new` the proof is empty and the roots are equal. `old == 0` is refused: there
    is nothing to prove, and it must never count as proven.
    """
    if not 0 < old <= new <= SIZE_MAX:
        raise ProofProblem(f"Nothing can be proven from size {old} to size {new}: it needs 0 < old <= new")
    _check_lengths([old_root, new_root, *proof])
    if old == new:
        if proof or old_root != new_root:
            raise ProofProblem(f"Two different trees of {old} leaves, or a proof where none belongs")
        return
    if not proof:
        raise ProofProblem(f"The consistency proof from {old} to {new} is empty")
    if _consistency_roots(old, new, old_root, proof) != (old_root, new_root):
        raise ProofProblem(f"The tree of {old} leaves is not shown to be a prefix of the tree of {new}")


def _consistency_roots(old: int, new: int, old_root: Hash, proof: Sequence[Hash]) -> tuple[Hash, Hash]:
    """Return the two roots that the proof leads to, by the numbered steps of RFC 9162 section 2.1.4.2."""
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)  # (2)
    fn, sn = old - 1, new - 1  # (3)
    while fn & 1:  # (4)
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]  # (5)
    for sibling in path[1:]:  # (6)
        if sn == 0:
            raise ProofProblem("The consistency proof is longer than the tree is high")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(sibling, fr), node_hash(sibling, sr)
            fn, sn = _up_to_sibling(fn, sn)
        else:
            sr = node_hash(sr, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:  # (7)
        raise ProofProblem("The consistency proof is shorter than the tree is high")
    return fr, sr


def _up_to_sibling(fn: int, sn: int) -> tuple[int, int]:
    """Shift both right until `fn` is odd or 0: levels where the right edge has no sibling."""
    while not fn & 1 and fn != 0:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def _check_lengths(hashes: Sequence[Hash]) -> None:
    if any(len(h) != HASH_BYTES for h in hashes):
        raise ProofProblem(f"Every hash of a proof has {HASH_BYTES} bytes")
