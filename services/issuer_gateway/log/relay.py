"""Carries signed events from the outbox to the ledger until each has an answer. Signs and judges nothing.

Say what is true if we crash here: before the submission, nothing happened; after it, the ledger may have the events and
we do not know it: they are sent again, byte for byte the same, and it answers as it did the first time.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from proto.envelope import Envelope
from proto.ids import EventId
from proto.problem import Problem, slug_of
from proto.wire.ledger import Appended, AppendLine
from services.call_context import CallContext, CallOrigins, carrying, current, together
from services.clients.log_client import LogAnswerProblem, LogProblem, LogUnreachableProblem
from services.edge import Log
from services.issuer_gateway.config import Config
from services.issuer_gateway.log.arrivals import Arrivals
from services.issuer_gateway.log.relay_storage import Answers, Postponed, RefusedEvent, RelayStorage
from services.issuer_gateway.metrics import OutboxMetrics
from services.issuer_gateway.store import outbox
from services.persistence.postgres_errors import OUTAGE_ERRORS

_FINAL_SLUGS = frozenset({"malformed", "invalid", "unknown-event-type"})
"""Refusals by form, which no later attempt can heal; refusals by rule say of themselves whether they are final."""
_OF_THE_BODY = frozenset({400, 413, 422})
"""Refusals of a request for what it holds; others are for where it was sent, or by whom."""
_MS = 1000
_HOUSEKEEPING_SECONDS = 60.0
_ORIGINS_SAID_MAX = 32
_GATHER_SECONDS = 0.002
"""Between two submissions. Who comes to an idle relay is sent at once, and those who come close behind go together."""


class SubmitClient(Protocol):
    """Who carries events to the ledger."""

    async def submit(self, envelopes: Sequence[Envelope]) -> list[AppendLine]:
        """Return the ledger's answer to each; raises `LogUnreachableProblem`, `LogProblem`, `LogAnswerProblem`."""
        ...


class Relay:
    """The one task that sends. Several processes may run one each: an advisory lock lets one of them work."""

    def __init__(
        self,
        storage: RelayStorage,
        client: SubmitClient,
        *,
        config: Config,
        arrivals: Arrivals,
        log: Log,
        metrics: OutboxMetrics,
    ) -> None:
        self._storage = storage
        self._client = client
        self._config = config
        self._arrivals = arrivals
        self._log = log
        self._metrics = metrics
        self._origins = CallOrigins()
        self._sent_for: dict[str, Any] = {}
        self._called = asyncio.Event()
        self._failure_count = 0
        self._batch_max = config.relay_batch_max
        self._kept_house_at = 0.0
        self.last_failure: str | None = None

    def said(self, event_ids: Iterable[EventId]) -> None:
        """Remember which request put these events into the outbox, for whoever carries them on."""
        self._origins.note(event_ids)

    def call(self) -> None:
        """There is something new in the outbox."""
        self._called.set()

    async def run(self) -> None:
        """Send for ever; ends by cancellation only. Outages of the ledger and of the database are waited out."""
        while True:
            self._called.clear()
            try:
                count = await self.step()
            except (LogUnreachableProblem, LogProblem, LogAnswerProblem) as problem:
                # what is refused or takes too long together may be taken in halves; else it would wait for ever
                self._batch_max = max(1, self._batch_max // 2)
                await self._pause(problem)
            except OUTAGE_ERRORS as error:
                self._log.failure("relay_database", error)
                await self._pause(Problem("The database did not answer"))
            else:
                self._recovered()
                is_all = count < self._batch_max
                self._batch_max = min(2 * self._batch_max, self._config.relay_batch_max)
                if count == 0:
                    await self._wait()
                elif is_all:
                    await asyncio.sleep(_GATHER_SECONDS)

    async def step(self) -> int:
        """Send what is due, once; return how many events were answered. Raises what `LogClient.submit` raises."""
        async with self._storage.turn() as connection:
            if connection is None:
                return 0
            await self._keep_house()
            waiting = await self._storage.due(connection, limit=self._batch_max)
            if waiting:
                origins = self._origins.of(item.event_id for item in waiting)
                sent = together(origins)
                with carrying(CallContext(sent.request_id, current().traceparent)):
                    lines = await self._submit(waiting)
                self._sent_for = _ids_of(sent, origins)
                await self._keep(waiting, lines)
            return len(waiting)

    async def _submit(self, waiting: Sequence[outbox.Pending]) -> list[AppendLine]:
        started = time.perf_counter()
        try:
            lines = await self._client.submit([item.envelope for item in waiting])
        except LogProblem as problem:
            if len(waiting) > 1 or problem.log_status not in _OF_THE_BODY:
                raise
            # the whole request was refused for this one event (a proxy's limit, perhaps): others have their turn
            lines = [AppendLine(line=1, status=problem.log_status, problem={**problem.document(), "final": False})]
        self._metrics.relay_seconds.observe(time.perf_counter() - started)
        return lines

    async def _keep(self, waiting: Sequence[outbox.Pending], lines: Sequence[AppendLine]) -> None:
        """Note every answer in one transaction, then tell who waits."""
        taken: list[Appended] = []
        refused: list[RefusedEvent] = []
        later: list[Postponed] = []
        for item, line in zip(waiting, lines, strict=True):
            if line.appended is not None and line.appended.event_id == item.event_id:
                taken.append(line.appended)
            elif line.problem is not None and is_final(line.problem):
                refused.append(RefusedEvent(item, line.problem))
            else:
                problem = line.problem or {"title": "The ledger answered for another event"}
                later.append(Postponed(item, problem, self._pause_seconds(item.attempt_count)))
        arrived = await self._storage.keep(waiting, Answers(taken=taken, refused=refused, later=later))
        self._count(len(taken), [each.problem for each in refused], [each.problem for each in later])
        for event_id, arrival in arrived.items():
            self._arrivals.arrived(event_id, arrival)

    def _count(self, taken: int, refused: list[dict[str, Any]], later: list[dict[str, Any]]) -> None:
        for result, count in (("taken", taken), ("refused", len(refused)), ("later", len(later))):
            self._metrics.relayed.labels(result).inc(count)
        kinds = sorted({slug_of(problem)[:60] for problem in (*refused, *later)})
        values = {"taken": taken, "refused": len(refused), "later": len(later), "problems": kinds, **self._sent_for}
        if refused:
            self._log.warning("relayed", **values)
        else:
            self._log.event("relayed", **values)

    def _pause_seconds(self, failure_count: int) -> float:
        """Return the pause after so many failures: exponential, with jitter, bounded."""
        ceiling = min(
            self._config.relay_backoff_ms_max, self._config.relay_backoff_ms_min * 2 ** min(failure_count, 20)
        )
        return random.uniform(ceiling / 2, ceiling) / _MS

    async def _pause(self, problem: Problem) -> None:
        """Wait after a failure; new events do not shorten it."""
        if self.last_failure is None:
            self._log.warning("relay_failed", problem=problem.slug, detail=problem.detail)
        self.last_failure = problem.detail
        self._metrics.relay_failures.inc()
        asked = problem.retry_after_seconds or 0.0
        pause = max(self._pause_seconds(self._failure_count), min(asked, self._config.relay_backoff_ms_max / _MS))
        self._failure_count += 1
        await asyncio.sleep(pause)

    def _recovered(self) -> None:
        if self.last_failure is not None:
            self._log.event("relay_recovered", failures=self._failure_count)
        self.last_failure, self._failure_count = None, 0

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._config.relay_poll_ms / _MS):
                await self._called.wait()
        except TimeoutError:
            return

    async def _keep_house(self) -> None:
        """Forget answers with secrets that are too old to be asked for again."""
        now = time.monotonic()
        if self._kept_house_at and now - self._kept_house_at < _HOUSEKEEPING_SECONDS:
            return
        self._kept_house_at = now
        await self._storage.forget_secrets(hours=self._config.answer_hours_max)


def _ids_of(sent: CallContext, origins: Sequence[CallContext]) -> dict[str, Any]:
    """Return for the log under which id the ledger was asked, and for which requests where they were several."""
    several = [
        each.request_id for each in origins[:_ORIGINS_SAID_MAX] if each.request_id not in {None, sent.request_id}
    ]
    return {"request_id": sent.request_id} | ({"requests": several} if several else {})


def is_final(problem: dict[str, Any]) -> bool:
    """Tell whether the ledger will refuse this event always: its rule says so, or its form is wrong."""
    if "final" in problem:
        return problem["final"] is True
    return slug_of(problem) in _FINAL_SLUGS
