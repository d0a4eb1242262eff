"""Routes of the audit trail: its entries as JSON lines, and where its chain ends."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.audit_trail import AuditEntry
from proto.wire.audit import AuditTrailEnd
from services.edge import Media, Reply, Route
from services.issuer_gateway.http.caller import GATEWAY, Caller
from services.issuer_gateway.store import audit_trail

_ENTRIES_MAX = 1_000
_ENCODE = msgspec.json.Encoder(order="sorted").encode
_LINES = "application/x-ndjson"


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries: those behind a number."""

    after: Annotated[int, Meta(ge=0, le=2**53, description="The number of the last entry that is known")] = 0
    limit: Annotated[int, Meta(ge=1, le=_ENTRIES_MAX, description="Lines at most")] = _ENTRIES_MAX


async def read_audit_trail(request: web.Request, *, query: AuditQuery, principal: Caller) -> Reply:
    """Return entries of the institution's trail, or the operator's, in order."""
    found = await audit_trail.entries(
        request.app[GATEWAY].pool, principal.trail_id, after=query.after, limit=query.limit
    )
    lines = b"".join(_ENCODE(entry) + b"\n" for entry in found)
    return Reply(lines, headers={"Cache-Control": "no-store"})


async def read_audit_end(request: web.Request, *, principal: Caller) -> AuditTrailEnd:
    """Return where the trail ends now, and how much of its beginning retention has taken away."""
    trail_id = principal.trail_id
    found = (await audit_trail.chain_ends(request.app[GATEWAY].pool, [trail_id])).get(trail_id)
    if found is None:
        return AuditTrailEnd(number=0, hash="0" * 64, purged_number=0, purged_hash="0" * 64)
    return AuditTrailEnd(
        number=found.number, hash=found.hash, purged_number=found.purged_number, purged_hash=found.purged_hash
    )


ROUTES = [
    Route(
        "GET",
        "/v1/audit-trail",
        read_audit_trail,
        summary="Read the audit trail: who did what, from where, answered what",
        description="One entry a line, hash-chained; the next page is `after` the number of the last line. What was "
        "done a moment ago comes a second later. No entry names a learner. The operator's token reads the operator's.",
        query=AuditQuery,
        response={200: Media(_LINES, AuditEntry)},
        auth="bearer",
        scope="audit:read",
        tag="audit trail",
    ),
    Route(
        "GET",
        "/v1/audit-trail/end",
        read_audit_end,
        summary="Read where the audit trail ends",
        description="Whoever keeps what is answered here sees later whether entries were taken away.",
        response={200: AuditTrailEnd},
        auth="bearer",
        scope="audit:read",
        tag="audit trail",
    ),
]
