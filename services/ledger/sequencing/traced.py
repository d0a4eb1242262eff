"""The write path with spans: what comes in, and the batches that it is appended in. Used only where traces are on."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from proto.envelope import Opened
from proto.ids import Did, EventId
from proto.lifecycle import Book
from proto.log.tile_edge import Growth
from proto.wire.ledger import Appended
from services.call_context import CallContext, CallOrigins
from services.ledger.domain import Head, NewEntry
from services.ledger.sequencing.intake import Intake
from services.ledger.sequencing.storage import Storage, Transaction
from services.ledger.sequencing.submission import Submission
from services.ledger.store import Tail
from services.tracing import Tracing

_UNPUBLISHED_MAX = 32


class TracedIntake(Intake):
    """Takes submissions as `Intake` does, and remembers of whose trace their events are."""

    def __init__(self, tracing: Tracing, origins: CallOrigins, storage: Storage, **parts: Any) -> None:
        super().__init__(storage, **parts)
        self._tracing = tracing
        self._origins = origins

    async def submit(self, submission: Submission) -> None:
        """Return and raise as `Intake.submit`."""
        weight = sum(opened.weight for opened in submission.events)
        counts = {"credentify.events": len(submission.events), "credentify.credentials": weight}
        with self._tracing.span("append", attributes=counts):
            self._origins.note(opened.event_id for opened in submission.events)
            await super().submit(submission)


class _Batch:
    """One transaction of the write path, noted as it goes by."""

    def __init__(self, inner: Transaction) -> None:
        self._inner = inner
        self.event_ids: list[EventId] = []
        self.entry_count = 0

    async def locked_head(self) -> tuple[Head, int]:
        return await self._inner.locked_head()

    async def clock_ms(self) -> int:
        return await self._inner.clock_ms()

    async def tail(self) -> Tail:
        return await self._inner.tail()

    async def load_all(self, book: Book, batch: Sequence[Opened]) -> None:
        self.event_ids = self.event_ids or [opened.event_id for opened in batch]
        await self._inner.load_all(book, batch)

    async def places(self, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
        return await self._inner.places(event_ids)

    async def append(self, entries: Sequence[NewEntry], growth: Growth, received_at_ms: int) -> None:
        self.entry_count = len(entries)
        await self._inner.append(entries, growth, received_at_ms)

    async def save(self, book: Book) -> None:
        await self._inner.save(book)


class TracedStorage:
    """Any storage of the write path, with a span for each of its transactions."""

    def __init__(self, inner: Storage, tracing: Tracing, origins: CallOrigins) -> None:
        self._inner = inner
        self._tracing = tracing
        self._origins = origins
        self._unpublished: list[CallContext] = []

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run the block in one transaction, a span of the traces whose events it appends; raises as the inner one."""
        started_ns = time.time_ns()
        error: BaseException | None = None
        batch: _Batch | None = None
        try:
            async with self._inner.transaction() as inner:
                batch = _Batch(inner)
                yield batch
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._note(batch, started_ns, error)

    def _note(self, batch: _Batch | None, started_ns: int, error: BaseException | None) -> None:
        event_ids = batch.event_ids if batch else []
        entry_count = batch.entry_count if batch else 0
        context = self._tracing.record(
            "database batch",
            started_ns=started_ns,
            parents=self._origins.of(event_ids),
            attributes={"credentify.events": len(event_ids), "credentify.entries": entry_count},
            error=error,
        )
        if entry_count and error is None and len(self._unpublished) < _UNPUBLISHED_MAX:
            self._unpublished.append(context)

    def take_unpublished(self) -> list[CallContext]:
        """Return the batches that were committed since this was asked last, at most 32."""
        taken, self._unpublished = self._unpublished, []
        return taken

    async def places(self, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
        """Return where those of the events stand that are on the log."""
        return await self._inner.places(event_ids)

    async def load_issuers(self, book: Book, owners: set[Did]) -> None:
        """Put these issuers into the book."""
        await self._inner.load_issuers(book, owners)
