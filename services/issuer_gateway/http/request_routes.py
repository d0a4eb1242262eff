"""Routes of requests for achievements: the public ones, as pages and as JSON, and those of the institution's staff."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.located import located
from proto.problem import InvalidProblem, Problem
from proto.wire.documents import CredentialDocument
from proto.wire.gateway import CredentialAnswer
from proto.wire.id_fields import RequestIdField
from proto.wire.requests import (
    AcceptBody,
    RejectBody,
    RequestAnswer,
    RequestBody,
    RequestDecision,
    RequestMade,
    RequestPage,
    RequestSeen,
    RequestState,
)
from services.edge import (
    Form,
    Media,
    RateLimitedProblem,
    Reply,
    Route,
    annotate,
    encode_cursor,
)
from services.issuer_gateway.achievements import achievement_commands
from services.issuer_gateway.credentials import credential_reader
from services.issuer_gateway.credentials.earlier_awards import MayNotRevokeProblem
from services.issuer_gateway.domain.tenant import UnknownInstitutionProblem
from services.issuer_gateway.http.achievement_routes import PublicPath
from services.issuer_gateway.http.caller import (
    GATEWAY,
    PAGES,
    SAY_PROBLEMS,
    WORK_PROBLEMS,
    Caller,
    PageQuery,
    after_moment,
    check_rate,
    keyed_by_anybody,
    keyed_from,
)
from services.issuer_gateway.http.credential_routes import ISSUE_PROBLEMS, credential_reply
from services.issuer_gateway.http.once import secret_of_form
from services.issuer_gateway.http.people import (
    FORM_BYTES_MAX,
    ONCE,
    for_people,
    form_route,
    page_route,
    path_of,
    query_of,
    reader_of,
    see_other,
)
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.pages import FORM_FIELDS
from services.issuer_gateway.pages.request_words import ANY_FAULT, FIELD_FAULTS, FULL, NO_NAME, UNREADABLE, WAIT
from services.issuer_gateway.requests import learner_requests
from services.issuer_gateway.store import tenants

_LIST = "requests"
SecretText = Annotated[str, Meta(pattern=r"^cf[rc]_[A-Za-z0-9_-]{43}\Z", max_length=47)]


class RequestPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request by its id."""

    request_id: RequestIdField


class SecretPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last part of a secret link."""

    secret: SecretText


class RequestQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests: in one state, or all."""

    state: RequestState | None = None


async def ask(request: web.Request, *, body: RequestBody, raw: bytes, idempotency_key: str | None) -> Reply:
    """Take a request for an achievement."""
    check_rate(request)
    gateway = request.app[GATEWAY]
    tenant = await institution_commands.tenant_of(gateway.pool, body.institution)
    keyed = keyed_by_anybody(request, tenant.institution_id, idempotency_key, raw)
    made = await gateway.learner_requests.ask(body, keyed=keyed)
    return Reply(made, status=201, headers={"Location": made.link, "Cache-Control": "no-store"})


@for_people
async def show_achievement(request: web.Request) -> web.Response:
    """Show what an achievement is, with the form that asks for it."""
    path, pool = path_of(request, PublicPath), request.app[GATEWAY].pool
    tenant = await institution_commands.tenant_of(pool, path.slug)
    stored = await achievement_commands.get(pool, tenant, path.achievement_id)
    names = await request.app[GATEWAY].achievement_names.of_named_by(stored.achievement)
    return request.app[PAGES].achievement(
        tenant, stored.achievement_id, stored.achievement, reader_of(request), names=names
    )


def _what_is_wrong(error: Exception, typed: Mapping[str, str]) -> tuple[str, str]:
    """Return the field that is wrong, or "", and a sentence that says what to write there."""
    if isinstance(error, InvalidProblem) and error.pointer:
        return error.pointer.lstrip("/"), UNREADABLE
    if not (typed["given_name"] or typed["family_name"]):
        return "given_name", NO_NAME
    step = located(error).first_step
    field = step if step in FORM_FIELDS else ""
    return field, FIELD_FAULTS.get(field, ANY_FAULT)


def _id_in(word: str) -> str:
    """Return the credential id in what somebody typed: itself in any letters, or at the end of a link."""
    return word.partition("?")[0].rstrip("/").rpartition("/")[2].lower()


@for_people
async def ask_by_form(request: web.Request, *, body: Form) -> web.Response:
    """Take a request from the page's form and go to its own page; what is wrong is said above the form."""
    path = path_of(request, PublicPath)
    tenant, stored = await request.app[GATEWAY].learner_requests.askable(path.slug, path.achievement_id)
    typed = {name: body.text(name).strip().replace("\r\n", "\n") for name in FORM_FIELDS}
    values: dict[str, Any] = {name: text for name, text in typed.items() if text}
    values |= {
        "institution": path.slug,
        "achievement": path.achievement_id,
        "credentials": [_id_in(word) for word in typed["credentials"].split()],
    }

    names = await request.app[GATEWAY].achievement_names.of_named_by(stored.achievement)

    def again(fault: str, status: int, wrong: str = "") -> web.Response:
        said: dict[str, Any] = {"fault": fault, "wrong": wrong, "typed": typed, "status": status, "names": names}
        return request.app[PAGES].achievement(
            tenant, stored.achievement_id, stored.achievement, reader_of(request), **said
        )

    try:
        wished = msgspec.convert(values, RequestBody)
        learner_requests.check_readable(wished)
    except (msgspec.ValidationError, InvalidProblem) as error:
        wrong, fault = _what_is_wrong(error, typed)
        return again(fault, InvalidProblem.status, wrong)
    try:
        check_rate(request)
        secret = secret_of_form(request, tenant.institution_id, body, learner_requests.REQUEST_PREFIX)
        made = await request.app[GATEWAY].learner_requests.ask(wished, secret=secret)
    except (RateLimitedProblem, learner_requests.TooManyRequestsProblem) as problem:
        annotate(request, problem=problem.slug)
        return again(WAIT if isinstance(problem, RateLimitedProblem) else FULL, problem.status)
    return see_other(f"../../../../requests/{made.secret}{query_of(request)}")


async def see_request(request: web.Request, *, path: SecretPath) -> Reply:
    """Return how a request stands."""
    seen = await request.app[GATEWAY].learner_requests.seen(path.secret)
    return Reply(seen, headers={"Cache-Control": "no-store"})


@for_people
async def show_request(request: web.Request) -> web.Response:
    """Show how a request stands."""
    secret = path_of(request, SecretPath).secret
    gateway = request.app[GATEWAY]
    seen = await gateway.learner_requests.seen(secret)
    state = await gateway.credential_papers.state_of(seen.credential_id) if seen.credential_id else None
    return request.app[PAGES].request(seen, reader_of(request), secret=secret, state=state)


async def withdraw(request: web.Request, *, path: SecretPath) -> RequestSeen:
    """Withdraw a request."""
    await request.app[GATEWAY].learner_requests.withdraw(path.secret)
    return await request.app[GATEWAY].learner_requests.seen(path.secret)


@for_people
async def withdraw_by_form(request: web.Request) -> web.Response:
    """Withdraw a request and go back to its page."""
    secret = path_of(request, SecretPath).secret
    await request.app[GATEWAY].learner_requests.withdraw(secret)
    return see_other(f"../{secret}{query_of(request)}")


async def read_asked_document(request: web.Request, *, path: SecretPath) -> Reply:
    """Return the document of the credential that a request led to, as a file."""
    gateway = request.app[GATEWAY]
    stored = await gateway.learner_requests.by_secret(path.secret)
    if stored.credential_id is None:
        raise learner_requests.UnknownRequestProblem(f"There is no document: the request is {stored.state}")
    tenant = await tenants.by_id(gateway.pool, stored.institution_id)
    document = await gateway.credential_reader.document(tenant, stored.credential_id, proof="eddsa-rdfc-2022")
    name = f"credential-{stored.credential_id[:12]}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Reply(document, headers=headers)


async def list_requests(request: web.Request, *, query: RequestQuery, principal: Caller) -> RequestPage:
    """Return requests to the institution."""
    gateway = request.app[GATEWAY]
    after = after_moment(_LIST, query)
    found = await gateway.request_reader.listed(principal.own, state=query.state, after=after, limit=query.limit + 1)
    shown = found[: query.limit]
    last = (shown[-1].created_at, shown[-1].request_id) if len(found) > len(shown) else None
    return RequestPage(
        requests=await gateway.request_reader.described(principal.own, shown),
        next_cursor=encode_cursor(_LIST, last) if last else None,
    )


async def read_request(request: web.Request, *, path: RequestPath, principal: Caller) -> RequestAnswer:
    """Return a request to the institution."""
    return await request.app[GATEWAY].request_reader.get(principal.own, path.request_id)


async def accept_request(
    request: web.Request,
    *,
    body: AcceptBody,
    raw: bytes,
    path: RequestPath,
    principal: Caller,
    idempotency_key: str | None,
) -> Reply:
    """Accept a request: its credential is issued."""
    if body.on_repeat == "replace" and not principal.may_revoke:
        raise MayNotRevokeProblem("`replace` needs the scope credentials:revoke", pointer="/on_repeat")
    keyed = keyed_from(request, principal, idempotency_key or f"decide-{path.request_id}", raw)
    assert keyed is not None, "it has a key"
    issue = await request.app[GATEWAY].decide_request.accept(principal.own, path.request_id, body, keyed)
    return await credential_reply(request, principal, issue)


async def reject_request(
    request: web.Request,
    *,
    body: RejectBody,
    raw: bytes,
    path: RequestPath,
    principal: Caller,
    idempotency_key: str | None,
) -> RequestDecision:
    """Reject a request."""
    keyed = keyed_from(request, principal, idempotency_key or f"decide-{path.request_id}", raw)
    assert keyed is not None, "it has a key"
    return await request.app[GATEWAY].decide_request.reject(principal.own, path.request_id, body.reason, keyed)


_ASK_PROBLEMS: tuple[type[Problem], ...] = (
    UnknownInstitutionProblem,
    achievement_commands.NoSuchAchievementProblem,
    learner_requests.NotAskableProblem,
    learner_requests.TooManyRequestsProblem,
    RateLimitedProblem,
    *WORK_PROBLEMS,
)
_LINK_PROBLEMS = (learner_requests.UnknownRequestProblem, learner_requests.RequestLinkEndedProblem)
_DECIDE_PROBLEMS: tuple[type[Problem], ...] = (
    learner_requests.UnknownRequestProblem,
    learner_requests.RequestDecidedProblem,
    credential_reader.ErasedProblem,
)
_PAGE_PATH = "/issuers/{slug}/achievements/{achievement_id}/page"

ROUTES = [
    page_route(_PAGE_PATH, show_achievement, "The page of an achievement"),
    form_route(_PAGE_PATH, ask_by_form, "Ask for an achievement on its page", again=ONCE),
    page_route("/requests/{secret}", show_request, "The page of a request"),
    form_route("/requests/{secret}/withdraw", withdraw_by_form, "Withdraw a request on its page"),
    Route(
        "GET",
        "/requests/{secret}/document",
        read_asked_document,
        summary="Save the document of a request that was accepted",
        path_parameters=SecretPath,
        response={200: Media("application/vc", CredentialDocument)},
        problems=(*_LINK_PROBLEMS, credential_reader.ErasedProblem),
        tag="pages",
    ),
    Route(
        "POST",
        "/v1/requests",
        ask,
        operation="ask_for_achievement",
        summary="Ask an institution for an achievement",
        description="Needs no account. The answer holds a secret link, shown once, to what becomes of the request.",
        request=RequestBody,
        response={201: RequestMade},
        problems=_ASK_PROBLEMS,
        idempotency="optional",
        body_bytes_max=FORM_BYTES_MAX,
        unique_keys=True,
        tag="requests",
    ),
    Route(
        "GET",
        "/v1/request-links/{secret}",
        see_request,
        summary="Read how a request stands, by its secret link",
        path_parameters=SecretPath,
        response={200: RequestSeen},
        problems=_LINK_PROBLEMS,
        tag="requests",
    ),
    Route(
        "DELETE",
        "/v1/request-links/{secret}",
        withdraw,
        operation="withdraw_request",
        summary="Withdraw a request, by its secret link",
        again="nothing changes, and the answer is how it stands",
        description="What was said in it is erased.",
        path_parameters=SecretPath,
        response={200: RequestSeen},
        problems=(*_LINK_PROBLEMS, learner_requests.RequestDecidedProblem),
        tag="requests",
    ),
    Route(
        "GET",
        "/v1/requests",
        list_requests,
        summary="List requests to the institution, the oldest first",
        query=RequestQuery,
        response={200: RequestPage},
        auth="bearer",
        scope="credentials:read",
        tag="requests",
    ),
    Route(
        "GET",
        "/v1/requests/{request_id}",
        read_request,
        summary="Read a request to the institution",
        path_parameters=RequestPath,
        response={200: RequestAnswer},
        problems=_LINK_PROBLEMS,
        auth="bearer",
        scope="credentials:read",
        tag="requests",
    ),
    Route(
        "POST",
        "/v1/requests/{request_id}/accept",
        accept_request,
        summary="Accept a request: its credential is issued, once",
        description="The same again gets the same answer. What issuing refuses leaves the request open.",
        request=AcceptBody,
        path_parameters=RequestPath,
        response={201: CredentialAnswer, 202: CredentialAnswer},
        problems=(*_DECIDE_PROBLEMS, *ISSUE_PROBLEMS, *SAY_PROBLEMS),
        auth="bearer",
        scope="credentials:issue",
        idempotency="optional",
        unique_keys=True,
        tag="requests",
    ),
    Route(
        "POST",
        "/v1/requests/{request_id}/reject",
        reject_request,
        summary="Reject a request; the learner reads why",
        request=RejectBody,
        path_parameters=RequestPath,
        response={200: RequestDecision},
        problems=(*_DECIDE_PROBLEMS, *WORK_PROBLEMS),
        auth="bearer",
        scope="credentials:issue",
        idempotency="optional",
        unique_keys=True,
        tag="requests",
    ),
]
