"""The world that tests live in: its log can be replayed, proven and read by a checkpoint."""

import pytest
from msgspec.structs import replace

from proto.envelope import Signature
from proto.ids import LeafIndex
from proto.lifecycle import BadSignatureRefusal
from proto.log.checkpoint import open_checkpoint
from proto.log.merkle import check_inclusion, inclusion_proof
from tests.support.worlds import FirstWorld, replay


def test_what_a_world_says_can_be_replayed_to_the_same_state() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    parts = [world.issued(university, "a"), world.issued(university, "b")]
    stack = world.stacked(university, parts)
    world.say(world.revocation(university, parts[0]))
    assert world.state(stack) == "impaired"
    book = replay(world.entries)
    assert (book.issuers, book.credentials, book.log) == (world.book.issuers, world.book.credentials, world.book.log)


def test_every_entry_of_a_world_lies_under_its_checkpoint() -> None:
    world = FirstWorld()
    world.admit("uni")
    checkpoint = open_checkpoint(world.checkpoint(), world.log_key.verifier).checkpoint
    for number, leaf in enumerate(world.leaf_hashes):
        index = LeafIndex(number)
        proof = inclusion_proof(index, world.size, world.read_node)
        check_inclusion(index, checkpoint.size, leaf, proof, checkpoint.root_hash)


def test_a_signature_by_another_key_than_the_named_one_is_refused() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    event = world.issue(university)
    foreign = world.seal(event, key=university.recovery)
    named = world.seal(event).signatures[0].keyid
    forged = replace(foreign, signatures=(Signature(keyid=named, sig=foreign.signatures[0].sig),))
    with pytest.raises(BadSignatureRefusal):
        world.append(forged)
