"""The write path in virtual time under seeded faults at every await; see `tests.fault.simulation`."""

from collections import Counter
from collections.abc import Sequence

import pytest

from proto.envelope import Opened
from proto.lifecycle import Book
from proto.log.tile_edge import TileEdge
from proto.problem import Problem
from services.ledger.domain import BatchPlan, Head, extend_plan
from services.ledger.sequencing.sequencer import NotAppendedProblem, Sequencer
from services.ledger.sequencing.storage import Transaction
from services.ledger.sequencing.submission import QueuedEvent
from services.persistence.postgres_errors import CommitUnknownError
from tests.fault.simulation import Kind, Plan, simulate

SEEDS, TORTURE_SEEDS = 12, 1_000
SMALL = Plan(seed=0, replicas=2, clients=2, submissions=2, events_max=3, only=(0, "go"))
LARGER = Plan(seed=0, replicas=3, clients=3, submissions=4, events_max=4, only=(0, "go"))
MUTANT_SEEDS = 40


def awaits(plan: Plan) -> int:
    """Return how many awaits a run has in which nothing goes wrong."""
    result = simulate(plan)
    assert result.faults == []
    return result.await_count


def only(plan: Plan, number: int, kind: Kind) -> Plan:
    return Plan(
        seed=number,
        replicas=plan.replicas,
        clients=plan.clients,
        submissions=plan.submissions,
        events_max=plan.events_max,
        only=(number, kind),
    )


@pytest.mark.parametrize("kind", ["die", "fail", "freeze"])
def test_one_fault_at_each_await_of_the_write_path_leaves_the_log_whole(kind: Kind, torture: bool) -> None:
    plan = LARGER if torture else SMALL
    happened, count = 0, awaits(plan)
    for number in range(1, count + 1):
        result = simulate(only(plan, number, kind))
        assert result.faults == [], f"{kind} at await {number}"
        happened += result.happened.get(kind, 0)
    assert happened > 0.9 * count, "each seed has its own run, a few of which end sooner"


def test_many_faults_at_once_leave_the_log_whole(seed: int, torture: bool) -> None:
    happened = Counter[str]()
    for number in range(seed, seed + (TORTURE_SEEDS if torture else SEEDS)):
        result = simulate(Plan(seed=number, replicas=1 + number % 3))
        assert result.faults == [], f"again with: simulate(Plan(seed={number}, replicas={1 + number % 3}))"
        happened.update(result.happened)
    assert happened.keys() >= {"wait", "fail", "die", "freeze", "clock", "ended"}


def test_a_seed_gives_the_same_run_again(seed: int) -> None:
    first, again = (simulate(Plan(seed=seed)) for _ in range(2))
    assert first == again
    assert first.trace_hash != simulate(Plan(seed=seed + 1)).trace_hash


class TrustsItsMemory(Sequencer):
    """Does not compare what it remembers with the head row."""

    async def _edge_at(self, transaction: Transaction, head: Head) -> TileEdge:
        if self._edge is not None:
            return self._edge
        return await super()._edge_at(transaction, head)


class CallsUnknownNothing(Sequencer):
    """Takes a COMMIT without an answer for one that did not happen."""

    async def _append(self, batch: list[QueuedEvent]) -> None:
        try:
            await super()._append(batch)
        except CommitUnknownError as error:
            raise NotAppendedProblem("The database did not take the batch") from error


class AnswersTooEarly(Sequencer):
    """Answers before COMMIT."""

    async def _plan(
        self, transaction: Transaction, batch: list[QueuedEvent], head: Head, now_ms: int
    ) -> tuple[Book, BatchPlan]:
        book, plan = await super()._plan(transaction, batch, head, now_ms)
        if not any(isinstance(outcome, Problem) for outcome in plan.outcomes):
            places = await transaction.places([pending.opened.event_id for pending in batch])
            self._answer(batch, plan, places)
        return book, plan


class DecidesAllAtOnce(Sequencer):
    """Says nothing to the server until the whole batch is decided."""

    async def _decide(self, transaction: Transaction, plan: BatchPlan, book: Book, opened: Sequence[Opened]) -> None:
        assert transaction, "it is open"
        extend_plan(plan, book, opened)


MUTANTS: Sequence[type[Sequencer]] = (TrustsItsMemory, CallsUnknownNothing, AnswersTooEarly, DecidesAllAtOnce)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_sequencer_with_a_known_fault_is_found_out(mutant: type[Sequencer]) -> None:
    assert any(simulate(Plan(seed=number), mutant).faults for number in range(MUTANT_SEEDS))
