"""Routes of how long an institution keeps what."""

import msgspec
from aiohttp import web

from proto.wire.retention import RetentionChange, RetentionRules
from services.edge import PreconditionProblem, Reply, Route, etag_of, require_match
from services.issuer_gateway.http.caller import GATEWAY, Caller
from services.issuer_gateway.learners.retention import amended


def _etag(rules: RetentionRules) -> str:
    return etag_of(msgspec.json.encode(rules))


async def read_retention(request: web.Request, *, principal: Caller) -> Reply:
    """Return the institution's rules."""
    found = await request.app[GATEWAY].retention.rules(principal.own)
    return Reply(found, etag=_etag(found))


async def change_retention(request: web.Request, *, body: RetentionRules, principal: Caller) -> Reply:
    """Put rules in place of those before; `If-Match` guards against another's change in between."""

    def anew(known: RetentionRules) -> RetentionRules:
        require_match(request, _etag(known))
        return body

    kept = await request.app[GATEWAY].retention.change(principal.own, anew)
    return Reply(kept, etag=_etag(kept))


async def amend_retention(request: web.Request, *, body: RetentionChange, principal: Caller) -> Reply:
    """Change the rules that are named, and no other."""
    kept = await request.app[GATEWAY].retention.change(principal.own, lambda known: amended(known, body))
    return Reply(kept, etag=_etag(kept))


ROUTES = [
    Route(
        "GET",
        "/v1/retention",
        read_retention,
        summary="Read how long the institution keeps what",
        response={200: RetentionRules},
        has_etag=True,
        auth="bearer",
        tag="audit trail",
    ),
    Route(
        "PUT",
        "/v1/retention",
        change_retention,
        summary="Say how long the institution keeps what",
        again="nothing changes, and the answer is how it stands",
        description="By achievement; what is sent takes the place of all rules before, also of those that somebody "
        "said meanwhile: send the ETag of what you have read as If-Match. Each hour is taken away what is kept no "
        "longer, as an erasure does it, and recorded in the audit trail. What is said here holds from the answer on.",
        request=RetentionRules,
        response={200: RetentionRules},
        has_etag=True,
        problems=(PreconditionProblem,),
        auth="bearer",
        scope="learners:erase",
        unique_keys=True,
        tag="audit trail",
    ),
    Route(
        "PATCH",
        "/v1/retention",
        amend_retention,
        summary="Change some of how long the institution keeps what",
        again="nothing changes, and the answer is how it stands",
        description="A rule takes the place of the one of the same achievement, and one without days takes it away; "
        "all others stay as they are, whoever changes them at the same time.",
        request=RetentionChange,
        response={200: RetentionRules},
        has_etag=True,
        auth="bearer",
        scope="learners:erase",
        unique_keys=True,
        tag="audit trail",
    ),
]
