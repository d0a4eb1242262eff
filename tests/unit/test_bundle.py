"""Bundles: what belongs into one, what it proves, and every fault by its name."""

import msgspec
import pytest

from proto.bundles.bundle import BUNDLE_ENTRIES_MAX, MEDIA_TYPE, Bundle, decode_bundle, encode_bundle
from proto.bundles.check import FaultyBundleProblem, ProvenBundle, check_bundle, require_faultless
from proto.bundles.scope import entries_about
from proto.ids import CredentialId, Did, LeafIndex, Origin, TreeSize
from proto.log.policy import Policy, parse_policy
from proto.log.receipt import check_receipt, parse_receipt
from proto.moment import from_ms
from proto.problem import InvalidProblem, MalformedProblem, Problem
from tests.support.bundles import (
    WITNESSED_AT,
    assert_every_byte_counts,
    bundle_of,
    bundled_entry,
    cosigned,
    issue_document,
    log_policy,
    without,
    witness_policy_text,
)
from tests.support.worlds import FirstWorld, World


@pytest.fixture
def world() -> World:
    return FirstWorld()


def proven(world: World, bundle: Bundle, policy: Policy | None = None) -> ProvenBundle:
    return check_bundle(decode_bundle(encode_bundle(bundle)), policy or log_policy(world))


def codes(found: ProvenBundle) -> set[str]:
    return {fault.code for fault in found.faults}


def test_a_credential_is_authentic_as_of_the_last_that_was_said_of_it(world: World) -> None:
    school = world.admit("school")
    credential_id = world.issued(school)
    world.advance(days=30)
    world.issued(school)
    found = proven(world, bundle_of(world, credential_id))
    assert found.faults == ()
    assert (found.time, found.checkpoint_time) == (world.received_at(2), world.received_at(3))
    assert found.is_time_witnessed is False
    assert found.verdict(world.now) == "indeterminate"
    require_faultless(found)


def test_only_what_the_credential_rests_on_is_in_its_bundle(world: World) -> None:
    school, _ = world.admit("school"), world.admit("college")
    world.issued(school)
    credential_id = world.issued(school)
    assert [item.index for item in bundle_of(world, credential_id).entries] == [0, 1, 4]


def test_what_was_left_out_of_a_bundle_does_not_make_it_authentic_as_of_a_time_after_it(world: World) -> None:
    school = world.admit("school")
    credential_id = world.issued(school)
    bundles = []
    for say in (
        lambda: world.say(world.hold(school, credential_id)),
        lambda: world.say(world.release(school, credential_id)),
        lambda: world.say(world.scope_change(school, ects_hundredths_max=5000)),
        lambda: world.say(world.revocation(school, credential_id)),
        lambda: world.say(world.condemnation(school, school, school.event, world.received_at(1)), key=school.recovery),
        lambda: world.issued(world.admit("college")),
    ):
        world.advance(days=1)
        say()
        bundles.append(bundle_of(world, credential_id))
    last = bundles[-1]
    assert [item.index for item in last.entries] == [0, 1, 2, 3, 4, 5, 6, 7]
    policy = parse_policy(witness_policy_text(world).encode())
    witnessed = msgspec.structs.replace(last, checkpoint=cosigned(world))
    for bundle, trusted in ((last, log_policy(world)), (witnessed, policy)):
        honest = proven(world, bundle, trusted)
        assert honest.verdict(world.now) == "invalid"
        for left_out, newest in (((5, 6, 7), 4), ((3, 4, 5, 6, 7), 2)):
            found = proven(world, without(bundle, *left_out), trusted)
            assert found.faults == ()
            assert found.verdict(world.now) == "indeterminate"
            assert found.time == world.received_at(newest) < world.received_at(6)


def test_with_witnesses_the_time_of_the_checkpoint_is_theirs(world: World) -> None:
    credential_id = world.issued(world.admit("school"))
    policy = parse_policy(witness_policy_text(world).encode())
    found = proven(world, bundle_of(world, credential_id, checkpoint=cosigned(world)), policy)
    assert (found.faults, found.checkpoint_time, found.is_time_witnessed) == ((), from_ms(WITNESSED_AT * 1000), True)
    assert found.time == world.received_at(2)


def test_too_few_cosignatures_are_a_fault(world: World) -> None:
    credential_id = world.issued(world.admit("school"))
    found = proven(world, bundle_of(world, credential_id), parse_policy(witness_policy_text(world).encode()))
    assert codes(found) == {"quorum-missing"}
    assert found.opened is None
    assert found.verdict(world.now) == "invalid"


def test_a_log_that_the_policy_does_not_know_is_a_fault(world: World) -> None:
    credential_id = world.issued(world.admit("school"))
    other = FirstWorld(origin=Origin("log.example/other"))
    assert codes(proven(world, bundle_of(world, credential_id), log_policy(other))) == {"quorum-missing"}


def test_every_entry_of_a_bundle_has_a_tlog_proof(world: World) -> None:
    credential_id = world.issued(world.admit("school"))
    bundle = bundle_of(world, credential_id)
    for item in bundle.entries:
        check_receipt(bundle.receipt(item.index), item.data, log_policy(world))


def test_keys_that_were_added_later_are_followed_to_the_opening(world: World) -> None:
    school = world.admit("school")
    registrar, second, fresh = world.registrar, world.registrar.key("event", 1), school.key("event", 1)
    world.say(world.key_addition(registrar, registrar, second), key=registrar.recovery)
    world.advance(days=8)
    world.say(world.key_addition(school, school, fresh), key=school.recovery)
    event = world.issue(school)
    world.say(event, key=fresh)
    found = proven(world, bundle_of(world, event.credential_id))
    assert found.faults == ()
    assert [item.index for item in found.bundle.entries] == [0, 1, 3, 4]


def test_a_key_of_the_registrars_hand_brings_the_registrars_key(world: World) -> None:
    school = world.admit("school")
    registrar, second, fresh = world.registrar, world.registrar.key("event", 1), school.key("event", 1)
    world.say(world.key_addition(registrar, registrar, second), key=registrar.recovery)
    world.say(world.key_addition(registrar, school, fresh), key=second)
    world.advance(days=8)
    event = world.issue(school)
    world.say(event, key=fresh)
    found = proven(world, bundle_of(world, event.credential_id))
    assert (found.faults, [item.index for item in found.bundle.entries]) == ((), [0, 1, 2, 3, 4])


def test_keys_that_sign_documents_are_in_the_bundle_even_if_added_later(world: World) -> None:
    school = world.admit("school")
    credential_id = world.issued(school)
    world.say(world.key_addition(school, school, school.key("assertion", 1)), key=school.recovery)
    world.say(world.key_addition(school, school, school.key("event", 1)), key=school.recovery)
    found = proven(world, bundle_of(world, credential_id))
    assert (found.faults, [item.index for item in found.bundle.entries]) == ((), [0, 1, 2, 3])


def test_the_scope_that_was_in_force_is_in_the_bundle(world: World) -> None:
    school = world.admit("school")
    world.say(world.scope_change(school, ects_hundredths_max=9000))
    wide = world.issued(school, ects_hundredths=8000)
    world.say(world.scope_change(school, ects_hundredths_max=100))
    found = proven(world, bundle_of(world, wide))
    assert (found.faults, [item.index for item in found.bundle.entries]) == ((), [0, 1, 2, 3])


def test_the_parts_of_a_stack_come_with_their_issuers(world: World) -> None:
    school, college = world.admit("school"), world.admit("college")
    parts = [world.issued(school), world.issued(college), world.issued(college)]
    inner = world.stacked(school, parts[:2])
    outer = world.stacked(college, [inner, parts[2]], ects_hundredths=900)
    found = proven(world, bundle_of(world, outer))
    assert found.faults == ()
    assert [item.index for item in found.bundle.entries] == list(range(8))


def test_a_stack_without_the_entry_of_a_part_breaks_a_rule(world: World) -> None:
    school = world.admit("school")
    stack = world.stacked(school, [world.issued(school), world.issued(school)])
    found = proven(world, without(bundle_of(world, stack), 3))
    assert codes(found) == {"unknown-credential", "not-issued"}


def test_a_bundle_of_a_revoked_credential_says_so(world: World) -> None:
    school = world.admit("school")
    credential_id = world.issued(school)
    world.say(world.revocation(school, credential_id))
    found = proven(world, bundle_of(world, credential_id))
    assert found.faults == ()
    state = found.state(world.now)
    assert state is not None
    assert state.state == "revoked"
    assert found.verdict(world.now) == "invalid"


def test_a_revocation_by_a_successor_brings_the_closing(world: World) -> None:
    school, heir = world.admit("school"), world.admit("heir")
    credential_id = world.issued(school)
    world.say(world.closing(school, heir))
    world.say(world.revocation(heir, credential_id))
    found = proven(world, bundle_of(world, credential_id))
    assert (found.faults, found.verdict(world.now)) == ((), "invalid")


def test_a_bundle_under_a_stolen_key_says_so(world: World) -> None:
    school = world.admit("school")
    credential_id = world.issued(school)
    world.say(world.condemnation(school, school, school.event, world.received_at(2)), key=school.recovery)
    found = proven(world, bundle_of(world, credential_id))
    state = found.state(world.now)
    assert found.faults == ()
    assert state is not None
    assert (state.state, found.verdict(world.now)) == ("void", "invalid")


def test_a_credential_that_was_issued_again_brings_what_was_done_before(world: World) -> None:
    school, fresh = world.admit("school"), world.party("school").key("event", 1)
    world.say(world.key_addition(school, school, fresh), key=school.recovery)
    event = world.issue(school, "a")
    world.say(event)
    world.say(world.hold(world.registrar, event.credential_id))
    world.say(world.condemnation(school, school, school.event, world.received_at(3)), key=school.recovery)
    world.say(world.issue(school, "a"), key=fresh)
    found = proven(world, bundle_of(world, event.credential_id))
    assert (found.faults, [item.index for item in found.bundle.entries]) == ((), list(range(7)))
    assert found.state(world.now) == world.effective(event.credential_id)


def test_an_expired_credential_is_not_called_authentic(world: World) -> None:
    credential_id = world.issued(world.admit("school"), valid_until=world.moment(days=10))
    found = proven(world, bundle_of(world, credential_id))
    assert found.verdict(world.now) == "indeterminate"
    assert found.verdict(world.moment(days=11)) == "invalid"


def test_what_lies_beyond_the_checkpoint_is_left_out(world: World) -> None:
    school = world.admit("school")
    credential_id = world.issued(school)
    world.say(world.revocation(school, credential_id))
    assert entries_about(world.book, credential_id, TreeSize(3)) == [0, 1, 2]
    assert entries_about(world.book, credential_id, TreeSize(2)) == []
    assert entries_about(world.book, CredentialId("ab" * 32), TreeSize(4)) == []


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (0, {"wrong-log", "unknown-key", "not-issued"}),
        (1, {"unknown-key", "not-issued"}),
        (2, {"not-issued"}),
    ],
)
def test_a_missing_entry_is_a_named_fault(world: World, missing: int, expected: set[str]) -> None:
    credential_id = world.issued(world.admit("school"))
    found = codes(proven(world, without(bundle_of(world, credential_id), missing)))
    assert found
    assert found <= expected


def test_an_entry_that_does_not_belong_is_a_fault(world: World) -> None:
    school = world.admit("school")
    credential_id, other = world.issued(school), world.issued(school)
    bundle = msgspec.structs.replace(bundle_of(world, other), credential_id=credential_id)
    assert codes(proven(world, bundle)) == {"not-issued"}
    both = {item.index: item for each in (credential_id, other) for item in bundle_of(world, each).entries}
    bundle = msgspec.structs.replace(bundle_of(world, other), entries=tuple(both[index] for index in sorted(both)))
    assert codes(proven(world, bundle)) == {"does-not-belong"}


def test_an_entry_that_is_not_the_latest_does_not_say_how_late_it_is(world: World) -> None:
    school = world.admit("school")
    credential_id, _, _ = world.issued(school), world.issued(school), world.issued(school)
    bundle = bundle_of(world, credential_id)
    assert bundle.latest
    assert bundle.latest.index == 4
    older = msgspec.structs.replace(bundle, latest=bundled_entry(world, 3))
    assert codes(proven(world, older)) == {"not-latest"}
    lifted = msgspec.structs.replace(bundle.latest, entry=older.entries[-1].entry)
    with pytest.raises(InvalidProblem):
        proven(world, msgspec.structs.replace(bundle, latest=lifted))
    none = msgspec.structs.replace(bundle, latest=msgspec.UNSET)
    assert (proven(world, none).faults, proven(world, none).time) == ((), world.received_at(2))


def test_a_proof_of_another_tree_is_a_fault(world: World) -> None:
    school = world.admit("school")
    credential_id = world.issued(school)
    bundle = bundle_of(world, credential_id)
    world.issued(school)
    bundle = msgspec.structs.replace(bundle, checkpoint=world.checkpoint().decode())
    assert codes(proven(world, bundle)) == {"not-included"}


def test_a_signature_of_somebody_else_is_a_fault(world: World) -> None:
    school = world.admit("school")
    credential_id, _ = world.issued(school), world.issued(school)
    bundle = bundle_of(world, credential_id)
    issue, other = bundle.entries[2], msgspec.json.decode(world.entries[3])
    forged = msgspec.structs.replace(
        issue.entry,
        envelope=msgspec.structs.replace(
            issue.entry.envelope,
            signatures=msgspec.convert(other["envelope"]["signatures"], type(issue.entry.envelope.signatures)),
        ),
    )
    entries = (*bundle.entries[:2], msgspec.structs.replace(issue, entry=forged))
    found = proven(world, msgspec.structs.replace(bundle, entries=entries))
    assert codes(found) == {"not-included", "chain", "bad-signature", "not-issued"}
    with pytest.raises(FaultyBundleProblem):
        require_faultless(found)


@pytest.mark.parametrize("rules_version", [1, 2])
def test_a_document_is_recognised_and_an_altered_one_is_not(rules_version: int) -> None:
    world = World(rules_version=rules_version)
    document, credential_id = issue_document(world)
    bundle = bundle_of(world, credential_id)
    assert check_bundle(bundle, log_policy(world), document=document).faults == ()
    altered = document | {"name": "Doctor of everything"}
    assert codes(check_bundle(bundle, log_policy(world), document=altered)) == {"other-document"}
    unreadable = {key: value for key, value in document.items() if key != "validFrom"}
    assert codes(check_bundle(bundle, log_policy(world), document=unreadable)) == {"not-an-open-badge"}


def test_a_document_that_disagrees_with_its_issue_is_a_fault(world: World) -> None:
    document, credential_id = issue_document(world)
    other = FirstWorld()
    issuer = Did(str(document["issuer"]["id"]))
    other.parties[issuer] = world.parties[issuer]
    other.say(other.admission(other.parties[issuer]))
    other.issued(
        other.parties[issuer],
        credential_id=credential_id,
        achievement=document["credentialSubject"]["achievement"]["id"],
    )
    found = check_bundle(bundle_of(other, credential_id), log_policy(other), document=document)
    assert codes(found) == {"document-differs"}


def test_a_bundle_has_one_spelling(world: World) -> None:
    data = encode_bundle(bundle_of(world, world.issued(world.admit("school"))))
    for changed in (data + b"\n", b" " + data, msgspec.json.format(data, indent=2), data[:-1]):
        with pytest.raises(MalformedProblem):
            decode_bundle(changed)


def test_bundles_of_another_version_order_or_size_are_refused(world: World) -> None:
    bundle = bundle_of(world, world.issued(world.admit("school")))
    content = msgspec.to_builtins(bundle)
    changes: tuple[dict[str, object], ...] = (
        {"media_type": MEDIA_TYPE.replace("v1", "v2")},
        {"entries": content["entries"][::-1]},
        {"entries": [*content["entries"], content["entries"][-1]]},
        {"entries": []},
        {"more": 1},
        {"entries": [content["entries"][0] | {"proof": ["A" * 43 + "*"]}]},
        {"entries": content["entries"][:1] * (BUNDLE_ENTRIES_MAX + 1)},
    )
    for changed in changes:
        with pytest.raises((InvalidProblem, MalformedProblem)):
            decode_bundle(msgspec.json.encode(content | changed, order="sorted"))


def test_a_receipt_of_an_entry_that_is_not_there_is_a_key_error(world: World) -> None:
    bundle = bundle_of(world, world.issued(world.admit("school")))
    with pytest.raises(KeyError):
        bundle.receipt(LeafIndex(9))


def test_every_single_byte_change_of_a_bundle_is_refused(world: World) -> None:
    credential_id = world.issued(world.admit("school"))
    policy = parse_policy(witness_policy_text(world).encode())
    data = encode_bundle(bundle_of(world, credential_id, checkpoint=cosigned(world)))
    assert_every_byte_counts(data, policy)


def test_every_single_byte_change_of_a_receipt_is_refused(world: World) -> None:
    credential_id = world.issued(world.admit("school"))
    policy = parse_policy(witness_policy_text(world).encode())
    bundle = bundle_of(world, credential_id, checkpoint=cosigned(world))
    entry, data = bundle.entries[2].data, bundle.receipt(LeafIndex(2)).encode()
    check_receipt(parse_receipt(data), entry, policy)
    for at in range(len(data)):
        for byte in (data[at] ^ 1, data[at] ^ 0x20):
            changed = data[:at] + bytes([byte]) + data[at + 1 :]
            with pytest.raises(Problem):
                check_receipt(parse_receipt(changed), entry, policy)
