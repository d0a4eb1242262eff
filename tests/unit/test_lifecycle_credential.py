"""What is said of credentials: issue, revoke, suspend, reinstate: who may, if, then (DESIGN 3.6)."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from proto.event_fields import Reason
from proto.events import DEFAULT_PARAMETERS
from proto.ids import CredentialId
from proto.lifecycle import refusals
from tests.support.statements import SCOPE
from tests.support.worlds import FirstWorld, Party, World

Transition = Callable[[World, Party, CredentialId], Any]
REVOKE: Transition = World.revocation
SUSPEND: Transition = World.hold
REINSTATE: Transition = World.release


# Issuing.


def test_an_issued_credential_is_active() -> None:
    world = FirstWorld()
    credential = world.issued(world.admit("uni"))
    found = world.effective(credential)
    assert found is not None
    assert (found.state, found.credits_remaining, found.reason) == ("active", 350, None)
    assert world.state(world.credential_id(world.registrar, "unknown")) is None


def test_a_credential_is_issued_once() -> None:
    world = FirstWorld()
    university, rival = world.admit("uni"), world.admit("rival")
    credential = world.issued(university, "a")
    assert world.refuses(world.issue(university, "a"), refusals.AlreadyExistsRefusal).is_final
    world.refuses(world.issue(rival, credential_id=credential), refusals.AlreadyExistsRefusal)
    world.say(world.revocation(university, credential))
    world.refuses(world.issue(university, "a"), refusals.AlreadyExistsRefusal)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"eqf_level": 4}, "/eqf_level"),
        ({"eqf_level": 8}, "/eqf_level"),
        ({"ects_hundredths": 3001}, "/ects_hundredths"),
        ({"achievement": "https://uni.example.evil/achievements/1"}, "/achievement"),
        ({"achievement": "http://uni.example/achievements/1"}, "/achievement"),
    ],
)
def test_issuing_outside_the_scope_is_refused(fields: dict[str, Any], pointer: str) -> None:
    world = FirstWorld()
    scope = replace(SCOPE, eqf_min=5, eqf_max=7, ects_hundredths_max=3000)
    university = world.admit("uni", scope=scope)
    assert world.refuses(world.issue(university, **fields), refusals.OutOfScopeRefusal).pointer == pointer


def test_issuing_at_the_edges_of_the_scope_is_admitted() -> None:
    world = FirstWorld()
    scope = replace(SCOPE, eqf_min=5, eqf_max=7, ects_hundredths_max=3000)
    university = world.admit("uni", scope=scope, uri_prefixes=("https://a.example/", "https://b.example/x/"))
    achievement = "https://b.example/x/1"
    for level in (5, 7, UNSET):
        world.say(world.issue(university, eqf_level=level, ects_hundredths=3000, achievement=achievement))
    world.say(world.issue(university, ects_hundredths=0, achievement=achievement))


def test_who_may_not_issue_does_not() -> None:
    world = FirstWorld()
    university = world.admit("uni", scope=replace(SCOPE, may_issue=False))
    assert world.refuses(world.issue(university), refusals.OutOfScopeRefusal).pointer == "/issuer"


def test_a_period_ends_after_it_begins() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    for end in (0.0, -1.0):
        event = world.issue(university, valid_until=world.moment(days=end))
        assert world.refuses(event, refusals.EffectiveTimeRefusal).pointer == "/valid_until"
    world.say(world.issue(university, valid_until=world.moment(seconds=0.001)))


# Who may change it.


@pytest.mark.parametrize("change", [REVOKE, SUSPEND])
def test_strangers_change_nothing(change: Transition) -> None:
    world = FirstWorld()
    university, rival = world.admit("uni"), world.admit("rival")
    credential = world.issued(university)
    assert world.refuses(change(world, rival, credential), refusals.NotAllowedRefusal).is_final
    world.say(world.hold(university, credential))
    world.refuses(world.release(rival, credential), refusals.NotAllowedRefusal)


@pytest.mark.parametrize("change", [REVOKE, SUSPEND])
def test_the_registrar_changes_what_an_institution_issued(change: Transition) -> None:
    world = FirstWorld()
    credential = world.issued(world.admit("uni"))
    world.say(change(world, world.registrar, credential))
    assert world.state(credential) in {"revoked", "suspended"}


@pytest.mark.parametrize("change", [REVOKE, SUSPEND])
def test_only_the_living_successor_answers_for_a_closed_institution(change: Transition) -> None:
    world = FirstWorld()
    first, second, third = (world.admit(name) for name in ("first", "second", "third"))
    credential = world.issued(first)
    world.refuses(change(world, second, credential), refusals.NotAllowedRefusal)
    world.say(world.closing(first, second))
    world.say(world.closing(second, third))
    world.refuses(change(world, first, credential), refusals.ClosedIssuerRefusal)
    world.refuses(change(world, second, credential), refusals.ClosedIssuerRefusal)
    world.say(change(world, third, credential))


@pytest.mark.parametrize("change", [REVOKE, SUSPEND, REINSTATE])
def test_an_unknown_credential_may_be_known_later(change: Transition) -> None:
    world = FirstWorld()
    university = world.admit("uni")
    refusal = world.refuses(
        change(world, university, world.credential_id(university, "x")), refusals.UnknownCredentialRefusal
    )
    assert not refusal.is_final
    assert refusal.members["credential_id"] == world.credential_id(university, "x")


def test_only_who_suspended_or_the_registrar_reinstates() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    world.say(world.hold(world.registrar, credential))
    world.refuses(world.release(university, credential), refusals.NotAllowedRefusal)
    world.say(world.release(world.registrar, credential))
    world.say(world.hold(university, credential))
    world.say(world.release(world.registrar, credential))
    world.say(world.hold(university, credential))
    world.say(world.release(university, credential))
    assert world.state(credential) == "active"


def test_a_successor_reinstates_what_its_predecessor_suspended_but_not_the_registrars() -> None:
    world = FirstWorld()
    university, heir = world.admit("uni"), world.admit("heir")
    own, registrars = world.issued(university), world.issued(university)
    world.say(world.hold(university, own))
    world.say(world.hold(world.registrar, registrars))
    world.refuses(world.release(heir, own), refusals.NotAllowedRefusal)
    world.say(world.closing(university, heir))
    world.say(world.release(heir, own))
    world.refuses(world.release(heir, registrars), refusals.NotAllowedRefusal)


# In which state.


def test_revoking_twice_is_refused() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    world.say(world.revocation(university, credential))
    refusal = world.refuses(world.revocation(university, credential), refusals.CredentialStateRefusal)
    assert refusal.is_final
    assert refusal.members["state"] == "revoked"


@pytest.mark.parametrize("change", [SUSPEND, REINSTATE])
def test_nothing_follows_a_revocation(change: Transition) -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    world.say(world.revocation(university, credential))
    world.refuses(change(world, university, credential), refusals.CredentialStateRefusal)


def test_suspending_and_reinstating_a_credential_alternate() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    world.refuses(world.release(university, credential), refusals.CredentialStateRefusal)
    world.say(world.hold(university, credential))
    world.refuses(world.hold(university, credential), refusals.CredentialStateRefusal)
    world.say(world.release(university, credential))
    world.say(world.hold(university, credential))
    world.say(world.revocation(university, credential))
    assert world.state(credential) == "revoked"


def test_what_is_not_active_is_not_suspended_but_may_be_revoked() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    expired = world.issued(university, valid_until=world.moment(seconds=2))
    early = world.issued(university, valid_from=world.moment(days=30))
    world.advance(seconds=10)
    for credential, state in ((expired, "expired"), (early, "not_yet_valid")):
        assert world.state(credential) == state
        refusal = world.refuses(world.hold(university, credential), refusals.CredentialStateRefusal)
        assert refusal.members["state"] == state
        world.say(world.revocation(university, credential))
        assert world.state(credential) == "revoked"


def test_a_suspended_credential_is_reinstated_even_after_it_expired() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university, valid_until=world.moment(days=1))
    world.say(world.hold(university, credential))
    world.advance(days=2)
    assert world.state(credential) == "suspended"
    world.say(world.release(university, credential))
    assert world.state(credential) == "expired"


def test_a_revocation_says_why_and_what_replaces_it() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    first, second = world.issued(university), world.issued(university)
    itself = world.revocation(university, first, replaced_by=first)
    assert world.refuses(itself, refusals.FieldRefusal).pointer == "/replaced_by"
    world.say(world.revocation(university, first, reason="superseded", replaced_by=second))
    found = world.effective(first)
    assert found is not None
    assert (found.reason, found.replaced_by, found.credits_remaining) == ("superseded", second, 0)


def test_a_credential_has_only_so_many_transitions_and_the_last_is_for_revoking() -> None:
    world = FirstWorld(parameters=replace(DEFAULT_PARAMETERS, transitions_per_credential_max=4))
    university = world.admit("uni")
    credential = world.issued(university)
    world.say(world.hold(university, credential))
    world.say(world.release(university, credential))
    world.say(world.hold(university, credential))
    assert world.refuses(world.release(university, credential), refusals.LimitRefusal).is_final
    world.say(world.revocation(university, credential))


def test_what_a_thief_did_does_not_use_up_the_transitions() -> None:
    world = FirstWorld(parameters=replace(DEFAULT_PARAMETERS, transitions_per_credential_max=2))
    university = world.admit("uni")
    credential = world.issued(university)
    second = university.key("event", 1)
    world.say(world.key_addition(university, university, second), key=university.recovery)
    stolen = world.now
    world.say(world.hold(university, credential))
    world.say(world.revocation(university, credential))
    world.say(world.condemnation(university, university, university.event, stolen), key=university.recovery)
    assert world.state(credential) == "active"
    world.say(world.revocation(university, credential), key=second)
    assert world.state(credential) == "revoked"


# `effective_at`.


def test_effective_at_lies_between_the_credentials_beginning_and_now() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.advance(days=100)
    backdated = world.moment(days=-90)
    credential = world.issued(university, valid_from=backdated)
    world.advance(days=1)
    for moment in (world.moment(days=-91, seconds=-1.001), world.moment(seconds=0.001)):
        event = world.revocation(university, credential, effective_at=moment)
        assert world.refuses(event, refusals.EffectiveTimeRefusal).pointer == "/effective_at"
    world.say(world.revocation(university, credential, effective_at=backdated))


def test_a_credential_for_later_begins_when_it_was_issued() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    begin = world.now
    credential = world.issued(university, valid_from=world.moment(days=30))
    earlier = world.revocation(university, credential, effective_at=world.moment(seconds=-1.001))
    world.refuses(earlier, refusals.EffectiveTimeRefusal)
    world.say(world.revocation(university, credential, effective_at=begin))


def test_effective_at_never_goes_back() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    world.advance(days=10)
    world.say(world.hold(university, credential, effective_at=world.moment(days=-5)))
    back = world.release(university, credential, effective_at=world.moment(days=-5, seconds=-1.001))
    world.refuses(back, refusals.EffectiveTimeRefusal)
    world.say(world.release(university, credential, effective_at=world.moment(days=-5, seconds=-1)))


def test_reasons_are_a_closed_list() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    credential = world.issued(university)
    for reason in ("error", "superseded", "withdrawn", "invalidated", "legal-order", "key-compromise"):
        world.say(world.hold(university, credential, reason=reason))
        world.say(world.release(university, credential, reason=reason))
    assert set(Reason.__args__) == {  # type: ignore[attr-defined] # what a Literal allows
        "error",
        "superseded",
        "withdrawn",
        "invalidated",
        "legal-order",
        "key-compromise",
    }
