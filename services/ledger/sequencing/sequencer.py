"""Appends what has gathered, one transaction per batch. The only writer of entries, tiles, head and states.

Any replica may sequence: the lock on the head row is the fence, and what this process remembers of the tree and the
states is used only while the head row says that nobody else has appended (DESIGN 5.4). Two kinds of errors: after one
that leaves it unknown whether COMMIT happened, the process ends (start-up reads back what is true); after any other,
nothing has happened, and the senders are told to try again.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from proto.envelope import Opened
from proto.ids import EventId
from proto.lifecycle import Book, UnloadedStateError
from proto.log.tile_edge import Growth, TileEdge, grow
from proto.moment import from_ms
from proto.problem import InvalidProblem, Problem, UnavailableProblem
from proto.subjects import BATCH_IDS_MAX
from proto.wire.ledger import Appended
from services.edge.log import Log
from services.edge.problems import InternalProblem
from services.ledger.domain import (
    BatchPlan,
    ClockGuard,
    ClockProblem,
    ClockReadings,
    DecisionFaultProblem,
    Head,
    Known,
    NewEntry,
    appended,
    damage_of_tail,
    extend_plan,
    head_after,
    slice_ends,
)
from services.ledger.metrics import SequencingMetrics
from services.ledger.publishing.freezing import LogFrozenProblem
from services.ledger.sequencing.storage import Storage, Transaction
from services.ledger.sequencing.submission import QueuedEvent, SequencingAnswer
from services.ledger.store import MissingRowsError
from services.persistence.postgres_errors import DATABASE_ERRORS, CommitUnknownError

ISSUERS_REMEMBERED_MAX = 20_000
DECIDED_AT_ONCE = 1_024
"""So many credentials are decided between two questions to the database, which ends the session of who is silent."""
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux has a clock that also counts the time for which the machine slept."""


class NotAppendedProblem(UnavailableProblem):
    """The batch was not appended; nothing has happened, and the same event may be sent again."""

    slug = "not-appended"
    title = "The event was not appended; send it again"
    retry_after_seconds = 1


class ForkedTreeError(Exception):
    """The stored tree contradicts the head row: nothing may be appended or signed until somebody has looked."""


def read_clocks(database_ms: int) -> ClockReadings:
    """Return this machine's clocks beside the database's, all of now."""
    steady_ms = time.clock_gettime_ns(_STEADY) // 1_000_000
    return ClockReadings(own_ms=time.time_ns() // 1_000_000, steady_ms=steady_ms, database_ms=database_ms)


class Sequencer:
    """Takes checked events in the order offered and answers each after its batch is committed.

    `is_more_coming` says whether events are being checked that will be offered soon, so that it is worth to wait for
    them; `on_growth` is called after each commit that added entries; `clocks` reads this machine's clocks;
    `development_rules` admits the activation of rules that are not finished; `published_size` is how many entries this
    process knows to be published. `decided_at_once` bounds what is decided before the storage hears of us again.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        batch_events_max: int,
        batch_wait_ms: int,
        clock_guard: ClockGuard,
        metrics: SequencingMetrics,
        log: Log,
        is_more_coming: Callable[[], bool],
        on_growth: Callable[[], None],
        clocks: Callable[[int], ClockReadings] = read_clocks,
        development_rules: bool = False,
        published_size: Callable[[], int] = int,
        decided_at_once: int = DECIDED_AT_ONCE,
    ) -> None:
        self._storage = storage
        self._clocks = clocks
        self._development_rules = development_rules
        self._published_size, self._appended_size = published_size, 0
        self._decided_at_once = decided_at_once
        self._batch_events_max = batch_events_max
        self._batch_wait_seconds = batch_wait_ms / 1000
        self._clock_guard = clock_guard
        self._metrics = metrics
        self._log = log
        self._is_more_coming = is_more_coming
        self._on_growth = on_growth
        self._batch_events = batch_events_max
        self._waiting: deque[QueuedEvent] = deque()
        self._arrived = asyncio.Event()
        self._stopping = False
        self._edge: TileEdge | None = None
        self._head: Head | None = None
        self._book: Book | None = None

    @property
    def waiting_count(self) -> int:
        """How many events wait for a batch."""
        return len(self._waiting)

    def offer(self, events: Sequence[QueuedEvent]) -> None:
        """Take events whose signatures were checked, in the order in which they are to be decided."""
        self._waiting.extend(events)
        self._arrived.set()

    def stop(self) -> None:
        """Ask `run` to end once nothing waits any more."""
        self._stopping = True
        self._arrived.set()

    async def run(self) -> None:
        """Append batch after batch until stopped; raises what is fatal."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._gather()
                batch = self._take()
                await self._append_or_refuse(batch)
            if self._stopping:
                return

    def _take(self) -> list[QueuedEvent]:
        """Return the next batch, at least one event: bounded by events, and by the credentials that they are about."""
        batch: list[QueuedEvent] = []
        room = BATCH_IDS_MAX
        while self._waiting and len(batch) < self._batch_events and room >= self._waiting[0].opened.weight:
            batch.append(self._waiting.popleft())
            room -= batch[-1].opened.weight
        return batch

    async def _gather(self) -> None:
        """Wait a little for what is still being checked: a commit costs the same for one event as for many."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._batch_wait_seconds
        while len(self._waiting) < self._batch_events and self._is_more_coming() and loop.time() < deadline:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._arrived.wait()

    async def _append_or_refuse(self, batch: list[QueuedEvent]) -> None:
        """Append a batch; where nothing was committed, tell its senders so. Fatal errors are left to the caller."""
        started = time.perf_counter()
        try:
            await self._append(batch)
            self._batch_events = min(2 * self._batch_events, self._batch_events_max)
        except (CommitUnknownError, ForkedTreeError, MissingRowsError):
            raise
        except DATABASE_ERRORS as error:
            # what took too long together may be quick enough in halves: without this, it would fail for ever
            self._batch_events = max(1, len(batch) // 2)
            self._refuse(batch, NotAppendedProblem("The database did not take the batch; nothing was appended"), error)
        except Problem as problem:
            self._refuse(batch, problem, problem)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the service, nor be taken for success
            self._refuse(batch, InternalProblem("The batch was not appended; this is a fault of ours"), error)
        finally:
            self._metrics.batch_seconds.observe(time.perf_counter() - started)

    def _refuse(self, batch: list[QueuedEvent], problem: Problem, error: Exception) -> None:
        """Nothing of the batch was committed, so what was evolved in memory is forgotten."""
        self._edge, self._head, self._book = None, None, None
        reasons = {ClockProblem: "clock", LogFrozenProblem: "frozen"}
        self._metrics.batches_failed.labels(reasons.get(type(error), "database")).inc()
        self._log.failure("batch_failed", error, events=len(batch), problem=problem.slug)
        for pending in batch:
            pending.settle(problem)

    async def _append(self, batch: list[QueuedEvent]) -> None:
        """The protocol of DESIGN 5.4, numbered. A crash before (7) leaves the log as it was; after it, complete."""
        async with self._storage.transaction() as transaction:
            # (1) the fence: from here to COMMIT nobody else appends, on this or any other replica
            head, database_ms = await transaction.locked_head()
            self._refuse_earlier(head)
            # (2) memory counts only if it is of exactly this head; what is read instead must fit it
            edge = await self._edge_at(transaction, head)
            # (3) one time for the whole batch, never before the last entry's
            now_ms = await self._time(transaction, head, database_ms)
            # (4) which events are known, and every state that the rules read; decided in memory, nothing written yet
            book, plan = await self._plan(transaction, batch, head, now_ms)
            earlier = await transaction.places(_known_before(batch, plan))
            grown: Growth | None = None
            if plan.entries:
                # (5) entries, full tiles, right edge and head: none is true without the others
                grown = grow(edge, [entry.leaf_hash for entry in plan.entries])
                await transaction.append(plan.entries, grown, now_ms)
                # (6) the states that follow from the entries; fsck computes them again and compares
                await transaction.save(book)
            # (7) COMMIT, on leaving the block. Where its outcome is unknown the process ends, and nobody was answered
        # committed: a crash from here on loses answers only; whoever sends the same event again gets the first answer
        self._remember(book, plan, grown, now_ms)
        # (8) only now the answers
        self._answer(batch, plan, earlier)

    def _refuse_earlier(self, head: Head) -> None:
        """Raise `NotAppendedProblem` where the database is an earlier state of the log than this process knows.

        Then a failover, or a restore, has lost commits: what was appended there could never be signed.
        """
        known = max(self._published_size(), self._appended_size)
        if head.size < known:
            raise NotAppendedProblem(
                f"The ledger's database holds {head.size} entries, and there were {known}: it is an earlier state of "
                "the log. Nothing is appended until its operator has brought them back (RUNBOOK.md: older-database)"
            )

    async def _edge_at(self, transaction: Transaction, head: Head) -> TileEdge:
        """Return the right edge of the tree at `head`: the remembered one, or read again if it is of another head.

        Raises `ForkedTreeError` where the stored edge, the last entry and the head do not fit each other: what was
        appended to them would be signed, and wrong for ever.
        """
        if self._edge is not None and self._head == head:
            return self._edge
        self._book = None
        try:
            tail = await transaction.tail()
        except InvalidProblem as problem:
            raise ForkedTreeError(f"The stored right edge is damaged: {problem.detail}") from problem
        damage = damage_of_tail(head, tail.edge, tail.entry.leaf_hash, tail.entry.data)
        if damage is not None:
            raise ForkedTreeError(f"{damage}. Nothing is appended; `credentify fsck` names all that is damaged")
        self._edge, self._head = tail.edge, head
        return tail.edge

    async def _time(self, transaction: Transaction, head: Head, database_ms: int) -> int:
        """Return the batch's time in milliseconds; raises `ClockProblem` where none can be given.

        An answer that is read late looks like a clock that is behind, so who finds one asks once more.
        """
        try:
            return self._clock_guard.received_at_ms(self._clocks(database_ms), head.last_received_at_ms)
        except ClockProblem:
            clocks = self._clocks(await transaction.clock_ms())
            return self._clock_guard.received_at_ms(clocks, head.last_received_at_ms)

    async def _plan(
        self, transaction: Transaction, batch: list[QueuedEvent], head: Head, now_ms: int
    ) -> tuple[Book, BatchPlan]:
        """Load what the batch reads and decide it; what a decided event makes necessary is loaded before going on."""
        opened = [pending.opened for pending in batch]
        book, stuck_at = Book.of_the_next_batch(self._book), -1
        plan = BatchPlan(head=head, received_at=from_ms(now_ms), is_development=self._development_rules)
        while plan.decided_count < len(opened):
            await transaction.load_all(book, opened[plan.decided_count :])
            try:
                await self._decide(transaction, plan, book, opened)
            except UnloadedStateError:
                if plan.decided_count == stuck_at:
                    raise
                stuck_at = plan.decided_count
        return book, plan

    async def _decide(self, transaction: Transaction, plan: BatchPlan, book: Book, opened: Sequence[Opened]) -> None:
        """Extend the plan to the whole batch, some events at a time; raises `UnloadedStateError`.

        A batch is about many credentials, and a slow machine takes its time for them: it must not look like a process
        that is frozen, whose session the database ends.
        """
        for end in slice_ends(opened, plan.decided_count, self._decided_at_once):
            extend_plan(plan, book, opened[:end])
            if end < len(opened):
                await transaction.clock_ms()

    def _remember(self, book: Book, plan: BatchPlan, grown: Growth | None, now_ms: int) -> None:
        """Keep what the next batch needs; nobody else has appended as long as the head row still says the same."""
        if grown is not None:
            self._edge, self._head = grown.edge, head_after(plan.entries[-1], grown, now_ms)
            self._appended_size = grown.edge.size
            self._metrics.tree_size.set(grown.edge.size)
            self._on_growth()
        book.forget_changes()
        self._book = book if len(book.issuers) <= ISSUERS_REMEMBERED_MAX else None

    def _answer(self, batch: list[QueuedEvent], plan: BatchPlan, earlier: Mapping[EventId, Appended]) -> None:
        """Settle every event of a committed batch; one that was known gets the answer that was given the first time."""
        self._metrics.batch_events.observe(len(batch))
        self._metrics.batch_credentials.observe(sum(len(pending.opened.credential_ids) for pending in batch))
        for pending, outcome in zip(batch, plan.outcomes, strict=True):
            if isinstance(outcome, NewEntry):
                pending.settle(SequencingAnswer(appended(outcome, plan.received_at), is_new=True))
            elif isinstance(outcome, Known) and outcome.index >= plan.head.size:
                first = plan.entries[outcome.index - plan.head.size]
                pending.settle(SequencingAnswer(appended(first, plan.received_at), is_new=False))
            elif isinstance(outcome, Known):
                pending.settle(SequencingAnswer(earlier[pending.opened.event_id], is_new=False))
            else:
                if isinstance(outcome, DecisionFaultProblem):
                    self._log.failure("decision_failed", outcome.__cause__, type=type(pending.opened.event).__name__)
                pending.settle(outcome)


def _known_before(batch: Sequence[QueuedEvent], plan: BatchPlan) -> list[EventId]:
    """Return the events that were on the log before this batch."""
    return [
        pending.opened.event_id
        for pending, outcome in zip(batch, plan.outcomes, strict=True)
        if isinstance(outcome, Known) and outcome.index < plan.head.size
    ]
