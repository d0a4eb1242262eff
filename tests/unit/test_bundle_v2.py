"""Bundles about credentials that came, or went, in company: judged for what they are about, and for nothing else."""

import msgspec

from proto.bundles.bundle import decode_bundle, encode_bundle
from proto.bundles.check import ProvenBundle, check_bundle
from proto.ids import CredentialId
from tests.property.test_bundle_properties import check_every_bundle
from tests.support.bundles import bundle_of, log_policy
from tests.support.golden_rules_v2 import changed_over, opened_with
from tests.support.worlds import Party, World

NAMES = [f"student {number}" for number in range(4)]


def _world() -> tuple[World, Party]:
    world = World(rules_version=2)
    return world, world.admit("uni")


def _proven(world: World, credential_id: CredentialId) -> ProvenBundle:
    bundle = decode_bundle(encode_bundle(bundle_of(world, credential_id)))
    found = check_bundle(bundle, log_policy(world))
    assert found.faults == ()
    assert found.state(world.now) == world.effective(credential_id)
    return found


def test_every_bundle_of_the_golden_logs_says_what_the_log_says() -> None:
    check_every_bundle(opened_with())
    check_every_bundle(changed_over())


def test_a_bundle_knows_nothing_of_those_that_came_with_its_credential() -> None:
    world, university = _world()
    one, other, *_ = world.issued_together(university, NAMES)
    world.say(world.revocation(university, other))
    found = _proven(world, one)
    assert (found.verdict(world.now), found.book.credentials[other]) == ("indeterminate", None)
    assert [item.index for item in found.bundle.entries] == [0, 1, 2]


def test_what_was_revoked_in_bulk_is_not_authentic_whatever_became_of_the_others() -> None:
    world, university = _world()
    ids = world.issued_together(university, NAMES)
    alone = world.committed_id(university, "alone")
    world.say(world.committed(university, "alone"))
    world.say(world.hold(university, ids[1]))
    world.say(world.revoke_many(university, [*ids, alone]))
    assert {_proven(world, each).verdict(world.now) for each in (*ids, alone)} == {"invalid"}


def test_what_was_void_and_said_again_in_other_company_is_authentic() -> None:
    world, university = _world()
    stolen, key = world.now, university.key("event", 1)
    void = world.issued_together(university, NAMES)
    world.say(world.key_addition(university, university, key), key=university.recovery)
    world.say(world.condemnation(university, university, university.event, stolen), key=university.recovery)
    world.say(world.issue_many(university, [NAMES[0], "new"]), key=key)
    states = {_proven(world, each).verdict(world.now) for each in void}
    assert states == {"invalid", "indeterminate"}
    assert world.state(world.committed_id(university, NAMES[0])) == "active"


def test_a_stack_whose_parts_came_together_holds_each_entry_once() -> None:
    world, university = _world()
    parts = world.issued_together(university, NAMES)
    world.say(world.committed_stack(university, parts, "stack", ects_hundredths=1400))
    found = _proven(world, world.committed_id(university, "stack"))
    assert [item.index for item in found.bundle.entries] == [0, 1, 2, 3]
    world.say(world.revoke_many(university, parts[:2]))
    assert _proven(world, world.committed_id(university, "stack")).verdict(world.now) == "invalid"


def test_a_shared_event_that_is_about_others_alone_does_not_belong() -> None:
    world, university = _world()
    one, *_ = world.issued_together(university, NAMES)
    other, *_ = world.issued_together(university, ["somebody", "somebody else"])
    entries = (*bundle_of(world, one).entries, bundle_of(world, other).entries[-1])
    found = check_bundle(msgspec.structs.replace(bundle_of(world, one), entries=entries), log_policy(world))
    assert {fault.code for fault in found.faults} == {"does-not-belong"}
