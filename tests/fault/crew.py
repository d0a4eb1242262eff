"""Clients that load one or more ledgers and write down every attempt, and the log as it stands, for the checker."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Sequence

from proto.envelope import Envelope, open_envelope
from proto.ids import EventId
from proto.moment import from_ms
from proto.wire.ledger import AppendLine
from services.clients.log_client import LogClient, LogUnreachableProblem
from services.persistence import postgres
from tests.fault.checker import Attempt, Logged, Told, faults_of
from tests.support.ledgers import Registrar
from tests.support.statements import Party

BATCH = 10
PAUSE_SECONDS = 0.02
CLIENT_TIMEOUT_SECONDS = 30.0
NOTHING = ("not-appended", "clock", "busy", "no-space", "database-unavailable")
_LOG = "SELECT leaf_index, event_id, leaf_hash, received_at_ms FROM entry ORDER BY leaf_index"


class Crew:
    """Clients of one log, and their common record."""

    passing: tuple[type[Exception], ...] = (LogUnreachableProblem,)
    """After these it is not known what was appended."""

    def __init__(self, registrar: Registrar, college: Party) -> None:
        self.registrar = registrar
        self.college = college
        self.attempts: list[Attempt] = []
        self.told_new: dict[str, list[tuple[float, float]]] = {}
        self.refusals: dict[str, int] = {}
        self._submissions = itertools.count(1)
        self._batches = itertools.count(1)
        self._is_ending = False

    def envelopes(self, count: int = BATCH) -> list[Envelope]:
        """Return sealed issues that nobody has sent yet."""
        return self.registrar.issues(self.college, count, f"batch {next(self._batches)}")

    async def client(self, log: LogClient, name: str) -> None:
        """Send batch after batch until told to end, each again until it has a place."""
        while not self._is_ending:
            await self.send(log, name, self.envelopes())

    async def send(self, log: LogClient, name: str, envelopes: Sequence[Envelope]) -> None:
        """Send a batch until every event of it has a place."""
        waiting = list(envelopes)
        while waiting:
            placed = await self.attempt(log, name, waiting)
            waiting = [each for each, is_placed in zip(waiting, placed, strict=True) if not is_placed]
            if waiting:
                await asyncio.sleep(PAUSE_SECONDS)

    async def attempt(self, log: LogClient, name: str, envelopes: Sequence[Envelope]) -> list[bool]:
        """Send once, write down what came of it, and return which of the events have a place."""
        began, number = time.monotonic(), next(self._submissions)
        lines: list[AppendLine | None] = [None] * len(envelopes)
        with contextlib.suppress(*self.passing):
            lines = list(await log.submit(envelopes))
        ended = time.monotonic()
        placed = []
        for position, (envelope, line) in enumerate(zip(envelopes, lines, strict=True)):
            told = self._told(line)
            place = line.appended if line else None
            placed.append(place is not None)
            self.attempts.append(
                Attempt(
                    event_id=event_id_of(envelope),
                    submission=number,
                    position=position,
                    began=began,
                    ended=ended,
                    told=told,
                    place=place,
                )
            )
        if any(line and line.status == 201 for line in lines):
            self.told_new.setdefault(name, []).append((began, ended))
        return placed

    def _told(self, line: AppendLine | None) -> Told:
        if line is None:
            return "unknown"
        if line.appended is not None:
            return "appended" if line.status == 201 else "known"
        assert line.problem is not None
        slug = str(line.problem["type"]).rpartition(":")[2]
        self.refusals[slug] = self.refusals.get(slug, 0) + 1
        assert slug in {*NOTHING, "outcome-unknown"}, line.problem
        return "nothing" if slug in NOTHING else "unknown"

    async def until_new(self, name: str, *, seconds: float, more: int = 1) -> float:
        """Return the seconds until that many batches of a client, sent from now on, were appended; fails after those.

        What is on its way already does not count.
        """
        began = time.monotonic()
        while True:
            ended = [ended for sent, ended in self.told_new.get(name, ()) if sent >= began]
            if len(ended) >= more:
                return ended[more - 1] - began
            assert time.monotonic() - began < seconds, f"nothing of {name} was appended within {seconds} s"
            await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def loading(self, *clients: tuple[LogClient, str]) -> AsyncIterator[None]:
        """Load the log while the block runs; at its end each client finishes what it sends."""
        self._is_ending = False
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.client(log, name)) for log, name in clients]
            try:
                yield
            except BaseException:
                for task in tasks:
                    task.cancel()
                raise
            finally:
                self._is_ending = True

    async def faults(self, database_url: str, *, before: int) -> list[str]:
        """Return what the log in this database is not of what the clients were told."""
        async with postgres.connected(database_url, application_name="checker") as connection:
            rows = await connection.fetch(_LOG)
        log = [
            Logged(
                index=row["leaf_index"],
                event_id=EventId(row["event_id"].hex()),
                leaf_hash=row["leaf_hash"].hex(),
                received_at=from_ms(row["received_at_ms"]),
            )
            for row in rows
        ]
        return faults_of(log, self.attempts, before=before)


def event_id_of(envelope: Envelope) -> EventId:
    """Return the event id of an envelope."""
    return open_envelope(envelope).event_id
