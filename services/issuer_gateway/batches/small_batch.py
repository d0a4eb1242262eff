"""Batches: a list of awards, each row with a result of its own, continued where it stopped if it is sent again.

The results of a chunk of rows are committed with the events and documents that the rows made, so a row is either
unknown or finished; whoever sends the batch again under its key does only what is not finished.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

import msgspec

from proto.ids import CredentialId
from proto.lifecycle import Refusal
from proto.moment import Moment
from proto.problem import MalformedProblem, NotFoundProblem, Problem
from proto.tables.reading import READ_AS_USUAL, Reading
from proto.wire.gateway import BatchAnswer, BatchRow
from services.issuer_gateway.batches.row_problems import document_of, notes_without_cells, texts_of
from services.issuer_gateway.batches.rows import Row, with_fault
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.credentials.earlier_awards import (
    AlreadyAwardedProblem,
    content_of,
)
from services.issuer_gateway.credentials.issuance import (
    PreparedAward,
    decide_many,
    issue_many,
    prepare,
    unknown_achievement,
)
from services.issuer_gateway.credentials.row_faults import problem_of_row
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.service import Gateway, ListInHand
from services.issuer_gateway.store import achievements, idempotency_records
from services.issuer_gateway.store.batches import reading_of, reading_text
from services.issuer_gateway.unit_of_work.idempotency import KeyedRequest, OtherRequestProblem
from services.persistence.postgres import Connection, transaction

_ENCODE = msgspec.json.Encoder().encode
_ROWS_AT_A_TIME = 25
"""After so many rows of a batch, others get their turn."""
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


def without_repeated(rows: Sequence[Row], zone: tzinfo) -> list[Row]:
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


async def dry_run(
    gateway: Gateway, tenant: Tenant, rows: Sequence[Row], reading: Reading = READ_AS_USUAL
) -> BatchAnswer:
    """Check every row as issuing would, by the rules too, and store nothing; raises what `require_admitted` raises."""
    gateway.writer.check_followed()
    await gateway.writer.require_admitted(tenant)
    now = gateway.writer.now()
    items, refused = await prepare_rows(gateway, tenant, without_repeated(rows, tenant.zone), now, is_dry=True)
    async with transaction(gateway.pool) as connection:
        taken, by_id = await decide_many(gateway, connection, tenant, list(items.values()), now=now, is_dry=True)
    refused |= {line: by_id[item.credential_id] for line, item in items.items() if item.credential_id in by_id}
    notes = {item.credential_id: notes_without_cells(item.sealed.notes, texts_of(item.award)) for item in taken}
    known = found_before(refused)
    results = [
        BatchRow(line=row.line, state="already-awarded", credential_id=known[row.line])
        if row.line in known
        else BatchRow(line=row.line, state="refused", problem=problem_of(row, refused[row.line]))
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


async def run(
    gateway: Gateway,
    tenant: Tenant,
    rows: Sequence[Row],
    keyed: KeyedRequest,
    *,
    reading: Reading = READ_AS_USUAL,
    api_key_id: str | None = None,
) -> BatchAnswer:
    """Issue what the rows award, chunk by chunk, and return a result for each row; what is done stays done.

    Raises `OtherRequestProblem` where the key belongs to another batch, and what `require_admitted` raises.
    """
    gateway.writer.check_followed()
    await gateway.writer.require_admitted(tenant)

    async def begin(connection: Connection) -> idempotency_records.StoredBatch:
        return await idempotency_records.begin_batch(
            connection,
            tenant.institution_id,
            batch_id=str(uuid.uuid4()),
            key_fingerprint=keyed.key_fingerprint,
            request_fingerprint=keyed.request_fingerprint,
            row_count=len(rows),
            api_key_id=api_key_id,
            reading=reading_text(reading),
        )

    batch = await gateway.unit_of_work.in_transaction(begin)
    if batch.request_fingerprint != keyed.request_fingerprint:
        raise OtherRequestProblem(
            "The key was sent before, with another batch or by another API key; take a new key for a new batch"
        )
    rows = without_repeated(rows, tenant.zone)
    passing: dict[int, dict[str, Any]] = {}
    with _in_hand(gateway, tenant, rows) as erased:
        for start in range(0, len(rows), LIMITS.batch_chunk_rows):
            chunk = rows[start : start + LIMITS.batch_chunk_rows]
            passing |= await _run_chunk(gateway, tenant, batch.batch_id, _without_erased(chunk, erased), api_key_id)
            gateway.writer.call_relay()
    return await answer(gateway, batch, passing)


@contextlib.contextmanager
def _in_hand(gateway: Gateway, tenant: Tenant, rows: Sequence[Row]) -> Iterator[set[str]]:
    """Give the learners who are erased while a list is in hand, as they are; rows for them are not issued any more."""
    mine = ListInHand(refs=frozenset(row.award.learner.ref for row in rows if row.award is not None))
    lists = gateway.in_hand.setdefault(tenant.institution_id, [])
    lists.append(mine)
    try:
        yield mine.erased
    finally:
        lists.remove(mine)


def _without_erased(rows: Sequence[Row], erased: set[str]) -> list[Row]:
    """Return rows of which those for erased learners are refused."""
    return [
        msgspec.structs.replace(row, award=None, problem=LearnerErasedProblem("Nothing was issued for it"))
        if row.award is not None and row.award.learner.ref in erased
        else row
        for row in rows
    ]


async def _run_chunk(
    gateway: Gateway, tenant: Tenant, batch_id: str, chunk: Sequence[Row], api_key_id: str | None
) -> dict[int, dict[str, Any]]:
    """Finish a chunk's rows in one transaction; return refusals that may be over later, which are not kept."""

    async def work(connection: Connection) -> dict[int, dict[str, Any]]:
        # (1) Alone at this batch; (2) what is finished already; (3) the rest; (4) its results with what it made.
        await idempotency_records.lock_batch(connection, batch_id)
        finished = {
            row.line for row in await idempotency_records.rows(connection, batch_id, [row.line for row in chunk])
        }
        todo = [row for row in chunk if row.line not in finished]
        if not todo:
            return {}
        items, refused = await prepare_rows(gateway, tenant, todo, gateway.writer.now(), api_key_id=api_key_id)
        if items:
            by_id = (await issue_many(gateway, connection, tenant, list(items.values()))).refused
            refused |= {line: by_id[item.credential_id] for line, item in items.items() if item.credential_id in by_id}
        known = found_before(refused)
        documents = {row.line: problem_of(row, refused[row.line]) for row in todo if row.line in refused}
        kept = {line: document for line, document in documents.items() if not may_pass(refused[line])}
        results = _results(gateway, batch_id, items, {**refused, **known}, kept)
        results += [
            idempotency_records.StoredRow(line=line, credential_id=credential_id, is_repeated=True)
            for line, credential_id in known.items()
        ]
        await idempotency_records.add_rows(connection, batch_id, results)
        gateway.metrics.batch_rows.labels("accepted").inc(
            sum(row.credential_id is not None for row in results) - len(known)
        )
        gateway.metrics.batch_rows.labels("refused").inc(len(refused))
        gateway.metrics.batch_rows.labels("already-awarded").inc(len(known))
        return {line: document for line, document in documents.items() if may_pass(refused[line])}

    return await gateway.unit_of_work.in_transaction(work)


def found_before(refused: dict[int, Problem]) -> dict[int, CredentialId]:
    """Take out of refusals the rows that were awarded before, and return their credentials by line."""
    known = {
        line: problem.credential_id for line, problem in refused.items() if isinstance(problem, AlreadyAwardedProblem)
    }
    for line in known:
        del refused[line]
    return known


def may_pass(problem: Problem) -> bool:
    """Tell whether the same event may be admitted later."""
    return isinstance(problem, Refusal) and not problem.is_final


def problem_of(row: Row, problem: Problem) -> dict[str, Any]:
    """Return why a row was refused, as it is answered and kept: it quotes nothing of the row."""
    return document_of(problem, row.record, is_csv=row.is_csv)


def _results(
    gateway: Gateway, batch_id: str, items: dict[int, PreparedAward], others: Mapping[int, Any], kept: dict[int, Any]
) -> list[idempotency_records.StoredRow]:
    accepted = [
        idempotency_records.StoredRow(line=line, credential_id=item.credential_id)
        for line, item in items.items()
        if line not in others
    ]
    seal = gateway.keystore.seal
    final = [
        idempotency_records.StoredRow(
            line=line, sealed_problem=seal(_ENCODE(document), "problem", f"{batch_id}\n{line}")
        )
        for line, document in kept.items()
    ]
    return [*accepted, *final]


async def prepare_rows(
    gateway: Gateway,
    tenant: Tenant,
    rows: Sequence[Row],
    now: Moment,
    *,
    is_dry: bool = False,
    api_key_id: str | None = None,
) -> tuple[dict[int, PreparedAward], dict[int, Problem]]:
    """Return by line what is ready to be issued, and why the others are not; `is_dry` is for what is never stored."""
    stated = [award for row in rows if (award := row.award or row.rest) is not None]
    uris = [award.achievement for award in stated]
    known = await achievements.by_uris(gateway.pool, tenant.institution_id, uris)
    items: dict[int, PreparedAward] = {}
    refused: dict[int, Problem] = {}
    if not is_dry:
        await gateway.statuses.reserve(tenant, len(uris))
    for count, row in enumerate(rows):
        if count % _ROWS_AT_A_TIME == 0:
            await asyncio.sleep(0)
        if row.award is None:
            refused[row.line] = await _with_more(gateway, tenant, row, known, now)
        elif row.award.achievement not in known:
            refused[row.line] = unknown_achievement(row.award.achievement)
        else:
            try:
                achievement = known[row.award.achievement]
                items[row.line] = await prepare(
                    gateway, tenant, row.award, achievement, now=now, is_dry=is_dry, api_key_id=api_key_id
                )
            except Exception as error:  # noqa: BLE001 - whatever one row breaks, the others are issued
                refused[row.line] = problem_of_row(gateway, row.line, error)
    return items, refused


async def _with_more(
    gateway: Gateway,
    tenant: Tenant,
    row: Row,
    known: Mapping[str, achievements.StoredAchievement],
    now: Moment,
) -> Problem:
    """Return why a row cannot be read, with what would be wrong of its award besides."""
    problem = row.problem or MalformedProblem("The row cannot be read")
    if row.rest is None:
        return problem
    achievement = known.get(row.rest.achievement)
    if achievement is None:
        return with_fault(problem, unknown_achievement(row.rest.achievement))
    try:
        await prepare(gateway, tenant, row.rest, achievement, now=now, is_dry=True)
    except Problem as more:
        return with_fault(problem, more)
    except Exception:  # noqa: BLE001 - the row is refused already
        return problem
    return problem


async def answer(
    gateway: Gateway, batch: idempotency_records.StoredBatch, passing: dict[int, dict[str, Any]] | None = None
) -> BatchAnswer:
    """Return the results of a batch so far; `passing` are refusals that were not kept, because they may pass."""
    stored = await idempotency_records.rows(gateway.pool, batch.batch_id)
    rows = [_batch_row(gateway, batch.batch_id, row) for row in stored]
    rows += [BatchRow(line=line, state="refused", problem=each) for line, each in (passing or {}).items()]
    return BatchAnswer(
        batch_id=batch.batch_id,
        is_dry_run=False,
        is_complete=len(stored) == batch.row_count,
        row_count=batch.row_count,
        accepted_count=sum(row.state == "accepted" for row in rows),
        refused_count=sum(row.state == "refused" for row in rows),
        already_awarded_count=sum(row.state == "already-awarded" for row in rows),
        published_count=await idempotency_records.count_published(gateway.pool, batch.batch_id),
        read_as=reading_of(batch.reading).notes,
        rows=tuple(sorted(rows, key=lambda row: row.line)),
    )


def _batch_row(gateway: Gateway, batch_id: str, row: idempotency_records.StoredRow) -> BatchRow:
    if row.sealed_problem is None:
        if row.is_repeated:
            return BatchRow(line=row.line, state="already-awarded", credential_id=row.credential_id)
        return BatchRow(line=row.line, state="accepted", credential_id=row.credential_id, event_id=row.event_id)
    problem = gateway.keystore.open(row.sealed_problem, "problem", f"{batch_id}\n{row.line}")
    return BatchRow(line=row.line, state="refused", problem=_DECODE_PROBLEM(problem))
