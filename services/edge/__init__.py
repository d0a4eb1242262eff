"""What all services do at HTTP, once: routes, problems, limits, log, metrics, OpenAPI. Knows no service.

After a crash nothing of a request is left but its log line, if that was written: what was done is in the service's own
transaction, and who got no answer asks again.

A service describes its routes, and everything else follows from the description:

    class Thing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]

    class ThingPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        thing_id: Annotated[str, msgspec.Meta(pattern=ids.HEX_256_PATTERN)]

    async def change(request: web.Request, *, body: Thing, path: ThingPath, principal: Tenant) -> Reply:
        stored = await request.app[STORE].change(principal.did, path.thing_id, body)   # may raise a Problem
        return Reply(stored, status=200, etag=etag_of(stored.digest))

    ROUTES = [Route("PUT", "/v1/things/{thing_id}", change, summary="Change a thing", request=Thing,
                    path_parameters=ThingPath, response={200: Thing}, problems=(NoSuchThingProblem,),
                    auth="bearer", scope="things:write", tag="things")]

    app = make_app("gateway", ROUTES, config=config, log=Log("gateway", sys.stderr.buffer), version="0.2.0",
                   description="…", readiness={"database": database_answers}, authenticate=find_principal)
    app[STORE] = store                                    # or a cleanup_ctx that sets it
    await serve(app, host=config.host, port=config.port)  # until SIGINT or SIGTERM

Handlers take the request, then any of the keyword-only arguments that their route describes: `body`, `raw` (the bytes),
`query`, `path`, `principal`, `idempotency_key`; a mismatch is a `TypeError` at assembly, never a surprise in service.
They return a value (JSON, first status of `response`), a `Reply` (other status, headers, ETag with 304), `bytes`/`str`
for a `Media` answer, `html_page(…)`, a `LineWriter`'s `response`, or any aiohttp response. They raise `Problem`s; a
problem's attributes `headers` and `retry_after_seconds` become headers. Anything else is logged with its traceback
and answered 500 with nothing but the request id.

- Bodies: bounded in bytes (`body_bytes_max` of the route or the config; 413) and time; other media types and any
  compression are 415. `request=bytes` takes any bytes, `request=Form` an HTML form (of no fields where its
  handler names no `body`), `request_lines=T` NDJSON, read with
  `async for line in read_lines(request, line_bytes_max=…, line_count_max=…)`; each line is decoded with
  `decode_json(line.content, decoder, unique_keys=True)` a refused one answered with `problem_line(number, problem)`.
- `annotate(request, events=100)` adds to the request's log line; `app[LOG].event("published", size=…)` writes one.
- `app[REGISTRY]` is where the service registers its metrics (or pass `registry=`).
- `app[STOPPING]` (an `asyncio.Event`) is set when the service is told to stop: long polls wait for it too.
- `config` is a Struct that extends `EdgeConfig`; `services.settings` reads it from the environment.
- `RateLimit` may also be used by a service for limits of its own, and `encode_cursor`/`decode_cursor` for pages.
"""

from services.edge.address import RateLimit, TrustedProxies, rate_key
from services.edge.app import CONFIG, LOG, REGISTRY, TRACING, make_app
from services.edge.auth import Authenticate, Principal, token_hash
from services.edge.body import Line, read_chunks, read_lines
from services.edge.config import EdgeConfig, Port
from services.edge.cursor import decode_cursor, encode_cursor
from services.edge.decode import decode_json, decode_parameters, refuse_duplicate_keys
from services.edge.dispatch import Observe, annotate, client_address, request_id
from services.edge.every_fault import faults_in
from services.edge.form import Form
from services.edge.log import Log
from services.edge.operations import STOPPING, ReadinessCheck
from services.edge.pages import Templates
from services.edge.problems import (
    BodyTooLargeProblem,
    ForbiddenProblem,
    ListenFault,
    PreconditionProblem,
    RateLimitedProblem,
    UnauthenticatedProblem,
    parameter_problem,
    problem_line,
    problem_of_line,
    problem_response,
    retry_after,
)
from services.edge.reply import LineWriter, Reply, etag_of, html_page, matches_etag, require_match
from services.edge.route import Media, Route
from services.edge.serve import Address, listening, serve

__all__ = [
    "CONFIG",
    "LOG",
    "REGISTRY",
    "STOPPING",
    "TRACING",
    "Address",
    "Authenticate",
    "BodyTooLargeProblem",
    "EdgeConfig",
    "ForbiddenProblem",
    "Form",
    "Line",
    "LineWriter",
    "ListenFault",
    "Log",
    "Media",
    "Observe",
    "Port",
    "PreconditionProblem",
    "Principal",
    "RateLimit",
    "RateLimitedProblem",
    "ReadinessCheck",
    "Reply",
    "Route",
    "Templates",
    "TrustedProxies",
    "UnauthenticatedProblem",
    "annotate",
    "client_address",
    "decode_cursor",
    "decode_json",
    "decode_parameters",
    "encode_cursor",
    "etag_of",
    "faults_in",
    "html_page",
    "listening",
    "make_app",
    "matches_etag",
    "parameter_problem",
    "problem_line",
    "problem_of_line",
    "problem_response",
    "rate_key",
    "read_chunks",
    "read_lines",
    "refuse_duplicate_keys",
    "request_id",
    "require_match",
    "retry_after",
    "serve",
    "token_hash",
]
