"""Erasing a learner: documents, requests, claims, and rows of batches that still wait, which are taken out of them.

What is true if we crash here: what is erased is committed first, then keys are destroyed; if we end in between, or the
key folder is away then, the same request again, the hourly sweep or the next start destroys them.
"""

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from proto.ids import BatchId, InstitutionId
from proto.moment import from_datetime
from proto.problem import NotFoundProblem
from proto.wire.gateway import ErasureAnswer
from services.issuer_gateway.batches.batch_upload import BatchPart, part_name
from services.issuer_gateway.batches.lists_in_hand import ListsInHand
from services.issuer_gateway.batches.small_batch import LearnerErasedProblem
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.batch_keys import BatchKey, BatchKeys, PostgresEndedKeys
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import (
    batches,
    claims,
    earlier_awards,
    holder_links,
    learners,
    pending_batches,
    requests,
)
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.persistence.postgres import Connection, Pool

_REF_COLUMN = "learner_ref"
_ESCAPE = b"\\"
"""What JSON writes otherwise stands behind it: also a slash, as PHP does unless it is told not to."""
_DECODE_PART = msgspec.msgpack.Decoder(BatchPart).decode
_ENCODE_PART = msgspec.msgpack.Encoder().encode
_ENCODE = msgspec.json.Encoder().encode


class UnknownLearnerProblem(NotFoundProblem):
    """The institution has no learner of that name: never had, or has erased it."""

    slug = "unknown-learner"
    title = "No such learner"


class KeptLearnerError(Exception):
    """What was to be erased only as long as nobody has to keep it has to be kept after all; nothing was erased."""


class EraseLearner:
    """Erases learners."""

    def __init__(
        self,
        idempotency: Idempotency,
        batch_keys: BatchKeys,
        learner_keys: LearnerKeys,
        *,
        pool: Pool,
        keystore: Keystore,
        lists: ListsInHand,
    ) -> None:
        self._idempotency = idempotency
        self._batch_keys = batch_keys
        self._learner_keys = learner_keys
        self._pool = pool
        self._keystore = keystore
        self._lists = lists

    async def erase(
        self,
        tenant: Tenant,
        ref: str,
        *,
        if_still: Callable[[Connection], Awaitable[bool]] | None = None,
        keyed: KeyedRequest | None = None,
    ) -> ErasureAnswer:
        """Close a learner's documents and take out what waits for them, then destroy the keys.

        With `if_still`, only where that says so in the same transaction, and nothing waits for the learner. Raises
        `KeptLearnerError` otherwise, `UnknownLearnerProblem` where nothing is there, and `BusyProblem` where a batch is
        at work for too long.
        """

        async def work(connection: Connection) -> ErasureAnswer:
            # (1) What waits, so that no batch makes the learner again; (2) nobody is at work for the learner, and lists
            # in hand know; (3) the learner and (4) what hangs on it.
            pending = await _Pending(self._batch_keys, self._keystore, connection, ref).drop(tenant.institution_id)
            await earlier_awards.lock_learners(connection, tenant.institution_id, [ref])
            if if_still is not None:
                is_awaited = bool(pending) or self._lists.are_about(tenant.institution_id, ref)
                if is_awaited or not await if_still(connection):
                    raise KeptLearnerError(ref)
            is_in_hand = self._lists.erase(tenant.institution_id, ref)
            erased = await learners.erase(connection, tenant.institution_id, ref)
            if erased is not None:
                await requests.withdraw_all(connection, erased.learner_id)
                await claims.cancel_all(connection, erased.learner_id)
                await holder_links.forget(connection, [erased.learner_id])
            if erased is None and not pending and not is_in_hand:
                raise UnknownLearnerProblem("The institution has no learner of that name, or has erased it already")
            return ErasureAnswer(
                document_count=erased.document_count if erased else 0,
                pending_row_count=pending,
                erased_at=from_datetime(erased.erased_at if erased else datetime.now(UTC)),
            )

        try:
            answer = await self._idempotency.run_once(keyed, ErasureAnswer, work)
        except UnknownLearnerProblem:
            await self._destroy()  # what an earlier request could not destroy is gone before we say so
            raise
        await self._destroy()
        return answer

    async def _destroy(self) -> None:
        await self._batch_keys.destroy_ended(PostgresEndedKeys(self._pool))
        await self._learner_keys.destroy_erased(self._pool)


class _Pending:
    """One learner's rows in the batches that wait, in the caller's transaction."""

    def __init__(self, batch_keys: BatchKeys, keystore: Keystore, connection: Connection, ref: str) -> None:
        self._batch_keys = batch_keys
        self._keystore = keystore
        self._connection = connection
        self._ref = ref

    async def drop(self, institution_id: InstitutionId) -> int:
        """Take the learner's rows out, and return how many; a part that is being worked on is waited for."""
        count = 0
        for batch in await pending_batches.lock(self._connection, institution_id):
            key = await self._batch_keys.of(batch.key_id) if batch.key_id else None
            if key is not None and await self._is_in(batch.batch_id, key):
                count += await self._taken_out(batch, key)
        return count

    async def _is_in(self, batch_id: BatchId, key: BatchKey) -> bool:
        async for parts in self._pages(batch_id):
            if await asyncio.to_thread(_any_lines, parts, batch_id, key, self._ref):
                return True
        return False

    async def _taken_out(self, batch: batches.BackgroundBatch, key: BatchKey) -> int:
        """Seal what is left of a batch under a new key: what the old one sealed can be read by nobody then."""
        fresh = BatchKey.fresh(key.fingerprint_key)
        await self._batch_keys.keep(fresh)
        count = 0
        async for parts in self._pages(batch.batch_id):
            sealed, lines = await asyncio.to_thread(_resealed, parts, batch.batch_id, (key, fresh), self._ref)
            await pending_batches.replace_parts(self._connection, batch.batch_id, sealed)
            await self._refuse(batch, lines)
            count += len(lines)
        await pending_batches.change_key(self._connection, batch.batch_id, key.key_id, fresh.key_id)
        return count

    async def _pages(self, batch_id: BatchId) -> Any:
        after = -1
        while found := await pending_batches.parts(
            self._connection, batch_id, after=after, limit=LIMITS.batch_parts_stored_at_once
        ):
            yield found
            after = found[-1][0]

    async def _refuse(self, batch: batches.BackgroundBatch, lines: Sequence[int]) -> None:
        if not lines:
            return
        problem = _ENCODE(LearnerErasedProblem("Nothing was issued or changed for it").document())
        seal = self._keystore.seal
        results = [
            batches.RowResult(line=line, sealed_problem=seal(problem, "problem", f"{batch.batch_id}\n{line}"))
            for line in lines
        ]
        await batches.add_results(self._connection, batch.batch_id, results)
        await batches.count(self._connection, batch.batch_id, accepted=0, refused=len(lines))


def _opened(sealed: bytes, batch_id: BatchId, number: int, key: BatchKey) -> BatchPart:
    return _DECODE_PART(key.data.open(sealed, "batch-part", part_name(batch_id, number)))


def _any_lines(parts: Sequence[tuple[int, bytes]], batch_id: BatchId, key: BatchKey, ref: str) -> bool:
    return any(lines_of(_opened(sealed, batch_id, number, key), ref) for number, sealed in parts)


def _resealed(
    parts: Sequence[tuple[int, bytes]], batch_id: BatchId, keys: tuple[BatchKey, BatchKey], ref: str
) -> tuple[list[tuple[int, bytes]], list[int]]:
    """Return parts without the learner's rows, sealed under the second key, and the lines that were taken out."""
    old, new = keys
    sealed, gone = [], []
    for number, content in parts:
        part = _opened(content, batch_id, number, old)
        lines = lines_of(part, ref)
        left = tuple(record for record in part.records if record[0] not in lines)
        again = _ENCODE_PART(BatchPart(part.header, left))
        sealed.append((number, new.data.seal(again, "batch-part", part_name(batch_id, number))))
        gone += sorted(lines)
    return sealed, gone


def lines_of(part: BatchPart, ref: str) -> set[int]:
    """Return the lines of a part's records that are about a learner.

    A record that cannot be read, and in which the name stands, counts: it might be the learner's.
    """
    return {line for line, content in part.records if _may_name(content, ref) and _names(part.header, content, ref)}


def _may_name(content: bytes, ref: str) -> bool:
    return ref.encode() in content or _ESCAPE in content


def _names(header: Sequence[str], content: bytes, ref: str) -> bool:
    try:
        found = _ref_in_csv(header, content) if header else _ref_in_json(content)
    except (ValueError, csv.Error, RecursionError):
        return ref.encode() in content
    return found == ref


def _ref_in_csv(header: Sequence[str], content: bytes) -> str | None:
    cells = next(csv.reader(io.StringIO(content.decode(), newline="")))
    if len(cells) != len(header):
        raise ValueError("the row has another number of cells than the header")
    return dict(zip(header, cells, strict=True)).get(_REF_COLUMN, "").strip()


def _ref_in_json(content: bytes) -> Any:
    found = json.loads(content)
    award: Any = found.get("award", found) if isinstance(found, Mapping) else None
    learner = award.get("learner") if isinstance(award, Mapping) else None
    if not isinstance(learner, Mapping):
        raise ValueError("the row names no learner where one stands")  # noqa: TRY004 - it is handled as unreadable
    return learner.get("ref")
