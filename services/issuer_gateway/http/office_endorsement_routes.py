"""The office's page of endorsements: whom it invites to stand by its credentials, and by whose it stands itself."""

from typing import Any

import msgspec
from aiohttp import web

from proto import events
from proto.ids import CredentialId, parse_credential_id
from proto.located import located
from proto.problem import InvalidProblem, Problem
from proto.wire.own_statements import (
    EndorsementAnswer,
    EndorsementPage,
    EndorsementRequest,
    EndorserRequest,
    InvitationAnswer,
    InvitationPage,
)
from proto.wire.paths import EventPath
from services.edge import Form, annotate, decode_cursor, encode_cursor
from services.issuer_gateway.domain.statements import Withdrawal
from services.issuer_gateway.http.caller import GATEWAY
from services.issuer_gateway.http.office_routes import office_form, office_page, page_of
from services.issuer_gateway.http.office_session import (
    OFFICE_PAGES,
    SignedIn,
    check_scope,
    for_office,
    keep,
    signed_in,
)
from services.issuer_gateway.http.people import asked_text, path_of, query_of, root_of, see_other
from services.issuer_gateway.pages.office_pages import EndorsementsShown

_ROWS = 50
_SHOWN_MAX = 100
_MADE, _GOT = "office-invitations", "office-invitations-got"
_TEXTS = ("achievement", "endorser", "role", "credential", "own_role")
_FAULTS = {
    "achievement": "Write the address of an achievement of your own, as it is on the log",
    "endorser": "Write the DID of the other institution, such as did:web:college.example",
    "role": "Choose what the other institution stands for",
    "credential": "Write the id of a credential: 64 digits and letters a to f, or a link that ends in it",
    "own_role": "Choose what you stand for",
}


@for_office
async def show_endorsements(request: web.Request) -> web.Response:
    """Show invitations that were made and got, and who stands by one credential, with the forms that say it."""
    office = await signed_in(request)
    typed = {name: asked_text(request, name) for name in _TEXTS}
    problem: Problem | None = None
    try:
        credential_id = _credential_in(typed["credential"]) if typed["credential"] else None
    except InvalidProblem as error:
        annotate(request, problem=error.slug)
        credential_id, problem = None, error
    return keep(request, await _page(request, office, typed, credential_id, problem=problem), office.session)


async def _page(
    request: web.Request,
    office: SignedIn,
    typed: dict[str, str],
    credential_id: CredentialId | None = None,
    *,
    problem: Problem | None = None,
) -> web.Response:
    check_scope(office, "credentials:read")
    endorsements: list[EndorsementAnswer] = []
    if credential_id is not None:
        reader = request.app[GATEWAY].statement_reader
        endorsements = [each for _, each in await reader.endorsements(credential_id, before=None, limit=_SHOWN_MAX)]
    is_get = request.method in {"GET", "HEAD"}
    shown = EndorsementsShown(
        made=await _invitations(request, office, _MADE, "made" if is_get else ""),
        got=await _invitations(request, office, _GOT, "got" if is_get else ""),
        credential_id=credential_id,
        of_credential=EndorsementPage(endorsements=tuple(endorsements)),
        was_sent="sent" in request.query and is_get,
    )
    said: dict[str, Any] = {"fault": problem.sentence if problem else None, "field": _field(problem) if problem else ""}
    return request.app[OFFICE_PAGES].endorsements(page_of(request, office), shown, typed=typed, **said)


async def _invitations(request: web.Request, office: SignedIn, name: str, asked: str) -> InvitationPage:
    cursor = request.query.get(asked) if asked else None
    found: list[tuple[int, InvitationAnswer]] = await request.app[GATEWAY].statement_reader.invitations(
        office.tenant,
        are_received=name == _GOT,
        before=decode_cursor(name, cursor, int) if cursor else None,
        limit=_ROWS + 1,
    )
    more = encode_cursor(name, found[_ROWS - 1][0]) if len(found) > _ROWS else None
    return InvitationPage(invitations=tuple(each for _, each in found[:_ROWS]), next_cursor=more)


@for_office
async def invite_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Invite an institution, and go back to the page; what was not taken stands in the form again."""
    office = await signed_in(request, body)
    check_scope(office, "achievements:write")
    typed = {name: body.text(name).strip() for name in _TEXTS}
    try:
        said = _converted({name: typed[name] for name in ("achievement", "endorser", "role")}, EndorserRequest)
        await request.app[GATEWAY].make_statements.invite(office.tenant, said, office.once(request, body))
    except Problem as problem:
        annotate(request, problem=problem.slug)
        return keep(request, await _page(request, office, typed, problem=problem), office.session)
    return _back(request, office)


@for_office
async def endorse_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Stand by a credential, and go back to the page; what was not taken stands in the form again."""
    office = await signed_in(request, body)
    typed = {name: body.text(name).strip() for name in _TEXTS}
    try:
        credential_id = _credential_in(typed["credential"])
        said = _converted({"role": typed["own_role"]}, EndorsementRequest)
        await request.app[GATEWAY].make_statements.endorse(
            office.tenant, credential_id, said, office.once(request, body)
        )
    except Problem as problem:
        annotate(request, problem=problem.slug)
        return keep(request, await _page(request, office, typed, problem=problem), office.session)
    return _back(request, office, credential=credential_id)


@for_office
async def uninvite_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Withdraw an invitation, and with it what was endorsed by it."""
    office = await signed_in(request, body)
    check_scope(office, "achievements:write")
    return await _withdraw(request, office, events.EndorserUninvited, body)


@for_office
async def withdraw_endorsement_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Withdraw an endorsement."""
    office = await signed_in(request, body)
    return await _withdraw(request, office, events.EndorsementWithdrawn, body)


async def _withdraw(request: web.Request, office: SignedIn, kind: Withdrawal, body: Form) -> web.Response:
    path = path_of(request, EventPath)
    await request.app[GATEWAY].make_statements.withdraw(office.tenant, kind, path.event_id, office.once(request, body))
    return _back(request, office)


def _credential_in(text: str) -> CredentialId:
    """Return the credential id that somebody typed: itself in any letters, or at the end of a link."""
    try:
        return parse_credential_id(text.partition("?")[0].rstrip("/").rpartition("/")[2].lower())
    except InvalidProblem as error:
        raise InvalidProblem(_FAULTS["credential"], pointer="/credential") from error


def _converted(values: dict[str, str], kind: Any) -> Any:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        field = located(error).first_step
        field = "own_role" if kind is EndorsementRequest else field if field in _FAULTS else "achievement"
        raise InvalidProblem(_FAULTS[field], pointer=f"/{field}") from error


def _field(problem: Problem) -> str:
    return (problem.pointer or "").lstrip("/").split("/")[0]


def _back(request: web.Request, office: SignedIn, *, credential: str = "") -> web.Response:
    query = query_of(request)
    more = f"&credential={credential}" if credential else ""
    where = f"{root_of(request)}/office/endorsements{query}{'&' if query else '?'}sent=1{more}"
    return keep(request, see_other(where), office.session)


ROUTES = [
    office_page("/office/endorsements", show_endorsements, "Whom the office lets endorse, and what it endorses"),
    office_form("/office/endorsements", endorse_by_form, "Endorse a credential on a page"),
    office_form("/office/endorsers", invite_by_form, "Invite an institution to endorse on a page"),
    office_form("/office/endorsers/{event_id}/withdraw", uninvite_by_form, "Withdraw an invitation on a page"),
    office_form(
        "/office/endorsements/{event_id}/withdraw", withdraw_endorsement_by_form, "Withdraw an endorsement on a page"
    ),
]
