"""The feed of reminders that an office asks for now and then."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.wire.reminders import ReminderPage
from services.edge import Route
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.http.caller import GATEWAY, Caller, PageLimit
from services.issuer_gateway.store import reminders


class ReminderQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which reminders: those behind a number."""

    after: Annotated[int, Meta(ge=0, le=2**53, description="`next_after` of the answer before")] = 0
    limit: PageLimit = LIMITS.page_rows_default


async def read_reminders(request: web.Request, *, query: ReminderQuery, principal: Caller) -> ReminderPage:
    """Return what the office is reminded of."""
    found = await reminders.page(
        request.app[GATEWAY].pool, principal.own.institution_id, after=query.after, limit=query.limit
    )
    return ReminderPage(reminders=tuple(found), next_after=found[-1].reminder_id if found else query.after)


ROUTES = [
    Route(
        "GET",
        "/v1/reminders",
        read_reminders,
        summary="Read what the office is reminded of: applications that are due soon, or overdue",
        description="Ask again with `next_after` now and then: each comes once, in order, and none of what was decided "
        "meanwhile.",
        query=ReminderQuery,
        response={200: ReminderPage},
        auth="bearer",
        scope="recognitions:write",
        tag="recognitions",
    ),
]
