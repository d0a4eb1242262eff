"""Carries signed events from the outbox to the ledger until each has an answer. Signs and judges nothing.

Say what is true if we crash here: before the submission, nothing happened; after it, the ledger may have the events and
we do not know it: they are sent again, byte for byte the same, and it answers as it did the first time.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

from proto.ids import Did
from proto.lifecycle import profile
from proto.problem import Problem
from proto.wire.ledger import Appended, AppendLine
from services.clients.log_client import LogAnswerProblem, LogClient, LogProblem, LogUnreachableProblem
from services.edge import Log
from services.issuer_gateway.config import Config
from services.issuer_gateway.log.arrivals import Arrival, Arrivals
from services.issuer_gateway.metrics import Metrics
from services.issuer_gateway.store import followed_log, idempotency_records, outbox, status_lists
from services.persistence.postgres import Connection, Pool, session_lock, transaction
from services.persistence.postgres_errors import OUTAGE_ERRORS

_FINAL_SLUGS = frozenset({"malformed", "invalid", "unknown-event-type"})
"""Refusals by form, which no later attempt can heal; refusals by rule say of themselves whether they are final."""
_ISSUES = frozenset({"credential-issued.v1", "credential-stacked.v1"})
_DID_LENGTH_MAX = 600
_MS = 1000
_HOUSEKEEPING_SECONDS = 60.0
_GATHER_SECONDS = 0.002
"""Between two submissions. Who comes to an idle relay is sent at once, and those who come close behind go together."""


class Relay:
    """The one task that sends. Several processes may run one each: an advisory lock lets one of them work."""

    def __init__(
        self, pool: Pool, client: LogClient, *, config: Config, arrivals: Arrivals, log: Log, metrics: Metrics
    ) -> None:
        self._pool = pool
        self._client = client
        self._config = config
        self._arrivals = arrivals
        self._log = log
        self._metrics = metrics
        self._called = asyncio.Event()
        self._failure_count = 0
        self._kept_house_at = 0.0
        self.last_failure: str | None = None

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
                await self._pause(problem)
            except OUTAGE_ERRORS as error:
                self._log.failure("relay_database", error)
                await self._pause(Problem("The database did not answer"))
            else:
                self._recovered()
                if count == 0:
                    await self._wait()
                elif count < self._config.relay_batch_max:
                    await asyncio.sleep(_GATHER_SECONDS)

    async def step(self) -> int:
        """Send what is due, once; return how many events were answered. Raises what `LogClient.submit` raises."""
        async with session_lock(self._pool, outbox.RELAY_LOCK) as connection:
            if connection is None:
                return 0
            await self._keep_house()
            waiting = await outbox.due(connection, limit=self._config.relay_batch_max)
            if waiting:
                lines = await self._submit(waiting)
                await self._keep(waiting, lines)
            return len(waiting)

    async def _submit(self, waiting: Sequence[outbox.Pending]) -> list[AppendLine]:
        started = time.perf_counter()
        lines = await self._client.submit([item.envelope for item in waiting])
        self._metrics.relay_seconds.observe(time.perf_counter() - started)
        return lines

    async def _keep(self, waiting: Sequence[outbox.Pending], lines: Sequence[AppendLine]) -> None:
        """Note every answer in one transaction, then tell who waits."""
        taken: list[Appended] = []
        refused: list[tuple[outbox.Pending, dict[str, Any]]] = []
        later: list[tuple[outbox.Pending, dict[str, Any]]] = []
        for item, line in zip(waiting, lines, strict=True):
            if line.appended is not None and line.appended.event_id == item.event_id:
                taken.append(line.appended)
            elif line.problem is not None and is_final(line.problem):
                refused.append((item, line.problem))
            else:
                later.append((item, line.problem or {"title": "The ledger answered for another event"}))
        arrived = {place.event_id: Arrival(appended=place) for place in taken}
        async with transaction(self._pool) as connection:
            await outbox.lock_rows(connection, [item.event_id for item in waiting])
            await outbox.mark_sequenced(connection, taken)
            for item, by_log in refused:
                problem = await with_holder(connection, by_log)
                await outbox.mark_refused(connection, item.event_id, problem)
                arrived[item.event_id] = Arrival(problem=problem)
                if item.event_type in _ISSUES:
                    await status_lists.lock_bits(connection)
                    await status_lists.set_bits(connection, {item.stream: True})
                    followers = await outbox.refuse_followers(connection, item.stream, problem)
                    arrived |= {event_id: Arrival(problem=problem) for event_id in followers}
            pauses = [self._pause_seconds(item.attempt_count) for item, _ in later]
            await outbox.postpone(connection, [i.event_id for i, _ in later], [p for _, p in later], pauses)
        self._count(len(taken), [problem for _, problem in refused], [problem for _, problem in later])
        for event_id, arrival in arrived.items():
            self._arrivals.arrived(event_id, arrival)

    def _count(self, taken: int, refused: list[dict[str, Any]], later: list[dict[str, Any]]) -> None:
        for result, count in (("taken", taken), ("refused", len(refused)), ("later", len(later))):
            self._metrics.relayed.labels(result).inc(count)
        kinds = sorted({str(problem.get("type", "")).rpartition(":")[2][:60] for problem in (*refused, *later)})
        values = {"taken": taken, "refused": len(refused), "later": len(later), "problems": kinds}
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
        await idempotency_records.forget_secrets(self._pool, hours=self._config.answer_hours_max)


async def with_holder(connection: Connection, problem: dict[str, Any]) -> dict[str, Any]:
    """Return a refusal with the legal name of the institution that holds the id before us, where it tells of one."""
    did = problem.get("held_by")
    if not isinstance(did, str) or len(did) > _DID_LENGTH_MAX or not did.isprintable():
        return problem  # the ledger's word, and no DID
    book = await followed_log.book_of_issuers(connection, {Did(did)})
    issuer = book.issuer(Did(did))
    known = profile(book, issuer) if issuer else None
    if known is None:
        return problem
    detail = f"{problem.get('detail')} (it is {known.legal_name} that holds it)"
    return problem | {"held_by_name": known.legal_name, "detail": detail}


def is_final(problem: dict[str, Any]) -> bool:
    """Tell whether the ledger will refuse this event always: its rule says so, or its form is wrong."""
    if "final" in problem:
        return problem["final"] is True
    return str(problem.get("type", "")).rpartition(":")[2] in _FINAL_SLUGS
