"""Routes of applications for recognition: the public ones, as a page and as JSON, and those of the office."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.event_fields import UriField
from proto.problem import Problem
from proto.wire.applications import (
    AppealBody,
    ApplicationAnswer,
    ApplicationBody,
    ApplicationMade,
    ApplicationPage,
    ApplicationSeen,
    ApplicationState,
    DecisionBody,
    RecognitionReport,
)
from proto.wire.id_fields import ApplicationIdField
from services.edge import (
    Form,
    Media,
    RateLimitedProblem,
    Reply,
    Route,
    encode_cursor,
)
from services.issuer_gateway.applications import apply, rules
from services.issuer_gateway.applications.evidence import ending_of
from services.issuer_gateway.domain.tenant import UnknownInstitutionProblem
from services.issuer_gateway.http.apply_routes import APPLICATION_PAGES
from services.issuer_gateway.http.caller import (
    GATEWAY,
    WORK_PROBLEMS,
    Caller,
    PageQuery,
    after_moment,
    check_rate,
    keyed_by_anybody,
    keyed_from,
)
from services.issuer_gateway.http.people import (
    for_people,
    form_route,
    page_route,
    path_of,
    query_of,
    reader_of,
    root_of,
    see_other,
)
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.store.applications import WantedApplications

_LIST = "applications"
_BODY_BYTES_MAX = 12_582_912
SecretText = Annotated[str, Meta(pattern=r"^cfa_[A-Za-z0-9_-]{43}\Z", max_length=47)]


class ApplicationPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application by its id."""

    application_id: ApplicationIdField


class ItemPath(ApplicationPath, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of evidence of an application."""

    number: Annotated[int, Meta(ge=1, le=16)]


class LinkPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last part of an application's secret link."""

    secret: SecretText


class LinkItemPath(LinkPath, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of evidence, by an application's secret link."""

    number: Annotated[int, Meta(ge=1, le=16)]


class ApplicationQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which applications: in one state, towards one programme, past their day, with an appeal that waits; or all."""

    state: ApplicationState | None = None
    programme: UriField | None = None
    overdue: Annotated[bool, Meta(description="Only those that are past their day")] = False
    appealed: Annotated[bool, Meta(description="Only those with an appeal that waits for its decision")] = False

    @property
    def wanted(self) -> WantedApplications:
        """Which applications that are."""
        return WantedApplications(
            state=self.state, programme=self.programme, is_overdue=self.overdue, is_appealed=self.appealed
        )


async def send_application(
    request: web.Request, *, body: ApplicationBody, raw: bytes, idempotency_key: str | None
) -> Reply:
    """Take an application."""
    check_rate(request)
    gateway = request.app[GATEWAY]
    tenant = await institution_commands.tenant_of(gateway.pool, body.institution)
    keyed = keyed_by_anybody(request, tenant.institution_id, idempotency_key, raw)
    made = await gateway.recognition_applications.apply(tenant, body, keyed=keyed)
    return Reply(made, status=201, headers={"Location": made.link, "Cache-Control": "no-store"})


async def see_application(request: web.Request, *, path: LinkPath) -> Reply:
    """Return how an application stands."""
    return await _seen(request, path.secret)


async def _seen(request: web.Request, secret: str) -> Reply:
    seen = await request.app[GATEWAY].recognition_applications.seen(secret)
    return Reply(seen, headers={"Cache-Control": "no-store"})


async def appeal(request: web.Request, *, path: LinkItemPath, body: AppealBody) -> Reply:
    """Ask for another decision."""
    await request.app[GATEWAY].recognition_applications.appeal(path.secret, path.number, body.text)
    return await _seen(request, path.secret)


async def withdraw_application(request: web.Request, *, path: LinkPath) -> Reply:
    """Withdraw an application."""
    await request.app[GATEWAY].recognition_applications.withdraw(path.secret)
    return await _seen(request, path.secret)


def _page(request: web.Request, seen: ApplicationSeen, secret: str, *, fault: int | None = None) -> web.Response:
    return request.app[APPLICATION_PAGES].application(
        seen, reader_of(request), root=root_of(request), secret=secret, fault=fault
    )


@for_people
async def show_application(request: web.Request) -> web.Response:
    """Show how an application stands."""
    secret = path_of(request, LinkPath).secret
    seen = await request.app[GATEWAY].recognition_applications.seen(secret)
    return _page(request, seen, secret)


@for_people
async def appeal_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Take an appeal from the page's form and go back to the page."""
    path = path_of(request, LinkItemPath)
    text = body.text("text").strip().replace("\r\n", "\n")
    applications = request.app[GATEWAY].recognition_applications
    if not text:
        seen = await applications.seen(path.secret)
        return _page(request, seen, path.secret, fault=path.number)
    await applications.appeal(path.secret, path.number, text[:4_000])
    return see_other(f"../../../{path.secret}{query_of(request)}")


@for_people
async def withdraw_by_form(request: web.Request) -> web.Response:
    """Withdraw an application and go back to its page."""
    secret = path_of(request, LinkPath).secret
    await request.app[GATEWAY].recognition_applications.withdraw(secret)
    return see_other(f"../{secret}{query_of(request)}")


async def list_applications(request: web.Request, *, query: ApplicationQuery, principal: Caller) -> ApplicationPage:
    """Return applications to the institution."""
    after = after_moment(_LIST, query)
    found, more = await request.app[GATEWAY].decide_applications.listed(
        principal.own, wanted=query.wanted, after=after, limit=query.limit
    )
    return ApplicationPage(
        applications=tuple(found), next_cursor=encode_cursor(_LIST, more) if more is not None else None
    )


async def read_application(request: web.Request, *, path: ApplicationPath, principal: Caller) -> ApplicationAnswer:
    """Return an application to the institution."""
    return await request.app[GATEWAY].decide_applications.get(principal.own, path.application_id)


async def save_evidence(request: web.Request, *, path: ItemPath, principal: Caller) -> Reply:
    """Return a piece of evidence as the file that it came as."""
    found = await request.app[GATEWAY].decide_applications.file(principal.own, path.application_id, path.number)
    return evidence_reply(path, found)


def evidence_reply(path: ItemPath, content: bytes) -> Reply:
    """Return a stranger's file as one to be saved: no browser shows it as a page of ours."""
    ending = ending_of(content)
    name = f"evidence-{path.application_id[:8]}-{path.number}.{ending}"
    return Reply(
        content, headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    )


async def decide_application(
    request: web.Request,
    *,
    body: DecisionBody,
    raw: bytes,
    path: ItemPath,
    principal: Caller,
    idempotency_key: str | None,
) -> ApplicationAnswer:
    """Decide on a piece of evidence."""
    keyed = keyed_from(request, principal, idempotency_key, raw)
    return await request.app[GATEWAY].decide_applications.decide(
        principal.own, path.application_id, path.number, body, keyed, by=principal.api_key_id
    )


async def report_recognition(request: web.Request, *, principal: Caller) -> RecognitionReport:
    """Return how the office decides."""
    return await request.app[GATEWAY].decide_applications.report(principal.own)


_LINK_PROBLEMS: tuple[type[Problem], ...] = (apply.UnknownApplicationProblem,)
_OFFICE: dict[str, Any] = {"auth": "bearer", "scope": "recognitions:write", "tag": "recognitions"}

ROUTES = [
    Route(
        "POST",
        "/v1/recognition-applications",
        send_application,
        summary="Ask an institution to recognise what others taught",
        description="Needs no account. Evidence are credentials (JSON, or a file that holds one, in base64) and "
        "dossiers of prior learning. What a standing decision of the institution covers is decided at once. The "
        "answer holds a secret link, shown once, to what becomes of it.",
        request=ApplicationBody,
        response={201: ApplicationMade},
        problems=(
            UnknownInstitutionProblem,
            apply.TooManyApplicationsProblem,
            RateLimitedProblem,
            *WORK_PROBLEMS,
        ),
        idempotency="optional",
        body_bytes_max=_BODY_BYTES_MAX,
        unique_keys=True,
        tag="recognitions",
    ),
    Route(
        "GET",
        "/v1/application-links/{secret}",
        see_application,
        summary="Read how an application stands, by its secret link",
        path_parameters=LinkPath,
        response={200: ApplicationSeen},
        problems=_LINK_PROBLEMS,
        tag="recognitions",
    ),
    Route(
        "POST",
        "/v1/application-links/{secret}/items/{number}/appeal",
        appeal,
        operation="appeal_recognition",
        summary="Ask for another decision, by another person; once",
        again="an appeal in the same words is the one that was made; other words are refused",
        request=AppealBody,
        path_parameters=LinkItemPath,
        response={200: ApplicationSeen},
        problems=(*_LINK_PROBLEMS, apply.UnknownItemProblem, rules.NoAppealProblem, rules.ApplicationClosedProblem),
        unique_keys=True,
        tag="recognitions",
    ),
    Route(
        "DELETE",
        "/v1/application-links/{secret}",
        withdraw_application,
        summary="Withdraw an application, by its secret link",
        again="nothing changes, and the answer is how it stands",
        description="All that was written, shown and decided in it is erased.",
        path_parameters=LinkPath,
        response={200: ApplicationSeen},
        problems=_LINK_PROBLEMS,
        tag="recognitions",
    ),
    page_route("/applications/{secret}", show_application, "The page of an application for recognition"),
    form_route(
        "/applications/{secret}/items/{number}/appeal",
        appeal_by_form,
        "Appeal on the page of an application",
        operation="appeal_on_page",
        again="an appeal in the same words is the one that was made",
    ),
    form_route(
        "/applications/{secret}/withdraw",
        withdraw_by_form,
        "Withdraw an application on its page",
        operation="withdraw_application_on_page",
    ),
    Route(
        "GET",
        "/v1/recognition-applications",
        list_applications,
        summary="List applications for recognition, those that are due first",
        query=ApplicationQuery,
        response={200: ApplicationPage},
        **_OFFICE,
    ),
    Route(
        "GET",
        "/v1/recognition-applications/{application_id}",
        read_application,
        summary="Read an application: its evidence as it was checked, and how like cases were decided",
        path_parameters=ApplicationPath,
        response={200: ApplicationAnswer},
        problems=_LINK_PROBLEMS,
        **_OFFICE,
    ),
    Route(
        "GET",
        "/v1/recognition-applications/{application_id}/items/{number}/file",
        save_evidence,
        summary="Save a piece of evidence as the file that it came as",
        path_parameters=ItemPath,
        response={200: Media("application/octet-stream", bytes)},
        problems=(*_LINK_PROBLEMS, apply.UnknownItemProblem, rules.ApplicationClosedProblem),
        **_OFFICE,
    ),
    Route(
        "POST",
        "/v1/recognition-applications/{application_id}/items/{number}/decision",
        decide_application,
        summary="Decide on a piece of evidence: in full, in part, or refused with reasons",
        description="After an appeal somebody else decides once more. Where a like case was decided otherwise, 409 "
        "says how; the same with `despite_precedents` is taken. What counts towards the programme already is counted "
        "once more only with `despite_counted`, and prior learning only with its `assessor`. It goes on the log only "
        "where its applicant asked.",
        request=DecisionBody,
        path_parameters=ItemPath,
        response={200: ApplicationAnswer},
        problems=(
            *_LINK_PROBLEMS,
            apply.UnknownItemProblem,
            rules.ApplicationClosedProblem,
            rules.ItemDecidedProblem,
            rules.SamePersonProblem,
            rules.UnlikeCaseProblem,
            rules.NoLongerHoldsProblem,
            rules.CountedAlreadyProblem,
            *WORK_PROBLEMS,
        ),
        idempotency="optional",
        unique_keys=True,
        **_OFFICE,
    ),
    Route(
        "GET",
        "/v1/recognition-report",
        report_recognition,
        summary="How the office decides, and like cases that were decided unlike",
        response={200: RecognitionReport},
        **_OFFICE,
    ),
]
