"""What a compromised key said does not count (DESIGN 3.7), whatever rests on it: keys, revocations, admissions."""

import time

from proto import events
from proto.ids import CredentialId
from proto.lifecycle import compromised_from, is_void, profile, refusals
from proto.moment import Moment
from tests.support.worlds import FirstWorld, Party, World


def _second_key(world: World, party: Party, number: int = 1) -> events.KeyRecord:
    key = party.key("event", number)
    world.say(world.key_addition(party, party, key), key=party.recovery)
    return key


def _second_recovery(world: World, party: Party, number: int = 1) -> events.KeyRecord:
    key = party.key("recovery", number)
    world.say(world.key_addition(party, party, key), key=party.recovery)
    return key


def _condemn(world: World, party: Party, key: events.KeyRecord, since: Moment) -> None:
    world.say(world.condemnation(party, party, key, since), key=party.recovery)


def test_only_what_was_received_from_invalid_from_on_is_void() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    before = world.issued(university)
    since = world.now
    at, after = world.issued(university), world.issued(university)
    _condemn(world, university, university.event, since)
    assert [world.state(each) for each in (before, at, after)] == ["active", "void", "void"]
    found = world.effective(after)
    assert found is not None
    assert (found.since, found.reason, found.credits_remaining) == (since, "key-compromise", 0)


def test_a_rotated_key_leaves_everything_as_it_is() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    world.say(world.rotation(university, university, university.event))
    assert world.state(credential) == "active"
    assert compromised_from(world.book, university.event.key_id) is None


def test_what_a_thief_revoked_or_suspended_holds_again() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    revoked, suspended, released = (world.issued(university) for _ in range(3))
    world.say(world.hold(university, released))
    stolen = world.now
    world.say(world.revocation(university, revoked))
    world.say(world.hold(university, suspended))
    world.say(world.release(university, released))
    _condemn(world, university, university.event, stolen)
    assert [world.state(each) for each in (revoked, suspended, released)] == ["active", "active", "suspended"]


def test_a_lapsed_revocation_is_no_revocation() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    second = _second_key(world, university)
    stolen = world.advance(days=1)
    world.say(world.revocation(university, credential))
    _condemn(world, university, university.event, stolen)
    world.say(world.revocation(university, credential, effective_at=world.moment(seconds=-1)), key=second)
    assert world.state(credential) == "revoked"


def test_a_lapsed_transition_does_not_hold_effective_at_back() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    second = _second_key(world, university)
    earlier = world.now
    stolen = world.advance(days=1)
    world.say(world.hold(university, credential))
    _condemn(world, university, university.event, stolen)
    world.say(world.revocation(university, credential, effective_at=earlier), key=second)


def test_a_void_credential_changes_no_more() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    stolen = world.now
    credential = world.issued(university)
    _condemn(world, university, university.event, stolen)
    for event in (
        world.revocation(world.registrar, credential),
        world.hold(world.registrar, credential),
        world.release(world.registrar, credential),
    ):
        assert world.refuses(event, refusals.CredentialStateRefusal).members["state"] == "void"


def test_a_void_id_is_issued_again_by_its_issuer_only() -> None:
    world = FirstWorld()
    university, rival = world.admit("uni"), world.admit("rival")
    second = _second_key(world, university)
    stolen = world.now
    credential = world.issued(university, "a")
    world.refuses(world.issue(university, "a"), refusals.AlreadyExistsRefusal, key=second)
    _condemn(world, university, university.event, stolen)
    world.refuses(world.issue(rival, credential_id=credential), refusals.AlreadyExistsRefusal)
    world.say(world.issue(university, "a"), key=second)
    assert world.state(credential) == "active"
    world.refuses(world.issue(university, "a"), refusals.AlreadyExistsRefusal, key=second)


def test_a_stack_returns_when_its_void_part_is_issued_again() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    second = _second_key(world, other)
    stolen = world.now
    part = world.issued(other, "p")
    stack = world.stacked(university, [part, world.issued(university)])
    _condemn(world, other, other.event, stolen)
    assert world.state(stack) == "impaired"
    world.say(world.issue(other, "p", ects_hundredths=100), key=second)
    found = world.effective(stack)
    assert found is not None
    assert (found.state, found.credits_remaining) == ("active", 450)


def test_what_is_issued_again_has_the_components_that_it_had() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    second = _second_key(world, university)
    parts = [world.issued(university) for _ in range(3)]
    stolen = world.now
    world.issued(university, "plain")
    world.stacked(university, parts[:2], "stack")
    _condemn(world, university, university.event, stolen)
    for event in (
        world.stack(university, parts[1:], "stack"),
        world.issue(university, "stack"),
        world.stack(university, parts[:2], "plain"),
    ):
        assert world.refuses(event, refusals.StackRefusal, key=second).is_final
    world.say(world.stack(university, parts[:2], "stack"), key=second)
    world.say(world.issue(university, "plain"), key=second)


def test_a_revocation_outlives_the_issue_that_it_revoked() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    second = _second_key(world, university)
    stolen = world.now
    revoked, suspended, lapsed = (world.issued(university, name) for name in "abc")
    world.say(world.revocation(world.registrar, revoked))
    world.say(world.hold(world.registrar, suspended))
    world.say(world.revocation(university, lapsed))
    _condemn(world, university, university.event, stolen)
    again = world.refuses(world.issue(university, "a"), refusals.CredentialStateRefusal, key=second)
    assert (again.is_final, again.members["state"]) == (True, "revoked")
    world.say(world.issue(university, "b"), key=second)
    world.say(world.issue(university, "c"), key=second)
    assert [world.state(each) for each in (revoked, suspended, lapsed)] == ["void", "suspended", "active"]
    world.refuses(world.release(university, suspended), refusals.NotAllowedRefusal, key=second)


def test_keys_that_a_thief_added_are_void_with_all_that_they_said() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    good = _second_recovery(world, university)
    stolen = world.now
    event_key, recovery_key = university.key("event", 7), university.key("recovery", 7)
    world.say(world.key_addition(university, university, event_key), key=university.recovery)
    world.say(world.key_addition(university, university, recovery_key), key=university.recovery)
    deeper = university.key("event", 8)
    world.say(world.key_addition(university, university, deeper), key=recovery_key)
    credentials: list[CredentialId] = []
    for key in (event_key, deeper):
        event = world.issue(university)
        world.say(event, key=key)
        credentials.append(event.credential_id)
    world.say(world.condemnation(university, university, university.event, stolen), key=recovery_key)
    world.refuses(world.issue(university), refusals.RetiredKeyRefusal)
    world.say(world.condemnation(university, university, university.recovery, stolen), key=good)
    assert [world.state(each) for each in credentials] == ["void", "void"]
    for key in (event_key, deeper):
        world.refuses(world.issue(university), refusals.RetiredKeyRefusal, key=key)
    world.say(world.issue(university))


def test_a_rotation_by_a_thief_lapses() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    stolen = world.now
    world.say(world.rotation(university, university, university.event), key=university.recovery)
    world.refuses(world.issue(university), refusals.RetiredKeyRefusal)
    world.say(world.condemnation(world.registrar, university, university.recovery, stolen))
    world.say(world.issue(university))


def test_a_key_that_condemned_itself_condemned_itself() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    added = world.received_at(1)
    world.say(world.condemnation(university, university, university.recovery, added), key=university.recovery)
    assert compromised_from(world.book, university.recovery.key_id) == added
    again = world.rotation(university, university, university.event)
    world.refuses(again, refusals.RetiredKeyRefusal, key=university.recovery)


def test_of_keys_that_condemn_each_other_the_later_prevails() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    since = world.now
    first, second = university.recovery, _second_recovery(world, university)
    world.say(world.condemnation(university, university, second, world.received_at(2)), key=first)
    third = world.condemnation(world.registrar, university, first, since)
    world.say(third)
    world.refuses(world.rotation(university, university, university.event), refusals.RetiredKeyRefusal, key=second)
    assert compromised_from(world.book, first.key_id) == since


def test_a_condemned_condemner_gives_its_victims_back_until_the_last_word_is_spoken() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    first, second, third = (
        university.recovery,
        _second_recovery(world, university),
        _second_recovery(world, university, 2),
    )
    credential = world.issued(university)
    world.say(world.condemnation(university, university, university.event, world.received_at(1)), key=first)
    assert world.state(credential) == "void"
    stolen = world.received_at(world.size - 1)
    world.say(world.condemnation(university, university, first, stolen), key=second)
    assert world.state(credential) == "active"
    world.say(world.condemnation(university, university, second, stolen), key=third)
    assert world.state(credential) == "void"
    world.refuses(world.issue(university), refusals.RetiredKeyRefusal)


def test_a_condemned_key_of_the_registrar_voids_the_admission_and_all_that_rests_on_it() -> None:
    world = FirstWorld()
    registrar = world.registrar
    second = registrar.key("event", 1)
    world.say(world.key_addition(registrar, registrar, second), key=registrar.recovery)
    honest = world.admit("honest")
    stolen = world.now
    fake = world.admit("fake")
    credential, kept = world.issued(fake), world.issued(honest)
    world.say(world.scope_change(honest, may_issue=False))
    world.say(world.closing(honest, fake))
    world.say(world.condemnation(registrar, registrar, registrar.event, stolen), key=registrar.recovery)
    assert (world.state(credential), world.state(kept)) == ("void", "active")
    issuer = world.book.issuer(fake.did)
    assert issuer is not None
    assert profile(world.book, issuer) is None
    assert profile(world.book, issuer, known_at=stolen) is not None
    world.refuses(world.issue(fake), refusals.RetiredKeyRefusal)
    world.say(world.issue(honest))
    keys = (fake.key("event", 1), fake.key("recovery", 1))
    world.refuses(world.admission(fake), refusals.AlreadyExistsRefusal, key=second)
    world.say(world.admission(fake, keys=keys), key=second)
    world.say(world.issue(fake), key=keys[0])
    assert world.state(credential) == "void"


def test_a_scope_that_a_thief_widened_is_narrow_again() -> None:
    world = FirstWorld()
    registrar, university = world.registrar, world.admit("uni")
    world.say(world.scope_change(university, may_issue=False))
    stolen = world.now
    world.say(world.scope_change(university, may_issue=True))
    credential = world.issued(university)
    world.say(world.condemnation(registrar, registrar, registrar.event, stolen), key=registrar.recovery)
    world.refuses(world.issue(university), refusals.OutOfScopeRefusal)
    assert world.state(credential) == "active"


def test_keys_that_a_stolen_key_of_the_registrar_added_never_get_to_sign() -> None:
    world = FirstWorld()
    registrar, university = world.registrar, world.admit("uni")
    stolen = world.now
    planted = university.key("event", 9)
    world.say(world.key_addition(registrar, university, planted))
    world.say(world.condemnation(registrar, registrar, registrar.event, stolen), key=registrar.recovery)
    world.advance(days=8)
    world.refuses(world.issue(university), refusals.RetiredKeyRefusal, key=planted)
    world.say(world.issue(university))


def test_by_what_was_known_then_nothing_was_void() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    stolen = world.now
    credential = world.issued(university)
    known = world.moment(seconds=-1)
    condemned_at = world.advance(days=3)
    _condemn(world, university, university.event, stolen)
    assert world.state(credential, known_at=known) == "active"
    assert world.state(credential, known_at=condemned_at) == "void"
    assert world.state(credential, at=stolen) == "void"
    stamp = world.book.credentials[credential].lives[0].stamp  # type: ignore[union-attr] # it was issued above
    assert not is_void(world.book, stamp, known_at=known)
    assert is_void(world.book, stamp)


def test_a_war_of_keys_costs_nothing() -> None:
    world = FirstWorld(step_ms=1)
    university = world.admit("uni")
    recoveries = [university.recovery]
    recoveries += [_second_recovery(world, university, number) for number in range(1, 40)]
    credential = world.issued(university)
    since = world.received_at(world.size - 1)
    for judge in range(1, 40):
        for victim in range(judge - 1, max(0, judge - 6) - 1, -1):
            event = world.condemnation(university, university, recoveries[victim], since)
            world.say(event, key=recoveries[judge])
    started = time.process_time()
    for known in range(world.size - 60, world.size):
        assert world.state(credential, known_at=world.received_at(known)) == "active"
    assert time.process_time() - started < 5


def test_nothing_ever_contains_itself_whatever_turns_out_to_be_void() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    keys = [_second_key(world, university, number) for number in (1, 2, 3)]
    judge = _second_recovery(world, university)
    stolen = world.now
    other = world.issued(university, "other")
    first = world.issued(university, "first")
    second = world.stacked(university, [first, other], "second", ects_hundredths=10)
    world.say(world.condemnation(university, university, university.event, stolen), key=university.recovery)
    world.say(world.issue(university, "other"), key=keys[0])
    cycle = world.stack(university, [second, other], "first", ects_hundredths=10)
    world.refuses(cycle, refusals.StackRefusal, key=keys[1])
    world.say(world.condemnation(university, university, university.recovery, stolen), key=judge)
    assert world.state(second) == "active"
