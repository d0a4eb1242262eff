"""The tree against the recursions of RFC 6962 written out, for every size that is small enough to try all of it."""

import itertools

import pytest

from proto.ids import LeafIndex, TreeSize
from proto.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    Hash,
    Node,
    ProofProblem,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    reader_of,
)
from proto.problem import InvalidProblem

SIZE_TRIED = 40
LEAVES = [leaf_hash(i.to_bytes(8, "big")) for i in range(SIZE_TRIED)]
READ = reader_of(LEAVES)


def mth(leaves: list[Hash]) -> Hash:
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path(m: int, leaves: list[Hash]) -> list[Hash]:
    if len(leaves) == 1:
        return []
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[Hash], *, whole: bool) -> list[Hash]:
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


ROOTS = [mth(LEAVES[:size]) for size in range(SIZE_TRIED + 1)]


def test_the_frontier_reaches_the_root_of_every_size_one_leaf_at_a_time() -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for size, leaf in enumerate(LEAVES, start=1):
        frontier = frontier.add(leaf)
        assert (frontier.size, frontier.root()) == (size, ROOTS[size])


def test_extending_by_a_batch_equals_adding_one_by_one() -> None:
    for first, second in itertools.product(range(20), repeat=2):
        grown = Frontier().extend(LEAVES[:first]).extend(LEAVES[first : first + second])
        assert grown == Frontier().extend(LEAVES[: first + second])


def test_a_frontier_that_does_not_fit_its_size_is_refused() -> None:
    for size, hashes in ((1, ()), (2, (LEAVES[0], LEAVES[1])), (1, (Hash(b"short"),)), (-1, ()), (2**63, (LEAVES[0],))):
        with pytest.raises(InvalidProblem):
            Frontier(size=TreeSize(size), hashes=hashes)


def test_every_inclusion_proof_of_every_small_tree_is_the_one_of_the_rfc_and_verifies() -> None:
    for size in range(1, SIZE_TRIED + 1):
        for index in range(size):
            proof = inclusion_proof(LeafIndex(index), TreeSize(size), READ)
            assert proof == path(index, LEAVES[:size])
            check_inclusion(LeafIndex(index), TreeSize(size), LEAVES[index], proof, ROOTS[size])


def test_every_consistency_proof_of_every_small_tree_is_the_one_of_the_rfc_and_verifies() -> None:
    for new in range(1, SIZE_TRIED + 1):
        for old in range(1, new + 1):
            proof = consistency_proof(TreeSize(old), TreeSize(new), READ)
            assert proof == subproof(old, LEAVES[:new], whole=True)
            check_consistency(TreeSize(old), TreeSize(new), ROOTS[old], ROOTS[new], proof)


def test_an_inclusion_proof_fits_no_other_index_of_the_tree() -> None:
    for size in range(1, 20):
        for index, other in itertools.permutations(range(size), 2):
            proof = inclusion_proof(LeafIndex(index), TreeSize(size), READ)
            with pytest.raises(ProofProblem):
                check_inclusion(LeafIndex(other), TreeSize(size), LEAVES[index], proof, ROOTS[size])


def test_a_tree_is_never_proven_consistent_with_the_empty_one() -> None:
    with pytest.raises(ProofProblem):
        check_consistency(TreeSize(0), TreeSize(1), EMPTY_ROOT, ROOTS[1], [])
    with pytest.raises(ProofProblem):
        consistency_proof(TreeSize(0), TreeSize(1), READ)


def test_two_roots_of_one_size_are_not_consistent() -> None:
    with pytest.raises(ProofProblem, match="Two different trees"):
        check_consistency(TreeSize(5), TreeSize(5), ROOTS[5], ROOTS[6], [])


def test_a_proof_for_a_leaf_that_does_not_exist_is_refused() -> None:
    for index, size in ((0, 0), (1, 1), (-1, 1), (0, 2**63)):
        with pytest.raises(ProofProblem):
            inclusion_proof(LeafIndex(index), TreeSize(size), READ)
        with pytest.raises(ProofProblem):
            check_inclusion(LeafIndex(index), TreeSize(size), LEAVES[0], [], ROOTS[1])


def test_the_reader_refuses_nodes_beyond_its_leaves() -> None:
    with pytest.raises(ProofProblem):
        READ(Node(3, SIZE_TRIED // 8))
