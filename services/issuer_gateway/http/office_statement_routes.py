"""The office's page of standing decisions: how achievements of other institutions count for all, made and withdrawn."""

from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

from proto import events
from proto.located import located
from proto.problem import InvalidProblem, Problem
from proto.stacking import ects_of_text
from proto.wire.own_statements import StandingDecisionAnswer, StandingDecisionRequest
from proto.wire.paths import EventPath
from services.edge import Form, annotate, decode_cursor, encode_cursor
from services.issuer_gateway.http.caller import GATEWAY
from services.issuer_gateway.http.office_fields import AWARD_FAULTS, COUNTED_FAULTS
from services.issuer_gateway.http.office_routes import office_form, office_page, page_naming
from services.issuer_gateway.http.office_session import (
    OFFICE_PAGES,
    SignedIn,
    check_scope,
    for_office,
    keep,
    signed_in,
)
from services.issuer_gateway.http.people import asked_text, level_in, path_of, query_of, root_of, see_other
from services.issuer_gateway.pages.office_pages import PageOfOffice

_ROWS = 50
_CURSOR = "office-standing-decisions"
_TEXTS = (
    "achievement_issuer",
    "achievement",
    "programme",
    "decision",
    "ects",
    "eqf_level",
    "valid_until",
    "ects_min",
    "eqf_level_min",
)
_FAULTS = {**AWARD_FAULTS, **COUNTED_FAULTS}


@for_office
async def show_standing_decisions(request: web.Request) -> web.Response:
    """Show the institution's standing decisions, with the form that makes one."""
    office = await signed_in(request)
    typed = {name: asked_text(request, name) for name in _TEXTS}
    found, more = await _found(request, office, request.query.get("cursor"))
    shown = await _page(request, office, found)
    page = request.app[OFFICE_PAGES].standing_decisions(
        shown, found, typed=typed, more=more, was_sent="sent" in request.query
    )
    return keep(request, page, office.session)


async def _page(request: web.Request, office: SignedIn, found: Iterable[StandingDecisionAnswer]) -> PageOfOffice:
    return await page_naming(request, office, ((office.tenant.did, each.programme) for each in found))


async def _found(
    request: web.Request, office: SignedIn, cursor: str | None
) -> tuple[list[StandingDecisionAnswer], str | None]:
    check_scope(office, "credentials:read")
    gateway, before = request.app[GATEWAY], decode_cursor(_CURSOR, cursor, int) if cursor else None
    found = await gateway.statement_reader.decisions(
        office.tenant, now=gateway.log_state.now(), before=before, limit=_ROWS + 1
    )
    more = encode_cursor(_CURSOR, found[_ROWS - 1][0]) if len(found) > _ROWS else None
    return [answer for _, answer in found[:_ROWS]], more


@for_office
async def make_standing_decision_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Decide once for all, and go back to the page; what was not taken stands in the form again."""
    office = await signed_in(request, body)
    texts = {name: body.text(name).strip() for name in _TEXTS}
    try:
        said = _request(texts)
        await request.app[GATEWAY].make_statements.decide(office.tenant, said, office.once(request, body))
    except Problem as problem:
        annotate(request, problem=problem.slug)
        field, fault = (problem.pointer or "").lstrip("/"), problem.sentence
        found, more = await _found(request, office, None)
        shown = await _page(request, office, found)
        return request.app[OFFICE_PAGES].standing_decisions(
            shown, found, typed=texts, more=more, fault=fault, field=field
        )
    return keep(request, _back(request), office.session)


@for_office
async def withdraw_standing_decision_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Withdraw a standing decision; what was decided by it stays."""
    path, office = path_of(request, EventPath), await signed_in(request, body)
    kind = events.AchievementRecognitionWithdrawn
    await request.app[GATEWAY].make_statements.withdraw(office.tenant, kind, path.event_id, office.once(request, body))
    return keep(request, _back(request), office.session)


def _back(request: web.Request) -> web.Response:
    query = query_of(request)
    return see_other(f"{root_of(request)}/office/standing-decisions{query}{'&' if query else '?'}sent=1")


def _wrong(field: str) -> InvalidProblem:
    return InvalidProblem(_FAULTS[field], pointer=f"/{field}")


def _request(texts: dict[str, str]) -> StandingDecisionRequest:
    """Return the standing decision that a form says; raises `InvalidProblem`, with a pointer."""
    names = ("achievement_issuer", "achievement", "programme", "decision", "valid_until")
    values: dict[str, Any] = {name: texts[name] for name in names}
    for name, field in (("ects", "ects_hundredths"), ("ects_min", "ects_hundredths_min")):
        if texts[name] or name == "ects":
            values[field] = ects_of_text(texts[name])
            if values[field] is None:
                raise _wrong(name)
    values |= {name: level_in(texts[name]) for name in ("eqf_level", "eqf_level_min") if texts[name]}
    try:
        return msgspec.convert(values, StandingDecisionRequest)
    except msgspec.ValidationError as error:
        field = located(error).first_step.replace("ects_hundredths", "ects")
        raise _wrong(field if field in _FAULTS else "achievement") from error


ROUTES = [
    office_page("/office/standing-decisions", show_standing_decisions, "The office's standing decisions"),
    office_form("/office/standing-decisions", make_standing_decision_by_form, "Decide once for all on a page"),
    office_form(
        "/office/standing-decisions/{event_id}/withdraw",
        withdraw_standing_decision_by_form,
        "Withdraw a standing decision on a page",
    ),
]
