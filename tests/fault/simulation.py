"""A whole write path in virtual time: replicas with the real intake and sequencer, clients, and a seed of faults.

One seed is one run, the same every time: at each await of the write path the seed says whether the replica goes on,
waits, is told of an error, freezes or is killed; clocks are set wrong; answers are lost. A `Plan` may instead name the
one await at which one thing happens, so that every await can be tried.
"""

import asyncio
import contextlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random
from typing import Any, Literal

import asyncpg
import msgspec
from prometheus_client import CollectorRegistry

from proto.envelope import Opened, open_envelope
from proto.ids import EventId
from proto.moment import to_ms
from proto.problem import BusyProblem, OutcomeUnknownProblem, Problem
from proto.wire.ledger import Appended
from services.edge.log import Log
from services.ledger.domain import ClockGuard, ClockProblem, ClockReadings
from services.ledger.metrics import SequencingMetrics
from services.ledger.sequencing.free_space import FreeSpace
from services.ledger.sequencing.intake import Intake
from services.ledger.sequencing.sequencer import NotAppendedProblem, Sequencer
from services.ledger.sequencing.submission import SequencingAnswer, Submission
from services.persistence.postgres_errors import CommitUnknownError
from tests.fault.chance import Chance, Run
from tests.fault.checker import Attempt, Logged, Told, faults_of
from tests.fault.fake_storage import DECIDED_AT_ONCE, FROZEN_SECONDS, FakeDatabase, ReplicaStorage
from tests.fault.virtual_time import run
from tests.support.worlds import FirstWorld

Kind = Literal["go", "wait", "fail", "die", "freeze", "clock"]
KINDS: tuple[Kind, ...] = ("go", "wait", "fail", "die", "freeze", "clock")
ERRORS: tuple[Callable[[], Exception], ...] = (
    lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    lambda: ConnectionResetError("Connection reset by peer"),
    lambda: asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
    lambda: asyncpg.DiskFullError("could not extend file: No space left on device"),
    lambda: asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    lambda: asyncpg.SerializationError("could not serialize access due to concurrent update"),
)
END_SECONDS = 900.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run consists of. With `only` as (await, kind) that one thing happens and nothing else."""

    seed: int
    replicas: int = 2
    clients: int = 3
    submissions: int = 6
    events_max: int = 6
    fault_rate: float = 0.08
    only: tuple[int, Kind] | None = None


class Result(Run, frozen=True, kw_only=True):
    """What came of a run of ledgers."""

    entry_count: int
    seconds: float


class _Inline(ThreadPoolExecutor):
    """Runs work at once, so that no thread decides the order."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(work(*args, **kwargs))
        return done


class Replica:
    """A ledger process: may be frozen, thawed, killed and started again."""

    def __init__(self, simulation: "Simulation", number: int) -> None:
        self.simulation = simulation
        self.number = number
        self.is_dead = False
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.died: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.clock_offset_ms = 0
        self.storage = ReplicaStorage(simulation.database, self)
        metrics, log = SequencingMetrics(CollectorRegistry()), Log("ledger", simulation.log)
        self.sequencer = simulation.sequencer_type(
            self.storage,
            batch_events_max=16,
            batch_wait_ms=10,
            clock_guard=ClockGuard(difference_ms_max=2_000, settle_ms=30_000),
            metrics=metrics,
            log=log,
            is_more_coming=lambda: self.intake.is_checking,
            on_growth=lambda: None,
            clocks=self._clocks,
            decided_at_once=DECIDED_AT_ONCE,
        )
        self.intake = Intake(
            self.storage,
            sequencer=self.sequencer,
            executor=simulation.executor,
            events_max=1_000,
            credentials_max=1_000,
            append_timeout_ms=30_000,
            free_space=FreeSpace(None, bytes_min=0),
            metrics=metrics,
            log=log,
        )
        self.tasks = [asyncio.create_task(self.sequencer.run())]
        self.tasks += [asyncio.create_task(self.intake.run()) for _ in range(2)]
        for task in self.tasks:
            task.add_done_callback(self._ended)

    @property
    def is_frozen(self) -> bool:
        """Whether the process does not move."""
        return not self.thawed.is_set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part that fails for good ends the process, as `services.ledger.app` does."""
        if self.is_dead or task.cancelled():
            return
        error = task.exception()
        if not isinstance(error, CommitUnknownError):
            self.simulation.faults.append(f"a part of replica {self.number} ended with {error!r}")
        self.die()

    def _clocks(self, database_ms: int) -> ClockReadings:
        simulation = self.simulation
        steady_ms = simulation.elapsed_ms
        own_ms = simulation.start_ms + steady_ms + self.clock_offset_ms
        return ClockReadings(own_ms=own_ms, steady_ms=steady_ms, database_ms=database_ms)

    def die(self) -> None:
        """End at once; the server notices, clients lose their connections, and a supervisor starts it anew."""
        if self.is_dead:
            return
        self.is_dead = True
        self.died.set_result(None)
        self.storage.end_sessions()
        self.simulation.restart_later(self)

    async def at(self, place: str) -> None:
        """Pass one await of the write path."""
        if not self.is_dead:
            self.simulation.database.clock_ms = self.simulation.database_ms
            await self._suffer(self.simulation.chance.draw(self.number, place))
        await self.thawed.wait()
        if self.is_dead:
            await asyncio.get_running_loop().create_future()  # nothing ever goes on here
        self.simulation.database.clock_ms = self.simulation.database_ms

    async def _suffer(self, kind: Kind) -> None:
        rng = self.simulation.rng
        if kind == "wait":
            await asyncio.sleep(rng.uniform(0.001, 1.5))
        elif kind == "fail":
            make_error = rng.choice(ERRORS)
            raise make_error()
        elif kind == "die":
            self.die()
        elif kind == "freeze":
            self.freeze(rng.uniform(0.5, 20.0))
        elif kind == "clock":
            self.simulation.set_clock(self)

    def freeze(self, seconds: float) -> None:
        """Stop moving for a while; the server ends a session that is silent in its transaction."""
        loop = asyncio.get_running_loop()
        self.thawed.clear()
        loop.call_later(seconds, self.thawed.set)
        loop.call_later(FROZEN_SECONDS, lambda: self.storage.end_sessions() if self.is_frozen else None)


class Simulation:
    """One run."""

    def __init__(self, plan: Plan, sequencer_type: type[Sequencer]) -> None:
        self.plan = plan
        self.sequencer_type = sequencer_type
        self.rng = Random(plan.seed)
        self.chance = Chance(self.rng, KINDS, fault_rate=plan.fault_rate, only=plan.only)
        self.world = FirstWorld(step_ms=1)
        college = self.world.admit("college")
        self.envelopes = [
            self.world.seal(self.world.issue(college, f"credential {number}"))
            for number in range(plan.clients * plan.submissions * plan.events_max)
        ]
        self.start_ms = to_ms(self.world.now)
        self.before = int(self.world.size)
        self.database = FakeDatabase(self.world)
        self.database_offset_ms = 0
        self.executor: Any = _Inline(1)
        self.log = io.BytesIO()
        self.replicas: list[Replica] = []
        self.gone: list[Replica] = []
        self.attempts: list[Attempt] = []
        self.faults: list[str] = []
        self.submission_count = 0

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the run began."""
        return round(asyncio.get_running_loop().time() * 1_000)

    @property
    def database_ms(self) -> int:
        """The database's clock."""
        return self.start_ms + self.elapsed_ms + self.database_offset_ms

    def set_clock(self, replica: Replica) -> None:
        """Set one clock wrong, forwards or backwards, by less or by more than is tolerated; it is put right later."""
        step_ms = self.rng.choice([-600_000, -5_000, -1_900, -300, 300, 1_900, 5_000, 600_000])
        if self.rng.random() < 0.5:
            replica.clock_offset_ms = step_ms
        else:
            self.database_offset_ms = step_ms
        asyncio.get_running_loop().call_later(self.rng.uniform(0.1, 10.0), self._put_right, replica)

    def _put_right(self, replica: Replica) -> None:
        replica.clock_offset_ms = self.database_offset_ms = 0

    def restart_later(self, replica: Replica) -> None:
        """Start a new process in place of one that has ended."""
        self.chance.happened["ended"] += 1
        self.gone.append(replica)
        asyncio.get_running_loop().call_later(self.rng.uniform(0.05, 3.0), self._restart, replica.number)

    def _restart(self, number: int) -> None:
        self.replicas[number] = Replica(self, number)

    async def all(self) -> Result:
        """Run until every client has all its answers; return what is wrong."""
        self.replicas += [Replica(self, number) for number in range(self.plan.replicas)]
        try:
            async with asyncio.timeout(END_SECONDS), asyncio.TaskGroup() as group:
                for number in range(self.plan.clients):
                    group.create_task(self._client(number))
        except TimeoutError:
            self.faults.append("the clients did not get their answers")
        seconds = asyncio.get_running_loop().time()
        await self._end()
        return Result(
            **msgspec.structs.asdict(self.chance.run([*self.faults, *self.database.damages(), *self._judged()])),
            entry_count=len(self.database.entries),
            seconds=seconds,
        )

    async def _end(self) -> None:
        tasks = [task for replica in [*self.replicas, *self.gone] for task in replica.tasks]
        for replica in self.replicas:
            replica.is_dead = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.executor.shutdown()

    def _judged(self) -> list[str]:
        log = [
            Logged(index=place.index, event_id=event_id, leaf_hash=place.leaf_hash, received_at=place.received_at)
            for entry, _ in self.database.entries
            for event_id, place in self.database.appended([entry.event_id]).items()
        ]
        return faults_of(log, self.attempts, before=self.before)

    async def _client(self, number: int) -> None:
        """Send one submission after the other, each again until all its events have a place."""
        per_client = self.plan.submissions * self.plan.events_max
        mine = [open_envelope(each) for each in self.envelopes[number * per_client : (number + 1) * per_client]]
        while mine:
            count = self.rng.randint(1, self.plan.events_max)
            open_events, mine = mine[:count], mine[count:]
            while open_events:
                told = await self._attempt(self.rng.choice(self.replicas), open_events)
                open_events = [each for each in open_events if told[each.event_id] is None]
                if open_events:
                    await asyncio.sleep(self.rng.uniform(0.01, 1.0))

    async def _attempt(self, replica: Replica, events: Sequence[Opened]) -> dict[EventId, Appended | None]:
        """Send once, write down what came of it, and return the places that were told."""
        loop = asyncio.get_running_loop()
        began, submission = loop.time(), Submission(list(events))
        self.submission_count += 1
        number = self.submission_count
        outcome: Told = "nothing" if replica.is_dead else await self._answered(replica, submission)
        if self.plan.only is None and self.rng.random() < 0.03:
            outcome = "unknown"  # the answer got lost on its way
        places: dict[EventId, Appended | None] = {}
        for position, event in enumerate(events):
            told, place = outcome, None
            if outcome == "appended":
                told, place = self._told(submission.outcomes[position])
            places[event.event_id] = place
            self.attempts.append(
                Attempt(
                    event_id=event.event_id,
                    submission=number,
                    position=position,
                    began=began,
                    ended=loop.time(),
                    told=told,
                    place=place,
                )
            )
        return places

    async def _answered(self, replica: Replica, submission: Submission) -> Told:
        """Return `appended` if there is an answer for each event, else what the client knows."""
        sending = asyncio.create_task(replica.intake.submit(submission))
        await asyncio.wait({sending, replica.died}, return_when=asyncio.FIRST_COMPLETED)
        if replica.died.done():
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, Problem):
                await sending
            return "unknown"
        try:
            sending.result()
        except BusyProblem:
            return "nothing"
        except OutcomeUnknownProblem:
            return "unknown"
        return "appended"

    def _told(self, outcome: object) -> tuple[Told, Appended | None]:
        if isinstance(outcome, SequencingAnswer):
            return ("appended" if outcome.is_new else "known"), outcome.appended
        if not isinstance(outcome, NotAppendedProblem | ClockProblem):
            self.faults.append(f"an event was answered with {outcome!r}")
        return "nothing", None


def simulate(plan: Plan, sequencer_type: type[Sequencer] = Sequencer) -> Result:
    """Run one plan in virtual time; another sequencer may be tried, to see its faults found."""

    async def main() -> Result:
        return await Simulation(plan, sequencer_type).all()

    return run(main())
