"""Statistics count credentials, not events: what was said of many at once is as many acts."""

from proto.events import Event
from proto.lifecycle import Stamp
from proto.log.merkle import Hash
from services.follow import Applied
from services.verifier.projection.statistic_counts import acts_of, count_acts
from tests.support.worlds import World

NAMES = [f"student {number}" for number in range(5)]


def _applied(world: World, event: Event) -> Applied:
    index = world.say(event)
    opened = world.opened[index]
    stamp = Stamp(index=index, event_id=opened.event_id, key_id=opened.key_id, received_at=world.received_at(index))
    return Applied(index=index, entry_bytes=b"", leaf_hash=Hash(bytes(32)), opened=opened, stamp=stamp)


def test_credentials_of_one_event_are_counted_each() -> None:
    world = World(rules_version=2)
    university = world.admit("uni")
    issued = _applied(world, world.issue_many(university, NAMES))
    ids = issued.opened.credential_ids
    applied = [
        issued,
        _applied(world, world.committed(university, "alone")),
        _applied(world, world.committed_stack(university, ids[:2], "stack")),
        _applied(world, world.revoke_many(university, ids[2:])),
        _applied(world, world.hold(university, ids[0])),
    ]
    found = {key.kind: tuple(counted) for key, counted in count_acts(acts_of(world.book, applied)).items()}
    assert found == {
        "credential": (6, 6 * 350),
        "stack": (1, 700),
        "revocation": (3, 3 * 350),
        "suspension": (1, 350),
    }


def test_a_void_one_that_is_said_again_in_other_company_is_counted_once() -> None:
    world = World(rules_version=2)
    university = world.admit("uni")
    stolen, key = world.now, university.key("event", 1)
    first = _applied(world, world.issue_many(university, NAMES[:2]))
    world.say(world.key_addition(university, university, key), key=university.recovery)
    world.say(world.condemnation(university, university, university.event, stolen), key=university.recovery)
    index = world.say(world.issue_many(university, NAMES[1:4]), key=key)
    again = world.opened[index]
    stamp = Stamp(index=index, event_id=again.event_id, key_id=again.key_id, received_at=world.received_at(index))
    second = Applied(index=index, entry_bytes=b"", leaf_hash=Hash(bytes(32)), opened=again, stamp=stamp)
    counted = count_acts(acts_of(world.book, [first, second]))
    assert [tuple(each) for each in counted.values()] == [(4, 4 * 350)]


def test_next_to_nothing_is_done_for_each_of_many_that_share_their_lives() -> None:
    world = World(rules_version=2)
    university = world.admit("uni")
    issued = _applied(world, world.issue_many(university, NAMES))
    ids = issued.opened.credential_ids
    world.say(world.revoke_many(university, ids[2:]))
    found = [(act.credential_id, act.credential_count) for act in acts_of(world.book, [issued])]
    assert found == [(ids[0], 2), (ids[2], 3)], "by the company in which they are now"
