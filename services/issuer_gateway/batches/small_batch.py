"""Batches: a list of awards, each row with a result of its own, continued where it stopped if it is sent again.

The results of a chunk of rows are committed with the events and documents that the rows made, so a row is either
unknown or finished; whoever sends the batch again under its key does only what is not finished.
"""

import asyncio
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any

import msgspec

from proto.ids import ApiKeyId, BatchId, CredentialId, EventId
from proto.problem import MalformedProblem, NotFoundProblem, Problem
from proto.tables.reading import READ_AS_USUAL, Reading
from proto.wire.batches import BatchAnswer, BatchRow
from services.edge.body import LOOP_BYTES_MAX, Turns
from services.issuer_gateway.batches.lists_in_hand import ListsInHand
from services.issuer_gateway.batches.row_order import shuffled
from services.issuer_gateway.batches.row_problems import document_of, notes_without_cells, texts_of
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.credentials.decide_awards import DecideAwards
from services.issuer_gateway.credentials.earlier_awards import (
    AlreadyAwardedProblem,
    content_of,
)
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.prepare_rows import PrepareRows, ReadRow, may_pass
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain.log_refusals import refusal_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.metrics import AwardMetrics
from services.issuer_gateway.store import idempotency_records
from services.issuer_gateway.store.batches import reading_of, reading_text
from services.issuer_gateway.unit_of_work.idempotency import KeyedRequest, OtherRequestProblem
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool, transaction

_ENCODE = msgspec.json.Encoder().encode
_DECODE_PROBLEM = msgspec.json.Decoder(dict[str, Any]).decode


class UnknownBatchProblem(NotFoundProblem):
    """The institution has no batch of that id."""

    slug = "unknown-batch"
    title = "No such batch"


class LearnerErasedProblem(Problem):
    """The row's learner was erased while it waited; nothing was issued for it."""

    slug = "learner-erased"
    title = "The learner was erased before this row's turn"
    status = 410


def without_repeated(rows: Sequence[ReadRow], zone: tzinfo) -> list[ReadRow]:
    """Return rows of which those that say what an earlier one says are refused; how it is written does not matter."""
    seen: dict[bytes, int] = {}
    found = []
    for row in rows:
        first = row.line if row.award is None else seen.setdefault(content_of(row.award, zone), row.line)
        is_new = first == row.line
        found.append(row if is_new else msgspec.structs.replace(row, award=None, problem=row_repeated(first)))
    return found


def row_repeated(first: int) -> Problem:
    """Return the refusal of a row that says the same as an earlier one."""
    detail = f"The same row stands on line {first}: it would be done twice"
    return MalformedProblem(detail, pointer="", members={"code": "row-repeated"})


class CheckList:
    """The dry run of a list: nothing is stored."""

    def __init__(self, pool: Pool, writer: LogWriter, *, rows: PrepareRows, decide: DecideAwards) -> None:
        self._pool = pool
        self._writer = writer
        self._rows = rows
        self._decide = decide

    async def dry_run(self, tenant: Tenant, rows: Sequence[ReadRow], reading: Reading = READ_AS_USUAL) -> BatchAnswer:
        """Check every row as issuing would, by the rules too; raises what `require_admitted` raises."""
        self._writer.check_followed()
        await self._writer.require_admitted(tenant)
        now = self._writer.now()
        items, refused = await self._rows.prepare(tenant, without_repeated(rows, tenant.zone), now, is_dry=True)
        async with transaction(self._pool) as connection:
            decided = await self._decide.decide_many(connection, tenant, list(items.values()), now=now, is_dry=True)
        by_id = decided.refused
        refused |= {line: by_id[item.credential_id] for line, item in items.items() if item.credential_id in by_id}
        taken = decided.taken.items()
        notes = {name: notes_without_cells(item.sealed.notes, texts_of(item.award)) for name, item in taken}
        known = found_before(refused)
        documents = await documents_of(rows, refused)
        results = [
            BatchRow(line=row.line, state="already-awarded", credential_id=known[row.line])
            if row.line in known
            else BatchRow(line=row.line, state="refused", problem=documents[row.line])
            if row.line in refused
            else BatchRow(line=row.line, state="checked", notes=notes[items[row.line].credential_id])
            for row in rows
        ]
        return BatchAnswer(
            batch_id=None,
            is_dry_run=True,
            is_complete=True,
            row_count=len(rows),
            accepted_count=0,
            refused_count=len(refused),
            already_awarded_count=len(known),
            read_as=reading.notes,
            rows=tuple(results),
        )


class IssueList:
    """Issues a list, chunk by chunk. After a crash its sender sends it again, and what is finished stays so."""

    def __init__(
        self,
        pool: Pool,
        unit_of_work: UnitOfWork,
        writer: LogWriter,
        *,
        rows: PrepareRows,
        issue: IssueCredential,
        answers: "ListAnswers",
        lists: ListsInHand,
        keystore: Keystore,
        metrics: AwardMetrics,
    ) -> None:
        self._pool = pool
        self._unit_of_work = unit_of_work
        self._writer = writer
        self._rows = rows
        self._issue = issue
        self._answers = answers
        self._lists = lists
        self._keystore = keystore
        self._metrics = metrics

    async def run(
        self,
        tenant: Tenant,
        rows: Sequence[ReadRow],
        keyed: KeyedRequest,
        *,
        reading: Reading = READ_AS_USUAL,
        api_key_id: ApiKeyId | None = None,
    ) -> BatchAnswer:
        """Issue what the rows award, chunk by chunk, and return a result for each row; what is done stays done.

        Raises `OtherRequestProblem` where the key belongs to another batch, and what `require_admitted` raises.
        """
        self._writer.check_followed()
        await self._writer.require_admitted(tenant)

        async def begin(connection: Connection) -> idempotency_records.StoredBatch:
            return await idempotency_records.begin_batch(
                connection,
                tenant.institution_id,
                batch_id=BatchId(str(uuid.uuid4())),
                key_fingerprint=keyed.key_fingerprint,
                request_fingerprint=keyed.request_fingerprint,
                row_count=len(rows),
                api_key_id=api_key_id,
                reading=reading_text(reading),
            )

        batch = await self._unit_of_work.in_transaction(begin)
        if batch.request_fingerprint != keyed.request_fingerprint:
            raise OtherRequestProblem(
                "The key was sent before, with another batch or by another API key; take a new key for a new batch"
            )
        rows = shuffled(without_repeated(rows, tenant.zone), _whose)
        passing: dict[int, dict[str, Any]] = {}
        refs = [row.award.learner.ref for row in rows if row.award is not None]
        with self._lists.hold(tenant.institution_id, refs) as erased:
            for start in range(0, len(rows), LIMITS.batch_chunk_rows):
                chunk = rows[start : start + LIMITS.batch_chunk_rows]
                passing |= await self._run_chunk(tenant, batch.batch_id, chunk, erased, api_key_id=api_key_id)
                self._writer.call_relay()
        return await self._answers.answer(batch, passing)

    async def _run_chunk(
        self,
        tenant: Tenant,
        batch_id: BatchId,
        chunk: Sequence[ReadRow],
        erased: Collection[str],
        *,
        api_key_id: ApiKeyId | None,
    ) -> dict[int, dict[str, Any]]:
        """Finish a chunk's rows in one transaction; return refusals that may be over later, which are not kept."""
        lines = [row.line for row in chunk]

        async def work(connection: Connection) -> dict[int, dict[str, Any]]:
            # (1) Alone at this batch, so that who sends it at the same time makes nothing; (2) what nobody has
            # finished; (3) documents for that; (4) its results with what it made.
            await idempotency_records.lock_batch(connection, batch_id)
            finished = {row.line for row in await idempotency_records.rows(connection, batch_id, lines)}
            todo = [row for row in chunk if row.line not in finished]
            if not todo:
                return {}
            items, refused = await self._rows.prepare(
                tenant, todo, self._writer.now(), api_key_id=api_key_id, connection=connection
            )
            refused |= _taken_out(items, erased)
            if items:
                by_id = (await self._issue.issue_many(connection, tenant, list(items.values()))).refused
                refused |= {
                    line: by_id[item.credential_id] for line, item in items.items() if item.credential_id in by_id
                }
            known = found_before(refused)
            documents = await documents_of(todo, refused)
            kept = {line: document for line, document in documents.items() if not may_pass(refused[line])}
            results = self._results(batch_id, items, {**refused, **known}, kept)
            results += [
                idempotency_records.StoredRow(line=line, credential_id=credential_id, is_repeated=True)
                for line, credential_id in known.items()
            ]
            await idempotency_records.add_rows(connection, batch_id, results)
            self._metrics.batch_rows.labels("accepted").inc(
                sum(row.credential_id is not None for row in results) - len(known)
            )
            self._metrics.batch_rows.labels("refused").inc(len(refused))
            self._metrics.batch_rows.labels("already-awarded").inc(len(known))
            return {line: document for line, document in documents.items() if may_pass(refused[line])}

        return await self._unit_of_work.in_transaction(work)

    def _results(
        self, batch_id: BatchId, items: dict[int, PreparedAward], others: Mapping[int, Any], kept: dict[int, Any]
    ) -> list[idempotency_records.StoredRow]:
        accepted = [
            idempotency_records.StoredRow(line=line, credential_id=item.credential_id)
            for line, item in items.items()
            if line not in others
        ]
        seal = self._keystore.seal
        final = [
            idempotency_records.StoredRow(
                line=line, sealed_problem=seal(_ENCODE(document), "problem", f"{batch_id}\n{line}")
            )
            for line, document in kept.items()
        ]
        return [*accepted, *final]


def _whose(row: ReadRow) -> bytes:
    return row.award.learner.ref.encode() if row.award is not None else b"%d" % row.line


def _taken_out(items: dict[int, PreparedAward], erased: Collection[str]) -> dict[int, Problem]:
    """Take awards of erased learners out, also of one who was erased while documents were made; return why, by line."""
    lines = [line for line, item in items.items() if item.award.learner.ref in erased]
    for line in lines:
        del items[line]
    return {line: LearnerErasedProblem("Nothing was issued for it") for line in lines}


def found_before(refused: dict[int, Problem]) -> dict[int, CredentialId]:
    """Take out of refusals the rows that were awarded before, and return their credentials by line."""
    known = {
        line: problem.credential_id for line, problem in refused.items() if isinstance(problem, AlreadyAwardedProblem)
    }
    for line in known:
        del refused[line]
    return known


async def documents_of(rows: Iterable[ReadRow], refused: Mapping[int, Problem]) -> dict[int, dict[str, Any]]:
    """Return by line why rows were refused, as it is answered and kept: it quotes nothing of the row.

    Others have their turn in between: a row may have ten thousand cells, or be a whole body.
    """
    turns, found = Turns(), {}
    for row in rows:
        if row.line in refused:
            make = partial(document_of, refused[row.line], row.record, is_csv=row.is_csv)
            found[row.line] = make() if len(row.record) <= LOOP_BYTES_MAX else await asyncio.to_thread(make)
            await turns.worked(len(row.record))
    return found


def accepted_row(
    line: int, credential_id: CredentialId | None, event_id: EventId | None, refusal: dict[str, Any] | None
) -> BatchRow:
    """Return what became of a row that was accepted here: `refused` where the log refused it for good, and why."""
    if refusal is None:
        return BatchRow(line=line, state="accepted", credential_id=credential_id, event_id=event_id)
    problem = refusal_of(refusal, credential_id)
    return BatchRow(line=line, state="refused", credential_id=credential_id, event_id=event_id, problem=problem)


class ListAnswers:
    """What became of lists that were answered at once."""

    def __init__(self, pool: Pool, keystore: Keystore) -> None:
        self._pool = pool
        self._keystore = keystore

    async def answer(
        self, batch: idempotency_records.StoredBatch, passing: dict[int, dict[str, Any]] | None = None
    ) -> BatchAnswer:
        """Return the results of a batch so far; `passing` are refusals that were not kept, because they may pass."""
        stored = await idempotency_records.rows(self._pool, batch.batch_id)
        rows = [self._batch_row(batch.batch_id, row) for row in stored]
        rows += [BatchRow(line=line, state="refused", problem=each) for line, each in (passing or {}).items()]
        return BatchAnswer(
            batch_id=batch.batch_id,
            is_dry_run=False,
            is_complete=len(stored) == batch.row_count,
            row_count=batch.row_count,
            accepted_count=sum(row.state == "accepted" for row in rows),
            refused_count=sum(row.state == "refused" for row in rows),
            already_awarded_count=sum(row.state == "already-awarded" for row in rows),
            published_count=await idempotency_records.count_published(self._pool, batch.batch_id),
            read_as=reading_of(batch.reading).notes,
            rows=tuple(sorted(rows, key=lambda row: row.line)),
        )

    def _batch_row(self, batch_id: BatchId, row: idempotency_records.StoredRow) -> BatchRow:
        if row.sealed_problem is None:
            if row.is_repeated:
                return BatchRow(line=row.line, state="already-awarded", credential_id=row.credential_id)
            return accepted_row(row.line, row.credential_id, row.event_id, row.refusal)
        problem = self._keystore.open(row.sealed_problem, "problem", f"{batch_id}\n{row.line}")
        return BatchRow(line=row.line, state="refused", problem=_DECODE_PROBLEM(problem))
