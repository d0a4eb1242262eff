"""Both axes of time, `at` (effective) and `known_at` (recorded), and which state is shown (DESIGN 3.7)."""

from tests.support.worlds import FirstWorld


def test_what_is_asked_is_asked_on_the_effective_axis_with_all_that_is_known() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    start = world.now
    credential = world.issued(university)
    world.advance(days=10)
    revoked_from = world.moment(days=-4)
    world.say(world.revocation(university, credential, effective_at=revoked_from))
    assert world.state(credential, at=start) == "active"
    assert world.state(credential, at=world.moment(days=-5)) == "active"
    assert world.state(credential, at=revoked_from) == "revoked"
    assert world.state(credential, at=world.moment(days=400)) == "revoked"


def test_what_the_log_said_then_is_asked_on_the_recorded_axis() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    before = world.moment(seconds=-0.001)
    issued_at = world.now
    credential = world.issued(university)
    revoked_at = world.advance(days=10)
    world.say(world.revocation(university, credential, effective_at=world.moment(days=-5)))
    assert world.state(credential, known_at=before) is None
    assert world.state(credential, known_at=issued_at) == "active"
    assert world.state(credential, at=revoked_at, known_at=world.moment(days=-1)) == "active"
    assert world.state(credential, at=revoked_at, known_at=revoked_at) == "revoked"


def test_a_suspension_is_a_gap_on_the_effective_axis() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    begin = world.advance(days=1)
    world.say(world.hold(university, credential, reason="legal-order"))
    end = world.advance(days=1)
    world.say(world.release(university, credential))
    states = [(world.effective(credential, at=at)) for at in (world.moment(days=-2), begin, end)]
    assert [each.state for each in states if each] == ["active", "suspended", "active"]
    assert [each.reason for each in states if each] == [None, "legal-order", None]
    assert [each.since for each in states if each][1:] == [begin, end]


def test_valid_until_is_exclusive_and_valid_from_inclusive() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    begin, end = world.moment(days=1), world.moment(days=2)
    credential = world.issued(university, valid_from=begin, valid_until=end)
    moments = [world.moment(days=1, seconds=-1.001), begin, world.moment(days=2, seconds=-1.001), end]
    assert [world.state(credential, at=at) for at in moments] == ["not_yet_valid", "active", "active", "expired"]
    expired = world.effective(credential, at=world.moment(days=3))
    assert expired is not None
    assert expired.since == end


def test_of_several_states_the_first_in_order_is_shown() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    second = other.key("event", 1)
    world.say(world.key_addition(other, other, second), key=other.recovery)
    part = world.issued(university)
    start = world.now
    end = world.moment(days=1)
    parts = [part, world.issued(university)]
    stack = world.stacked(other, parts, valid_until=end)
    seen = []
    world.say(world.revocation(university, part))
    seen.append(world.state(stack))
    seen.append(world.state(stack, at=end))
    world.say(world.issue(university))
    whole = world.stacked(other, [world.issued(university), world.issued(university)], valid_until=end)
    world.say(world.hold(other, whole))
    seen.append(world.state(whole, at=world.moment(days=2)))
    world.say(world.revocation(world.registrar, whole))
    seen.append(world.state(whole))
    world.say(world.condemnation(other, other, other.event, start), key=other.recovery)
    seen.append(world.state(whole))
    assert seen == ["impaired", "expired", "suspended", "revoked", "void"]


def test_something_suspended_before_it_is_valid_is_suspended() -> None:
    world = FirstWorld()
    university, begin = world.admit("uni"), FirstWorld().moment(days=40)
    credential = world.issued(university, valid_from=begin)
    world.say(world.revocation(university, credential))
    assert world.state(credential) == "revoked"
    assert world.state(credential, at=world.moment(days=-1)) == "not_yet_valid"


def test_a_stack_is_judged_by_its_parts_at_the_same_moment_and_knowledge() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    parts = [world.issued(university), world.issued(university)]
    stack = world.stacked(university, parts)
    known = world.now
    world.advance(days=10)
    world.say(world.revocation(university, parts[0], effective_at=world.moment(days=-5)))
    assert world.state(stack) == "impaired"
    assert world.state(stack, known_at=known) == "active"
    assert world.state(stack, at=world.moment(days=-6)) == "active"
    found = world.effective(stack)
    assert found is not None
    assert found.since == world.moment(days=-5, seconds=-1)
