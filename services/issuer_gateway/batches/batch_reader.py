"""What is said of a batch: how far it is, and what became of each row. Changes nothing but to cancel."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from proto.wire.gateway import BATCH_ROWS_MAX, BatchAnswer, BatchProgress, BatchRow
from services.issuer_gateway.batches import small_batch
from services.issuer_gateway.batches.small_batch import UnknownBatchProblem
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.store import batches, idempotency_records
from services.persistence.postgres import Connection

_MS = 1000
_LOOK_SECONDS = 0.2
_DECODE_NOTES = msgspec.json.Decoder(tuple[str, ...]).decode
_DECODE_PROBLEM = msgspec.json.Decoder(dict[str, Any]).decode


async def own(gateway: Gateway, tenant: Tenant, batch_id: str) -> batches.BackgroundBatch:
    """Return a batch of the institution or raise `UnknownBatchProblem`."""
    found = await batches.get(gateway.pool, tenant.institution_id, batch_id)
    if found is None:
        raise UnknownBatchProblem(f"{tenant.slug} has no batch {batch_id}")
    return found


def location(batch_id: str) -> str:
    """Return where a batch is asked about."""
    return f"/v1/batches/{batch_id}"


async def answer(gateway: Gateway, batch: batches.BackgroundBatch) -> BatchAnswer:
    """Return how far a batch is; with its rows, where it is small enough to have been answered at once."""
    if not batch.is_background:
        stored = idempotency_records.StoredBatch(
            batch_id=batch.batch_id,
            request_fingerprint=batch.request_fingerprint,
            row_count=batch.row_count,
            reading=batch.reading,
        )
        return await small_batch.answer(gateway, stored)
    now = await progress(gateway, batch)
    rows = []
    if batch.row_count <= BATCH_ROWS_MAX:
        rows = [row async for row in rows_of(gateway, batch, after=0, limit=BATCH_ROWS_MAX)]
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


async def finished(gateway: Gateway, tenant: Tenant, batch: batches.BackgroundBatch) -> batches.BackgroundBatch:
    """Return the batch once it is over, or as it stands after a request's wait."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + gateway.config.sequencing_wait_ms / _MS
    while not batch.is_over and loop.time() < deadline:
        await gateway.batch_moved.wait(min(_LOOK_SECONDS, deadline - loop.time()))
        batch = await own(gateway, tenant, batch.batch_id)
    return batch


async def progress(gateway: Gateway, batch: batches.BackgroundBatch) -> BatchProgress:
    """Return how far a batch is, in numbers."""
    if not batch.is_background:
        found = await answer(gateway, batch)
        return BatchProgress(
            batch_id=batch.batch_id,
            state="finished" if found.is_complete else "waiting",
            row_count=found.row_count,
            accepted_count=found.accepted_count,
            refused_count=found.refused_count,
            already_awarded_count=found.already_awarded_count,
            published_count=found.published_count,
        )
    published = 0 if batch.is_dry_run else await batches.count_published(gateway.pool, batch.batch_id)
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


async def rows_of(
    gateway: Gateway, batch: batches.BackgroundBatch, *, after: int, limit: int
) -> AsyncIterator[BatchRow]:
    """Yield the results of at most `limit` rows behind line `after`, a page of them in memory at a time."""
    while limit > 0:
        page = await batches.results(
            gateway.pool, batch.batch_id, after=after, limit=min(limit, LIMITS.result_rows_per_read)
        )
        for row in page:
            yield _row(gateway, batch.batch_id, row)
        if not page:
            return
        after, limit = page[-1].line, limit - len(page)


def _row(gateway: Gateway, batch_id: str, row: batches.Result) -> BatchRow:
    if row.sealed_problem is None:
        if row.is_repeated:
            return BatchRow(line=row.line, state="already-awarded", credential_id=row.credential_id)
        if row.is_checked:
            return BatchRow(line=row.line, state="checked", notes=_notes(gateway, batch_id, row))
        return BatchRow(line=row.line, state="accepted", credential_id=row.credential_id, event_id=row.event_id)
    problem = gateway.keystore.open(row.sealed_problem, "problem", f"{batch_id}\n{row.line}")
    return BatchRow(line=row.line, state="refused", problem=_DECODE_PROBLEM(problem))


def _notes(gateway: Gateway, batch_id: str, row: batches.Result) -> tuple[str, ...]:
    if row.sealed_notes is None:
        return ()
    return _DECODE_NOTES(gateway.keystore.open(row.sealed_notes, "notes", f"{batch_id}\n{row.line}"))


async def cancel(gateway: Gateway, tenant: Tenant, batch_id: str) -> batches.BackgroundBatch:
    """Stop a batch in the background: what is done stays done, the rest is thrown away; one that is over stays so."""

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

    batch = await gateway.unit_of_work.in_transaction(work)
    await gateway.batch_keys.destroy_ended(gateway.pool)
    gateway.batch_moved.fire()
    return batch
