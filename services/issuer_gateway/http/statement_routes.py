"""Routes of what institutions say of each other's credentials and achievements: recognised, decided, endorsed."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto import events
from proto.event_fields import CredentialIdField, EventIdField
from proto.lifecycle import Refusal
from proto.problem import Problem
from proto.wire.gateway import EventAnswer, RecognitionRequest
from proto.wire.own_statements import (
    EndorsementPage,
    EndorsementRequest,
    EndorserRequest,
    InvitationPage,
    StandingDecisionPage,
    StandingDecisionRequest,
)
from proto.wire.paths import CredentialPath, EventPath
from services.edge import Reply, Route, decode_cursor, encode_cursor
from services.edge.route import Handler
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.credentials.change_credential import UnknownEventProblem
from services.issuer_gateway.domain.statements import Withdrawal
from services.issuer_gateway.http import examples
from services.issuer_gateway.http.caller import (
    GATEWAY,
    SAY_PROBLEMS,
    Caller,
    CursorText,
    PageLimit,
    PageQuery,
    event_reply,
    keyed_from,
)

_DECISIONS, _INVITATIONS, _ENDORSEMENTS = "standing-decisions", "endorsers", "endorsements"
_WITHDRAWN = {201: EventAnswer, 202: EventAnswer}
_WITHDRAW_PROBLEMS: tuple[type[Problem], ...] = (UnknownEventProblem, Refusal, *SAY_PROBLEMS)


class EndorsementPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An endorsement of a credential, by the event that made it."""

    credential_id: CredentialIdField
    event_id: EventIdField


class InvitationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which invitations: those that the institution made, or those that it got."""

    received: Annotated[bool, Meta(description="Invitations that this institution got from others")] = False
    cursor: CursorText | None = None
    limit: PageLimit = LIMITS.page_rows_default


async def recognise_credential(
    request: web.Request, *, body: RecognitionRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Recognise a credential."""
    keyed = keyed_from(request, principal, idempotency_key, raw)
    return event_reply(await request.app[GATEWAY].make_statements.recognise(principal.own, body, keyed))


async def make_standing_decision(
    request: web.Request, *, body: StandingDecisionRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Make a standing decision."""
    keyed = keyed_from(request, principal, idempotency_key, raw)
    return event_reply(await request.app[GATEWAY].make_statements.decide(principal.own, body, keyed))


async def invite_endorser(
    request: web.Request, *, body: EndorserRequest, raw: bytes, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Invite an institution to endorse."""
    keyed = keyed_from(request, principal, idempotency_key, raw)
    return event_reply(await request.app[GATEWAY].make_statements.invite(principal.own, body, keyed))


async def endorse_credential(
    request: web.Request,
    *,
    path: CredentialPath,
    body: EndorsementRequest,
    raw: bytes,
    principal: Caller,
    idempotency_key: str | None,
) -> Reply:
    """Endorse a credential."""
    keyed = keyed_from(request, principal, idempotency_key, raw)
    made = await request.app[GATEWAY].make_statements.endorse(principal.own, path.credential_id, body, keyed)
    return event_reply(made)


async def withdraw_recognition(
    request: web.Request, *, path: EventPath, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Withdraw a recognition."""
    return await _withdraw(request, path, principal, idempotency_key, events.RecognitionWithdrawn)


async def withdraw_standing_decision(
    request: web.Request, *, path: EventPath, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Withdraw a standing decision."""
    return await _withdraw(request, path, principal, idempotency_key, events.AchievementRecognitionWithdrawn)


async def uninvite_endorser(
    request: web.Request, *, path: EventPath, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Withdraw an invitation."""
    return await _withdraw(request, path, principal, idempotency_key, events.EndorserUninvited)


async def withdraw_endorsement(
    request: web.Request, *, path: EndorsementPath, principal: Caller, idempotency_key: str | None
) -> Reply:
    """Withdraw an endorsement."""
    named = EventPath(event_id=path.event_id)
    return await _withdraw(request, named, principal, idempotency_key, events.EndorsementWithdrawn)


async def _withdraw(
    request: web.Request, path: EventPath, principal: Caller, idempotency_key: str | None, kind: Withdrawal
) -> Reply:
    keyed = keyed_from(request, principal, idempotency_key)
    taken = await request.app[GATEWAY].make_statements.withdraw(principal.own, kind, path.event_id, keyed)
    return event_reply(taken)


async def list_standing_decisions(request: web.Request, *, query: PageQuery, principal: Caller) -> StandingDecisionPage:
    """Return the institution's standing decisions, the newest first."""
    gateway = request.app[GATEWAY]
    found = await gateway.statement_reader.decisions(
        principal.own, now=gateway.log_state.now(), before=_before(_DECISIONS, query.cursor), limit=query.limit + 1
    )
    shown = tuple(answer for _, answer in found[: query.limit])
    return StandingDecisionPage(standing_decisions=shown, next_cursor=_next(_DECISIONS, found, query.limit))


async def list_endorsers(request: web.Request, *, query: InvitationQuery, principal: Caller) -> InvitationPage:
    """Return the invitations to endorse that the institution made, or got."""
    found = await request.app[GATEWAY].statement_reader.invitations(
        principal.own,
        are_received=query.received,
        before=_before(_INVITATIONS, query.cursor),
        limit=query.limit + 1,
    )
    shown = tuple(answer for _, answer in found[: query.limit])
    return InvitationPage(invitations=shown, next_cursor=_next(_INVITATIONS, found, query.limit))


async def list_endorsements(
    request: web.Request, *, path: CredentialPath, query: PageQuery, principal: Caller
) -> EndorsementPage:
    """Return the endorsements of a credential, whosever it is."""
    assert principal.own, "the institution's key was asked for"
    found = await request.app[GATEWAY].statement_reader.endorsements(
        path.credential_id, before=_before(_ENDORSEMENTS, query.cursor), limit=query.limit + 1
    )
    shown = tuple(answer for _, answer in found[: query.limit])
    return EndorsementPage(endorsements=shown, next_cursor=_next(_ENDORSEMENTS, found, query.limit))


def _before(name: str, cursor: str | None) -> int | None:
    return decode_cursor(name, cursor, int) if cursor else None


def _next(name: str, found: Sequence[tuple[int, object]], limit: int) -> str | None:
    return encode_cursor(name, found[limit - 1][0]) if len(found) > limit else None


def _saying(path: str, handler: Handler, *, summary: str, request: type[msgspec.Struct], **more: Any) -> Route:
    """Return a route that says something on the log."""
    return Route(
        "POST",
        path,
        handler,
        summary=summary,
        request=request,
        response=_WITHDRAWN,
        problems=(Refusal, *SAY_PROBLEMS),
        auth="bearer",
        idempotency="optional",
        unique_keys=True,
        **more,
    )


def _withdrawing(path: str, handler: Handler, *, summary: str, **more: Any) -> Route:
    """Return a route that withdraws what was said."""
    return Route(
        "DELETE",
        path,
        handler,
        summary=summary,
        response=_WITHDRAWN,
        problems=_WITHDRAW_PROBLEMS,
        auth="bearer",
        idempotency="optional",
        **more,
    )


ROUTES = [
    _saying(
        "/v1/recognitions",
        recognise_credential,
        summary="Recognise a credential towards a programme",
        description="By rules version 2 once for each programme; `under` names an own standing decision that it "
        "follows, `replaces` an own recognition of the credential that it withdraws.",
        request=RecognitionRequest,
        scope="recognitions:write",
        tag="recognitions",
    ),
    _withdrawing(
        "/v1/recognitions/{event_id}",
        withdraw_recognition,
        summary="Withdraw a recognition",
        path_parameters=EventPath,
        scope="recognitions:write",
        tag="recognitions",
    ),
    _saying(
        "/v1/standing-decisions",
        make_standing_decision,
        summary="Decide once how an achievement of another institution counts",
        description="A decision that everybody may read and that each later recognition may follow (`under`). By rules "
        "version 2.",
        request=StandingDecisionRequest,
        examples=examples.STANDING_DECISION,
        scope="recognitions:write",
        tag="recognitions",
    ),
    Route(
        "GET",
        "/v1/standing-decisions",
        list_standing_decisions,
        summary="List the institution's standing decisions",
        query=PageQuery,
        response={200: StandingDecisionPage},
        auth="bearer",
        scope="credentials:read",
        tag="recognitions",
    ),
    _withdrawing(
        "/v1/standing-decisions/{event_id}",
        withdraw_standing_decision,
        summary="Withdraw a standing decision; what was recognised under it stays",
        path_parameters=EventPath,
        scope="recognitions:write",
        tag="recognitions",
    ),
    _saying(
        "/v1/endorsers",
        invite_endorser,
        summary="Invite an institution to endorse the credentials of an achievement",
        description="By rules version 2. Withdraw it to end it, and with it what was endorsed by it.",
        request=EndorserRequest,
        examples=examples.ENDORSER,
        scope="achievements:write",
        tag="endorsements",
    ),
    Route(
        "GET",
        "/v1/endorsers",
        list_endorsers,
        summary="List whom the institution invited to endorse, or who invited it",
        query=InvitationQuery,
        response={200: InvitationPage},
        auth="bearer",
        scope="credentials:read",
        tag="endorsements",
    ),
    _withdrawing(
        "/v1/endorsers/{event_id}",
        uninvite_endorser,
        summary="Withdraw an invitation to endorse",
        path_parameters=EventPath,
        scope="achievements:write",
        tag="endorsements",
    ),
    _saying(
        "/v1/credentials/{credential_id}/endorsements",
        endorse_credential,
        summary="Endorse a credential of an institution that has invited this one",
        path_parameters=CredentialPath,
        request=EndorsementRequest,
        scope="recognitions:write",
        tag="endorsements",
    ),
    Route(
        "GET",
        "/v1/credentials/{credential_id}/endorsements",
        list_endorsements,
        summary="List the endorsements of a credential",
        path_parameters=CredentialPath,
        query=PageQuery,
        response={200: EndorsementPage},
        auth="bearer",
        scope="credentials:read",
        tag="endorsements",
    ),
    _withdrawing(
        "/v1/credentials/{credential_id}/endorsements/{event_id}",
        withdraw_endorsement,
        summary="Withdraw an endorsement",
        path_parameters=EndorsementPath,
        scope="recognitions:write",
        tag="endorsements",
    ),
]
