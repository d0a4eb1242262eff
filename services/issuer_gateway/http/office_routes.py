"""Pages of the office: sign in, list applications, look at one, decide, see how the office decides. For people."""

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, get_args

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.ids import Did
from proto.located import located
from proto.problem import ConflictProblem, InvalidProblem, Problem
from proto.stacking import ects_of_text
from proto.wire.applications import ApplicationAnswer, DecisionBody, Precedent, ReasonCode
from proto.wire.content import Texts
from proto.wire.id_fields import Uuid
from services.edge import Form, Media, Route, annotate, decode_cursor, encode_cursor
from services.issuer_gateway.applications.rules import UnlikeCaseProblem
from services.issuer_gateway.domain.programmes import title_of
from services.issuer_gateway.http.application_routes import ApplicationPath, ItemPath, evidence_reply
from services.issuer_gateway.http.caller import GATEWAY, check_rate
from services.issuer_gateway.http.office_fields import CREDITS_FAULT, LEVEL_FAULT
from services.issuer_gateway.http.office_session import (
    OFFICE_PAGES,
    SignedIn,
    SignInProblem,
    end,
    for_office,
    keep,
    sign_in,
    signed_in,
)
from services.issuer_gateway.http.people import (
    FORM_BYTES_MAX,
    ONCE,
    PAGE,
    asked_text,
    form_route,
    level_in,
    page_route,
    path_of,
    query_of,
    reader_of,
    root_of,
    see_other,
)
from services.issuer_gateway.languages import DEFAULT
from services.issuer_gateway.pages.office_pages import PageOfOffice, TypedDecision
from services.issuer_gateway.store.applications import WantedApplications

_ROWS = 25
_CURSOR = "office-applications"
_REASONS: tuple[ReasonCode, ...] = get_args(ReasonCode)
_STATES = {"open": "open", "decided": "decided", "withdrawn": "withdrawn", "lapsed": "lapsed"}
_TEXTS = ("decision", "ects", "eqf_level", "text", "assessor", "despite", "despite_status", "despite_counted")
_FIELD_FAULTS = {
    "ects_hundredths": "At most 1000 credits can be counted",
    "eqf_level": LEVEL_FAULT,
    "text": "Say it in at most 4000 characters",
    "assessor": "Name whoever assessed it in at most 300 characters",
}
OFFICE_PAGE: dict[int, Any] = PAGE | {status: Media("text/html") for status in (401, 403)}


def page_of(request: web.Request, office: SignedIn, *, programmes: Mapping[str, Texts] | None = None) -> PageOfOffice:
    """Return how a page of the office is asked for; `programmes` are titles of those that are not its own to state."""
    return PageOfOffice(
        tenant=office.tenant,
        reader=reader_of(request),
        token=office.session.form_token,
        root=root_of(request),
        programmes=programmes or {},
    )


async def page_naming(
    request: web.Request,
    office: SignedIn,
    programmes: Iterable[tuple[Did, str]],
    *,
    known: Mapping[str, Texts] | None = None,
) -> PageOfOffice:
    """Return how a page is asked for that calls these programmes by their titles; may wait for a verifier.

    `known` are titles that need not be asked for.
    """
    others = {(did, uri) for did, uri in programmes if title_of(office.tenant, uri) is None}
    asked = await request.app[GATEWAY].programme_names.of(others)
    return page_of(request, office, programmes={**asked, **(known or {})})


@for_office
async def show_office(request: web.Request) -> web.Response:
    """Go to the list of applications, or show where one signs in."""
    await signed_in(request)
    return see_other(f"{root_of(request)}/office/applications{query_of(request)}")


@for_office
async def sign_in_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Sign in with an API key, and go to the page that was wanted."""
    root, then = root_of(request), body.text("then")
    is_ours = then.startswith(f"{root}/office/") and "//" not in then and then.isascii() and then.isprintable()
    then = then if is_ours else f"{root}/office/applications"
    check_rate(request)
    try:
        session = await sign_in(request, body.text("key").strip())
    except SignInProblem as problem:
        annotate(request, problem=problem.slug)
        return request.app[OFFICE_PAGES].sign_in(
            reader_of(request), root=root, then=then, fault=problem.what, status=problem.status
        )
    return keep(request, see_other(then + query_of(request)), session)


@for_office
async def sign_out_by_form(request: web.Request, *, body: Form) -> web.Response:
    """End the session, for every copy of its cookie."""
    office = await signed_in(request, body)
    return await end(request, see_other(f"{root_of(request)}/office{query_of(request)}"), office.session)


@for_office
async def show_office_applications(request: web.Request) -> web.Response:
    """Show applications, those that are due first, and what there is to do in numbers."""
    office, asked = await signed_in(request), request.query
    state = _STATES.get(asked.get("state", "open"))
    chosen = {
        "state": state or "all",
        "programme": asked_text(request, "programme"),
        "overdue": "1" if asked.get("overdue") else "",
        "appealed": "1" if asked.get("appealed") else "",
    }
    wanted = WantedApplications(
        state=msgspec.convert(state, Any),
        programme=chosen["programme"] or None,
        is_overdue=bool(chosen["overdue"]),
        is_appealed=bool(chosen["appealed"]),
    )
    cursor = asked.get("cursor")
    after = decode_cursor(_CURSOR, cursor, tuple[Annotated[datetime, Meta(tz=True)], Uuid]) if cursor else None
    gateway = request.app[GATEWAY]
    (found, more), numbers = await asyncio.gather(
        gateway.list_applications.page(office.tenant, wanted=wanted, after=after, limit=_ROWS),
        gateway.decide_applications.numbers(office.tenant),
    )
    page = request.app[OFFICE_PAGES].applications(
        page_of(request, office),
        found,
        numbers,
        wanted=chosen,
        more=encode_cursor(_CURSOR, more) if more else None,
    )
    return keep(request, page, office.session)


@for_office
async def show_office_application(request: web.Request) -> web.Response:
    """Show one application: its evidence as it was checked, how like cases were decided, and the forms that decide."""
    path, office = path_of(request, ApplicationPath), await signed_in(request)
    answer = await request.app[GATEWAY].decide_applications.get(office.tenant, path.application_id)
    page = await _application_page(request, office, answer)
    return keep(request, page, office.session)


async def _application_page(
    request: web.Request, office: SignedIn, answer: ApplicationAnswer, *, typed: TypedDecision | None = None
) -> web.Response:
    """Return the page of an application, with the programmes of precedents and of others called by their titles."""
    known = {
        each.programme: each.programme_title
        for item in answer.items
        for each in item.precedents
        if each.programme is not None and each.programme_title is not None
    }
    page = await page_naming(request, office, _programmes_in(answer), known=known)
    language, worded = page.reader.language.code, None
    if language != DEFAULT:
        worded = await request.app[GATEWAY].decide_applications.worded(office.tenant, answer, language)
    return request.app[OFFICE_PAGES].application(page, answer, typed=typed, worded=worded)


def _programmes_in(answer: ApplicationAnswer) -> Iterator[tuple[Did, str]]:
    """Yield the programmes of standing decisions that were told with its evidence, each with whose it is."""
    for item in answer.items:
        for made in item.answer.standing_decisions if item.answer else ():
            yield made.recogniser, made.programme


@for_office
async def save_office_evidence(request: web.Request) -> Any:
    """Return a piece of evidence as the file that it came as."""
    path, office = path_of(request, ItemPath), await signed_in(request)
    found = await request.app[GATEWAY].decide_applications.file(office.tenant, path.application_id, path.number)
    return evidence_reply(path, found)


@for_office
async def decide_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Decide on a piece of evidence and go back to its application; what was not taken stands in the form again."""
    path, office = path_of(request, ItemPath), await signed_in(request, body)
    decide = request.app[GATEWAY].decide_applications
    texts = {name: body.text(name).strip().replace("\r\n", "\n") for name in _TEXTS}
    reasons = tuple(code for code in _REASONS if body.text(f"reason-{code}"))
    try:
        said = _decision(texts, reasons)
        keyed, by = office.once(request, body), office.caller.api_key_id
        await decide.decide(office.tenant, path.application_id, path.number, said, keyed, by=by)
    except (InvalidProblem, ConflictProblem) as problem:
        annotate(request, problem=problem.slug)
        answer = await decide.get(office.tenant, path.application_id)
        typed = _typed_again(path.number, texts, reasons, problem)
        return await _application_page(request, office, answer, typed=typed)
    where = f"{root_of(request)}/office/applications/{path.application_id}{query_of(request)}"
    return keep(request, see_other(f"{where}#item-{path.number}"), office.session)


def _decision(texts: dict[str, str], reasons: tuple[ReasonCode, ...]) -> DecisionBody:
    """Return the decision that a form says; raises `InvalidProblem` with a pointer."""
    values: dict[str, Any] = {name: texts[name] for name in ("decision", "text", "assessor") if texts[name]}
    if not texts["decision"]:
        raise InvalidProblem("Choose in full, in part, or not recognised", pointer="/decision")
    if texts["ects"] and texts["decision"] != "refused":
        values["ects_hundredths"] = ects_of_text(texts["ects"])
        if values["ects_hundredths"] is None:
            raise InvalidProblem(CREDITS_FAULT, pointer="/ects_hundredths")
    if texts["eqf_level"] and texts["decision"] != "refused":
        values["eqf_level"] = level_in(texts["eqf_level"])
    values |= {"reasons": reasons, "despite_precedents": bool(texts["despite"])}
    values |= {name: bool(texts[name]) for name in ("despite_status", "despite_counted")}
    try:
        return msgspec.convert(values, DecisionBody)
    except msgspec.ValidationError as error:
        field = located(error).first_step
        said = _FIELD_FAULTS.get(field, "Choose in full, in part, or not recognised, and at most eight reasons")
        raise InvalidProblem(said, pointer=f"/{field if field in _FIELD_FAULTS else 'decision'}") from error


def _typed_again(
    number: int, texts: dict[str, str], reasons: tuple[ReasonCode, ...], problem: Problem
) -> TypedDecision:
    unlike: tuple[Precedent, ...] = ()
    if isinstance(problem, UnlikeCaseProblem):
        unlike = msgspec.convert(problem.members["precedents"], tuple[Precedent, ...])
    field = (problem.pointer or "").lstrip("/").replace("ects_hundredths", "ects")
    return TypedDecision(
        number=number, texts=texts, reasons=reasons, fault=problem.sentence, field=field, unlike=unlike
    )


@for_office
async def show_recognition_report(request: web.Request) -> web.Response:
    """Show how the office decides, like cases that it decided unlike, and where it takes applications."""
    office = await signed_in(request)
    report = await request.app[GATEWAY].decide_applications.report(office.tenant)
    named = await page_naming(request, office, ((office.tenant.did, each.programme) for each in report.unlike))
    page = request.app[OFFICE_PAGES].report(named, report)
    return keep(request, page, office.session)


def office_page(path: str, handler: Any, summary: str) -> Route:
    """Return the route of a page of the office."""
    return dataclasses.replace(page_route(path, handler, summary), response=OFFICE_PAGE)


def office_form(
    path: str, handler: Any, summary: str, *, body_bytes_max: int = FORM_BYTES_MAX, again: str = ONCE
) -> Route:
    """Return the route of a form of the office."""
    route = form_route(path, handler, summary, body_bytes_max=body_bytes_max, again=again)
    return dataclasses.replace(route, response={303: None, **OFFICE_PAGE})


ROUTES = [
    office_page("/office", show_office, "The office: sign in"),
    office_form(
        "/office/session",
        sign_in_by_form,
        "Sign in to the office with an API key",
        again="a session of its own begins",
    ),
    office_form("/office/session/end", sign_out_by_form, "Sign out of the office", again="nothing changes"),
    office_page("/office/applications", show_office_applications, "The office's list of applications for recognition"),
    office_page("/office/applications/{application_id}", show_office_application, "An application, to be decided"),
    Route(
        "GET",
        "/office/applications/{application_id}/items/{number}/file",
        save_office_evidence,
        summary="Save a piece of evidence from the office's page",
        response=OFFICE_PAGE | {200: Media("application/octet-stream", bytes)},
        tag="pages",
    ),
    office_form(
        "/office/applications/{application_id}/items/{number}",
        decide_by_form,
        "Decide on a piece of evidence on the office's page",
    ),
    office_page("/office/report", show_recognition_report, "How the office decides on recognition"),
]
