"""Outbox, idempotency record and relay in virtual time under faults at every await; see `gateway_simulation`."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
import pytest

from proto.wire.gateway import EventAnswer
from services.issuer_gateway.store.idempotency_records import Answered
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import CommitUnknownError
from tests.fault.gateway_simulation import Kind, Plan, Subjects, simulate

SEEDS, TORTURE_SEEDS, MUTANT_SEEDS = 20, 1_000, 40
SMALL = Plan(seed=0, processes=2, clients=2, requests=2, only=(0, "go"))
LARGER = Plan(seed=0, processes=3, clients=3, requests=4, only=(0, "go"))
T = TypeVar("T")


@pytest.mark.parametrize("kind", ["die", "fail", "wait"])
def test_one_fault_at_each_await_does_no_request_twice_and_none_halfway(kind: Kind, torture: bool) -> None:
    plan = LARGER if torture else SMALL
    calm = simulate(plan)
    assert calm.faults == []
    for number in range(1, calm.await_count + 1):
        result = simulate(msgspec.structs.replace(plan, only=(number, kind)))
        assert result.faults == [], f"{kind} at await {number}"
        assert result.happened == {kind: 1}


def test_many_faults_at_once_do_no_request_twice_and_none_halfway(seed: int, torture: bool) -> None:
    happened = Counter[str]()
    for number in range(seed, seed + (TORTURE_SEEDS if torture else SEEDS)):
        result = simulate(Plan(seed=number, processes=1 + number % 3))
        assert result.faults == [], f"again with: simulate(Plan(seed={number}, processes={1 + number % 3}))"
        happened.update(result.happened)
    assert happened.keys() >= {"wait", "fail", "die"}


def test_a_seed_gives_the_same_run_again(seed: int) -> None:
    first, again = (simulate(Plan(seed=seed)) for _ in range(2))
    assert first == again
    assert first.trace_hash != simulate(Plan(seed=seed + 1)).trace_hash


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


class RemembersLater(Idempotency):
    """Keeps the record of a request in a transaction of its own, after that of the work."""

    async def append_once(self, keyed: KeyedRequest | None, work: Any, **fields: Any) -> EventAnswer:
        assert keyed is not None, "all requests here have a key"
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
        assert keyed is not None, "all requests here have a key"
        record = Answered(
            key_fingerprint=keyed.key_fingerprint,
            request_fingerprint=keyed.request_fingerprint,
            sealed_answer=self._keystore.seal(msgspec.json.encode(answer), "answer", keyed.name),
        )
        await self._storage.keep_answers([(keyed.institution_id, record)])


MUTANTS: Sequence[Subjects] = (
    Subjects(unit_of_work=TakesUnknownForDone),
    Subjects(idempotency=RemembersLater),
    Subjects(idempotency=KeepsWhatIsPending),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=["takes unknown for done", "remembers later", "keeps what is pending"])
def test_a_gateway_with_a_known_fault_is_found_out(mutant: Subjects) -> None:
    assert any(simulate(Plan(seed=number), mutant).faults for number in range(MUTANT_SEEDS))
