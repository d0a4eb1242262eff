"""Routes of batches: many awards, or changes, at once."""

import uuid
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from proto.lifecycle.refusals import UnknownIssuerRefusal
from proto.problem import BusyProblem, OutcomeUnknownProblem, Problem
from proto.tables.dialect import CsvProblem
from proto.tables.reading import READ_AS_USUAL
from proto.tables.records import BlankLinesProblem, RecordTooLongProblem
from proto.wire.batches import BATCH_ROWS_MAX, BatchAnswer
from services.edge import BodyTooLargeProblem, Reply, Route, annotate, read_chunks
from services.edge.body import hold, off_loop
from services.edge.media_type import media_type_of
from services.edge.route import Handler
from services.issuer_gateway.batches import batch_reader, batch_upload
from services.issuer_gateway.batches.rows import meant, rows_of, table_rows
from services.issuer_gateway.batches.workbooks.workbook import XLSX
from services.issuer_gateway.config import LIMITS, Config
from services.issuer_gateway.http.caller import GATEWAY, Caller, keyed_from, required_key
from services.issuer_gateway.http.list_queries import AWARD_SHAPES, CHANGE_SHAPES, AwardsQuery, BatchQuery
from services.issuer_gateway.log.log_state import LogNotFollowedProblem
from services.issuer_gateway.store import batches
from services.issuer_gateway.unit_of_work.idempotency import OtherRequestProblem

_BATCH_PROBLEMS: tuple[type[Problem], ...] = (
    CsvProblem,
    BlankLinesProblem,
    RecordTooLongProblem,
    batch_upload.TooManyRowsProblem,
    OtherRequestProblem,
    UnknownIssuerRefusal,
    LogNotFollowedProblem,
    BusyProblem,
    OutcomeUnknownProblem,
)


async def run_batch(
    request: web.Request, *, query: AwardsQuery, principal: Caller, idempotency_key: str | None
) -> BatchAnswer | Reply:
    """Issue what the rows award: at once where they are few, else in the background."""
    gateway = request.app[GATEWAY]
    reading = READ_AS_USUAL
    if not query.dry_run:
        required_key(idempotency_key)
    if media_type_of(request) == batch_upload.JSON_LIST:
        raw = await _whole(request)
        read = partial(rows_of, raw, batch_upload.JSON_LIST)
    else:
        upload = _upload(request, "awards", query, principal)
        held = await upload.receive(_chunks(request))
        if held is None:
            annotate(request, rows=upload.row_count, dry_run=query.dry_run)
            return await _in_background(request, upload, query, principal, idempotency_key)
        raw, reading = held, upload.reading
        read = partial(table_rows, upload.header, upload.records, reading)
    async with gateway.large_lists.turn(len(raw)):
        rows = await off_loop(request, len(raw), read)
        rows = meant(rows, on_repeat=query.on_repeat, may_revoke=principal.may_revoke)
        annotate(request, rows=len(rows), dry_run=query.dry_run)
        if query.dry_run:
            return await gateway.check_list.dry_run(principal.own, rows, reading)
        keyed = keyed_from(request, principal, idempotency_key, raw)
        assert keyed is not None, "it was asked for before"
        return await gateway.issue_list.run(
            principal.own, rows, keyed, reading=reading, api_key_id=principal.api_key_id
        )


async def change_batch(
    request: web.Request, *, query: BatchQuery, principal: Caller, idempotency_key: str | None
) -> BatchAnswer | Reply:
    """Make changes to credentials: a few are waited for."""
    if not query.dry_run:
        required_key(idempotency_key)
    upload = _upload(request, "changes", query, principal)
    await upload.receive(_chunks(request))
    annotate(request, rows=upload.row_count, dry_run=query.dry_run)
    return await _in_background(request, upload, query, principal, idempotency_key)


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes; of a workbook it counts as held, since it is read as a whole."""
    async for chunk in read_chunks(request):
        if media_type_of(request) == XLSX:
            hold(request, len(chunk))
        yield chunk


async def _whole(request: web.Request) -> bytes:
    """Return the body of a list, which has no records to be cut into."""
    held = bytearray()
    async for chunk in read_chunks(request):
        hold(request, len(chunk))
        held += chunk
        if len(held) > LIMITS.batch_held_bytes_max:
            raise BodyTooLargeProblem(LIMITS.batch_held_bytes_max)
    return bytes(held)


def _upload(request: web.Request, kind: batches.Kind, query: BatchQuery, caller: Caller) -> batch_upload.Upload:
    asked = batch_upload.Request(
        kind=kind,
        written=query.written(request),
        is_dry_run=query.dry_run,
        may_issue="credentials:issue" in caller.scopes,
        may_revoke=caller.may_revoke,
        on_repeat=query.on_repeat if isinstance(query, AwardsQuery) else None,
        api_key_id=caller.api_key_id,
        may_be_held=kind == "awards",
    )
    return request.app[GATEWAY].batch_uploads.begin(caller.own, asked)


async def _in_background(
    request: web.Request, upload: batch_upload.Upload, query: BatchQuery, caller: Caller, key: str | None
) -> Reply:
    """Hand a batch to the worker; 200 with the rows of a small one that is done in time, else 202."""
    gateway = request.app[GATEWAY]
    # A dry run and the real one may come under the same key; a dry run without one is a new one each time.
    keyed = keyed_from(
        request, caller, f"{key or uuid.uuid4()} (dry run)" if query.dry_run else required_key(key), upload.digest
    )
    assert keyed is not None, "there is a key"
    batch = await upload.finish(keyed)
    if batch.row_count <= BATCH_ROWS_MAX:
        batch = await gateway.batch_reader.finished(caller.own, batch)
    status = 200 if batch.is_over and batch.row_count <= BATCH_ROWS_MAX else 202
    answer = await gateway.batch_reader.answer(batch)
    return Reply(answer, status=status, headers={"Location": batch_reader.location(batch.batch_id)})


def _list_route(
    config: Config,
    path: str,
    handler: Handler,
    *,
    operation: str,
    summary: str,
    description: str,
    shapes: Mapping[str, Any],
    query: type[BatchQuery],
    scope: str,
) -> Route:
    """Return the route of a list, whose body is read as it comes."""
    return Route(
        "POST",
        path,
        handler,
        operation=operation,
        summary=summary,
        description=description,
        request=bytes,
        request_media=tuple(shapes),
        request_shapes=shapes,
        query=query,
        response={200: BatchAnswer, 202: BatchAnswer},
        problems=_BATCH_PROBLEMS,
        auth="bearer",
        scope=scope,
        idempotency="optional",
        body_bytes_max=config.batch_bytes_max,
        body_timeout_seconds=config.batch_upload_seconds_max,
        streamed=True,
        tag="batches",
    )


def routes(config: Config) -> list[Route]:
    """Return the routes, with the bounds of their bodies as configured."""
    return [
        _list_route(
            config,
            "/v1/batches",
            run_batch,
            operation="issue_batch",
            summary="Issue a list of awards",
            description="CSV, XLSX or NDJSON of up to 100,000 rows, or a JSON list of up to 1,000. Each row has its "
            "own result. An Idempotency-Key is needed but for a dry run. Up to 1,000 rows are answered at once (sent "
            "again under the same key, it goes on where it stopped); more are worked on in the background, over "
            "restarts too: 202, and Location says where to ask.",
            shapes=AWARD_SHAPES,
            query=AwardsQuery,
            scope="credentials:issue",
        ),
        _list_route(
            config,
            "/v1/batches/changes",
            change_batch,
            operation="change_batch",
            summary="Revoke, suspend, reinstate and reissue a list of credentials",
            description="CSV with the columns action, credential_id, reason, effective_at, replaced_by and, to "
            "reissue, those of an award; or NDJSON. A reissue needs the scope credentials:issue too.",
            shapes=CHANGE_SHAPES,
            query=BatchQuery,
            scope="credentials:revoke",
        ),
    ]
