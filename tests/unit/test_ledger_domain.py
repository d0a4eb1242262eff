"""When the ledger's clock is believed, and what a batch of events does to the log."""

import pytest

from proto.envelope import Envelope, open_envelope
from proto.ids import TreeSize
from proto.lifecycle import Book, Refusal, UnloadedStateError
from proto.log.merkle import EMPTY_ROOT
from proto.moment import from_ms, to_ms
from services.ledger.domain import (
    BatchPlan,
    ClockGuard,
    ClockProblem,
    ClockReadings,
    Head,
    Known,
    NewEntry,
    extend_plan,
    slice_ends,
)
from tests.support.worlds import FirstWorld, World

NOW_MS = 1_800_000_000_000


def clocks(own_ms: int = 0, steady_ms: int = 0, database_ms: int = 0) -> ClockReadings:
    return ClockReadings(own_ms=NOW_MS + own_ms, steady_ms=steady_ms, database_ms=NOW_MS + database_ms)


def guard() -> ClockGuard:
    return ClockGuard(difference_ms_max=2_000, settle_ms=30_000)


def test_entries_get_the_time_of_the_ledgers_clock() -> None:
    assert guard().received_at_ms(clocks(database_ms=1_999), last_ms=0) == NOW_MS


def test_received_at_never_goes_back() -> None:
    assert guard().received_at_ms(clocks(), last_ms=NOW_MS + 1_500) == NOW_MS + 1_500


@pytest.mark.parametrize("difference_ms", [-2_001, 2_001])
def test_clocks_that_differ_stop_the_sequencer(difference_ms: int) -> None:
    with pytest.raises(ClockProblem, match="differ by"):
        guard().received_at_ms(clocks(database_ms=difference_ms), last_ms=0)


def test_a_clock_that_lies_behind_the_log_stops_the_sequencer() -> None:
    with pytest.raises(ClockProblem, match="behind the log's last entry"):
        guard().received_at_ms(clocks(), last_ms=NOW_MS + 2_001)


@pytest.mark.parametrize("jump_ms", [-3_600_000, 3_600_000])
def test_a_clock_that_jumped_is_believed_again_after_it_was_steady(jump_ms: int) -> None:
    watched = guard()
    watched.received_at_ms(clocks(), last_ms=0)
    with pytest.raises(ClockProblem, match="has jumped"):
        watched.received_at_ms(clocks(own_ms=jump_ms + 100, steady_ms=100, database_ms=jump_ms + 100), last_ms=0)
    with pytest.raises(ClockProblem, match="has jumped"):
        watched.received_at_ms(clocks(own_ms=jump_ms + 30_000, steady_ms=30_000, database_ms=jump_ms + 30_000), 0)
    later = clocks(own_ms=jump_ms + 30_200, steady_ms=30_200, database_ms=jump_ms + 30_200)
    assert watched.received_at_ms(later, last_ms=0) == NOW_MS + jump_ms + 30_200


def test_time_that_passes_is_no_jump() -> None:
    watched = guard()
    for hours in range(5):
        passed_ms = hours * 3_600_000
        assert watched.received_at_ms(clocks(passed_ms, passed_ms, passed_ms), last_ms=0) == NOW_MS + passed_ms


def plan_of(world: World, envelopes: list[Envelope]) -> BatchPlan:
    head = Head(
        size=TreeSize(world.size),
        root_hash=world.root_hash(),
        last_leaf_hash=world.leaf_hashes[-1],
        last_received_at_ms=to_ms(world.received_at(-1)),
    )
    plan = BatchPlan(head=head, received_at=world.now)
    extend_plan(plan, world.book, [open_envelope(envelope) for envelope in envelopes])
    return plan


def test_a_batch_gives_the_same_entries_as_one_event_after_the_other() -> None:
    batched, single = FirstWorld(step_ms=0), FirstWorld(step_ms=0)
    for world in (batched, single):
        world.admit("college")
    college = batched.party("college")
    envelopes = [batched.seal(batched.issue(college, f"number {number}")) for number in range(5)]
    plan = plan_of(batched, envelopes)
    for envelope in envelopes:
        single.append(envelope)
    assert [entry.data for entry in plan.entries] == single.entries[2:]
    assert [entry.leaf_hash for entry in plan.entries] == single.leaf_hashes[2:]


def test_a_refusal_and_a_repetition_concern_their_own_event_only() -> None:
    world = FirstWorld()
    college = world.admit("college")
    first, second = (world.seal(world.issue(college, name)) for name in ("first", "second"))
    refused = world.seal(world.revocation(college, world.credential_id(college, "nothing")))
    plan = plan_of(world, [first, refused, first, second])
    kinds = [type(outcome) for outcome in plan.outcomes]
    assert kinds[0] is kinds[3] is NewEntry
    assert isinstance(plan.outcomes[1], Refusal)
    assert plan.outcomes[2] == Known(index=plan.entries[0].index)
    assert [entry.index for entry in plan.entries] == [2, 3]


def test_a_plan_that_lacks_a_state_goes_on_where_it_stopped() -> None:
    world = FirstWorld()
    college = world.admit("college")
    envelopes = [world.seal(world.issue(college, name)) for name in ("first", "second")]
    batch = [open_envelope(envelope) for envelope in envelopes]
    head = Head(
        size=TreeSize(2), root_hash=EMPTY_ROOT, last_leaf_hash=world.leaf_hashes[-1], last_received_at_ms=world.now_ms
    )
    plan = BatchPlan(head=head, received_at=from_ms(world.now_ms))
    book = Book()
    book.log, book.issuers = world.book.log, world.book.issuers
    book.events = {batch[0].event_id: None, batch[1].event_id: None}
    book.credentials = {world.credential_id(college, "first"): None}
    with pytest.raises(UnloadedStateError):
        extend_plan(plan, book, batch)
    assert plan.decided_count == 1
    book.credentials[world.credential_id(college, "second")] = None
    extend_plan(plan, book, batch)
    assert [entry.index for entry in plan.entries] == [2, 3]


def test_a_batch_is_cut_after_so_many_credentials_but_never_inside_an_event() -> None:
    world = World(rules_version=2)
    college = world.admit("college")
    sizes = [3, 1, 1, 9, 2, 2]
    names = [[f"{number} {each}" for each in range(size)] for number, size in enumerate(sizes)]
    batch = [
        open_envelope(world.seal(world.issue_many(college, some) if len(some) > 1 else world.committed(college, *some)))
        for some in names
    ]
    assert list(slice_ends(batch, 0, 4)) == [2, 3, 4, 6]
    assert list(slice_ends(batch, 2, 4)) == [3, 4, 6]
    assert list(slice_ends(batch, 0, 100)) == [6]
    assert list(slice_ends(batch, 6, 4)) == [6]
