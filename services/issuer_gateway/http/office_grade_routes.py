"""The office's page of grades: for which of them its standing decisions decide at once; tried out, said, taken away."""

from collections.abc import Mapping

import msgspec
from aiohttp import web

from proto.located import located
from proto.problem import InvalidProblem, Problem
from proto.sentence import Sentence
from proto.wire.grade_conditions import ConditionPlace, GradePreview, GradeTrial
from services.edge import Form, annotate
from services.issuer_gateway.http.caller import GATEWAY
from services.issuer_gateway.http.office_fields import AWARD_FAULTS
from services.issuer_gateway.http.office_routes import office_form, office_page, page_naming
from services.issuer_gateway.http.office_session import OFFICE_PAGES, SignedIn, for_office, keep, signed_in
from services.issuer_gateway.http.people import asked_text, query_of, root_of, see_other

_PLACE = ("achievement_issuer", "achievement", "programme")
_TEXTS = (*_PLACE, "grades", "least")
_FAULTS = {
    **AWARD_FAULTS,
    "grades": "Write each grade once, one in each line, the best first; 64 at most",
    "least": "Write one of the grades above as the last one that will do",
}


@for_office
async def show_grade_conditions(request: web.Request) -> web.Response:
    """Show for which grades standing decisions decide, and of one that is named the scale and what came."""
    office = await signed_in(request)
    typed = {name: asked_text(request, name) for name in _TEXTS}
    preview: GradePreview | None = None
    fault, field = None, ""
    if any(typed[name] for name in _PLACE):
        try:
            preview = await _tried(request, office, typed)
        except InvalidProblem as problem:
            annotate(request, problem=problem.slug)
            fault, field = problem.sentence, _field(problem)
    return keep(request, await _page(request, office, typed, preview, fault=fault, field=field), office.session)


@for_office
async def say_grades_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Try out what was typed, or keep it; what was not taken stands in the form again."""
    office = await signed_in(request, body)
    typed = {name: body.text(name).strip().replace("\r\n", "\n") for name in _TEXTS}
    try:
        trial = _trial(typed)
        if body.text("do") == "keep":
            condition = trial.condition()
            if condition is None:
                raise InvalidProblem(_FAULTS["grades"], pointer="/grades")
            await request.app[GATEWAY].grade_conditions.put(office.tenant, condition)
            return _back(request, office)
        preview = await request.app[GATEWAY].grade_conditions.preview(office.tenant, trial)
    except Problem as problem:
        annotate(request, problem=problem.slug)
        page = await _page(request, office, typed, None, fault=problem.sentence, field=_field(problem))
        return keep(request, page, office.session)
    return keep(request, await _page(request, office, _filled(typed, preview), preview), office.session)


@for_office
async def remove_grades_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Ask for no grades any more of one achievement and programme."""
    office = await signed_in(request, body)
    trial = _trial({name: body.text(name).strip() for name in _PLACE} | {"grades": "", "least": ""})
    place = ConditionPlace(**{name: getattr(trial, name) for name in _PLACE})
    await request.app[GATEWAY].grade_conditions.remove(office.tenant, place, office.once(request, body))
    return _back(request, office)


async def _tried(request: web.Request, office: SignedIn, typed: dict[str, str]) -> GradePreview:
    """Return what is known of an achievement that a link names; what holds, or its scale, goes into the form."""
    trial = _trial({name: typed[name] for name in _PLACE} | {"grades": "", "least": ""})
    preview = await request.app[GATEWAY].grade_conditions.preview(office.tenant, trial)
    typed |= _filled(typed, preview)
    return preview


def _filled(typed: Mapping[str, str], preview: GradePreview) -> dict[str, str]:
    """Return the form with the grades that hold, where none are typed; else with those of the scale, or that came."""
    if typed["grades"]:
        return dict(typed)
    held = (*preview.at_once, *preview.for_person)
    scale = next((each.grades for each in preview.scales if each.grades), ())
    came = tuple(each.grade for each in preview.seen if each.grade)
    return dict(typed) | {
        "grades": "\n".join(held or scale or came),
        "least": preview.at_once[-1] if preview.at_once else typed["least"],
    }


def _trial(typed: Mapping[str, str]) -> GradeTrial:
    """Return what a form says; raises `InvalidProblem`, with a pointer."""
    grades = [line.strip() for line in typed["grades"].split("\n") if line.strip()]
    if len(set(grades)) != len(grades) or (typed["least"] and not grades):
        raise InvalidProblem(_FAULTS["grades"], pointer="/grades")
    if grades and typed["least"] not in grades:
        raise InvalidProblem(_FAULTS["least"], pointer="/least")
    values = {name: typed[name] for name in _PLACE} | {"grades": grades, "least": typed["least"] or None}
    try:
        return msgspec.convert(values, GradeTrial)
    except msgspec.ValidationError as error:
        field = located(error).first_step
        field = field if field in _FAULTS else "grades"
        raise InvalidProblem(_FAULTS[field], pointer=f"/{field}") from error


def _field(problem: Problem) -> str:
    """Return the form's field that a pointer means."""
    return (problem.pointer or "").removeprefix("/").split("/")[0]


async def _page(
    request: web.Request,
    office: SignedIn,
    typed: Mapping[str, str],
    preview: GradePreview | None,
    *,
    fault: Sentence | None = None,
    field: str = "",
) -> web.Response:
    held = await request.app[GATEWAY].grade_conditions.listed(office.tenant)
    places = [each.programme for each in held.grade_conditions] + ([preview.place.programme] if preview else [])
    page = await page_naming(request, office, ((office.tenant.did, each) for each in places))
    return request.app[OFFICE_PAGES].grades(page, held, typed=typed, preview=preview, fault=fault, field=field)


def _back(request: web.Request, office: SignedIn) -> web.Response:
    return keep(request, see_other(f"{root_of(request)}/office/grade-conditions{query_of(request)}"), office.session)


ROUTES = [
    office_page("/office/grade-conditions", show_grade_conditions, "For which grades the office decides at once"),
    office_form("/office/grade-conditions", say_grades_by_form, "Try out or say for which grades on a page"),
    office_form("/office/grade-conditions/remove", remove_grades_by_form, "Ask for no grades any more on a page"),
]
