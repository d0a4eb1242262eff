"""What is said of a batch: how far it is, and what became of each row. Changes nothing but to cancel."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from proto.ids import BatchId
from proto.moment import from_datetime
from proto.wire.batches import BATCH_ROWS_MAX, BatchAnswer, BatchProgress, BatchRow, BatchSummary
from services.issuer_gateway.batches.small_batch import ListAnswers, UnknownBatchProblem, accepted_row
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.batch_keys import BatchKeys, PostgresEndedKeys
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.store import batches, idempotency_records
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.issuer_gateway.waiting.signals import Signal
from services.persistence.postgres import Connection, Pool

_LOOK_SECONDS = 0.2
_DECODE_NOTES = msgspec.json.Decoder(tuple[str, ...]).decode
_DECODE_PROBLEM = msgspec.json.Decoder(dict[str, Any]).decode


class BatchReader:
    """Reads and cancels batches. `moved` fires when rows have their results; a request waits `wait_seconds`."""

    def __init__(
        self,
        pool: Pool,
        unit_of_work: UnitOfWork,
        keystore: Keystore,
        *,
        answers: ListAnswers,
        batch_keys: BatchKeys,
        moved: Signal,
        wait_seconds: float,
    ) -> None:
        self._pool = pool
        self._unit_of_work = unit_of_work
        self._keystore = keystore
        self._answers = answers
        self._batch_keys = batch_keys
        self._moved = moved
        self._wait_seconds = wait_seconds

    async def moved(self, seconds: float) -> None:
        """Return when rows of some batch have their results, and after so many seconds."""
        await self._moved.wait(seconds)

    async def own(self, tenant: Tenant, batch_id: BatchId) -> batches.BackgroundBatch:
        """Return a batch of the institution or raise `UnknownBatchProblem`."""
        found = await batches.get(self._pool, tenant.institution_id, batch_id)
        if found is None:
            raise UnknownBatchProblem(f"{tenant.slug} has no batch {batch_id}")
        return found

    async def answer(self, batch: batches.BackgroundBatch) -> BatchAnswer:
        """Return how far a batch is; with its rows, where it is small enough to have been answered at once."""
        if not batch.is_background:
            stored = idempotency_records.StoredBatch(
                batch_id=batch.batch_id,
                request_fingerprint=batch.request_fingerprint,
                row_count=batch.row_count,
                reading=batch.reading,
            )
            return await self._answers.answer(stored)
        now = await self.progress(batch)
        rows = []
        if batch.row_count <= BATCH_ROWS_MAX:
            rows = [row async for row in self.rows_of(batch, after=0, limit=BATCH_ROWS_MAX)]
        return BatchAnswer(
            batch_id=batch.batch_id,
            is_dry_run=batch.is_dry_run,
            is_complete=batch.state == "finished",
            state=now.state,
            row_count=now.row_count,
            accepted_count=now.accepted_count,
            refused_count=now.refused_count,
            already_awarded_count=now.already_awarded_count,
            published_count=now.published_count,
            rows_at=f"{location(batch.batch_id)}/rows",
            read_as=batches.reading_of(batch.reading).notes,
            rows=tuple(rows),
        )

    async def finished(self, tenant: Tenant, batch: batches.BackgroundBatch) -> batches.BackgroundBatch:
        """Return the batch once it is over, or as it stands after a request's wait."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_seconds
        while not batch.is_over and loop.time() < deadline:
            await self._moved.wait(min(_LOOK_SECONDS, deadline - loop.time()))
            batch = await self.own(tenant, batch.batch_id)
        return batch

    async def listed(
        self, tenant: Tenant, *, before: tuple[datetime, str] | None, limit: int
    ) -> list[tuple[datetime, BatchSummary]]:
        """Return the institution's batches and the exact time of each, the newest first, from behind one on."""
        found = await batches.listed(self._pool, tenant.institution_id, before=before, limit=limit)
        return [(row["created_at"], _summary(dict(row))) for row in found]

    async def progress(self, batch: batches.BackgroundBatch) -> BatchProgress:
        """Return how far a batch is, in numbers."""
        if not batch.is_background:
            found = await self.answer(batch)
            return BatchProgress(
                batch_id=batch.batch_id,
                state="finished" if found.is_complete else "waiting",
                row_count=found.row_count,
                accepted_count=found.accepted_count,
                refused_count=found.refused_count,
                already_awarded_count=found.already_awarded_count,
                published_count=found.published_count,
            )
        published = 0 if batch.is_dry_run else await batches.count_published(self._pool, batch.batch_id)
        return BatchProgress(
            batch_id=batch.batch_id,
            state=batch.state,
            row_count=batch.row_count,
            accepted_count=batch.accepted_count,
            refused_count=batch.refused_count,
            already_awarded_count=batch.repeated_count,
            published_count=published,
            is_dry_run=batch.is_dry_run,
        )

    async def rows_of(self, batch: batches.BackgroundBatch, *, after: int, limit: int) -> AsyncIterator[BatchRow]:
        """Yield the results of at most `limit` rows behind line `after`, a page of them in memory at a time."""
        while limit > 0:
            page = await batches.results(
                self._pool, batch.batch_id, after=after, limit=min(limit, LIMITS.result_rows_per_read)
            )
            for row in page:
                yield self._row(batch.batch_id, row)
            if not page:
                return
            after, limit = page[-1].line, limit - len(page)

    def _row(self, batch_id: BatchId, row: batches.RowResult) -> BatchRow:
        if row.sealed_problem is None:
            if row.is_repeated:
                return BatchRow(line=row.line, state="already-awarded", credential_id=row.credential_id)
            if row.is_checked:
                return BatchRow(line=row.line, state="checked", notes=self._notes(batch_id, row))
            return accepted_row(row.line, row.credential_id, row.event_id, row.refusal)
        problem = self._keystore.open(row.sealed_problem, "problem", f"{batch_id}\n{row.line}")
        return BatchRow(line=row.line, state="refused", problem=_DECODE_PROBLEM(problem))

    def _notes(self, batch_id: BatchId, row: batches.RowResult) -> tuple[str, ...]:
        if row.sealed_notes is None:
            return ()
        return _DECODE_NOTES(self._keystore.open(row.sealed_notes, "notes", f"{batch_id}\n{row.line}"))

    async def cancel(self, tenant: Tenant, batch_id: BatchId) -> batches.BackgroundBatch:
        """Stop a batch in the background: what is done stays done, the rest is thrown away; one that is over stays."""

        async def work(connection: Connection) -> batches.BackgroundBatch:
            await idempotency_records.lock_batch(connection, batch_id)
            batch = await batches.get(connection, tenant.institution_id, batch_id)
            if batch is None:
                raise UnknownBatchProblem(f"{tenant.slug} has no batch {batch_id}")
            if not batch.is_background or batch.is_over:
                return batch
            await batches.end(connection, batch_id, "cancelled")
            await batches.drop_parts(connection, batch_id)
            return msgspec.structs.replace(batch, state="cancelled")

        batch = await self._unit_of_work.in_transaction(work)
        await self._batch_keys.destroy_ended(PostgresEndedKeys(self._pool))
        self._moved.fire()
        return batch


def location(batch_id: BatchId) -> str:
    """Return where a batch is asked about."""
    return f"/v1/batches/{batch_id}"


def _summary(row: Mapping[str, Any]) -> BatchSummary:
    return BatchSummary(
        batch_id=row["batch_id"],
        kind=row["kind"],
        state=row["state"],
        created_at=from_datetime(row["created_at"]),
        row_count=row["row_count"],
        accepted_count=row["accepted_count"],
        refused_count=row["refused_count"],
        already_awarded_count=row["repeated_count"],
        is_dry_run=row["is_dry_run"],
    )
