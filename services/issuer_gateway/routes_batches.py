"""Routes of batches and of imports: many awards at once, and documents of other systems."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.awards_csv import CsvProblem
from proto.canonical import decode_json
from proto.credential import LearnerRef
from proto.lifecycle import Refusal
from proto.open_badge_claims import NotAnOpenBadgeProblem
from proto.wire.gateway import BatchAnswer, CredentialAnswer, Uuid
from services.edge import Reply, Route, annotate
from services.issuer_gateway import batching, importing
from services.issuer_gateway.config import Config
from services.issuer_gateway.once import OtherRequestProblem
from services.issuer_gateway.routes import GATEWAY, SAY_PROBLEMS, Caller, once_from
from services.issuer_gateway.routes_credentials import credential_reply
from services.issuer_gateway.saying import LogNotFollowedProblem

_BATCH_MEDIA = ("text/csv", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json")


class BatchPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch by its id."""

    batch_id: Uuid


class BatchQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether only to check."""

    dry_run: Annotated[bool, Meta(description="Check every row and issue nothing")] = False


class ImportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose the imported document is."""

    learner_ref: Annotated[LearnerRef, Meta(description="The institution's own name for the learner")] | None = None


async def run_batch(
    request: web.Request, *, raw: bytes, query: BatchQuery, principal: Caller, idempotency_key: str
) -> BatchAnswer:
    """Issue what the rows award."""
    gateway = request.app[GATEWAY]
    rows = batching.rows_of(raw, request.content_type)
    annotate(request, rows=len(rows), dry_run=query.dry_run)
    if query.dry_run:
        return await batching.dry_run(gateway, principal.own, rows)
    once = once_from(request, principal, idempotency_key, raw)
    assert once is not None, "the route asks for an Idempotency-Key"
    return await batching.run(gateway, principal.own, rows, once)


async def read_batch(request: web.Request, *, path: BatchPath, principal: Caller) -> BatchAnswer:
    """Return the results of a batch so far."""
    gateway = request.app[GATEWAY]
    return await batching.answer(gateway, await batching.own_batch(gateway, principal.own, path.batch_id))


async def import_open_badge(
    request: web.Request, *, raw: bytes, query: ImportQuery, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Issue what an Open Badges document says."""
    document = decode_json(raw, bytes_max=request.app[GATEWAY].config.import_bytes_max)
    once = once_from(request, principal, idempotency_key, raw)
    _, issue = await importing.import_document(
        request.app[GATEWAY], principal.own, document, learner_ref=query.learner_ref, once=once
    )
    return await credential_reply(request, principal, issue)


def routes(config: Config) -> list[Route]:
    """Return the routes, with the bounds of their bodies as configured."""
    return [
        Route(
            "POST",
            "/v1/batches",
            run_batch,
            summary="Issue a list of awards",
            description="CSV, NDJSON or a JSON list of at most 1,000 rows. Each row has its own result. Sent again "
            "under the same key, it goes on where it stopped.",
            request=bytes,
            request_media=_BATCH_MEDIA,
            query=BatchQuery,
            response={200: BatchAnswer},
            problems=(CsvProblem, batching.TooManyRowsProblem, OtherRequestProblem, LogNotFollowedProblem),
            auth="bearer",
            scope="credentials:issue",
            idempotency="required",
            body_bytes_max=config.batch_bytes_max,
            tag="batches",
        ),
        Route(
            "GET",
            "/v1/batches/{batch_id}",
            read_batch,
            summary="Read the results of a batch",
            path_parameters=BatchPath,
            response={200: BatchAnswer},
            problems=(batching.UnknownBatchProblem,),
            auth="bearer",
            scope="credentials:read",
            tag="batches",
        ),
        Route(
            "POST",
            "/v1/imports/open-badges",
            import_open_badge,
            summary="Import an Open Badges 3.0 document",
            description="Its achievement is described if it is not, and a credential of ours is issued. The same "
            "document again gives the same credential; what has no place here is listed in `unmapped`.",
            request=bytes,
            request_media=("application/json", "application/ld+json", "application/vc", "application/vc+ld+json"),
            query=ImportQuery,
            response={201: CredentialAnswer, 202: CredentialAnswer},
            problems=(NotAnOpenBadgeProblem, Refusal, *SAY_PROBLEMS),
            auth="bearer",
            scope="credentials:issue",
            idempotency="optional",
            body_bytes_max=config.import_bytes_max,
            tag="batches",
        ),
    ]
