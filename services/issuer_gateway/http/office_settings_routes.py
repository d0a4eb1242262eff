"""The office's page of settings: within how many days it decides and is reminded, and towards which programmes."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from proto.fold import fold
from proto.located import located
from proto.problem import InvalidProblem, Problem
from proto.wire.institutions import Programme, SettingsRequest
from services.edge import Form, annotate
from services.issuer_gateway.domain.tenant import Tenant
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
from services.issuer_gateway.http.people import asked_text, query_of, root_of, see_other
from services.issuer_gateway.institutions import institution_settings
from services.persistence.postgres import Connection

_SCOPE = "achievements:write"
"""What an API key needs to change settings, here as by the API."""
_DAYS = ("decide_within_days", "remind_days_before")
_PROGRAMME = ("title", "address")
_FAULTS = {
    "decide_within_days": "Write a number of days from 1 to 3650, or leave it empty",
    "remind_days_before": "Write a number of days from 0 to 365",
    "time_zone": "Write a time zone as the IANA database has it, such as Europe/Amsterdam",
    "title": "Write what the programme is called, in at most 300 characters",
    "address": "Write the address of the programme, which begins with https://, or leave it empty",
}
_DIGITS_MAX = 6
_OF_NO_ADDRESS = re.compile(r"[^a-z0-9]+")
_ENDING_CHARACTERS_MAX = 60


@for_office
async def show_office_settings(request: web.Request) -> web.Response:
    """Show the settings that concern recognition, with the forms that change them."""
    office = await signed_in(request)
    page = _page(request, office, {name: asked_text(request, name) for name in _PROGRAMME})
    return keep(request, page, office.session)


def _page(
    request: web.Request, office: SignedIn, typed: Mapping[str, str], *, problem: Problem | None = None
) -> web.Response:
    """Return the page; what is not typed stands in its forms as it is set."""
    tenant, config = office.tenant, request.app[GATEWAY].config
    texts = {
        "decide_within_days": str(tenant.decide_within_days or ""),
        "remind_days_before": str(tenant.remind_days_before),
        "time_zone": tenant.time_zone or "",
        **dict.fromkeys(_PROGRAMME, ""),
    }
    said: dict[str, Any] = {"fault": problem.sentence if problem else None, "field": _field(problem) if problem else ""}
    return request.app[OFFICE_PAGES].settings(
        page_of(request, office),
        typed=texts | dict(typed),
        may_change=_SCOPE in office.caller.scopes,
        due_days=config.application_due_days,
        kept_days=config.application_kept_days,
        was_kept=problem is None and "kept" in request.query,
        **said,
    )


@for_office
async def change_office_settings_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Change days and time zone, and go back to the page; what was not taken stands in the form again."""
    office = await _signed_in_to_change(request, body)
    typed = {name: body.text(name).strip() for name in (*_DAYS, "time_zone")}
    try:
        said = _settings(office.tenant, typed)
        institution_settings.check_settings(office.tenant, said)
    except Problem as problem:
        annotate(request, problem=problem.slug)
        return keep(request, _page(request, office, typed, problem=problem), office.session)

    async def work(connection: Connection) -> Tenant:
        return await institution_settings.change_settings(connection, office.tenant, said)

    await request.app[GATEWAY].unit_of_work.in_transaction(work)
    return _back(request, office)


@for_office
async def name_programme_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Take applications towards a programme, or call one otherwise, and go back to the page."""
    office = await _signed_in_to_change(request, body)
    typed = {name: body.text(name).strip() for name in _PROGRAMME}
    try:
        programme = _programme(office.tenant, typed)
        institution_settings.check_programmes(office.tenant, [programme])

        async def work(connection: Connection) -> Tenant:
            return await institution_settings.put_programme(connection, office.tenant, programme)

        await request.app[GATEWAY].unit_of_work.in_transaction(work)
    except InvalidProblem as problem:
        annotate(request, problem=problem.slug)
        return keep(request, _page(request, office, typed, problem=problem), office.session)
    return _back(request, office)


@for_office
async def remove_programme_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Take no more applications towards a programme; those that wait stay."""
    office = await _signed_in_to_change(request, body)
    address = body.text("address")

    async def work(connection: Connection) -> Tenant:
        return await institution_settings.remove_programme(connection, office.tenant, address)

    await request.app[GATEWAY].unit_of_work.in_transaction(work)
    return _back(request, office)


async def _signed_in_to_change(request: web.Request, body: Form) -> SignedIn:
    office = await signed_in(request, body)
    check_scope(office, _SCOPE)
    return office


def _settings(tenant: Tenant, typed: Mapping[str, str]) -> SettingsRequest:
    """Return the settings that a form says; raises `InvalidProblem`, with a pointer."""
    values: dict[str, Any] = {name: _number_in(typed[name]) for name in _DAYS}
    if not typed["decide_within_days"]:
        values["decide_within_days"] = None
    if typed["time_zone"] or tenant.time_zone:
        values["time_zone"] = typed["time_zone"] or "UTC"
    try:
        return msgspec.convert(values, SettingsRequest)
    except msgspec.ValidationError as error:
        raise _wrong(located(error).first_step) from error


def _number_in(text: str) -> int | str:
    """Return the number that is typed; what is none comes back as it is, for its type to refuse."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX else text


def _programme(tenant: Tenant, typed: Mapping[str, str]) -> Programme:
    """Return the programme that a form names; without an address it gets one of the institution's, by its title."""
    ending = _OF_NO_ADDRESS.sub("-", fold(typed["title"]))[:_ENDING_CHARACTERS_MAX].strip("-")
    if typed["title"] and not typed["address"] and not ending:
        raise InvalidProblem(
            "No address can be made of this title: write one, in the letters a to z", pointer="/address"
        )
    uri = typed["address"] or f"{tenant.own_prefix}programmes/{ending}"
    try:
        return msgspec.convert({"title": typed["title"], "uri": uri}, Programme)
    except msgspec.ValidationError as error:
        raise _wrong(located(error).first_step.replace("uri", "address")) from error


def _wrong(field: str) -> InvalidProblem:
    return InvalidProblem(_FAULTS[field], pointer=f"/{field}")


def _field(problem: Problem) -> str:
    """Return the form's field that a pointer means."""
    return (problem.pointer or "").rpartition("/")[2].replace("uri", "address")


def _back(request: web.Request, office: SignedIn) -> web.Response:
    query = query_of(request)
    where = f"{root_of(request)}/office/settings{query}{'&' if query else '?'}kept=1"
    return keep(request, see_other(where), office.session)


_NOTHING = "nothing changes"
ROUTES = [
    office_page("/office/settings", show_office_settings, "The office's settings: days, reminders, programmes"),
    office_form(
        "/office/settings", change_office_settings_by_form, "Change the office's settings on a page", again=_NOTHING
    ),
    office_form(
        "/office/programmes", name_programme_by_form, "Take applications towards a programme on a page", again=_NOTHING
    ),
    office_form(
        "/office/programmes/remove",
        remove_programme_by_form,
        "Take no more applications towards a programme on a page",
        again=_NOTHING,
    ),
]
