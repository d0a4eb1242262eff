"""Works on batches in the background, a part of one in each transaction, wherever the last process left off.

What is true if we crash here: a part and its rows' results change places in one transaction, together with the events
and documents that the rows made. Before its COMMIT none of its rows has happened, after it all have, and it is gone.
"""

import asyncio
import time
from typing import Protocol

import msgspec

from proto.ids import BatchId
from proto.problem import UnavailableProblem
from services.edge import Log
from services.edge.log import fault_values
from services.issuer_gateway.batches.batch_storage import BatchStorage, RowCounts
from services.issuer_gateway.batches.batch_upload import BatchPart, part_name
from services.issuer_gateway.batches.part_work import PreparedPart
from services.issuer_gateway.batches.parts_ahead import PartsAhead
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.keys.batch_keys import BatchKeys
from services.issuer_gateway.metrics import AwardMetrics
from services.issuer_gateway.store import batches
from services.issuer_gateway.waiting.signals import Signal
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import LASTING_ERRORS, OUTAGE_ERRORS

_DECODE_PART = msgspec.msgpack.Decoder(BatchPart).decode
_POLL_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_REST_SECONDS = 5.0
"""For which a batch that cannot be worked on now (its institution has no key, others hold its rows) lets others go."""
_SWEEP_SECONDS = 3_600.0
_PASSING = (*OUTAGE_ERRORS, UnavailableProblem)


class _BrokenBatchError(Exception):
    """A part cannot be worked on, and never will be."""

    def __init__(self, batch_id: BatchId) -> None:
        super().__init__(batch_id)
        self.batch_id = batch_id


class _RestingBatchError(Exception):
    """A part cannot be worked on now."""


class BatchWorker:
    """The one task of a process that works on batches; several processes share them by the rows' locks."""

    def __init__(
        self,
        storage: BatchStorage,
        parts: "RowWork",
        *,
        batch_keys: BatchKeys,
        called: Signal,
        moved: Signal,
        log: Log,
        metrics: AwardMetrics,
    ) -> None:
        self._storage = storage
        self._parts = parts
        self._batch_keys = batch_keys
        self._called = called
        self._moved = moved
        self._log = log
        self._metrics = metrics
        self._ahead = PartsAhead(self._prepared)
        self._swept_at = 0.0
        self._rests_until: dict[BatchId, float] = {}

    async def run(self) -> None:
        """Work for ever; ends by cancellation only. Outages are waited out, a batch that breaks us is ended."""
        try:
            while True:
                await self._turn()
        finally:
            await self._ahead.close()
            await self._parts.rest()

    async def _turn(self) -> None:
        try:
            if not await self.step():
                await self._parts.rest()
                await self._sweep()
                await self._called.wait(_POLL_SECONDS)
        except _BrokenBatchError as error:
            await self._give_up(error)
        except _RestingBatchError as error:
            self._log.failure("batch_waits", error.__cause__ if isinstance(error.__cause__, Exception) else error)
        except _PASSING as error:
            self._log.failure("batch_database", error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def step(self) -> bool:
        """Do the next part of the batch that waited longest; False where there is nothing to do."""
        started = time.perf_counter()
        async with self._storage.transaction() as connection:
            batch = await self._storage.take(connection, but=self._resting())
            if batch is None:
                return False
            try:
                results = await self._part(connection, batch)
            except Exception as error:
                if isinstance(error, OUTAGE_ERRORS) and not isinstance(error, LASTING_ERRORS):
                    raise
                if isinstance(error, UnavailableProblem):  # of this batch, perhaps: it must not hold up the others
                    self._rests_until[batch.batch_id] = asyncio.get_running_loop().time() + _REST_SECONDS
                    raise _RestingBatchError(batch.batch_id) from error
                raise _BrokenBatchError(batch.batch_id) from error
        await self._batch_keys.destroy_ended(self._storage)
        seconds = time.perf_counter() - started
        self._log.event("batch_part", kind=batch.kind, rows=len(results), milliseconds=round(seconds * 1000))
        if not batch.is_dry_run:
            self._count(RowCounts.of(results))
        self._parts.call_relay()
        self._moved.fire()
        return True

    def _resting(self) -> list[BatchId]:
        now = asyncio.get_running_loop().time()
        self._rests_until = {each: until for each, until in self._rests_until.items() if until > now}
        return list(self._rests_until)

    async def _part(self, connection: Connection, batch: batches.BackgroundBatch) -> list[batches.RowResult]:
        """Do one part, or end the batch where none is left; return what became of its rows."""
        found = await self._storage.next_parts(connection, batch.batch_id)
        if not found or batch.key_id is None:
            await self._storage.end(connection, batch.batch_id, "finished")
            return []
        self._parts.check_followed()
        async with self._storage.kept_alive(connection):
            prepared = await self._ahead.taken(batch, *found[0])
            for following in found[1:]:
                await self._ahead.begin(batch, *following)
        results = await self._parts.results(connection, batch, prepared)
        await self._storage.keep_results(connection, batch.batch_id, found[0][0], results)
        return results

    async def _prepared(self, batch: batches.BackgroundBatch, number: int, sealed: bytes) -> PreparedPart:
        """Return a part with all that needs no transaction done; raises `_BrokenBatchError` without its key."""
        key = await self._batch_keys.of(batch.key_id) if batch.key_id is not None else None
        if key is None:  # the database is from before the key was destroyed: what the batch did since is on the log
            raise _BrokenBatchError(batch.batch_id)
        part = _DECODE_PART(key.data.open(sealed, "batch-part", part_name(batch.batch_id, number)))
        return await self._parts.prepare(batch, part, key.fingerprint_key)

    def _count(self, counts: RowCounts) -> None:
        self._metrics.batch_rows.labels("accepted").inc(counts.accepted)
        self._metrics.batch_rows.labels("refused").inc(counts.refused)
        self._metrics.batch_rows.labels("already-awarded").inc(counts.repeated)

    async def _give_up(self, error: _BrokenBatchError) -> None:
        """End a batch as failed: what was done stays done, and the others go on."""
        self._log.failure("batch_failed", **fault_values(error))
        try:
            async with self._storage.transaction() as connection:
                await self._storage.end(connection, error.batch_id, "failed")
            await self._batch_keys.destroy_ended(self._storage)
        except _PASSING as trouble:
            self._log.failure("batch_database", trouble)
            await asyncio.sleep(_PAUSE_SECONDS)
        self._moved.fire()

    async def _sweep(self) -> None:
        """Take away what uploads that broke off have left."""
        now = time.monotonic()
        if not self._swept_at or now - self._swept_at > _SWEEP_SECONDS:
            self._swept_at = now
            await self._storage.sweep(hours=LIMITS.batch_parts_kept_hours)
            await self._batch_keys.sweep(self._storage)


class RowWork(Protocol):
    """What does the rows of parts."""

    def check_followed(self) -> None:
        """Raise `LogNotFollowedProblem` where nothing is said to the log now."""
        ...

    async def prepare(self, batch: batches.BackgroundBatch, part: BatchPart, key: bytes) -> PreparedPart:
        """Return a part with all that needs no transaction done; `key` is for fingerprints."""
        ...

    async def results(
        self, connection: Connection, batch: batches.BackgroundBatch, prepared: PreparedPart
    ) -> list[batches.RowResult]:
        """Do the rows of a part in this transaction; return a result for each, by line."""
        ...

    def call_relay(self) -> None:
        """Have what the rows said sent now, and wait for nothing."""
        ...

    async def rest(self) -> None:
        """Keep nothing that only work needs: there is none now."""
        ...
