"""Outbox, idempotency record, batch worker and relay in virtual time under faults at every await.

See `gateway_simulation`; the ledger refuses some of what it gets, for good or at first.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import pytest

from proto.ids import BatchId, EventId
from proto.problem import OutcomeUnknownProblem, UnavailableProblem
from proto.wire.gateway import EventAnswer
from proto.wire.ledger import AppendLine
from services.issuer_gateway.batches.batch_storage import BatchStorage
from services.issuer_gateway.batches.batch_worker import BatchWorker
from services.issuer_gateway.log.relay import Relay
from services.issuer_gateway.store.batches import BackgroundBatch, RowResult
from services.issuer_gateway.store.idempotency_records import Answered
from services.issuer_gateway.store.outbox import Pending
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import DATABASE_ERRORS, CommitUnknownError
from tests.fault.gateway_batches import FakeBatchStorage
from tests.fault.gateway_simulation import Kind, Plan, Subjects, simulate
from tests.fault.gateway_storage import SILENT_SECONDS, Session, session_of
from tests.fault.refusing_ledger import Rates

SEEDS, TORTURE_SEEDS, MUTANT_SEEDS = 20, 1_000, 40
SMALL = Plan(seed=0, processes=2, clients=2, requests=2, only=(0, "go"))
LARGER = Plan(seed=0, processes=3, clients=3, requests=4, only=(0, "go"))
REFUSALS = Rates(for_good=0.2, at_first=0.2)
SMALL_BATCHES = Plan(seed=3, processes=2, clients=1, requests=1, batches=2, refusals=REFUSALS, only=(0, "go"))
LARGER_BATCHES = Plan(seed=3, processes=3, clients=2, requests=3, batches=4, refusals=REFUSALS, only=(0, "go"))
T = TypeVar("T")


@pytest.mark.parametrize("kind", ["die", "fail", "wait"])
def test_one_fault_at_each_await_does_no_request_twice_and_none_halfway(kind: Kind, torture: bool) -> None:
    _try_each_await(LARGER if torture else SMALL, kind)


@pytest.mark.parametrize("kind", ["die", "fail", "wait"])
def test_one_fault_at_each_await_does_no_row_of_a_batch_twice_and_none_halfway(kind: Kind, torture: bool) -> None:
    _try_each_await(LARGER_BATCHES if torture else SMALL_BATCHES, kind)


def test_the_plan_of_batches_holds_refusals_at_first_and_for_good_and_what_waited_behind_an_issue() -> None:
    later, for_good, in_the_end = simulate(SMALL_BATCHES).refused
    assert later > 0
    assert in_the_end > for_good > 0


def _try_each_await(plan: Plan, kind: Kind) -> None:
    calm = simulate(plan)
    assert calm.faults == []
    for number in range(1, calm.await_count + 1):
        result = simulate(msgspec.structs.replace(plan, only=(number, kind)))
        assert result.faults == [], f"{kind} at await {number}"
        assert result.happened == {kind: 1}


def test_many_faults_at_once_do_no_request_and_no_row_twice_and_none_halfway(seed: int, torture: bool) -> None:
    happened = Counter[str]()
    for number in range(seed, seed + (TORTURE_SEEDS if torture else SEEDS)):
        plan = Plan(seed=number, processes=1 + number % 3, batches=number % 4, refusals=REFUSALS)
        result = simulate(plan)
        assert result.faults == [], f"again with: simulate({plan})"
        happened.update(result.happened)
    assert happened.keys() >= {"wait", "fail", "die"}


def test_a_seed_gives_the_same_run_again(seed: int) -> None:
    first, again = (simulate(Plan(seed=seed)) for _ in range(2))
    assert first == again
    assert first.trace_hash != simulate(Plan(seed=seed + 1)).trace_hash


class FallsSilent(FakeBatchStorage):
    """Says nothing to the server while a part is made ready."""

    @contextlib.asynccontextmanager
    async def kept_alive(self, connection: Connection) -> AsyncIterator[None]:
        assert not session_of(connection).is_ended, "it is in its transaction"
        yield


def test_a_machine_that_needs_longer_for_a_part_than_a_silent_session_lives_gets_it_done() -> None:
    plans = [Plan(seed=number, batches=2, prepare_seconds=1.5 * SILENT_SECONDS) for number in range(4)]
    assert [simulate(plan).faults for plan in plans] == [[]] * len(plans)
    assert all(simulate(plan, Subjects(storage=FallsSilent)).faults for plan in plans), "and would not otherwise"


class TakesUnknownForDone(UnitOfWork):
    """Takes a COMMIT without an answer for one that happened."""

    async def in_transaction(self, work: Callable[[Connection], Awaitable[T]], *, waits: bool = True) -> T:
        assert waits, "requests wait"
        outcome: list[T] = []

        async def kept(connection: Connection) -> T:
            outcome.append(await work(connection))
            return outcome[-1]

        try:
            async with self._storage.transaction() as connection:
                return await kept(connection)
        except CommitUnknownError:
            return outcome[-1]


class TriesTheUnknownAgain(UnitOfWork):
    """Does the work again where its COMMIT had no answer."""

    async def in_transaction(self, work: Callable[[Connection], Awaitable[T]], *, waits: bool = True) -> T:
        while True:
            try:
                return await super().in_transaction(work, waits=waits)
            except OutcomeUnknownProblem:
                continue


class RecordsLater(UnitOfWork):
    """Keeps the record of the audit trail in a transaction of its own, after that of the work."""

    async def in_transaction(self, work: Callable[[Connection], Awaitable[T]], *, waits: bool = True) -> T:
        if (call := audited_call.unrecorded()) is None:
            return await super().in_transaction(work, waits=waits)
        call.is_recorded = True  # so nobody else does
        done = await super().in_transaction(work, waits=waits)
        async with self._storage.transaction() as connection:
            await self._storage.add_audit_records(connection, [call.record()])
        return done


class RecordsWhatIsBegun(UnitOfWork):
    """Keeps the record of the audit trail before the COMMIT of the work, whatever becomes of that."""

    async def in_transaction(self, work: Callable[[Connection], Awaitable[T]], *, waits: bool = True) -> T:
        if (call := audited_call.unrecorded()) is None:
            return await super().in_transaction(work, waits=waits)
        call.is_recorded = True  # so nobody else does

        async def recorded(connection: Connection) -> T:
            done = await work(connection)
            async with self._storage.transaction() as other:
                await self._storage.add_audit_records(other, [call.record()])
            return done

        return await super().in_transaction(recorded, waits=waits)


class RemembersLater(Idempotency):
    """Keeps the record of a request in a transaction of its own, after that of the work."""

    async def append_once(self, keyed: KeyedRequest | None, work: Any, **fields: Any) -> EventAnswer:
        if keyed is None:
            return await super().append_once(None, work, **fields)
        found = await self._find(None, keyed)
        if found is not None:
            return await self.replay_answer(keyed, found)
        answer = await super().append_once(None, work, **fields)

        async def remember(connection: Connection) -> None:
            record = Answered(
                key_fingerprint=keyed.key_fingerprint,
                request_fingerprint=keyed.request_fingerprint,
                event_id=answer.event_id,
            )
            await self._storage.add_answer(connection, keyed.institution_id, record)

        await self._unit_of_work.in_transaction(remember)
        return answer


class KeepsWhatIsPending(Idempotency):
    """Keeps every answer for good, also one that says that the event is on its way."""

    async def _keep(self, keyed: KeyedRequest | None, answer: EventAnswer) -> None:
        if keyed is None:
            return
        record = Answered(
            key_fingerprint=keyed.key_fingerprint,
            request_fingerprint=keyed.request_fingerprint,
            sealed_answer=self._keystore.seal(msgspec.json.encode(answer), "answer", keyed.name),
        )
        await self._storage.keep_answers([(keyed.institution_id, record)])


class NotesResultsLater(FakeBatchStorage):
    """Keeps the results of a part in a transaction of their own, after that of its rows."""

    async def keep_results(
        self, connection: Connection, batch_id: BatchId, part: int, results: Sequence[RowResult]
    ) -> None:
        session = Session()
        await self.write_results(session, batch_id, results)
        await self.drop_part(session, batch_id, part)
        session_of(connection).effects.append(lambda: self._later(session))

    def _later(self, session: Session) -> None:
        async def keep() -> None:
            await self._gate.at("results, later")
            self._database.commit(session)

        self.keeping = asyncio.get_running_loop().create_task(keep())


class TakesThePartAwayFirst(FakeBatchStorage):
    """Takes a part away in a transaction of its own, before that of its rows is committed."""

    async def keep_results(
        self, connection: Connection, batch_id: BatchId, part: int, results: Sequence[RowResult]
    ) -> None:
        async with self.transaction() as other:
            await self.drop_part(session_of(other), batch_id, part)
        await self.write_results(session_of(connection), batch_id, results)


class SharesABatch(FakeBatchStorage):
    """Lets two processes work on one batch at the same time."""

    async def take(self, connection: Connection, *, but: Sequence[BatchId] = ()) -> BackgroundBatch | None:
        await self._gate.at("take")
        assert not session_of(connection).is_ended, "it is asked in a transaction"
        waiting = [row for row in self._tables.batches.values() if not row.is_over and row.batch.batch_id not in but]
        return min(waiting, key=lambda row: row.worked_at).batch if waiting else None


class GivesUpAtOnce(BatchWorker):
    """Takes whatever fails for a fault of the batch."""

    async def _part(self, connection: Connection, batch: BackgroundBatch) -> list[RowResult]:
        try:
            return await super()._part(connection, batch)
        except (*DATABASE_ERRORS, UnavailableProblem) as error:
            raise ValueError("a fault of the batch") from error


class NeverAsksTheLog(BatchWorker):
    """Decides rows whether or not the log is followed."""

    def __init__(self, storage: BatchStorage, parts: Any, **fields: Any) -> None:
        parts.check_followed = lambda: None
        super().__init__(storage, parts, **fields)


class DestroysTheKeyFirst(FakeBatchStorage):
    """Destroys the key of a batch with its last part, before that is committed."""

    async def keep_results(
        self, connection: Connection, batch_id: BatchId, part: int, results: Sequence[RowResult]
    ) -> None:
        row = self._tables.batches[batch_id]
        if len(row.parts) == 1 and row.batch.key_id is not None:
            self._tables.vault.pop(row.batch.key_id, None)
        await super().keep_results(connection, batch_id, part, results)


class TriesForEver(BatchWorker):
    """Waits out what breaks it as if it were an outage, and never gives a batch up."""

    async def _give_up(self, error: Exception) -> None:
        assert error.__cause__, "something broke it"
        await asyncio.sleep(1)


class TakesNotYetForNever(Relay):
    """Takes every refusal for one for good."""

    async def _keep(self, waiting: Sequence[Pending], lines: Sequence[AppendLine]) -> None:
        problems = [None if line.problem is None else line.problem | {"final": True} for line in lines]
        lines = [msgspec.structs.replace(line, problem=found) for line, found in zip(lines, problems, strict=True)]
        await super()._keep(waiting, lines)


class EndsAtAnOutage(Relay):
    """Waits out no outage of the ledger or the database."""

    async def run(self) -> None:
        while True:
            if await self.step() == 0:
                await self._wait()


class SendsRefusedAgain(Relay):
    """Takes every refusal for one that will pass."""

    async def _keep(self, waiting: Sequence[Pending], lines: Sequence[AppendLine]) -> None:
        problems = [None if line.problem is None else line.problem | {"final": False} for line in lines]
        lines = [msgspec.structs.replace(line, problem=found) for line, found in zip(lines, problems, strict=True)]
        await super()._keep(waiting, lines)


class LetsFollowersGo(FakeBatchStorage):
    """Sends what waits behind an issue that was refused."""

    def _followers(self, issue: Pending) -> list[EventId]:
        assert issue.event_type, "it has a type"
        return []


class SendsWhatMayBeLost(FakeBatchStorage):
    """Sends to the log what it has read, whether or not that stays."""

    async def _confirmed(self, place: str) -> None:
        await (self._gate.at(place) if place == "due" else super()._confirmed(place))


MUTANTS: Mapping[str, Subjects] = {
    "sends what may be lost": Subjects(storage=SendsWhatMayBeLost),
    "takes unknown for done": Subjects(unit_of_work=TakesUnknownForDone),
    "records later": Subjects(unit_of_work=RecordsLater),
    "records what is begun": Subjects(unit_of_work=RecordsWhatIsBegun),
    "tries the unknown again": Subjects(unit_of_work=TriesTheUnknownAgain),
    "remembers later": Subjects(idempotency=RemembersLater),
    "keeps what is pending": Subjects(idempotency=KeepsWhatIsPending),
    "notes results later": Subjects(storage=NotesResultsLater),
    "takes the part away first": Subjects(storage=TakesThePartAwayFirst),
    "shares a batch": Subjects(storage=SharesABatch),
    "gives up at once": Subjects(worker=GivesUpAtOnce),
    "never asks the log": Subjects(worker=NeverAsksTheLog),
    "destroys the key first": Subjects(storage=DestroysTheKeyFirst),
    "tries for ever": Subjects(worker=TriesForEver),
    "takes not yet for never": Subjects(relay=TakesNotYetForNever),
    "ends at an outage": Subjects(relay=EndsAtAnOutage),
    "sends refused again": Subjects(relay=SendsRefusedAgain),
    "lets followers go": Subjects(storage=LetsFollowersGo),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_gateway_with_a_known_fault_is_found_out(name: str) -> None:
    plans = (Plan(seed=number, batches=2, refusals=REFUSALS) for number in range(MUTANT_SEEDS))
    assert any(simulate(plan, MUTANTS[name]).faults for plan in plans)
