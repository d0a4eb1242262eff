"""What is said of institutions, keys and rules: who may, if, then (the first half of the table of DESIGN 3.6)."""

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from proto import events
from proto.events import DEFAULT_PARAMETERS
from proto.ids import KeyId
from proto.keys import PublicKey, encode_public_key, key_id_of
from proto.lifecycle import Refusal, living_end, profile, refusals, standing
from proto.lifecycle.decide_issuer import RETIREMENTS_PER_KEY_MAX
from tests.support.statements import ACCREDITATION, SCOPE
from tests.support.worlds import FirstWorld, Party, World

SMALL_ORDER = PublicKey(encode_public_key((1).to_bytes(32, "little")))


def _acts(world: World, speaker: Party, subject: Party) -> list[events.Event]:
    """Every act that only the registrar may do, said by `speaker`."""
    made: list[Any] = [
        world.admission(world.party("other")),
        world.scope_change(subject),
        world.suspension(subject),
        world.reinstatement(subject),
        world.closing(subject),
        world.activation(2, 10_000),
    ]
    return [replace(event, issuer=speaker.did) for event in made]


def test_only_the_registrar_speaks_of_institutions_and_rules() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("rival")
    for speaker, event in itertools.product((university, other), range(6)):
        refusal = world.refuses(_acts(world, speaker, university)[event], refusals.NotAllowedRefusal)
        assert refusal.is_final
        assert refusal.pointer == "/issuer"


def test_a_recovery_key_does_none_of_the_registrars_acts() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    for event in _acts(world, world.registrar, university):
        world.refuses(event, refusals.KeyPurposeRefusal, key=world.registrar.recovery)


def test_an_admitted_institution_has_its_profile_and_keys() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    issuer = world.book.issuer(university.did)
    assert issuer is not None
    known = profile(world.book, issuer)
    assert known is not None
    assert (known.legal_name, known.country, known.scope) == ("Uni of Example", "AT", SCOPE)
    assert [key.purpose for key in issuer.keys] == ["event", "assertion", "recovery"]
    world.say(world.issue(university))


def test_an_institution_is_admitted_once() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    again = world.admission(university, keys=(university.key("event", 1), university.key("recovery", 1)))
    assert world.refuses(again, refusals.AlreadyExistsRefusal).is_final
    world.refuses(world.admission(world.registrar), refusals.AlreadyExistsRefusal)


def test_an_institution_needs_a_recovery_key() -> None:
    world = FirstWorld()
    university = world.party("uni")
    world.refuses(world.admission(university, keys=(university.event, university.assertion)), refusals.FieldRefusal)


def test_the_keys_of_an_admission_are_its_own_new_and_sound() -> None:
    world = FirstWorld()
    university, other = world.party("uni"), world.admit("other")
    recovery = university.recovery

    def keys(key_id: KeyId, public_key: PublicKey) -> events.Admission:
        record = events.KeyRecord(key_id=key_id, purpose="event", public_key=public_key)
        return world.admission(university, keys=(record, recovery))

    own = university.event
    cases: list[tuple[events.Admission, type[Refusal]]] = [
        (keys(own.key_id, recovery.public_key), refusals.FieldRefusal),
        (keys(recovery.key_id, own.public_key), refusals.FieldRefusal),
        (keys(key_id_of(other.did, own.public_key), own.public_key), refusals.FieldRefusal),
        (keys(key_id_of(university.did, SMALL_ORDER), SMALL_ORDER), refusals.FieldRefusal),
        (keys(own.key_id, other.event.public_key), refusals.AlreadyExistsRefusal),
        (keys(own.key_id, world.registrar.recovery.public_key), refusals.AlreadyExistsRefusal),
    ]
    for event, refusal in cases:
        assert world.refuses(event, refusal).pointer == "/keys"
    world.say(keys(own.key_id, own.public_key))


def test_a_scope_that_reaches_nothing_is_refused() -> None:
    world = FirstWorld()
    university = world.party("uni")
    world.refuses(world.admission(university, scope=replace(SCOPE, eqf_min=7, eqf_max=5)), refusals.FieldRefusal)
    world.say(world.admission(university))
    world.refuses(world.scope_change(university, eqf_min=7, eqf_max=5), refusals.FieldRefusal)


def test_a_changed_scope_holds_from_now_on() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    before = world.issued(university)
    world.say(world.scope_change(university, may_issue=False))
    world.refuses(world.issue(university), refusals.OutOfScopeRefusal)
    assert world.state(before) == "active"
    issuer = world.book.issuer(university.did)
    assert issuer is not None
    known, earlier = profile(world.book, issuer), profile(world.book, issuer, before=2)
    assert known is not None
    assert earlier is not None
    assert (known.scope.may_issue, earlier.scope.may_issue) == (False, True)
    assert (known.legal_name, known.uri_prefixes, known.accreditation) == (
        earlier.legal_name,
        earlier.uri_prefixes,
        ACCREDITATION,
    )


def test_a_changed_scope_may_carry_a_new_accreditation() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    renewed = replace(ACCREDITATION, body="Another Agency")
    world.say(replace(world.scope_change(university), accreditation=renewed))
    issuer = world.book.issuer(university.did)
    assert issuer is not None
    known = profile(world.book, issuer)
    assert known is not None
    assert known.accreditation == renewed


def test_acts_on_institutions_that_are_not_admitted_may_be_tried_later() -> None:
    world = FirstWorld()
    nobody = world.party("nobody")
    for event in (
        world.scope_change(nobody),
        world.suspension(nobody),
        world.reinstatement(nobody),
        world.closing(nobody),
        world.key_addition(world.registrar, nobody, nobody.event),
    ):
        assert not world.refuses(event, refusals.UnknownIssuerRefusal).is_final


def test_suspending_and_reinstating_alternate() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.refuses(world.reinstatement(university), refusals.IssuerStateRefusal)
    world.say(world.suspension(university))
    assert world.refuses(world.suspension(university), refusals.IssuerStateRefusal).is_final
    world.say(world.reinstatement(university))
    world.refuses(world.reinstatement(university), refusals.IssuerStateRefusal)
    world.say(world.suspension(university))


def test_nothing_changes_a_closed_institution() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.say(world.suspension(university))
    world.say(world.closing(university))
    for event in (
        world.closing(university),
        world.suspension(university),
        world.reinstatement(university),
        world.scope_change(university),
        world.key_addition(world.registrar, university, university.key("event", 1)),
    ):
        assert world.refuses(event, refusals.ClosedIssuerRefusal).is_final
    issuer = world.book.issuer(university.did)
    assert issuer is not None
    last = standing(world.book, issuer)
    assert last is not None
    assert last.kind == "closed"


def test_a_successor_is_another_admitted_institution_that_is_not_closed() -> None:
    world = FirstWorld()
    university, closed = world.admit("uni"), world.admit("closed")
    world.say(world.closing(closed))
    refused = world.refuses(world.closing(university, university), refusals.FieldRefusal)
    assert refused.pointer == "/successor"
    world.refuses(world.closing(university, world.party("nobody")), refusals.UnknownIssuerRefusal)
    world.refuses(world.closing(university, closed), refusals.ClosedIssuerRefusal)
    world.refuses(world.closing(university, world.registrar), refusals.UnknownIssuerRefusal)


def test_a_chain_of_successors_is_resolved_to_its_living_end() -> None:
    world = FirstWorld()
    chain = [world.admit(name) for name in ("first", "second", "third", "fourth")]
    assert living_end(world.book, chain[0].did) == chain[0].did
    for closed, successor in itertools.pairwise(chain):
        world.say(world.closing(closed, successor))
        assert living_end(world.book, chain[0].did) == successor.did
    world.say(world.closing(chain[-1]))
    assert living_end(world.book, chain[0].did) == chain[-1].did


# Keys are added.


def test_keys_are_added_by_the_owners_recovery_key_or_by_the_registrar() -> None:
    world = FirstWorld()
    university, rival = world.admit("uni"), world.admit("rival")
    new = university.key("event", 1)
    world.refuses(world.key_addition(university, university, new), refusals.NotAllowedRefusal)
    world.refuses(world.key_addition(rival, university, new), refusals.NotAllowedRefusal)
    world.refuses(world.key_addition(rival, university, new), refusals.NotAllowedRefusal, key=rival.recovery)
    by_recovery = world.key_addition(world.registrar, university, new)
    world.refuses(by_recovery, refusals.NotAllowedRefusal, key=world.registrar.recovery)
    world.say(world.key_addition(university, university, new), key=university.recovery)
    assert world.key_state(new).usable_from == world.received_at(3)


def test_an_added_key_is_its_owners_new_and_sound() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    new = university.key("event", 1)
    cases: list[tuple[events.KeyRecord, type[Refusal]]] = [
        (other.key("event", 1), refusals.FieldRefusal),
        (replace(new, public_key=SMALL_ORDER), refusals.FieldRefusal),
        (university.event, refusals.AlreadyExistsRefusal),
        (replace(new, key_id=university.event.key_id), refusals.AlreadyExistsRefusal),
        (replace(new, public_key=other.event.public_key), refusals.AlreadyExistsRefusal),
        (replace(new, public_key=university.recovery.public_key), refusals.AlreadyExistsRefusal),
    ]
    for key, refusal in cases:
        event = world.key_addition(university, university, key)
        assert world.refuses(event, refusal, key=university.recovery).pointer == "/key"


def test_a_ring_holds_only_so_many_keys_ever() -> None:
    world = FirstWorld(parameters=replace(DEFAULT_PARAMETERS, keys_per_issuer_max=4))
    university = world.admit("uni")
    world.say(world.key_addition(university, university, university.key("event", 1)), key=university.recovery)
    world.say(world.rotation(university, university, university.key("event", 1)), key=university.recovery)
    fifth = world.key_addition(university, university, university.key("event", 2))
    assert world.refuses(fifth, refusals.LimitRefusal, key=university.recovery).is_final
    big = world.party("big")
    many = (*(big.key("event", number) for number in range(4)), big.recovery)
    world.refuses(world.admission(big, keys=many), refusals.LimitRefusal)


def test_the_registrars_own_keys_are_added_like_all_others() -> None:
    world = FirstWorld()
    registrar = world.registrar
    by_event, by_recovery = registrar.key("event", 1), registrar.key("event", 2)
    world.say(world.key_addition(registrar, registrar, by_event))
    world.say(world.key_addition(registrar, registrar, by_recovery), key=registrar.recovery)
    admission = world.admission(world.party("uni"))
    world.refuses(admission, refusals.DelayedKeyRefusal, key=by_event)
    world.say(admission, key=by_recovery)
    world.advance(days=7)
    world.say(world.admission(world.party("other")), key=by_event)


# Keys are retired.


def test_a_key_is_rotated_by_itself_by_recovery_or_by_the_registrar() -> None:
    world = FirstWorld()
    university, rival = world.admit("uni"), world.admit("rival")
    keys = [university.key("event", number) for number in range(4)]
    for key in keys[1:]:
        world.say(world.key_addition(university, university, key), key=university.recovery)
    world.refuses(world.rotation(university, university, keys[0]), refusals.NotAllowedRefusal, key=keys[3])
    world.refuses(world.rotation(rival, university, keys[0]), refusals.NotAllowedRefusal)
    by_recovery = world.rotation(world.registrar, university, keys[0])
    world.refuses(by_recovery, refusals.NotAllowedRefusal, key=world.registrar.recovery)
    world.say(world.rotation(university, university, keys[0]))
    world.say(world.rotation(university, university, keys[1]), key=university.recovery)
    world.say(world.rotation(world.registrar, university, keys[2]))
    for key in keys[:3]:
        world.refuses(world.issue(university), refusals.RetiredKeyRefusal, key=key)
    world.say(world.issue(university), key=keys[3])


def test_a_key_is_condemned_by_recovery_or_by_the_registrar_only() -> None:
    world = FirstWorld()
    university, rival = world.admit("uni"), world.admit("rival")
    since = world.received_at(1)
    own = world.condemnation(university, university, university.event, since)
    world.refuses(own, refusals.NotAllowedRefusal)
    world.refuses(world.condemnation(rival, university, university.event, since), refusals.NotAllowedRefusal)
    world.say(world.condemnation(world.registrar, university, university.event, since))
    world.say(world.condemnation(university, university, university.assertion, since), key=university.recovery)


def test_only_keys_that_the_subject_has_are_retired() -> None:
    world = FirstWorld()
    university, rival = world.admit("uni"), world.admit("rival")
    for event in (
        world.rotation(university, university, university.key("event", 5)),
        world.rotation(university, university, rival.event),
        world.rotation(university, world.party("nobody"), university.event),
    ):
        assert not world.refuses(event, refusals.UnknownKeyRefusal, key=university.recovery).is_final


def test_a_rotation_has_no_invalid_from_and_a_condemnation_has_one() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    rotated = world.rotation(university, university, university.event, invalid_from=world.now)
    condemned = world.rotation(university, university, university.event, reason="compromised")
    for event in (rotated, condemned):
        assert world.refuses(event, refusals.FieldRefusal, key=university.recovery).pointer == "/invalid_from"


def test_invalid_from_lies_between_the_keys_addition_and_now() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.advance(days=1)
    added = world.received_at(1)
    too_early = world.condemnation(university, university, university.event, world.moment(days=-1, seconds=-1.001))
    too_late = world.condemnation(university, university, university.event, world.moment(seconds=0.001))
    for event in (too_early, too_late):
        world.refuses(event, refusals.EffectiveTimeRefusal, key=university.recovery)
    at_the_end = world.condemnation(university, university, university.event, world.now)
    world.say(at_the_end, key=university.recovery)
    at_the_beginning = world.condemnation(university, university, university.event, added)
    world.say(at_the_beginning, key=university.recovery)


def test_a_retired_key_is_not_rotated_again_but_may_turn_out_to_be_compromised() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.say(world.rotation(university, university, university.event))
    again = world.rotation(university, university, university.event)
    world.refuses(again, refusals.IssuerStateRefusal, key=university.recovery)
    world.say(world.condemnation(university, university, university.event, world.now), key=university.recovery)
    world.refuses(again, refusals.IssuerStateRefusal, key=university.recovery)


def test_a_condemnation_is_repeated_only_with_an_earlier_time() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.advance(days=1)
    since = world.moment(seconds=-5)
    world.say(world.condemnation(university, university, university.event, since), key=university.recovery)
    for moment in (since, world.moment(seconds=-2)):
        event = world.condemnation(university, university, university.event, moment)
        world.refuses(event, refusals.IssuerStateRefusal, key=university.recovery)
    earlier = world.condemnation(university, university, university.event, world.moment(seconds=-60))
    world.say(earlier, key=university.recovery)


def test_a_key_is_retired_only_so_often_except_by_the_registrar() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.advance(days=1)
    for number in range(RETIREMENTS_PER_KEY_MAX):
        event = world.condemnation(university, university, university.event, world.moment(seconds=-10 * number))
        world.say(event, key=university.recovery)
    earlier = world.moment(seconds=-1000)
    again = world.condemnation(university, university, university.event, earlier)
    world.refuses(again, refusals.LimitRefusal, key=university.recovery)
    world.say(world.condemnation(world.registrar, university, university.event, earlier))


def test_whoever_has_an_event_key_of_the_registrar_does_not_retire_its_recovery_key() -> None:
    world = FirstWorld()
    registrar = world.registrar
    world.refuses(world.rotation(registrar, registrar, registrar.recovery), refusals.NotAllowedRefusal)
    stolen = world.condemnation(registrar, registrar, registrar.recovery, world.received_at(0))
    world.refuses(stolen, refusals.NotAllowedRefusal)
    second = registrar.key("recovery", 1)
    world.say(world.key_addition(registrar, registrar, second), key=registrar.recovery)
    world.say(world.rotation(registrar, registrar, registrar.recovery), key=second)


def test_the_registrar_survives_the_loss_of_its_first_key() -> None:
    world = FirstWorld()
    university, registrar = world.admit("uni"), world.registrar
    second = registrar.key("event", 1)
    since = world.received_at(1)
    world.say(world.condemnation(registrar, registrar, registrar.event, since), key=registrar.recovery)
    world.say(world.key_addition(registrar, registrar, second), key=registrar.recovery)
    world.refuses(world.issue(university), refusals.RetiredKeyRefusal)
    world.say(world.admission(world.party("other")), key=second)


def test_condemning_the_first_key_from_the_first_moment_leaves_the_log_its_recovery_key() -> None:
    world = FirstWorld()
    registrar, second = world.registrar, world.registrar.key("event", 1)
    everything = world.condemnation(registrar, registrar, registrar.event, world.received_at(0))
    world.say(everything, key=registrar.recovery)
    world.say(world.key_addition(registrar, registrar, second), key=registrar.recovery)
    world.say(world.admission(world.party("uni")), key=second)


# Rules.


@pytest.mark.parametrize(
    ("version", "from_index", "refusal"),
    [
        (3, 50, refusals.FieldRefusal),
        (2, 1, refusals.EffectiveTimeRefusal),
    ],
)
def test_rules_are_activated_in_order_and_ahead(version: int, from_index: int, refusal: type[Refusal]) -> None:
    world = FirstWorld()
    world.refuses(world.activation(version, from_index), refusal)


def test_activated_rules_hold_from_their_index() -> None:
    world = FirstWorld()
    world.say(world.activation(2, 5))
    log = world.book.opened_log()
    assert [log.rules_version_at(world.size + shift) for shift in (0, 2, 3, 4)] == [1, 1, 2, 2]  # type: ignore[arg-type] # a sum of sizes
    world.refuses(world.activation(2, 9), refusals.FieldRefusal)
    world.say(world.activation(3, 9))
