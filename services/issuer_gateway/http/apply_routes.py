"""Pages on which somebody applies for recognition, without an account: who takes applications, and the form."""

from typing import Any

from aiohttp import web

from services.edge import Form, RateLimitedProblem, annotate
from services.issuer_gateway.applications.apply import APPLICATION_PREFIX, TooManyApplicationsProblem
from services.issuer_gateway.applications.typed_application import body_of, faults_in, typed_application
from services.issuer_gateway.http.caller import GATEWAY, check_rate
from services.issuer_gateway.http.institution_routes import SlugPath
from services.issuer_gateway.http.once import secret_of_form
from services.issuer_gateway.http.people import (
    ONCE,
    asked_text,
    for_people,
    form_route,
    page_route,
    path_of,
    query_of,
    reader_of,
    see_other,
)
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.pages.application_pages import TYPED_FIELDS, ApplicationPages, FormFault
from services.issuer_gateway.store import tenants

APPLICATION_PAGES: web.AppKey[ApplicationPages] = web.AppKey("gateway_application_pages", ApplicationPages)
_FORM_BYTES_MAX = 12_582_912
_INSTITUTIONS_MAX = 500
_WRONG = 422


@for_people
async def show_who_recognises(request: web.Request) -> web.Response:
    """Show which institutions take applications for recognition, and towards what."""
    found = await tenants.institutions(request.app[GATEWAY].pool, words=(), after="", limit=_INSTITUTIONS_MAX)
    taking = [each for each in found if each.programmes]
    return request.app[APPLICATION_PAGES].institutions(taking, reader_of(request))


@for_people
async def show_application_form(request: web.Request) -> web.Response:
    """Show the form that applies to an institution; `programme` in the query chooses one."""
    slug = path_of(request, SlugPath).slug
    tenant = await institution_commands.tenant_of(request.app[GATEWAY].pool, slug)
    typed = {"programme": asked_text(request, "programme")}
    return request.app[APPLICATION_PAGES].form(tenant, reader_of(request), typed=typed)


@for_people
async def apply_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Take an application from the page's form and go to its own page; what is wrong is said above the form."""
    slug = path_of(request, SlugPath).slug
    gateway, pages, reader = request.app[GATEWAY], request.app[APPLICATION_PAGES], reader_of(request)
    tenant = await institution_commands.tenant_of(gateway.pool, slug)
    texts = {name: body.text(name) for name in TYPED_FIELDS}
    typed = typed_application(texts, body.every.get("files", ()), body.every.get("kept", ()))

    def again(faults: list[FormFault], status: int) -> web.Response:
        return pages.form(tenant, reader, typed=typed.texts, kept=typed.kept, faults=faults, status=status)

    if not tenant.programmes:
        return pages.form(tenant, reader, typed=typed.texts, status=_WRONG)
    if faults := faults_in(tenant, typed):
        return again(faults, _WRONG)
    try:
        check_rate(request)
        secret = secret_of_form(request, tenant.institution_id, body, APPLICATION_PREFIX)
        made = await gateway.recognition_applications.apply(tenant, body_of(tenant, typed), secret=secret)
    except (RateLimitedProblem, TooManyApplicationsProblem) as problem:
        annotate(request, problem=problem.slug)
        what = "wait" if isinstance(problem, RateLimitedProblem) else "full"
        return again([FormFault(field="", what=what)], problem.status)
    return see_other(f"../applications/{made.secret}{query_of(request)}")


_PATH = "/recognition/{slug}"
ROUTES: list[Any] = [
    page_route("/recognition", show_who_recognises, "Which institutions take applications for recognition"),
    page_route(
        _PATH,
        show_application_form,
        "The page on which one applies for recognition",
        description="`programme` chooses one of the institution's programmes.",
    ),
    form_route(
        _PATH,
        apply_by_form,
        "Apply for recognition on the institution's page",
        body_bytes_max=_FORM_BYTES_MAX,
        again=ONCE,
    ),
]
