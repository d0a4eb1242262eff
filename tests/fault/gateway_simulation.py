"""A gateway in virtual time: the real unit of work, idempotency, batch worker and relay, and a seed of faults.

One seed is one run, the same every time: at each await the seed says whether the process goes on, waits, is told of an
error (which hits a COMMIT before it happened, or after) or is killed. A `Plan` may instead name the one await at which
one thing happens, so that every await can be tried. What clients know and what batches say of their rows at the end is
held against outbox and log.
"""

import asyncio
import contextlib
import io
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

import asyncpg
import msgspec
from prometheus_client import CollectorRegistry

from proto.envelope import Envelope, Opened, open_envelope, seal_opened
from proto.events import Event
from proto.ids import CredentialId, EventId
from proto.problem import UnavailableProblem
from proto.wire.gateway import EventAnswer
from proto.wire.ledger import AppendLine
from services.clients.log_client import LogUnreachableProblem
from services.edge import Log
from services.issuer_gateway.batches.batch_worker import BatchWorker
from services.issuer_gateway.config import Config
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.signing_keys import SigningKeys
from services.issuer_gateway.log.arrivals import Arrivals
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.log.relay import Relay
from services.issuer_gateway.metrics import AwardMetrics, OutboxMetrics
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.audited_call import AuditedCall
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, OtherRequestProblem
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.issuer_gateway.waiting.signals import Signal
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import DATABASE_ERRORS, OUTAGE_ERRORS, TAKEN_ERRORS
from tests.fault.chance import Chance, Run
from tests.fault.gateway_batches import BROKEN, ISSUE, REFUSED, BatchTables, FakeBatchStorage, FakeRows, batch_keys
from tests.fault.gateway_outcome import Outcome
from tests.fault.gateway_storage import FakeDatabase
from tests.fault.refusing_ledger import Ledger, Rates
from tests.fault.virtual_time import run
from tests.support.tenants import tenant_of
from tests.support.worlds import FirstWorld

Kind = Literal["go", "wait", "fail", "die"]
KINDS: tuple[Kind, ...] = ("go", "wait", "fail", "die")
ERRORS: tuple[Callable[[], Exception], ...] = (
    lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    lambda: ConnectionResetError("Connection reset by peer"),
    lambda: asyncpg.AdminShutdownError("terminating connection due to administrator command"),
)
END_SECONDS = 900.0
MASTER = bytes(range(32))


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run consists of. With `only` as (await, kind) that one thing happens and nothing else."""

    seed: int
    processes: int = 2
    clients: int = 3
    requests: int = 4
    batches: int = 0
    prepare_seconds: float = 0.0
    """How long a machine takes to make a part of a batch ready."""
    refusals: Rates = Rates()
    fault_rate: float = 0.08
    only: tuple[int, Kind] | None = None


class Result(Run, frozen=True, kw_only=True):
    """What came of a run of gateways."""

    refused: tuple[int, int, int]
    """How many events the ledger refused, at first and for good, and how many were refused in the end."""


class Subjects(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried; a mutant may stand for each."""

    unit_of_work: type[UnitOfWork] = UnitOfWork
    idempotency: type[Idempotency] = Idempotency
    relay: type[Relay] = Relay
    worker: type[BatchWorker] = BatchWorker
    storage: type[FakeBatchStorage] = FakeBatchStorage


class _LostProcessError(Exception):
    """The process ended while it worked on a request."""


class Process:
    """A gateway process: may be killed, and is started again."""

    def __init__(self, simulation: "Simulation", number: int) -> None:
        self.simulation = simulation
        self.number = number
        self.is_dead = False
        self.died: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.storage = simulation.subjects.storage(simulation.database, self, simulation.tables)
        self.arrivals = Arrivals()
        metrics = OutboxMetrics(CollectorRegistry())
        log = Log("gateway", io.BytesIO())
        self.relay = simulation.subjects.relay(
            self.storage, self, config=simulation.config, arrivals=self.arrivals, log=log, metrics=metrics
        )
        unit_of_work = simulation.subjects.unit_of_work(self.storage, Signal(), wait_seconds=1.0)
        self.writer = LogWriter(
            self.storage,
            unit_of_work,
            cast(SigningKeys, None),  # events come signed
            log_state=cast(FollowedLogState, None),  # nobody asks for the time
            relay=self.relay,
            arrivals=self.arrivals,
            metrics=metrics,
            wait_seconds=1.0,
        )
        keystore = simulation.keystore
        self.idempotency = simulation.subjects.idempotency(self.storage, unit_of_work, self.writer, keystore)
        worker = simulation.subjects.worker(
            self.storage,
            FakeRows(
                simulation,
                self.writer,
                simulation.tenant,
                self.at,
                prepare_seconds=simulation.plan.prepare_seconds,
            ),
            batch_keys=batch_keys(simulation.tables, self, keystore),
            called=Signal(),
            moved=Signal(),
            log=log,
            metrics=AwardMetrics(CollectorRegistry()),
        )
        works = [self.relay.run(), *([worker.run()] if simulation.tables.batches else [])]
        self.working = [asyncio.create_task(work) for work in works]
        for task in self.working:
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing that works in the background ends by itself."""
        if not self.is_dead and not task.cancelled():
            self.simulation.faults.append(f"work in the background ended: {task.exception()!r}")

    def die(self) -> None:
        """End at once; the server notices, clients lose their connections, and a supervisor starts it anew."""
        if not self.is_dead:
            self.is_dead = True
            self.died.set_result(None)
            self.storage.end_sessions()
            self.simulation.restart_later(self)

    async def at(self, place: str) -> None:
        """Pass one await of the write path."""
        kind = self.simulation.chance.draw(self.number, place) if not self.is_dead else "go"
        if kind == "die":
            self.die()
        elif kind == "wait":
            await asyncio.sleep(self.simulation.rng.uniform(0.001, 1.5))
        elif kind == "fail":
            make_error = self.simulation.rng.choice(ERRORS)
            raise make_error()
        else:
            await asyncio.sleep(0)
        if self.is_dead:
            await self.simulation.never  # nothing goes on here

    async def submit(self, envelopes: Sequence[Envelope]) -> list[AppendLine]:
        """Carry events to the ledger; an error may come before it has them, or after."""
        try:
            self.simulation.check_confirmed("the log was given", [open_envelope(each).event_id for each in envelopes])
            await self.at("ledger: before")
            lines = self.simulation.ledger.take(envelopes)
            await self.at("ledger: after")
        except DATABASE_ERRORS as error:
            raise LogUnreachableProblem("The ledger did not answer") from error
        return lines

    async def say(self, name: str, body: bytes, stream: CredentialId, *, has_key: bool = True) -> EventAnswer:
        """Carry a request out as a handler would; its name is its key, if it has one."""
        simulation = self.simulation
        audited_call.begin(AuditedCall("recognise", address="192.0.2.1", subjects={}))
        audited_call.speaks(simulation.tenant.institution_id, "api-key")
        keyed = self.idempotency.keyed(simulation.tenant.institution_id, name if has_key else None, body)

        async def work(connection: Connection) -> OutboxEvent:
            item = OutboxEvent(opened=simulation.event_for(name, stream), stream=stream)
            await self.writer.enqueue(connection, simulation.tenant, [item])
            return item

        return await self.idempotency.append_once(keyed, work, locks=[stream])


class Simulation:
    """One run."""

    def __init__(self, plan: Plan, subjects: Subjects) -> None:
        self.plan = plan
        self.subjects = subjects
        self.rng = Random(plan.seed)
        self.chance = Chance(self.rng, KINDS, fault_rate=plan.fault_rate, only=plan.only)
        self.world = FirstWorld()
        self.college = self.world.admit("college")
        self.tenant = tenant_of("college", "College")
        self.config = Config(
            public_url="http://localhost:8102",
            database_url="postgresql://nobody@localhost/none",
            ledger_url="http://localhost:8101",
            log_verifier_key="none",
            master_key_file=Path("none"),
            operator_token_file=Path("none"),
        )
        self.streams = [self.world.issued(self.college, f"credential {number}") for number in range(3)]
        self.database = FakeDatabase()
        self.never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ledger = Ledger(plan.seed, plan.refusals)
        self.keystore = Keystore(MASTER)
        self.tables = BatchTables()
        for number in range(plan.batches):
            self.tables.add(number, self._rows(number), self.tenant.institution_id, self.keystore)
        self.processes: list[Process] = []
        self.keys: dict[EventId, str] = {}
        """For which request, or row of a batch, each event was made, committed or not."""
        self.told: dict[str, set[EventId]] = {}
        self.tried: dict[str, EventId | None] = {}
        """Requests without a key, each tried once, and what was answered, None where nobody knows."""
        self.faults: list[str] = []

    def _rows(self, number: int) -> list[list[bytes]]:
        """Return the rows of a batch by part: every second one has a row that breaks it, in its last part."""
        last = [ISSUE, BROKEN] if number % 2 else [REFUSED]
        return [[ISSUE, REFUSED, ISSUE], [ISSUE], last]

    def event_for(self, key: str, stream: CredentialId) -> Opened:
        """Return a fresh event, as a command makes one each time that it is tried."""
        return self._signed(key, self.world.recognition(self.college, stream))

    def issued(self, name: str) -> tuple[CredentialId, Sequence[Opened]]:
        """Return a fresh credential for a row of a batch, with its issue and a suspension."""
        issue = self.world.issue(self.college, f"{name} {len(self.keys)}")
        self.ledger.expect(issue.credential_id)
        said = issue, self.world.hold(self.college, issue.credential_id)
        return issue.credential_id, [self._signed(name, event) for event in said]

    def is_followed(self) -> bool:
        """Tell whether the log is followed now, which faults at random may change."""
        return self.chance.is_calm()

    def _signed(self, key: str, event: Event) -> Opened:
        opened = seal_opened(
            event, self.college.event.key_id, lambda m: self.college.sign(self.college.event.key_id, m)
        )
        self.keys[opened.event_id] = key
        return opened

    def restart_later(self, process: Process) -> None:
        """Start a new process in place of one that has ended."""
        for task in process.working:
            task.cancel()
        asyncio.get_running_loop().call_later(self.rng.uniform(0.05, 3.0), self._restart, process.number)

    def _restart(self, number: int) -> None:
        self.processes[number] = Process(self, number)

    async def all(self) -> Result:
        """Run until every client has its answers, and what was said is on the log; return what is wrong."""
        self.processes += [Process(self, number) for number in range(self.plan.processes)]
        try:
            async with asyncio.timeout(END_SECONDS), asyncio.TaskGroup() as group:
                for number in range(self.plan.clients):
                    group.create_task(self._client(number))
            async with asyncio.timeout(END_SECONDS):
                await self._settled()
        except TimeoutError:
            self.faults.append("not everything was answered and sent in the end")
        await self._end()
        return Result(
            **msgspec.structs.asdict(self.chance.run([*self.faults, *self._outcome().judged()])),
            refused=(self.ledger.later_count, len(self.ledger.refused), self._outcome().refused_count()),
        )

    def _outcome(self) -> Outcome:
        return Outcome(
            outbox=self.database.outbox,
            records={answer.event_id for answer in self.database.answers.values()},
            trail=[EventId(record.subjects["event_id"]) for record in self.database.trail],
            ledger=self.ledger,
            tables=self.tables,
            keys=self.keys,
            told=self.told,
            tried=self.tried,
        )

    async def _end(self) -> None:
        """Let what hangs in processes that are gone go."""
        for process in self.processes:
            process.is_dead = True
        self.never.cancel()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _client(self, number: int) -> None:
        """Send requests one after the other, each until it is answered; some twice at the same time."""
        for count in range(self.plan.requests):
            key, stream = f"{number}-{count}", self.rng.choice(self.streams)
            times = 2 if self.rng.random() < 0.3 else 1
            await asyncio.gather(*(self._until_answered(key, stream) for _ in range(times)))
            with contextlib.suppress(OtherRequestProblem, _LostProcessError, UnavailableProblem, *OUTAGE_ERRORS):
                await self._attempt(self.rng.choice(self.processes), key, b"another body", stream)
                self.faults.append("a key was taken for another request")
            await self._once(f"{key} without a key", stream)

    async def _until_answered(self, key: str, stream: CredentialId) -> EventAnswer | None:
        """Return the answer in the end; None where a client was told what none may be told."""
        while True:
            try:
                answer = await self._attempt(self.rng.choice(self.processes), key, b"body", stream)
            except (*TAKEN_ERRORS, AssertionError) as error:
                self.faults.append(f"a client was told {error!r}")
                return None
            except (_LostProcessError, UnavailableProblem, *OUTAGE_ERRORS):
                await asyncio.sleep(self.rng.uniform(0.01, 1.0))
            else:
                self.told.setdefault(key, set()).add(answer.event_id)
                self.check_confirmed("a client was told of", [answer.event_id])
                return answer

    async def _once(self, name: str, stream: CredentialId) -> None:
        """Send a request without a key, and never again: who does not know what became of it asks a person."""
        self.tried[name] = None
        with contextlib.suppress(_LostProcessError, UnavailableProblem, *OUTAGE_ERRORS):
            answer = await self._attempt(self.rng.choice(self.processes), name, b"body", stream, has_key=False)
            self.tried[name] = answer.event_id
            self.check_confirmed("a client was told of", [answer.event_id])

    def check_confirmed(self, what: str, event_ids: Iterable[EventId]) -> None:
        """Note a fault where somebody relies on what a failover could still lose."""
        if not self.database.unconfirmed.isdisjoint(event_ids):
            self.faults.append(f"{what} what a failover could lose")

    async def _attempt(
        self, process: Process, name: str, body: bytes, stream: CredentialId, *, has_key: bool = True
    ) -> EventAnswer:
        if process.is_dead:
            raise _LostProcessError
        task = asyncio.create_task(process.say(name, body, stream, has_key=has_key))
        ends: list[asyncio.Future[Any]] = [task, process.died]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if process.died.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
            raise _LostProcessError
        return task.result()

    async def _settled(self) -> None:
        """Return once all is sent, and a repeated request says so."""
        while not self._is_done():  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.5)
        for key in self.told:
            found = [row for row in self.database.outbox.values() if self.keys[row.place.event_id] == key]
            if not found:
                continue  # it is judged below
            row = found[0]
            answer = await self._until_answered(key, row.new.streams[0])
            if answer is not None and answer.state != row.place.state:
                self.faults.append(f"{key} is answered as {answer.state}, and is {row.place.state}")

    def _is_done(self) -> bool:
        is_sent = all(row.place.state != "pending" for row in self.database.outbox.values())
        return is_sent and self.tables.are_over()


def simulate(plan: Plan, subjects: Subjects | None = None) -> Result:
    """Run one plan in virtual time; other subjects may be tried, to see their faults found."""

    async def main() -> Result:
        return await Simulation(plan, subjects or Subjects()).all()

    before = random.getstate()
    random.seed(plan.seed)  # the relay's jitter
    try:
        return run(main())
    finally:
        random.setstate(before)
