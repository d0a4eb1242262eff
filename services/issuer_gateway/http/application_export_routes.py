"""Routes of what is kept of an applicant: saved as one ZIP, and whose learner the applicant is."""

import asyncio

import msgspec
from aiohttp import web

from proto.problem import InvalidProblem
from proto.wire.applications import ApplicationAnswer, WhoseApplication
from services.edge import Form, Media, Reply, Route
from services.issuer_gateway.applications import apply, rules
from services.issuer_gateway.applications.export_applications import zipped
from services.issuer_gateway.http.application_routes import ApplicationPath, LinkPath
from services.issuer_gateway.http.caller import GATEWAY, Caller
from services.issuer_gateway.http.office_routes import office_form
from services.issuer_gateway.http.office_session import for_office, keep, signed_in
from services.issuer_gateway.http.paper_routes import file_headers
from services.issuer_gateway.http.people import path_of, query_of, root_of, see_other

_PROBLEMS = (apply.UnknownApplicationProblem, rules.ApplicationClosedProblem)
_ZIP = {200: Media("application/zip", bytes)}


async def export_application_by_link(request: web.Request, *, path: LinkPath) -> Reply:
    """Return what is kept of an application to its applicant."""
    gateway = request.app[GATEWAY]
    now = gateway.log_state.now()
    files = await gateway.export_applications.by_secret(path.secret, now=now)
    return Reply(await asyncio.to_thread(zipped, files), headers=file_headers(f"application-{now[:10]}.zip"))


async def export_application(request: web.Request, *, path: ApplicationPath, principal: Caller) -> Reply:
    """Return the same to the institution, which answers whoever asks it what it keeps."""
    gateway = request.app[GATEWAY]
    files = await gateway.export_applications.by_id(principal.own, path.application_id, now=gateway.log_state.now())
    return Reply(
        await asyncio.to_thread(zipped, files), headers=file_headers(f"application-{path.application_id[:8]}.zip")
    )


async def say_whose_application(
    request: web.Request, *, path: ApplicationPath, body: WhoseApplication, principal: Caller
) -> ApplicationAnswer:
    """Say which learner of the institution an applicant is."""
    gateway = request.app[GATEWAY]
    await gateway.whose_applications.say(principal.own, path.application_id, body.learner)
    return await gateway.decide_applications.get(principal.own, path.application_id)


@for_office
async def say_whose_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Say on the office's page which learner an applicant is; an empty field says that it is none."""
    path, office = path_of(request, ApplicationPath), await signed_in(request, body)
    try:
        said = msgspec.convert({"learner": body.text("learner").strip() or None}, WhoseApplication)
    except msgspec.ValidationError as error:
        raise InvalidProblem("Write your own name for the learner, as in the lists of awards") from error
    await request.app[GATEWAY].whose_applications.say(office.tenant, path.application_id, said.learner)
    back = see_other(f"{root_of(request)}/office/applications/{path.application_id}{query_of(request)}#who")
    return keep(request, back, office.session)


ROUTES = [
    Route(
        "GET",
        "/v1/application-links/{secret}/export",
        export_application_by_link,
        summary="Save all that is kept of an application, as one ZIP, by its secret link",
        description="The evidence as it came, and a record of what was written, found out, decided and appealed.",
        path_parameters=LinkPath,
        response=_ZIP,
        problems=_PROBLEMS,
        tag="recognitions",
    ),
    Route(
        "GET",
        "/v1/recognition-applications/{application_id}/export",
        export_application,
        summary="Save all that is kept of an application, as one ZIP, for its applicant",
        path_parameters=ApplicationPath,
        response=_ZIP,
        problems=_PROBLEMS,
        auth="bearer",
        scope="recognitions:write",
        tag="recognitions",
    ),
    Route(
        "PUT",
        "/v1/recognition-applications/{application_id}/learner",
        say_whose_application,
        summary="Say which learner of the institution an applicant is",
        again="nothing changes, and the answer is how it stands",
        description="Then the application is in that learner's export and goes with that learner's erasure.",
        request=WhoseApplication,
        path_parameters=ApplicationPath,
        response={200: ApplicationAnswer},
        problems=_PROBLEMS,
        auth="bearer",
        scope="recognitions:write",
        unique_keys=True,
        tag="recognitions",
    ),
    office_form(
        "/office/applications/{application_id}/learner",
        say_whose_by_form,
        "Say on the office's page which learner an applicant is",
    ),
]
