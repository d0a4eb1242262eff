"""Rules version 2: ids that follow from commitments, and events about many credentials, whole or not at all."""

import pytest
from msgspec.structs import replace

from proto import events
from proto.ids import CredentialId, Did, LeafIndex, commitment, committed_credential_id
from proto.lifecycle import Refusal, refusals
from proto.lifecycle.decide_issuer import ACTIVATION_AHEAD_MAX
from proto.moment import Moment
from proto.problem import InvalidProblem
from proto.subjects import credential_ids
from tests.support.statements import SCOPE, Party
from tests.support.worlds import FirstWorld, World, replay

NAMES = [f"student {number}" for number in range(5)]

COMMITMENT = "47ee13284a2cb7cdf5aed178feeaffd91b16e493358314556087afe105106fb2"
CREDENTIAL_ID = "c4285354553ee308a31b8b708b92ee4cabfea9ddf7e404e9c42fca4ca022bf14"


def _world() -> tuple[World, Party]:
    world = World(rules_version=2)
    return world, world.admit("uni")


def _refused(refusal: Refusal) -> dict[str, str]:
    """Which ids a refusal names, with the code of each."""
    return {each["credential_id"]: each["code"] for each in refusal.members["refused"]}


def _condemn(world: World, party: Party, since: Moment) -> events.KeyRecord:
    """The first event key was stolen; return the one that the recovery key adds in its place."""
    key = party.key("event", 1)
    world.say(world.key_addition(party, party, key), key=party.recovery)
    world.say(world.condemnation(party, party, party.event, since), key=party.recovery)
    return key


# Ids.


def test_commitment_and_credential_id_are_these_very_bytes() -> None:
    committed = commitment(bytes(range(32)), bytes(range(32, 64)))
    assert committed == COMMITMENT
    assert committed_credential_id(Did("did:web:uni.example"), committed) == CREDENTIAL_ID


@pytest.mark.parametrize(("digest", "root"), [(b"", bytes(32)), (bytes(32), bytes(31)), (bytes(33), bytes(32))])
def test_a_commitment_is_made_of_two_hashes(digest: bytes, root: bytes) -> None:
    with pytest.raises(InvalidProblem):
        commitment(digest, root)


def test_an_event_says_which_credentials_it_is_about() -> None:
    world, university = _world()
    one = world.committed(university, "a")
    many = world.issue_many(university, NAMES)
    assert credential_ids(one) == (world.committed_id(university, "a"),)
    assert sorted(credential_ids(many)) == sorted(world.committed_id(university, name) for name in NAMES)
    assert credential_ids(world.revoke_many(university, credential_ids(many))) == tuple(sorted(credential_ids(many)))
    assert credential_ids(world.suspension(university)) == ()


def test_nobody_else_can_occupy_an_id() -> None:
    world, university = _world()
    thief = world.admit("thief")
    stolen = world.committed(university, "a").commitment
    world.say(world.committed(thief, commitment=stolen))
    world.say(world.committed(university, "a"))
    assert world.state(world.committed_id(university, "a")) == "active"


# Which version admits what.


def test_before_version_2_its_types_are_refused_for_now() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    old = [world.issued(university, name) for name in ("a", "b")]
    for event in (
        world.committed(university, "c"),
        world.committed_stack(university, old, "c"),
        world.issue_many(university, NAMES),
        world.revoke_many(university, old),
    ):
        refusal = world.refuses(event, refusals.RulesVersionRefusal)
        assert (refusal.is_final, refusal.members["final"], refusal.pointer) == (False, False, "/type")


def test_from_version_2_on_what_it_replaces_is_refused_for_good() -> None:
    world, university = _world()
    parts = world.issued_together(university, NAMES)
    for event in (world.issue(university, "a"), world.stack(university, parts[:2], "b")):
        refusal = world.refuses(event, refusals.RulesVersionRefusal)
        assert (refusal.is_final, refusal.members["final"]) == (True, True)
    world.say(world.hold(university, parts[0]))
    world.say(world.release(university, parts[0]))
    world.say(world.revocation(university, parts[0]))


def test_a_log_changes_over_at_the_index_that_was_activated() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    world.say(world.activation(2, world.size + 2))
    old = world.issued(university, "old")
    world.refuses(world.issue(university, "new"), refusals.RulesVersionRefusal)
    new = world.issued_together(university, NAMES)
    world.say(world.revoke_many(university, [old, *new]))
    assert {world.state(each) for each in (old, *new)} == {"revoked"}
    assert replay(world.entries).credentials == world.book.credentials


# Activation games.


def test_an_activation_lies_within_reach_and_after_every_earlier_one() -> None:
    world, _ = _world()
    world.refuses(world.activation(3, world.size + ACTIVATION_AHEAD_MAX + 1), refusals.EffectiveTimeRefusal)
    world.say(world.activation(3, world.size + 50))
    log = world.book.opened_log()
    assert log.rules_version_at(LeafIndex(world.size)) == 2
    world.refuses(world.activation(4, log.rules[-1].from_index), refusals.EffectiveTimeRefusal)
    world.refuses(world.activation(3, log.rules[-1].from_index + 1), refusals.FieldRefusal)
    world.say(world.activation(4, log.rules[-1].from_index + 1))


def test_an_activation_stands_though_its_key_is_condemned_from_before() -> None:
    world = FirstWorld()
    university, registrar = world.admit("uni"), world.registrar
    second = registrar.key("event", 1)
    world.say(world.key_addition(registrar, registrar, second), key=registrar.recovery)
    world.say(world.activation(2, world.size + 2), key=second)
    world.say(world.condemnation(registrar, registrar, second, world.moment(seconds=-1)), key=registrar.recovery)
    world.issued_together(university, NAMES)
    world.refuses(world.issue(university, "a"), refusals.RulesVersionRefusal)


def test_only_the_registrar_activates_rules() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    event = replace(world.activation(2, world.size + 5), issuer=university.did)
    world.refuses(event, refusals.NotAllowedRefusal)


# Issuing together.


def test_credentials_that_came_together_are_each_active_by_one_stamp() -> None:
    world, university = _world()
    ids = world.issued_together(university, NAMES)
    lives = {id(credential.lives) for each in ids if (credential := world.book.credential(each))}
    assert [world.state(each) for each in ids] == ["active"] * len(NAMES)
    assert len(lives) == 1
    assert replay(world.entries).credentials == world.book.credentials


def test_commitments_are_sorted_and_distinct() -> None:
    world, university = _world()
    event = world.issue_many(university, NAMES)
    for names in (event.commitments[::-1], (event.commitments[0], *event.commitments[:2])):
        refusal = world.refuses(replace(event, commitments=names), refusals.FieldRefusal)
        assert (refusal.is_final, refusal.pointer) == (True, "/commitments")


@pytest.mark.parametrize("count", [1, 257])
def test_an_event_is_about_two_to_256_credentials(count: int) -> None:
    world, university = _world()
    with pytest.raises(InvalidProblem):
        world.say(world.issue_many(university, map(str, range(count))))


def test_256_credentials_fit_into_an_event() -> None:
    world, university = _world()
    ids = world.issued_together(university, map(str, range(256)), valid_until=world.moment(days=1))
    world.say(world.revoke_many(university, ids))
    assert {world.state(each) for each in ids} == {"revoked"}


@pytest.mark.parametrize(
    "fields", [{"eqf_level": 8}, {"ects_hundredths": 6001}, {"achievement": "https://other.example/1"}]
)
def test_what_lies_outside_the_scope_is_refused_as_of_one_alone(fields: dict[str, object]) -> None:
    world = World(rules_version=2)
    university = world.admit("uni", scope=replace(SCOPE, eqf_max=7))
    world.refuses(world.issue_many(university, NAMES, **fields), refusals.OutOfScopeRefusal)


def test_a_refusal_names_every_id_that_breaks_a_rule() -> None:
    world, university = _world()
    taken = [world.committed_id(university, name) for name in NAMES[:2]]
    for name in NAMES[:2]:
        world.say(world.committed(university, name))
    before = world.size
    refusal = world.refuses(world.issue_many(university, NAMES), refusals.CredentialsRefusal)
    assert _refused(refusal) == dict.fromkeys(taken, "already-exists")
    assert (refusal.is_final, refusal.pointer, world.size) == (True, "/commitments", before)
    assert world.state(world.committed_id(university, NAMES[2])) is None
    assert refusal.document()["final"] is True


def test_a_refusal_of_256_credentials_names_all_256_and_changes_none() -> None:
    world, university = _world()
    names = [str(number) for number in range(256)]
    ids = world.issued_together(university, names)
    before = world.size
    refusal = world.refuses(world.issue_many(university, names), refusals.CredentialsRefusal)
    assert _refused(refusal) == dict.fromkeys(ids, "already-exists")
    world.say(world.revoke_many(university, ids[:255]))
    refusal = world.refuses(world.revoke_many(university, ids), refusals.CredentialsRefusal)
    assert _refused(refusal).keys() == {*ids[:255]}
    assert (world.state(ids[255]), world.size) == ("active", before + 1)


@pytest.mark.parametrize("count", [1, 257])
def test_two_to_256_credentials_are_revoked_by_one_event(count: int) -> None:
    world, university = _world()
    ids = [world.committed_id(university, str(number)) for number in range(count)]
    with pytest.raises(InvalidProblem):
        world.say(world.revoke_many(university, ids))


def test_new_ones_and_own_void_ones_may_stand_side_by_side() -> None:
    world, university = _world()
    stolen = world.now
    void = world.issued_together(university, NAMES[:3])
    key = _condemn(world, university, stolen)
    assert {world.state(each) for each in void} == {"void"}
    world.say(world.issue_many(university, NAMES[1:]), key=key)
    states = [world.state(world.committed_id(university, name)) for name in NAMES]
    assert states == ["void", *["active"] * 4]
    assert replay(world.entries).credentials == world.book.credentials


def test_what_was_a_stack_or_was_revoked_by_a_good_key_is_not_issued_again_with_others() -> None:
    world, university = _world()
    parts = world.issued_together(university, NAMES[:2])
    stolen = world.now
    world.issued_together(university, NAMES[2:4])
    world.say(world.committed_stack(university, parts, "stack"))
    revoked, stack = (world.committed_id(university, name) for name in (NAMES[2], "stack"))
    world.say(world.revocation(world.registrar, revoked))
    key = _condemn(world, university, stolen)
    again = world.issue_many(university, [*NAMES[2:], "stack"])
    refusal = world.refuses(again, refusals.CredentialsRefusal, key=key)
    assert _refused(refusal) == {revoked: "credential-state", stack: "stack"}
    world.say(world.issue_many(university, NAMES[3:]), key=key)


def test_a_stolen_key_voids_exactly_what_it_said() -> None:
    world, university = _world()
    good = world.issued_together(university, NAMES[:2])
    stolen = world.now
    bad = world.issued_together(university, NAMES[2:])
    world.say(world.revoke_many(university, [*good, bad[0]]))
    _condemn(world, university, stolen)
    assert [world.state(each) for each in (*good, *bad)] == ["active"] * 2 + ["void"] * 3


# Revoking together.


def test_credentials_of_any_events_are_revoked_together() -> None:
    world, university = _world()
    ids = [*world.issued_together(university, NAMES[:3]), world.committed_id(university, "alone")]
    world.say(world.committed(university, "alone"))
    world.say(world.hold(university, ids[0]))
    world.say(world.revoke_many(university, ids))
    assert {world.state(each) for each in ids} == {"revoked"}
    assert replay(world.entries).credentials == world.book.credentials


def test_bulk_revocation_with_some_that_may_not_names_these_and_revokes_none() -> None:
    world, university = _world()
    other = world.admit("other")
    ids = world.issued_together(university, NAMES)
    foreign = world.issued_together(other, NAMES[:2])[0]
    later = world.committed_id(university, "later")
    world.say(world.committed(university, "later", valid_from=world.moment(seconds=1)))
    world.advance(seconds=100)
    unknown = CredentialId("0" * 64)
    world.say(world.revocation(university, ids[0]))
    event = world.revoke_many(university, [*ids, foreign, unknown, later], effective_at=world.moment(seconds=-102.5))
    refusal = world.refuses(event, refusals.CredentialsRefusal)
    codes = _refused(refusal)
    assert codes == {
        ids[0]: "credential-state",
        foreign: "not-allowed",
        unknown: "unknown-credential",
        later: "effective-time",
    }
    assert refusal.is_final
    assert {world.state(each) for each in ids[1:]} == {"active"}


def test_a_refusal_is_final_only_if_that_of_some_id_is() -> None:
    world, university = _world()
    ids = world.issued_together(university, NAMES)
    event = world.revoke_many(university, [*ids, CredentialId("0" * 64)])
    assert not world.refuses(event, refusals.CredentialsRefusal).is_final


def test_one_event_revokes_credentials_of_one_achievement() -> None:
    world, university = _world()
    ids = world.issued_together(university, NAMES[:2])
    others = world.issued_together(university, NAMES[2:4], achievement=f"{university.url}achievements/2")
    refusal = world.refuses(world.revoke_many(university, [*ids, *others]), refusals.CredentialsRefusal)
    assert set(_refused(refusal).values()) == {"field"}
    assert set(_refused(refusal)) in ({*ids}, {*others})


def test_ids_to_revoke_are_sorted_and_distinct() -> None:
    world, university = _world()
    event = world.revoke_many(university, world.issued_together(university, NAMES))
    for names in (event.credential_ids[::-1], (event.credential_ids[0], *event.credential_ids[:2])):
        world.refuses(replace(event, credential_ids=names), refusals.FieldRefusal)


def test_a_suspended_institution_revokes_together_only_what_it_issued_itself() -> None:
    world, university = _world()
    heir = world.admit("heir")
    inherited = world.issued_together(university, NAMES[:2])
    own = world.issued_together(heir, NAMES, achievement=f"{heir.url}achievements/1")
    world.say(world.closing(university, heir))
    world.say(world.suspension(heir))
    refusal = world.refuses(world.revoke_many(heir, inherited), refusals.CredentialsRefusal)
    assert (set(_refused(refusal).values()), refusal.is_final) == ({"speaker-suspended"}, False)
    world.say(world.revoke_many(heir, own))
    world.refuses(world.issue_many(heir, ["more", "and more"]), refusals.SuspendedSpeakerRefusal)
    world.say(world.reinstatement(heir))
    world.say(world.revoke_many(heir, inherited))


def test_the_registrar_revokes_together_and_a_stranger_does_not() -> None:
    world, university = _world()
    ids = world.issued_together(university, NAMES)
    stranger = world.admit("stranger")
    refusal = world.refuses(world.revoke_many(stranger, ids), refusals.CredentialsRefusal)
    assert _refused(refusal) == dict.fromkeys(ids, "not-allowed")
    world.say(world.revoke_many(world.registrar, ids, reason="legal-order"))


def test_what_was_revoked_together_stays_so_when_its_issue_turns_out_to_be_void() -> None:
    world, university = _world()
    stolen = world.now
    ids = world.issued_together(university, NAMES)
    world.say(world.revoke_many(world.registrar, ids[:3]))
    key = _condemn(world, university, stolen)
    refusal = world.refuses(world.issue_many(university, NAMES), refusals.CredentialsRefusal, key=key)
    assert _refused(refusal) == dict.fromkeys(ids[:3], "credential-state")


# Stacks and states.


def test_a_stack_of_parts_that_came_together_holds_as_long_as_each_of_them() -> None:
    world, university = _world()
    parts = world.issued_together(university, NAMES[:3])
    world.say(world.committed_stack(university, parts, "whole", ects_hundredths=1050))
    whole = world.committed_id(university, "whole")
    world.say(world.revoke_many(university, parts[:2]))
    found = world.effective(whole)
    assert found is not None
    assert (found.state, found.credits_remaining) == ("impaired", 350)


def test_lives_are_shared_until_something_is_said_of_one_alone() -> None:
    world, university = _world()
    ids = world.issued_together(university, NAMES)
    assert set(world.book.shared_by) == set(ids)
    world.say(world.hold(university, ids[0]))
    assert set(world.book.shared_by) == set(ids[1:])
    world.say(world.revoke_many(university, ids))
    assert len({world.book.shared_by.get(each) for each in ids}) == 2
    assert world.book.shared_by.get(ids[0]) is None, "nobody else was held before"
