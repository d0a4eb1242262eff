"""The pages of the register and of the log, and the log's feed. What cannot be shown is said on a page."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta
from msgspec.structs import replace

from proto.problem import InvalidProblem
from proto.wire.verifier import LanguageQuery
from services.edge import Media, Reply, Route, annotate
from services.verifier.answers.questions import UnknownIssuerProblem
from services.verifier.http.app_keys import LIST_PAGES, LISTS, SETTINGS
from services.verifier.http.institution_path import IssuerPath, dids_in
from services.verifier.http.list_queries import ROWS_DEFAULT, Cursor, after_of
from services.verifier.http.query import address_asked, said_of
from services.verifier.http.register_routes import ISSUERS_LIST
from services.verifier.http.register_routes import issuer_page as issuers_body
from services.verifier.pages.list_words import LOG_HEADING, NO_INSTITUTION
from services.verifier.pages.words import UNREADABLE
from services.verifier.projection.listed_reads import InstitutionPlace, InstitutionsWanted
from services.verifier.projection.troubles import PROJECTION_PROBLEMS, ProjectionProblem

_PAGE = Media("text/html")


class IssuersPageQuery(LanguageQuery, frozen=True, kw_only=True):
    """What the form of the register sends; what no institution has finds none."""

    q: Annotated[str, Meta(max_length=200, description="Words of the name, or the DID")] = ""
    country: Annotated[str, Meta(max_length=100, description="Only of this country, as PT")] = ""
    state: Annotated[str, Meta(max_length=100, description="Only what stands so now")] = ""
    cursor: Cursor | None = None


async def issuers_page(request: web.Request, *, query: IssuersPageQuery) -> web.Response:
    """Show the register."""
    said, pages, lists = said_of(request, query), request.app[LIST_PAGES], request.app[LISTS]
    asked = {name: value.strip() for name, value in msgspec.to_builtins(query).items() if value}
    wanted = InstitutionsWanted(asked.get("q", ""), asked.get("country", "").upper(), asked.get("state", ""))
    try:
        after = after_of(ISSUERS_LIST, query.cursor, InstitutionPlace)
    except InvalidProblem:  # a link that somebody cut: from the beginning, then
        after = None
    try:
        found = await lists.issuers(wanted, after=after, limit=ROWS_DEFAULT, language=said.language)
        countries = await lists.countries()
    except ProjectionProblem as problem:
        annotate(request, problem=problem.slug)
        return pages.issuers_fault(said, query=_form(asked), fault=said.line(UNREADABLE), status=problem.status)
    return pages.issuers(issuers_body(found), said, query=_form(asked), countries=countries)


def _form(asked: dict[str, str]) -> dict[str, str]:
    """Return what the form shows of what was asked."""
    return {"q": "", "country": "", "state": "", "cursor": ""} | asked


async def issuer_page(request: web.Request, *, path: IssuerPath, query: LanguageQuery) -> web.Response:
    """Show an institution."""
    said, pages = replace(said_of(request, query), root=".."), request.app[LIST_PAGES]
    try:
        answer = await request.app[LISTS].issuer(dids_in(request, path), said.language)
    except (UnknownIssuerProblem, ProjectionProblem) as problem:
        annotate(request, problem=problem.slug)
        words = NO_INSTITUTION if isinstance(problem, UnknownIssuerProblem) else UNREADABLE
        return pages.issuers_fault(said, query=_form({}), fault=said.line(words), status=problem.status)
    return pages.issuer(answer, said)


async def log_page(request: web.Request, *, query: LanguageQuery) -> web.Response:
    """Show the log in figures and words."""
    said, pages = said_of(request, query), request.app[LIST_PAGES]
    try:
        answer = await request.app[LISTS].log(said.language)
    except ProjectionProblem as problem:
        annotate(request, problem=problem.slug)
        return pages.fault(said, heading=LOG_HEADING, fault=said.line(UNREADABLE), status=problem.status)
    return pages.log(
        answer, said, here=address_asked(request) or "$VERIFIER", log_url=request.app[SETTINGS].log_public_url
    )


async def log_feed(request: web.Request, *, query: LanguageQuery) -> Reply:
    """Answer with the newest entries as a feed."""
    said = said_of(request, query)
    answer = await request.app[LISTS].log(said.language)
    return Reply(request.app[LIST_PAGES].feed(answer, said), headers={"Cache-Control": "public, no-cache"})


def list_page_routes() -> list[Route]:
    """Return the routes of these pages."""
    return [
        Route(
            "GET",
            "/issuers",
            issuers_page,
            operation="show_issuers",
            summary="The page of the register, searchable",
            tag="pages",
            query=IssuersPageQuery,
            response=dict.fromkeys((200, 503), _PAGE),
        ),
        Route(
            "GET",
            "/issuers/{did}",
            issuer_page,
            operation="show_issuer",
            summary="The page of an institution",
            tag="pages",
            path_parameters=IssuerPath,
            query=LanguageQuery,
            response=dict.fromkeys((200, 404, 503), _PAGE),
        ),
        Route(
            "GET",
            "/log",
            log_page,
            operation="show_log",
            summary="The page of the log: size, growth, witnesses, newest entries, how to check it",
            tag="pages",
            query=LanguageQuery,
            response=dict.fromkeys((200, 503), _PAGE),
        ),
        Route(
            "GET",
            "/log.atom",
            log_feed,
            operation="read_log_feed",
            summary="The newest entries as a feed (Atom, RFC 4287)",
            tag="log",
            query=LanguageQuery,
            response={200: Media("application/atom+xml")},
            problems=PROJECTION_PROBLEMS,
        ),
    ]
