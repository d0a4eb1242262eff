"""What a batch does to the log, and when a clock may be believed. Reads no clock; knows no database and no HTTP."""

from collections.abc import Iterator, Sequence

import msgspec

from proto import events
from proto.envelope import Opened
from proto.ids import EventId, LeafIndex, TreeSize
from proto.lifecycle import (
    RULES_VERSIONS_FINISHED,
    RULES_VERSIONS_KNOWN,
    Book,
    UnknownRulesProblem,
    UnloadedStateError,
    check_activation,
    decide,
    evolve,
)
from proto.log import entry as entries
from proto.log.merkle import HASH_BYTES, Hash, leaf_hash
from proto.log.tile_edge import Growth, TileEdge
from proto.moment import Moment, to_ms
from proto.problem import Problem, UnavailableProblem
from proto.wire.ledger import Appended


class ClockProblem(UnavailableProblem):
    """The clock cannot be believed now, so nothing is sequenced (DESIGN 3.5)."""

    slug = "clock"
    title = "The log's clock cannot be relied upon now"
    retry_after_seconds = 5.0


class UnfinishedRulesProblem(Problem):
    """A ledger's caution, not a rule: what is admitted by unfinished rules may break them once they are finished."""

    slug = "unfinished-rules"
    title = "These rules are not finished"
    status = 422


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the log as committed: its size, root and last leaf hash, and when the last entry was received."""

    size: TreeSize
    root_hash: Hash
    last_leaf_hash: bytes
    last_received_at_ms: int


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that a batch adds: the bytes to store and what indexes them."""

    index: LeafIndex
    leaf_hash: Hash
    event_id: EventId
    data: bytes


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The event is on the log already, at this index."""

    index: LeafIndex


class DecisionFaultProblem(Problem):
    """The rules failed on this event, which is a fault of ours; its cause is the exception. Nothing was written."""

    slug = "internal"
    title = "Something went wrong on our side"
    status = 500


class BatchPlan(msgspec.Struct, kw_only=True):
    """What a batch does: the entries it adds, in order, and one outcome per event decided so far.

    An outcome is the entry that the event became, `Known` for an event that was on the log before or earlier in the
    same batch, or the problem that refuses it. `is_development` lets rules be activated that are not finished.
    """

    head: Head
    received_at: Moment
    is_development: bool = False
    entries: list[NewEntry] = msgspec.field(default_factory=list)
    outcomes: list[NewEntry | Known | Problem] = msgspec.field(default_factory=list)

    @property
    def decided_count(self) -> int:
        """How many events of the batch have an outcome."""
        return len(self.outcomes)


def extend_plan(plan: BatchPlan, book: Book, batch: Sequence[Opened]) -> None:
    """Decide and evolve what of the batch is not decided yet, in the order sent (DESIGN 3.6).

    A refusal concerns its own event only. The book holds what the batch needs, and afterwards what it changed. Raises
    `UnloadedStateError` at an event for which the book lacks something: load that, and call again.
    """
    for opened in batch[plan.decided_count :]:
        known = book.index_of(opened.event_id)
        if known is not None:
            plan.outcomes.append(Known(index=known))
            continue
        try:
            entry = _admit(plan, book, opened)
        except Problem as problem:
            plan.outcomes.append(problem)
            continue
        plan.entries.append(entry)
        plan.outcomes.append(entry)


def slice_ends(batch: Sequence[Opened], begin: int, ids_max: int) -> Iterator[int]:
    """Yield where to stop in a batch from `begin` on: after events about `ids_max` credentials, or after one event."""
    count = 0
    for number, opened in enumerate(batch[begin:], start=begin):
        if count and count + opened.weight > ids_max:
            yield number
            count = 0
        count += opened.weight
    yield len(batch)


def _admit(plan: BatchPlan, book: Book, opened: Opened) -> NewEntry:
    """Return the entry of an admissible event and write what it changes; nothing is written for one that is refused."""
    index = LeafIndex(plan.head.size + len(plan.entries))
    previous = plan.entries[-1].leaf_hash if plan.entries else plan.head.last_leaf_hash
    _check_activation(book, opened.event, index, is_development=plan.is_development)
    _decide(book, opened, index, plan.received_at)
    data = entries.encode(opened.envelope, index, previous, plan.received_at)
    evolve(book, opened, index=index, received_at=plan.received_at)
    return NewEntry(index=index, leaf_hash=leaf_hash(data), event_id=opened.event_id, data=data)


def _decide(book: Book, opened: Opened, index: LeafIndex, received_at: Moment) -> None:
    try:
        decide(book, opened, index=index, received_at=received_at)
    except (Problem, UnloadedStateError):
        raise
    except Exception as error:  # a rule that fails on one event must not sink the others of its batch
        raise DecisionFaultProblem("The rules could not be applied to this event; this is a fault of ours") from error


def _check_activation(book: Book, event: events.Event, index: LeafIndex, *, is_development: bool) -> None:
    """Admit no rules that this ledger could not judge by: from their index on it would have to refuse everything.

    And none from an index that nobody lives to see: from version 2 on that is a rule, before it is caution (DESIGN 9).
    """
    if not isinstance(event, events.RulesActivated):
        return
    if event.version not in RULES_VERSIONS_KNOWN:
        raise UnknownRulesProblem(f"This ledger does not have rules version {event.version}: bring it up to date first")
    require_finished(event.version, is_development=is_development, pointer="/version")
    if book.log is not None:
        check_activation(book, event, index)


def require_finished(version: int, *, is_development: bool, pointer: str) -> None:
    """Raise `UnfinishedRulesProblem` for rules that are not finished, unless the log is one of development.

    A rule that is in force is never changed (DESIGN 3.6), so rules that are still to change are put in force nowhere
    else. Whether a version is known is asked elsewhere.
    """
    if version in RULES_VERSIONS_KNOWN - RULES_VERSIONS_FINISHED and not is_development:
        raise UnfinishedRulesProblem(
            f"Rules version {version} is not finished: what a log says by it today may break it once it is. Stay with "
            f"version {max(RULES_VERSIONS_FINISHED)}. On a log that is thrown away after development, set "
            "CREDENTIFY_LEDGER_DEVELOPMENT_RULES=true",
            pointer=pointer,
        )


def head_after(last: NewEntry, grown: Growth, received_at_ms: int) -> Head:
    """Return the head of the log after a batch that ends with the entry `last`."""
    return Head(
        size=grown.edge.size, root_hash=grown.root, last_leaf_hash=last.leaf_hash, last_received_at_ms=received_at_ms
    )


def damage_of_tail(head: Head, edge: TileEdge, last_leaf: Hash, last_data: bytes) -> str | None:
    """Return what does not fit together of head, right edge and last entry as stored, in a sentence; None if all does.

    One flipped bit in any of the three is found: each value is bound to the last entry's bytes or to the root.
    """
    place = f"entry {head.size - 1}"
    if edge.size != head.size:
        return f"The head says {head.size} entries, the right edge {edge.size}"
    try:
        last = entries.decode(last_data)
    except Problem as problem:
        return f"The stored bytes of {place} are no entry: {problem.detail}"
    faults = {
        f"The stored bytes of {place} do not have its leaf hash": leaf_hash(last_data) != last_leaf,
        "The root in the head is not that of the right edge": edge.root() != head.root_hash,
        f"The right edge does not end with the leaf hash of {place}": edge.partials[0][-HASH_BYTES:]
        not in {b"", last_leaf},
        f"The last leaf hash in the head is not that of {place}": head.last_leaf_hash != last_leaf,
        f"The last time in the head is not that of {place}": head.last_received_at_ms != to_ms(last.received_at),
        f"The entry stored as {place} says that its index is {last.index}": last.index != head.size - 1,
    }
    return next((sentence for sentence, is_fault in faults.items() if is_fault), None)


def appended(entry: NewEntry, received_at: Moment) -> Appended:
    """Return the answer to whoever sent the event."""
    return Appended(
        index=entry.index, leaf_hash=entry.leaf_hash.hex(), received_at=received_at, event_id=entry.event_id
    )


class ClockReadings(msgspec.Struct, frozen=True, kw_only=True):
    """Three readings of the same moment, in milliseconds: own wall clock, own steady clock, the database's wall clock.

    The steady clock counts suspended time and is never set; only its differences mean anything.
    """

    own_ms: int
    steady_ms: int
    database_ms: int


class ClockGuard:
    """Says which time an entry gets, or that none can be given: clocks disagree, have jumped, or lie behind the log."""

    def __init__(self, *, difference_ms_max: int, settle_ms: int) -> None:
        self._difference_ms_max = difference_ms_max
        self._settle_ms = settle_ms
        self._offset_ms: int | None = None
        self._distrusted_until_ms = 0

    def received_at_ms(self, clocks: ClockReadings, last_ms: int) -> int:
        """Return the time for a batch, never before `last_ms`; raises `ClockProblem` where none can be given."""
        difference_ms = clocks.own_ms - clocks.database_ms
        if abs(difference_ms) > self._difference_ms_max:
            raise ClockProblem(f"The ledger's and its database's clocks differ by {difference_ms} ms: set them")
        self._notice_jump(clocks)
        left_ms = self._distrusted_until_ms - clocks.steady_ms
        if left_ms > 0:
            raise ClockProblem(f"The ledger's clock has jumped; nothing is appended for another {left_ms} ms")
        if last_ms - clocks.own_ms > self._difference_ms_max:
            raise ClockProblem(
                f"The ledger's clock is {last_ms - clocks.own_ms} ms behind the log's last entry: set it"
            )
        return max(clocks.own_ms, last_ms)

    def _notice_jump(self, clocks: ClockReadings) -> None:
        """The difference between wall and steady clock stays as it is, unless somebody set the wall clock."""
        offset_ms = clocks.own_ms - clocks.steady_ms
        if self._offset_ms is not None and abs(offset_ms - self._offset_ms) > self._difference_ms_max:
            self._distrusted_until_ms = clocks.steady_ms + self._settle_ms
        self._offset_ms = offset_ms
