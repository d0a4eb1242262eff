"""Bundles about credentials that came, or went, in company: judged for what they are about, and for nothing else."""

import msgspec
import pytest

from proto.bundles.bundle import BUNDLE_BYTES_MAX, decode_bundle, encode_bundle
from proto.bundles.check import ProvenBundle, check_bundle
from proto.events import GROUP_MAX
from proto.ids import CredentialId
from services.ledger.http.bundle_routes import BundleTooLargeProblem, _verified
from tests.support.bundles import bundle_of, log_policy
from tests.support.every_bundle import check_every_bundle
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


def test_as_many_parts_as_there_may_be_fit_though_each_came_in_company_and_too_many_bytes_are_refused_as_such() -> None:
    world, university = _world()
    achievement = f"{university.url}{'a' * 460}"
    groups = [
        world.issued_together(university, [f"{number} {each}" for each in range(GROUP_MAX)], achievement=achievement)
        for number in range(252)
    ]
    stacks = []
    for number in range(4):
        parts = [group[0] for group in groups[63 * number : 63 * (number + 1)]]
        world.say(world.committed_stack(university, parts, f"stack {number}", ects_hundredths=350))
        stacks.append(world.committed_id(university, f"stack {number}"))
    world.say(world.committed_stack(university, stacks, "whole", ects_hundredths=350))
    whole, policy = world.committed_id(university, "whole"), log_policy(world)
    data = _verified(bundle_of(world, whole), policy)
    assert 6_000_000 < len(data) <= BUNDLE_BYTES_MAX
    for group in groups[:90]:
        world.say(world.revoke_many(university, group))
    with pytest.raises(BundleTooLargeProblem, match=f"at most {BUNDLE_BYTES_MAX} are read"):
        _verified(bundle_of(world, whole), policy)
