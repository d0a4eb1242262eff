"""The office's page of agreements: what counts at either institution, proposed, taken in, accepted, ended."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from proto.canonical import DECODE_ERRORS
from proto.documents.recognition_agreement import ConsentEnvelope
from proto.located import located
from proto.problem import InvalidProblem, Problem
from proto.stacking import ects_of_text
from proto.wire.agreements import AgreementRequest
from services.edge import Form, Media, Reply, Route, annotate
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.http.agreement_routes import DOCUMENT_BYTES_MAX, AgreementPath, page_of_agreements
from services.issuer_gateway.http.caller import GATEWAY
from services.issuer_gateway.http.office_fields import COUNTED_FAULTS
from services.issuer_gateway.http.office_routes import OFFICE_PAGE, office_form, office_page, page_naming
from services.issuer_gateway.http.office_session import OFFICE_PAGES, SignedIn, for_office, keep, signed_in
from services.issuer_gateway.http.people import asked_text, level_in, path_of, query_of, root_of, see_other

_ROWS = 50
_TEXTS = (
    "partner",
    "direction",
    "achievements",
    "isced_f",
    "eqf_level",
    "programme",
    "decision",
    "ects",
    "ects_min",
    "eqf_level_min",
    "total_max",
    "valid_until",
)
_CREDITS = {"ects": "ects_hundredths", "ects_min": "ects_hundredths_min", "total_max": "ects_hundredths_total_max"}
_FAULTS = {
    **COUNTED_FAULTS,
    "partner": "Write the DID of the other institution, such as did:web:college.example",
    "achievements": "Write the addresses of achievements, one in each line, as they are on the log; 64 at most",
    "isced_f": "A field of education is an ISCED-F code of two to four digits, such as 06 or 0532",
    "programme": "Write the address of a programme of the institution at which it counts",
    "total_max": "Write credits as a number such as 12, or leave it empty",
}


@for_office
async def show_agreements(request: web.Request) -> web.Response:
    """Show the institution's agreements, with the form that proposes one."""
    office = await signed_in(request)
    typed = {name: asked_text(request, name) for name in _TEXTS}
    return keep(request, await _page(request, office, typed, cursor=request.query.get("cursor")), office.session)


async def _page(
    request: web.Request,
    office: SignedIn,
    typed: Mapping[str, str],
    *,
    cursor: str | None = None,
    problem: Problem | None = None,
    field: str = "",
) -> web.Response:
    found = await page_of_agreements(request.app[GATEWAY], office.tenant, cursor, limit=_ROWS)
    uris = {uri for each in found.agreements for term in each.terms for uri in term.achievements}
    names = await request.app[GATEWAY].achievement_names.of(uris)
    said: dict[str, Any] = {"fault": problem.sentence if problem else None, "field": field}
    page = await page_naming(
        request, office, ((term.recogniser, term.programme) for each in found.agreements for term in each.terms)
    )
    return request.app[OFFICE_PAGES].agreements(page, found, typed=typed, names=names, **said)


@for_office
async def propose_agreement_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Propose an agreement of one term, and go back to the page; what was not taken stands in the form again."""
    office = await signed_in(request, body)
    texts = {name: body.text(name).strip().replace("\r\n", "\n") for name in _TEXTS}
    try:
        said = _request(office.tenant, texts)
        await request.app[GATEWAY].agreements.propose(office.tenant, said, office.once(request, body))
    except Problem as problem:
        annotate(request, problem=problem.slug)
        return await _page(request, office, texts, problem=problem, field=_field(problem))
    return _back(request, office)


def _field(problem: Problem) -> str:
    """Return the form's field that a pointer means."""
    name = next((part for part in (problem.pointer or "").split("/")[::-1] if part and not part.isdigit()), "")
    return {said: name for name, said in _CREDITS.items()}.get(name, name)


def _request(tenant: Tenant, texts: Mapping[str, str]) -> AgreementRequest:
    """Return the proposal that a form says; raises `InvalidProblem`, with a pointer."""
    parties = texts["partner"], str(tenant.did)
    awarded_by, recogniser = parties if texts["direction"] != "ours" else parties[::-1]
    term: dict[str, Any] = {
        "awarded_by": awarded_by,
        "recogniser": recogniser,
        "programme": texts["programme"],
        "achievements": texts["achievements"].split(),
        "decision": texts["decision"],
    }
    for name, field in _CREDITS.items():
        if texts[name]:
            term[field] = ects_of_text(texts[name])
            if term[field] is None:
                raise InvalidProblem(_FAULTS[name], pointer=f"/terms/0/{field}")
    term |= {name: level_in(texts[name]) for name in ("eqf_level", "eqf_level_min") if texts[name]}
    term |= {"isced_f": texts["isced_f"]} if texts["isced_f"] else {}
    body = {"partner": texts["partner"], "valid_until": texts["valid_until"], "terms": [term]}
    try:
        return msgspec.convert(body, AgreementRequest)
    except msgspec.ValidationError as error:
        named = next((step for step in located(error).steps if step in {*_FAULTS, *_CREDITS.values()}), "partner")
        shown = {said: name for name, said in _CREDITS.items()}.get(named, named)
        raise InvalidProblem(_FAULTS[shown], pointer=f"/{shown}") from error


@for_office
async def take_in_agreement_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Keep what another institution signed at its own gateway, from the file that it handed over."""
    office, content = await signed_in(request, body), body.fields.get("file", b"")
    try:
        try:
            envelope = msgspec.json.decode(content, type=ConsentEnvelope)
        except DECODE_ERRORS as error:
            raise InvalidProblem(
                "This file is no agreement: choose the one that the other institution saved and handed over",
                pointer="/file",
            ) from error
        await request.app[GATEWAY].agreements.take_in(office.tenant, envelope)
    except Problem as problem:
        annotate(request, problem=problem.slug)
        return await _page(request, office, dict.fromkeys(_TEXTS, ""), problem=problem, field="file")
    return _back(request, office)


@for_office
async def accept_agreement_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Accept what another institution has proposed."""
    path, office = path_of(request, AgreementPath), await signed_in(request, body)
    await request.app[GATEWAY].agreements.accept(office.tenant, path.named)
    return _back(request, office)


@for_office
async def end_agreement_by_form(request: web.Request, *, body: Form) -> web.Response:
    """End an agreement, decline it or take it back; what was decided by it stays."""
    path, office = path_of(request, AgreementPath), await signed_in(request, body)
    await request.app[GATEWAY].agreements.end(office.tenant, path.named)
    return _back(request, office)


@for_office
async def save_agreement(request: web.Request) -> Any:
    """Return what was signed last as a file for the other institution: the agreement, or what ends it."""
    path, office = path_of(request, AgreementPath), await signed_in(request)
    found = await request.app[GATEWAY].agreements.get(office.tenant, path.named)
    name = f"agreement-{path.agreement_id[:12]}{'-ended' if found.ending else ''}.json"
    return Reply(
        msgspec.json.encode(found.ending or found.document),
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _back(request: web.Request, office: SignedIn) -> web.Response:
    return keep(request, see_other(f"{root_of(request)}/office/agreements{query_of(request)}"), office.session)


ROUTES = [
    office_page("/office/agreements", show_agreements, "The office's agreements with other institutions"),
    office_form("/office/agreements", propose_agreement_by_form, "Propose an agreement on a page"),
    office_form(
        "/office/agreement-documents",
        take_in_agreement_by_form,
        "Take in a signed agreement on a page",
        body_bytes_max=DOCUMENT_BYTES_MAX,
    ),
    Route(
        "GET",
        "/office/agreements/{agreement_id}/document",
        save_agreement,
        summary="Save what was signed, for the other institution",
        response=OFFICE_PAGE | {200: Media("application/octet-stream", bytes)},
        tag="pages",
    ),
    office_form("/office/agreements/{agreement_id}/accept", accept_agreement_by_form, "Accept an agreement on a page"),
    office_form("/office/agreements/{agreement_id}/end", end_agreement_by_form, "End an agreement on a page"),
]
