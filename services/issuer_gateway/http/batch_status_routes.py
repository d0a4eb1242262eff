"""Routes of batches that were sent: which there are, how far each is, its rows, and its end. They send nothing new."""

import time
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.wire.batches import BatchAnswer, BatchEvent, BatchPage, BatchRow
from proto.wire.id_fields import Uuid
from services.edge import STOPPING, ForbiddenProblem, LineWriter, Media, Route, decode_cursor, encode_cursor
from services.edge.reply import UNBUFFERED
from services.edge.route import Handler
from services.issuer_gateway.batches import small_batch
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.http.caller import GATEWAY, Caller, PageQuery
from services.issuer_gateway.http.list_queries import BatchPath, RowsQuery
from services.issuer_gateway.links.claim_commands import READ_SCOPE

_LIST = "batches"


async def list_batches(request: web.Request, *, query: PageQuery, principal: Caller) -> BatchPage:
    """Return the institution's batches, the newest first."""
    before = None
    if query.cursor:
        before = decode_cursor(_LIST, query.cursor, tuple[Annotated[datetime, Meta(tz=True)], Uuid])
    found = await request.app[GATEWAY].batch_reader.listed(principal.own, before=before, limit=query.limit + 1)
    shown = found[: query.limit]
    last = (shown[-1][0], shown[-1][1].batch_id) if len(found) > len(shown) else None
    return BatchPage(
        batches=tuple(batch for _, batch in shown), next_cursor=encode_cursor(_LIST, last) if last else None
    )


async def read_batch(request: web.Request, *, path: BatchPath, principal: Caller) -> BatchAnswer:
    """Return how far a batch is."""
    gateway = request.app[GATEWAY]
    return await gateway.batch_reader.answer(await gateway.batch_reader.own(principal.own, path.batch_id))


async def read_rows(
    request: web.Request, *, path: BatchPath, query: RowsQuery, principal: Caller
) -> web.StreamResponse:
    """Send the results of a batch's rows, as many as there are so far."""
    gateway = request.app[GATEWAY]
    batch = await gateway.batch_reader.own(principal.own, path.batch_id)
    async with LineWriter(request) as lines:
        async for row in gateway.batch_reader.rows_of(batch, after=query.after, limit=query.limit):
            await lines.write(row)
    return lines.response


async def follow_batch(request: web.Request, *, path: BatchPath, principal: Caller) -> web.StreamResponse:
    """Send how far a batch is whenever that changes, until nothing more happens to it."""
    gateway = request.app[GATEWAY]
    batch = await gateway.batch_reader.own(principal.own, path.batch_id)
    headers = {**UNBUFFERED, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    sent, quiet_since = None, time.monotonic()
    while not request.app[STOPPING].is_set():
        progress = await gateway.batch_reader.progress(batch)
        if progress != sent:
            await response.write(b"event: progress\ndata: " + msgspec.json.encode(progress) + b"\n\n")
            sent, quiet_since = progress, time.monotonic()
        elif time.monotonic() - quiet_since > LIMITS.stream_silence_seconds:
            await response.write(b": still here\n\n")
            quiet_since = time.monotonic()
        if progress.is_over:
            await response.write(b"event: end\ndata: {}\n\n")
            break
        await gateway.batch_reader.moved(LIMITS.stream_pause_seconds)
        batch = await gateway.batch_reader.own(principal.own, path.batch_id)
    await response.write_eof()
    return response


async def cancel_batch(request: web.Request, *, path: BatchPath, principal: Caller) -> BatchAnswer:
    """Stop a batch; whoever may send one of its kind may, another key's with the scope `credentials:read` alone."""
    gateway = request.app[GATEWAY]
    batch = await gateway.batch_reader.own(principal.own, path.batch_id)
    scope = "credentials:issue" if batch.kind == "awards" else "credentials:revoke"
    if scope not in principal.scopes:
        raise ForbiddenProblem(f"The API key has not the scope {scope}, which this batch was sent with")
    if batch.api_key_id != principal.api_key_id and READ_SCOPE not in principal.scopes:
        raise ForbiddenProblem(
            "Another API key sent this batch. Cancel it with that key, or with one that has the scope "
            "`credentials:read` as well",
            scope=READ_SCOPE,
        )
    return await gateway.batch_reader.answer(await gateway.batch_reader.cancel(principal.own, path.batch_id))


def _batch_route(
    method: Literal["GET", "DELETE"], end: str, handler: Handler, summary: str, response: dict[int, Any], **fields: Any
) -> Route:
    values = {"scope": "credentials:read"} | fields
    return Route(
        method,
        f"/v1/batches/{{batch_id}}{end}",
        handler,
        summary=summary,
        path_parameters=BatchPath,
        response=response,
        problems=(small_batch.UnknownBatchProblem,),
        auth="bearer",
        tag="batches",
        **values,
    )


ROUTES = [
    Route(
        "GET",
        "/v1/batches",
        list_batches,
        summary="List the batches that were sent",
        query=PageQuery,
        response={200: BatchPage},
        auth="bearer",
        scope="credentials:read",
        tag="batches",
    ),
    _batch_route("GET", "", read_batch, "Read how far a batch is", {200: BatchAnswer}),
    _batch_route(
        "GET",
        "/rows",
        read_rows,
        "Read the results of a batch's rows, one a line",
        {200: Media("application/x-ndjson", BatchRow)},
        query=RowsQuery,
    ),
    _batch_route(
        "GET",
        "/events",
        follow_batch,
        "Follow a batch as server-sent events",
        {200: Media("text/event-stream", BatchEvent)},
    ),
    _batch_route(
        "DELETE",
        "",
        cancel_batch,
        "Cancel a batch",
        {200: BatchAnswer},
        scope="credentials:issue",
        again="nothing changes, and the answer is how it stands",
    ),
]
