"""Bundles over several logs: a part for each, its own checkpoint, and nothing proven where one of them is missing."""

import msgspec
import pytest
from msgspec.structs import replace

from proto import events
from proto.bundles.bundle import BUNDLE_ENTRIES_MAX, Bundle, BundlePart, decode_bundle, encode_bundle
from proto.bundles.check import ProvenBundle, check_bundle
from proto.bundles.scope import by_log
from proto.ids import CredentialId, LeafIndex, Origin
from proto.log.policy import Policy, parse_policy
from proto.problem import InvalidProblem, MalformedProblem
from tests.support.bundles import (
    WITNESS,
    assert_every_byte_counts,
    bundle_of,
    bundled_entry,
    cosigned,
    issue_document,
    log_policy,
    policy_of,
)
from tests.support.worlds import FirstWorld, World


class Line:
    """Logs that continue each other, oldest first; the last is not opened yet when it is made."""

    def __init__(self) -> None:
        self.logs = [FirstWorld(origin=Origin("first.example/log"))]

    @property
    def now(self) -> World:
        """The log that goes on."""
        return self.logs[-1]

    @property
    def policy(self) -> Policy:
        """The policy that trusts all of them, and no witness."""
        return policy_of(*(world.log_key.verifier.text for world in self.logs))

    def go_on(self, name: str, **opening: object) -> World:
        """Continue the last log with another one, and return that."""
        old = self.now
        new = FirstWorld(origin=Origin(f"{name}.example/log"), is_open=False)
        new.parties, new.book, new.now_ms = old.parties, old.book, old.now_ms
        new.registrar = old.registrar
        end = events.Predecessor(origin=old.origin, size=old.size, root_hash=old.root_hash().hex())
        new.say(new.opening(predecessor=end, **opening))
        self.logs.append(new)
        return new

    def bundle(self, credential_id: CredentialId, *, checkpoint: str | None = None) -> Bundle:
        """Return the bundle about a credential of any of the logs."""
        return bundle_of(self.now, credential_id, checkpoint=checkpoint, before=self.logs[:-1])

    def proven(self, bundle: Bundle, policy: Policy | None = None) -> ProvenBundle:
        """Check a bundle after a round through its bytes."""
        return check_bundle(decode_bundle(encode_bundle(bundle)), policy or self.policy)


@pytest.fixture
def line() -> Line:
    return Line()


def codes(found: ProvenBundle) -> set[str]:
    return {fault.code for fault in found.faults}


def places(bundle: Bundle) -> list[list[int]]:
    return [[item.index for item in entries] for entries in (*(p.entries for p in bundle.earlier), bundle.entries)]


def swapped(bundle: Bundle, number: int, part: BundlePart) -> Bundle:
    """Return the bundle with another part in place of one of its parts."""
    parts = [part if place == number else kept for place, kept in enumerate(bundle.earlier)]
    return replace(bundle, predecessors=tuple(parts))


def test_what_was_issued_before_is_authentic_by_both_logs(line: Line) -> None:
    old = line.now
    school, _ = old.admit("school"), old.admit("college")
    old.issued(school, "other")
    credential_id = old.issued(school, "first")
    new = line.go_on("second")
    new.issued(school, "more")
    bundle = line.bundle(credential_id)
    found = line.proven(bundle)
    assert (found.faults, places(bundle)) == ((), [[0, 1, 4], [0]])
    assert (found.verdict(new.now), found.time) == ("indeterminate", old.received_at(4))
    assert found.checkpoint_time == new.received_at(1)
    assert bundle.entry_count == 4


def test_what_was_issued_afterwards_brings_the_admission_from_before(line: Line) -> None:
    school = line.now.admit("school")
    new = line.go_on("second")
    bundle = line.bundle(new.issued(school, "second"))
    assert (line.proven(bundle).faults, places(bundle)) == ((), [[0, 1], [0, 1]])


def test_a_revocation_on_the_next_log_is_in_the_bundle(line: Line) -> None:
    school = line.now.admit("school")
    credential_id = line.now.issued(school, "first")
    new = line.go_on("second")
    new.say(new.revocation(school, credential_id))
    found = line.proven(line.bundle(credential_id))
    state = found.state(new.now)
    assert state is not None
    assert (found.faults, state.state, found.verdict(new.now)) == ((), "revoked", "invalid")


def test_a_theft_that_was_told_on_the_next_log_condemns_what_the_last_one_has(line: Line) -> None:
    old = line.now
    school = old.admit("school")
    credential_id = old.issued(school, "first")
    at = old.received_at(2)
    new = line.go_on("second")
    new.say(new.condemnation(school, school, school.event, at), key=school.recovery)
    found = line.proven(line.bundle(credential_id))
    state = found.state(new.now)
    assert (found.faults, state and state.state) == ((), "void")


def test_the_key_that_opened_a_log_is_followed_to_the_log_where_it_was_added(line: Line) -> None:
    old = line.now
    registrar, fresh = old.registrar, old.registrar.key("event", 1)
    school = old.admit("school")
    credential_id = old.issued(school, "first")
    old.say(old.key_addition(registrar, registrar, fresh), key=registrar.recovery)
    old.advance(days=8)
    end = events.Predecessor(origin=old.origin, size=old.size, root_hash=old.root_hash().hex())
    new = FirstWorld(origin=Origin("second.example/log"), is_open=False)
    new.parties, new.book, new.now_ms, new.registrar = old.parties, old.book, old.now_ms, registrar
    new.say(new.opening(predecessor=end, keys=(fresh, registrar.recovery)), key=fresh)
    line.logs.append(new)
    bundle = line.bundle(credential_id)
    assert (line.proven(bundle).faults, places(bundle)) == ((), [[0, 1, 2, 3], [0]])
    new.advance(days=1)
    third = line.go_on("third")
    bundle = line.bundle(credential_id)
    assert (line.proven(bundle).faults, places(bundle)) == ((), [[0, 1, 2, 3], [0], [0]])
    assert third.book.opened_log().first_stamp == old.size + new.size


def test_three_logs_and_a_stack_over_all_of_them(line: Line) -> None:
    school, college = line.now.admit("school"), line.now.admit("college")
    first = line.now.issued(school, "first")
    second = line.go_on("second").issued(college, "second")
    third = line.go_on("third")
    stack = third.stacked(school, [first, second, third.issued(college, "third")], ects_hundredths=900)
    bundle = line.bundle(stack)
    assert (line.proven(bundle).faults, places(bundle)) == ((), [[0, 1, 2, 3], [0, 1], [0, 1, 2]])
    without_middle = replace(bundle, predecessors=bundle.earlier[:1])
    assert {"wrong-log", "not-issued"} <= codes(line.proven(without_middle))
    exchanged = replace(bundle, predecessors=bundle.earlier[::-1])
    assert line.proven(exchanged).verdict(third.now) == "invalid"


def test_a_document_of_the_earlier_log_is_recognised(line: Line) -> None:
    document, credential_id = issue_document(line.now)
    line.go_on("second")
    bundle = line.bundle(credential_id)
    assert check_bundle(bundle, line.policy, document=document).faults == ()
    assert codes(check_bundle(bundle, line.policy, document=document | {"name": "Other"})) == {"other-document"}


def test_without_the_key_of_the_earlier_log_nothing_is_decided(line: Line) -> None:
    credential_id = line.now.issued(line.now.admit("school"), "first")
    new = line.go_on("second")
    found = line.proven(line.bundle(credential_id), log_policy(new))
    assert codes(found) == {"earlier-log-unknown"}
    assert (found.faults[0].is_unknown, found.faults[0].check) == (True, "inclusion")
    assert "add the line `log VKEY`" in found.faults[0].detail
    assert found.verdict(new.now) == "indeterminate"


def test_a_bundle_without_its_earlier_part_is_not_judged(line: Line) -> None:
    school = line.now.admit("school")
    new = line.go_on("second")
    bundle = replace(line.bundle(new.issued(school, "second")), predecessors=msgspec.UNSET)
    found = line.proven(bundle)
    assert {"unknown-predecessor", "not-issued"} <= codes(found)
    assert found.verdict(new.now) in {"invalid", "indeterminate"}
    assert found.credential is None


def test_an_earlier_log_that_ends_elsewhere_is_a_fault(line: Line) -> None:
    old = line.now
    school = old.admit("school")
    credential_id = old.issued(school, "first")
    line.go_on("second")
    bundle = line.bundle(credential_id)
    shorter = FirstWorld(origin=old.origin)
    shorter.issued(shorter.admit("school"), "first")
    shorter.admit("college")
    part = BundlePart(
        checkpoint=shorter.checkpoint().decode(),
        entries=tuple(bundled_entry(shorter, item.index) for item in bundle.earlier[0].entries),
    )
    assert codes(line.proven(swapped(bundle, 0, part))) == {"other-predecessor"}


def test_a_checkpoint_that_another_log_signed_is_a_fault(line: Line) -> None:
    old = line.now
    credential_id = old.issued(old.admit("school"), "first")
    new = line.go_on("second")
    bundle = line.bundle(credential_id)
    forged = replace(bundle.earlier[0], checkpoint=new.checkpoint().decode())
    assert {"not-included", "other-predecessor"} & codes(line.proven(swapped(bundle, 0, forged)))
    lines = bundle.earlier[0].checkpoint.splitlines(keepends=True)
    other = [*lines[:-1], new.checkpoint().decode().splitlines(keepends=True)[-1]]
    unsigned = replace(bundle.earlier[0], checkpoint="".join(other))
    assert codes(line.proven(swapped(bundle, 0, unsigned))) == {"quorum-missing"}
    unreadable = replace(bundle.earlier[0], checkpoint="nothing")
    assert "malformed" in codes(line.proven(swapped(bundle, 0, unreadable)))


def test_time_does_not_go_back_from_log_to_log(line: Line) -> None:
    old = line.now
    credential_id = old.issued(old.admit("school"), "first")
    old.now_ms -= 2_500
    new = line.go_on("second")
    found = line.proven(line.bundle(credential_id))
    assert codes(found) == {"order"}
    assert found.verdict(new.now) == "invalid"


def test_an_entry_of_an_earlier_log_that_does_not_belong_is_a_fault(line: Line) -> None:
    old = line.now
    school = old.admit("school")
    credential_id, _ = old.issued(school, "first"), old.issued(school, "other")
    line.go_on("second")
    bundle = line.bundle(credential_id)
    more = replace(bundle.earlier[0], entries=(*bundle.earlier[0].entries, bundled_entry(old, 3)))
    [fault] = line.proven(swapped(bundle, 0, more)).faults
    assert (fault.code, fault.log, fault.index) == ("does-not-belong", old.origin, 3)
    assert fault.detail.endswith(f"(on {old.origin})")


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_no_entry_of_an_earlier_log_can_be_left_out(line: Line, missing: int) -> None:
    old = line.now
    credential_id = old.issued(old.admit("school"), "first")
    line.go_on("second")
    bundle = line.bundle(credential_id)
    kept = tuple(item for item in bundle.earlier[0].entries if item.index != missing)
    assert line.proven(swapped(bundle, 0, replace(bundle.earlier[0], entries=kept))).faults


def test_form_and_bounds_hold_for_every_part(line: Line) -> None:
    credential_id = line.now.issued(line.now.admit("school"), "first")
    line.go_on("second")
    content = msgspec.to_builtins(line.bundle(credential_id))
    [part] = content["predecessors"]
    many = [
        part["entries"][0] | {"entry": part["entries"][0]["entry"] | {"index": n}} for n in range(BUNDLE_ENTRIES_MAX)
    ]
    for parts in (
        [],
        [part | {"entries": []}],
        [part | {"entries": part["entries"][::-1]}],
        [part | {"entries": many}],
        [part | {"more": 1}],
        [part] * 9,
    ):
        with pytest.raises((InvalidProblem, MalformedProblem)):
            decode_bundle(msgspec.json.encode(content | {"predecessors": parts}, order="sorted"))


def test_every_single_byte_change_over_two_logs_is_refused(line: Line) -> None:
    credential_id = line.now.issued(line.now.admit("school"), "first")
    new = line.go_on("second")
    logs = "".join(f"log {world.log_key.verifier.text}\n" for world in line.logs)
    policy = parse_policy(f"{logs}witness w {WITNESS.verifier.text}\nquorum w\n".encode())
    data = encode_bundle(line.bundle(credential_id, checkpoint=cosigned(new)))
    assert check_bundle(decode_bundle(data), policy).faults == ()
    assert_every_byte_counts(data, policy)


def test_indices_that_count_through_are_those_of_their_logs() -> None:
    counted = [LeafIndex(index) for index in (0, 2, 3, 6, 7, 9)]
    assert by_log(counted, [0, 3, 7]) == [[0, 2], [0, 3], [0, 2]]
    assert by_log([LeafIndex(1)], [0, 3]) == [[1], []]
