"""Routes of how long an institution keeps what."""

from aiohttp import web

from proto.wire.retention import RetentionRules
from services.edge import Route
from services.issuer_gateway.http.caller import GATEWAY, Caller


async def read_retention(request: web.Request, *, principal: Caller) -> RetentionRules:
    """Return the institution's rules."""
    return await request.app[GATEWAY].retention.rules(principal.own)


async def change_retention(request: web.Request, *, body: RetentionRules, principal: Caller) -> RetentionRules:
    """Put rules in place of those before."""
    return await request.app[GATEWAY].retention.change(principal.own, body)


ROUTES = [
    Route(
        "GET",
        "/v1/retention",
        read_retention,
        summary="Read how long the institution keeps what",
        response={200: RetentionRules},
        auth="bearer",
        tag="audit trail",
    ),
    Route(
        "PUT",
        "/v1/retention",
        change_retention,
        summary="Say how long the institution keeps what",
        description="By achievement; what is sent takes the place of all rules before. Each hour is taken away what "
        "is kept no longer, as an erasure does it, and recorded in the audit trail.",
        request=RetentionRules,
        response={200: RetentionRules},
        auth="bearer",
        scope="learners:erase",
        unique_keys=True,
        tag="audit trail",
    ),
]
