"""Nothing that was altered verifies: proofs, notes, checkpoints, receipts, tiles, bundles, by one byte or bit."""

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proto.ids import LeafIndex, Origin, TreeSize
from proto.keys import SecretKey
from proto.log.checkpoint import Checkpoint, cosign, open_checkpoint, sign_checkpoint
from proto.log.merkle import (
    Frontier,
    Hash,
    ProofProblem,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    reader_of,
)
from proto.log.note import Note, open_note, parse_note, sign_note
from proto.log.note_key import KeyKind, SignerKey
from proto.log.policy import Policy, PolicyGroup, PolicyLog, PolicyWitness
from proto.log.receipt import Receipt, check_receipt, parse_receipt
from proto.log.tile import TileId, decode_bundle, encode_bundle, split_tile
from proto.log.tile_edge import TileEdge, fold_hashes, grow
from proto.log.tile_proof import frontier_of_tiles, tiles_for_root
from proto.problem import MalformedProblem, Problem

ENTRIES = [f"entry {i}".encode() for i in range(600)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
READ = reader_of(LEAVES)
LOG = SignerKey(name="log.example", kind=KeyKind.ED25519, secret=SecretKey(bytes([1]) * 32))
WITNESSES = [
    SignerKey(name=f"w{n}.example", kind=KeyKind.COSIGNATURE, secret=SecretKey(bytes([n]) * 32)) for n in (2, 3)
]
KEYS = tuple(witness.verifier for witness in WITNESSES)
POLICY = Policy(
    logs=(PolicyLog(key=LOG.verifier),),
    witnesses=tuple(PolicyWitness(name=key.name, key=key) for key in KEYS),
    groups=(PolicyGroup(name="both", threshold=2, members=tuple(key.name for key in KEYS)),),
    quorum="both",
)

unhurried = settings(deadline=None)  # a busy machine is no counterexample
sizes = st.integers(min_value=1, max_value=len(LEAVES))


def root(size: int) -> Hash:
    return Frontier().extend(LEAVES[:size]).root()


@st.composite
def altered(draw: st.DrawFn, data: bytes) -> bytes:
    """Return `data` with one byte replaced, removed or inserted, or cut off at one end."""
    at = draw(st.integers(min_value=0, max_value=len(data) - 1))
    byte = draw(st.binary(min_size=1, max_size=1))
    changed = draw(
        st.sampled_from([data[:at] + byte + data[at + 1 :], data[:at] + data[at + 1 :], data[:at] + byte + data[at:]])
        | st.sampled_from([data[:at], data[at + 1 :], data + byte])
    )
    assume(changed != data)
    return changed


@st.composite
def altered_proof(draw: st.DrawFn, proof: Sequence[Hash]) -> list[Hash]:
    """Return a proof with one bit flipped, one hash removed, doubled or added, or two swapped."""
    extra = Hash(draw(st.sampled_from(LEAVES)))
    choices = [[*proof, extra], [extra, *proof]]
    if proof:
        at = draw(st.integers(min_value=0, max_value=len(proof) - 1))
        flipped = bytearray(proof[at])
        flipped[draw(st.integers(0, 31))] ^= 1 << draw(st.integers(0, 7))
        choices += [[*proof[:at], Hash(bytes(flipped)), *proof[at + 1 :]], [*proof[:at], *proof[at + 1 :]]]
        choices += [[*proof[: at + 1], *proof[at:]], [*proof[:at], *proof[at:][::-1]], [Hash(h[:31]) for h in proof]]
    changed = draw(st.sampled_from(choices))
    assume(changed != list(proof))
    return changed


def cosigned(size: int) -> Note:
    note = sign_checkpoint(Checkpoint(origin=Origin(LOG.name), size=TreeSize(size), root_hash=root(size)), LOG)
    return Note(text=note.text, signatures=(*note.signatures, *(cosign(note, w, 1_700_000_000) for w in WITNESSES)))


@unhurried
@given(sizes, st.data())
def test_no_altered_inclusion_proof_verifies(size: int, data: st.DataObject) -> None:
    index = LeafIndex(data.draw(st.integers(0, size - 1)))
    proof = inclusion_proof(index, TreeSize(size), READ)
    check_inclusion(index, TreeSize(size), LEAVES[index], proof, root(size))
    with pytest.raises(ProofProblem):
        check_inclusion(index, TreeSize(size), LEAVES[index], data.draw(altered_proof(proof)), root(size))


@unhurried
@given(sizes, st.data())
def test_no_inclusion_proof_verifies_for_another_leaf_index_size_or_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(LeafIndex(index), TreeSize(size), READ)
    other_index = data.draw(st.integers(-2, size + 2).filter(lambda other: other != index))
    other_leaf = data.draw(st.sampled_from(LEAVES).filter(lambda leaf: leaf != LEAVES[index]))
    for claim in (
        (other_index, size, LEAVES[index], root(size)),
        (index, size, other_leaf, root(size)),
        (index, size, LEAVES[index], other_leaf),
    ):
        with pytest.raises(ProofProblem):
            check_inclusion(LeafIndex(claim[0]), TreeSize(claim[1]), claim[2], proof, claim[3])


@unhurried
@given(sizes, sizes, st.data())
def test_no_altered_consistency_proof_verifies(first: int, second: int, data: st.DataObject) -> None:
    old, new = TreeSize(min(first, second)), TreeSize(max(first, second))
    proof = consistency_proof(old, new, READ)
    check_consistency(old, new, root(old), root(new), proof)
    with pytest.raises(ProofProblem):
        check_consistency(old, new, root(old), root(new), data.draw(altered_proof(proof)))
    for roots in ((LEAVES[1], root(new)), (root(old), LEAVES[1])):
        with pytest.raises(ProofProblem):
            check_consistency(old, new, *roots, proof)


@unhurried
@given(st.data())
def test_no_altered_note_verifies(data: st.DataObject) -> None:
    note = sign_note("a text\n\nof three lines\n", [LOG])
    with pytest.raises(Problem):
        open_note(parse_note(data.draw(altered(note.encode()))), [LOG.verifier])


@unhurried
@given(sizes, st.data())
def test_no_altered_checkpoint_verifies_with_all_its_cosignatures(size: int, data: st.DataObject) -> None:
    note = cosigned(size)
    assert len(open_checkpoint(note.encode(), LOG.verifier, KEYS).cosigned_at) == len(KEYS)
    try:
        opened = open_checkpoint(data.draw(altered(note.encode())), LOG.verifier, KEYS)
    except Problem:
        return
    assert len(opened.cosigned_at) < len(KEYS)  # a line that now names a stranger is ignored; the text is untouched
    assert opened.note.text == note.text


@unhurried
@given(sizes, st.data())
def test_no_altered_receipt_verifies(size: int, data: st.DataObject) -> None:
    index = LeafIndex(data.draw(st.integers(0, size - 1)))
    proof = tuple(inclusion_proof(index, TreeSize(size), READ))
    receipt = Receipt(index=index, proof=proof, note=cosigned(size)).encode()
    check_receipt(parse_receipt(receipt), ENTRIES[index], POLICY)
    with pytest.raises(Problem):
        check_receipt(parse_receipt(data.draw(altered(receipt))), ENTRIES[index], POLICY)
    with pytest.raises(Problem):
        check_receipt(parse_receipt(receipt), data.draw(altered(ENTRIES[index])), POLICY)


@unhurried
@given(sizes, st.data())
def test_no_altered_tile_on_the_edge_leads_to_the_root(size: int, data: st.DataObject) -> None:
    tiles = grow(TileEdge(), LEAVES[:size]).edge.tiles
    assert tiles.keys() == tiles_for_root(TreeSize(size))
    assert frontier_of_tiles(TreeSize(size), tiles).root() == root(size)
    tile = data.draw(st.sampled_from(sorted(tiles)))
    changed = tiles | {tile: data.draw(altered(tiles[tile]))}
    try:
        assert frontier_of_tiles(TreeSize(size), changed).root() != root(size)
    except MalformedProblem:
        assert len(changed[tile]) != tile.byte_count


@unhurried
@given(st.data())
def test_no_altered_full_tile_folds_to_its_hash_in_the_level_above(data: st.DataObject) -> None:
    growth = grow(TileEdge(), LEAVES)
    index, (tile, full) = data.draw(st.sampled_from(list(enumerate(growth.full_tiles))))
    parents = split_tile(TileId(1, 0, 2), growth.edge.tiles[TileId(1, 0, 2)])
    assert fold_hashes(full) == parents[index]
    changed = data.draw(altered(full))
    if len(changed) == tile.byte_count:
        assert fold_hashes(changed) != parents[index]
    else:
        with pytest.raises(MalformedProblem):
            split_tile(tile, changed)


@unhurried
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256), st.data())
def test_no_altered_bundle_holds_the_same_leaves(entries: list[bytes], data: st.DataObject) -> None:
    bundle = encode_bundle(entries)
    assert decode_bundle(bundle, len(entries)) == entries
    with contextlib.suppress(MalformedProblem):
        assert decode_bundle(data.draw(altered(bundle)), len(entries)) != entries


@unhurried
@given(st.lists(st.integers(0, 300), max_size=5))
def test_a_tree_does_not_depend_on_its_batches(batches: list[int]) -> None:
    edge, full = TileEdge(), dict[TileId, bytes]()
    for batch in batches:
        growth = grow(edge, LEAVES[edge.size : edge.size + batch])
        edge, full = growth.edge, full | dict(growth.full_tiles)
    at_once = grow(TileEdge(), LEAVES[: edge.size])
    assert (edge, full) == (at_once.edge, dict(at_once.full_tiles))
    assert at_once.root == root(edge.size)
