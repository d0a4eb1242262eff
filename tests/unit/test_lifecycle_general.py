"""The general rules of admission (DESIGN 3.6): log, id, time, key, speaker; and what each refusal tells a machine."""

import pytest
from msgspec.structs import replace

from proto import events
from proto.event_fields import Purpose
from proto.events import DEFAULT_PARAMETERS
from proto.ids import LeafIndex, Origin, TreeSize
from proto.lifecycle import Book, Refusal, UnknownRulesProblem, decide, refusals, signing_key
from proto.lifecycle.states import RulesVersion, Stamp
from proto.problem import InvalidProblem
from tests.support.worlds import FirstWorld, FullBook, World

RETRYABLE = {
    "event-ahead-of-time",
    "unknown-key",
    "key-delayed",
    "unknown-issuer",
    "speaker-suspended",
    "rules-version",
    "unknown-credential",
    "unknown-recognition",
    "unknown-statement",
    "not-invited",
}
FINAL = {
    "statement-state",
    "refused",
    "wrong-log",
    "already-on-log",
    "event-too-old",
    "bad-signature",
    "key-retired",
    "key-purpose",
    "issuer-closed",
    "not-allowed",
    "out-of-scope",
    "already-exists",
    "credential-state",
    "credentials-refused",
    "issuer-state",
    "effective-time",
    "stack",
    "limit",
    "field",
}


def _refusals() -> list[type[Refusal]]:
    return [kind for kind in vars(refusals).values() if isinstance(kind, type) and issubclass(kind, Refusal)]


def test_every_refusal_is_final_or_retryable_as_the_design_says() -> None:
    assert {kind.slug for kind in _refusals() if not kind.is_final} == RETRYABLE
    assert {kind.slug for kind in _refusals() if kind.is_final} == FINAL
    assert len({kind.slug for kind in _refusals()}) == len(_refusals())


@pytest.mark.parametrize("kind", _refusals())
def test_a_refusal_names_its_rule_and_whether_it_is_final_in_its_document(kind: type[Refusal]) -> None:
    document = kind("Because.", pointer="/at").document()
    assert document["rule"] == kind.rule
    assert document["final"] is kind.is_final
    assert document["type"].endswith(kind.slug)
    assert 400 <= document["status"] < 500


def test_an_event_for_another_log_is_refused() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    event = replace(world.issue(university), log=Origin("other.example/log"))
    assert world.refuses(event, refusals.WrongLogRefusal).pointer == "/log"


def test_an_event_that_is_on_the_log_already_is_not_appended_again() -> None:
    world = FirstWorld()
    event = world.issue(world.admit("uni"))
    world.say(event)
    world.refuses(event, refusals.AlreadyOnLogRefusal)


def test_nothing_but_an_opening_begins_a_log() -> None:
    world = FirstWorld(is_open=False)
    world.refuses(world.admission(world.party("uni")), refusals.WrongLogRefusal)


@pytest.mark.parametrize(("seconds", "is_admitted"), [(300, True), (300.001, False)])
def test_an_event_may_claim_to_be_five_minutes_ahead(*, seconds: float, is_admitted: bool) -> None:
    world = FirstWorld()
    event = replace(world.issue(world.admit("uni")), at=world.moment(seconds=seconds))
    if is_admitted:
        world.say(event)
    else:
        assert not world.refuses(event, refusals.AheadOfTimeRefusal).is_final


@pytest.mark.parametrize(("seconds", "is_admitted"), [(-30 * 86_400, True), (-30 * 86_400 - 0.001, False)])
def test_an_event_may_be_thirty_days_old(*, seconds: float, is_admitted: bool) -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.advance(days=60)
    event = replace(world.issue(university), at=world.moment(seconds=seconds))
    if is_admitted:
        world.say(event)
    else:
        world.refuses(event, refusals.TooOldRefusal)


def test_the_windows_are_parameters_of_the_log() -> None:
    world = FirstWorld(parameters=replace(DEFAULT_PARAMETERS, at_ahead_seconds_max=0, at_behind_seconds_max=60))
    university = world.admit("uni")
    world.refuses(replace(world.issue(university), at=world.moment(seconds=1)), refusals.AheadOfTimeRefusal)
    world.refuses(replace(world.issue(university), at=world.moment(seconds=-61)), refusals.TooOldRefusal)
    world.say(world.issue(university))


def test_an_unknown_key_is_refused_and_may_be_known_later() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    event = world.issue(university)
    second = university.key("event", 1)
    assert not world.refuses(event, refusals.UnknownKeyRefusal, key=second).is_final
    world.say(world.key_addition(university, university, second), key=university.recovery)
    world.say(event, key=second)


def test_an_institution_that_is_not_admitted_has_no_key() -> None:
    world = FirstWorld()
    world.refuses(world.issue(world.party("nobody")), refusals.UnknownKeyRefusal)


def test_a_key_of_somebody_else_signs_nothing() -> None:
    world = FirstWorld()
    university, thief = world.admit("uni"), world.admit("thief")
    sealed = world.seal(world.issue(university))
    swapped = replace(sealed, signatures=(replace(sealed.signatures[0], keyid=thief.event.key_id),))
    with pytest.raises(InvalidProblem, match="speaks for"):
        world.append(swapped)


def test_a_rotated_key_signs_no_more() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.say(world.rotation(university, university, university.event))
    assert world.refuses(world.issue(university), refusals.RetiredKeyRefusal).is_final


def test_a_compromised_key_signs_no_more() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.say(
        world.condemnation(university, university, university.event, world.moment(seconds=0)), key=university.recovery
    )
    world.refuses(world.issue(university), refusals.RetiredKeyRefusal)


@pytest.mark.parametrize("purpose", ["assertion", "recovery"])
def test_only_event_keys_sign_credentials(purpose: Purpose) -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.refuses(world.issue(university), refusals.KeyPurposeRefusal, key=university.key(purpose))


@pytest.mark.parametrize("maker", ["key_addition", "rotation"])
def test_an_assertion_key_never_signs_events(maker: str) -> None:
    world = FirstWorld()
    university = world.admit("uni")
    event = getattr(world, maker)(university, university, university.key("event", 0 if maker == "rotation" else 1))
    world.refuses(event, refusals.KeyPurposeRefusal, key=university.assertion)


def test_a_key_that_the_registrar_added_waits_out_the_delay() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    second = university.key("event", 1)
    added = world.say(world.key_addition(world.registrar, university, second))
    delay = DEFAULT_PARAMETERS.registrar_key_delay_seconds
    world.advance(seconds=delay - 1.001)
    assert not world.refuses(world.issue(university), refusals.DelayedKeyRefusal, key=second).is_final
    world.advance(seconds=0.001)
    world.say(world.issue(university), key=second)
    assert world.key_state(second).added.index == added


def test_a_key_that_the_owner_added_signs_at_once() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    second = university.key("event", 1)
    world.say(world.key_addition(university, university, second), key=university.recovery)
    world.say(world.issue(university), key=second)


def test_a_suspended_institution_issues_nothing_and_may_again_later() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    part, other = world.issued(university), world.issued(university)
    recognised = world.say(world.recognition(university, part))
    world.say(world.suspension(university))
    for event in (
        world.issue(university),
        world.stack(university, [part, other]),
        world.release(university, part),
        world.recognition(university, other),
        world.withdrawal(university, world.event_id(recognised)),
    ):
        assert not world.refuses(event, refusals.SuspendedSpeakerRefusal).is_final
    world.say(world.reinstatement(university))
    world.say(world.issue(university))


def test_a_suspended_institution_may_still_revoke_and_suspend_its_own() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    first, second = world.issued(university), world.issued(university)
    world.say(world.suspension(university))
    world.say(world.revocation(university, first))
    world.say(world.hold(university, second))
    assert (world.state(first), world.state(second)) == ("revoked", "suspended")


def test_a_suspended_successor_does_not_revoke_what_it_inherited() -> None:
    world = FirstWorld()
    university, heir = world.admit("uni"), world.admit("heir")
    credential = world.issued(university)
    world.say(world.closing(university, heir))
    world.say(world.suspension(heir))
    world.refuses(world.revocation(heir, credential), refusals.SuspendedSpeakerRefusal)


def test_a_suspended_institution_may_not_touch_what_nobody_knows() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.say(world.suspension(university))
    unknown = world.credential_id(university, "unknown")
    world.refuses(world.revocation(university, unknown), refusals.SuspendedSpeakerRefusal)


@pytest.mark.parametrize("closes", [True, False])
def test_a_recovery_key_retires_keys_whatever_happened_to_its_owner(*, closes: bool) -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.say(world.closing(university) if closes else world.suspension(university))
    blocked = refusals.ClosedIssuerRefusal if closes else refusals.SuspendedSpeakerRefusal
    added = world.key_addition(university, university, university.key("event", 1))
    world.refuses(added, blocked, key=university.recovery)
    world.refuses(world.rotation(university, university, university.event), blocked)
    world.say(world.condemnation(university, university, university.event, world.now), key=university.recovery)


def test_a_closed_institution_speaks_no_more() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    world.say(world.closing(university))
    for event in (world.issue(university), world.revocation(university, credential)):
        assert world.refuses(event, refusals.ClosedIssuerRefusal).is_final


def test_the_registrar_is_no_institution() -> None:
    world = FirstWorld()
    credential = world.issued(world.admit("uni"))
    for event in (world.issue(world.registrar), world.recognition(world.registrar, credential)):
        assert world.refuses(event, refusals.NotAllowedRefusal).is_final


def test_an_entry_under_rules_that_are_not_known_is_not_judged() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    log = world.book.opened_log()
    stamp = Stamp(index=LeafIndex(0), event_id=world.event_id(0), key_id=university.event.key_id, received_at=world.now)
    world.book.put_log(replace(log, rules=(*log.rules, RulesVersion(stamp=stamp, version=3, from_index=2))))
    with pytest.raises(UnknownRulesProblem):
        world.say(world.issue(university))


def test_deciding_without_the_states_is_a_fault_of_ours() -> None:
    world = FirstWorld()
    event = world.issue(world.admit("uni"))
    world.say(event)
    book = Book()
    book.log = world.book.log
    with pytest.raises(LookupError):
        decide(book, world.opened[-1], index=LeafIndex(2), received_at=world.now)


def test_an_opening_must_be_signed_with_a_key_that_it_names() -> None:
    world = FirstWorld(is_open=False)
    opening = world.opening()
    other = world.registrar.key("event", 7)
    world.refuses(opening, refusals.NotAllowedRefusal, key=other)
    opened = FirstWorld().opened[0]
    with pytest.raises(refusals.UnknownKeyRefusal):
        signing_key(FullBook(), replace(opened, key_id=other.key_id), received_at=world.now)


def test_an_opening_has_event_keys_and_one_recovery_key() -> None:
    world = FirstWorld(is_open=False)
    registrar = world.registrar
    for keys in (
        (registrar.event, registrar.assertion),
        (registrar.event, registrar.key("event", 1)),
        (registrar.event, registrar.recovery, registrar.key("recovery", 1)),
        (registrar.event, registrar.recovery, registrar.assertion),
        (registrar.event, registrar.event, registrar.recovery),
    ):
        world.refuses(world.opening(keys=keys), refusals.FieldRefusal)
    world.say(
        world.opening(keys=(registrar.event, registrar.key("event", 1), registrar.key("event", 2), registrar.recovery))
    )
    world.say(world.admission(world.party("uni")), key=registrar.key("event", 2))


def test_an_opening_is_signed_by_the_event_key_that_is_the_registrar() -> None:
    world = FirstWorld(is_open=False)
    registrar = world.registrar
    keys = (registrar.event, registrar.key("event", 1), registrar.recovery)
    world.refuses(world.opening(keys=keys), refusals.NotAllowedRefusal, key=registrar.key("event", 1))
    world.refuses(world.opening(keys=keys), refusals.NotAllowedRefusal, key=registrar.recovery)
    impostor = world.party("impostor")
    named = world.make(
        events.LogOpened,
        impostor,
        keys=(impostor.event, impostor.recovery),
        rules_version=1,
        parameters=DEFAULT_PARAMETERS,
    )
    world.refuses(named, refusals.NotAllowedRefusal)


def test_a_log_is_opened_once_and_under_known_rules() -> None:
    world = FirstWorld(is_open=False)
    world.refuses(world.opening(rules_version=3), refusals.FieldRefusal)
    world.say(world.opening())
    world.refuses(world.opening(), refusals.AlreadyExistsRefusal)


def _frozen_and_next() -> tuple[World, World, events.Predecessor]:
    """A log with some history, the one that continues it (registrar and book are the old one's), and its last tree."""
    old, new = FirstWorld(origin=Origin("old.example/log")), FirstWorld(is_open=False)
    college = old.admit("college")
    old.issued(college, "first")
    new.parties, new.book, new.now_ms = old.parties, old.book, old.now_ms
    return old, new, events.Predecessor(origin=old.origin, size=old.size, root_hash=old.root_hash().hex())


def test_a_log_that_continues_another_begins_with_its_state() -> None:
    old, new, predecessor = _frozen_and_next()
    college = old.party("college")
    first = old.credential_id(college, "first")
    assert new.say(new.opening(predecessor=predecessor)) == 0
    log = new.book.opened_log()
    assert (log.origin, log.predecessor, log.first_stamp) == (new.origin, predecessor, old.size)
    new.issued(college, "second")
    new.say(new.revocation(college, first))
    assert new.state(first) == "revoked"
    changed = new.book.credential(first)
    assert changed is not None
    assert changed.lives[0].changes[0].stamp.index == old.size + 2
    new.say(new.condemnation(new.registrar, college, college.event, new.now))
    assert new.state(new.credential_id(college, "second")) == "active", "what was said before the theft holds"


def test_a_log_is_continued_only_by_its_registrar_with_a_living_key() -> None:
    old, new, predecessor = _frozen_and_next()
    other = events.Predecessor(origin=Origin("other.example"), size=TreeSize(3), root_hash="ab" * 32)
    new.refuses(new.opening(predecessor=other), refusals.WrongLogRefusal)
    thief = new.party("thief")
    keys = (thief.event, thief.recovery)
    new.refuses(new.opening(predecessor=predecessor, issuer=thief.did, keys=keys), refusals.NotAllowedRefusal)
    stranger = (old.registrar.key("event", 5), old.registrar.recovery)
    new.refuses(new.opening(predecessor=predecessor, keys=stranger), refusals.UnknownKeyRefusal)
    new.refuses(new.opening(), refusals.AlreadyExistsRefusal)
    old.say(old.rotation(old.registrar, old.registrar, old.registrar.event))
    new.now_ms = old.now_ms
    new.refuses(new.opening(predecessor=predecessor), refusals.UnknownKeyRefusal)


def test_a_log_whose_predecessor_is_not_known_is_not_judged() -> None:
    world = FirstWorld(is_open=False)
    predecessor = events.Predecessor(origin=Origin("old.example"), size=TreeSize(9), root_hash="ab" * 32)
    with pytest.raises(refusals.UnknownPredecessorProblem):
        world.say(world.opening(predecessor=predecessor))
