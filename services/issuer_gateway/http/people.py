"""What routes of pages for people share: refusals as pages, the reader's language, forms and where they lead."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from proto.problem import InvalidProblem, NotFoundProblem, Problem
from services.edge import Form, Media, Route, annotate, decode_parameters
from services.edge.problem_page import problem_page
from services.issuer_gateway.http.caller import GATEWAY, PAGES
from services.issuer_gateway.http.paper_routes import language_named
from services.issuer_gateway.languages import negotiated
from services.issuer_gateway.pages.fault_words import has_own_words
from services.issuer_gateway.pages.in_languages import PageReader

_T = TypeVar("_T")
FORM_BYTES_MAX = 65_536
_SEE_OTHER = 303
_ASKED_CHARACTERS_MAX = 500
PAGE: dict[int, Any] = {status: Media("text/html") for status in (200, 404, 409, 410, 422, 429, 503)}
"""What a page is answered with: also what was refused is said on a page."""


class LinkNotWholeProblem(NotFoundProblem):
    """The address of a page is none that was ever given out."""

    slug = "link-not-whole"
    title = "This link leads nowhere"


def for_people(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return the handler of a page: what it refuses is said on a page too."""

    @functools.wraps(handler)
    async def shown(request: web.Request, **arguments: Any) -> Any:
        try:
            return await handler(request, **arguments)
        except Problem as problem:
            annotate(request, problem=problem.slug)
            return request.app[PAGES].fault(problem, reader_of(request))

    return shown


def reader_of(request: web.Request, *, can_ask_again: bool = False) -> PageReader:
    """Return who reads a page; an unknown language is as none. `can_ask_again`: its address has a page of its own."""
    query: Mapping[str, str] = request.query
    try:
        named = language_named(query["lang"]) if "lang" in query else None
    except InvalidProblem:
        named = None
    is_shown = can_ask_again or request.method in {"GET", "HEAD"}
    return PageReader(
        language=named or negotiated(request.headers.get("Accept-Language")),
        is_named=named is not None,
        asked=[(name, text) for name, text in request.query.items() if name != "lang"] if is_shown else None,
    )


def query_of(request: web.Request) -> str:
    """Return what keeps the language of a page that was asked for by name."""
    return reader_of(request).query


def path_of(request: web.Request, kind: type[_T]) -> _T:
    """Return the path of a page as a record; raises `LinkNotWholeProblem` for one that no link of ours has."""
    try:
        return decode_parameters(request.match_info, kind)
    except Problem as problem:
        raise LinkNotWholeProblem("This address is not whole: copy all of it, as it was sent to you") from problem


def show_refusal(request: web.Request, problem: Problem) -> web.Response:
    """Return a refusal as a page, for whoever opened a file or a path of programs in a browser."""
    if problem.members.get("parameter", "") in request.match_info:  # the path was refused, before any page's handler
        problem = LinkNotWholeProblem(problem.sentence)
    if has_own_words(problem):
        return request.app[PAGES].fault(problem, reader_of(request))
    return problem_page(request, problem)


def root_of(request: web.Request) -> str:
    """Return the path under which the gateway is reached: "" at the root of its host, else without a slash behind."""
    return urlsplit(request.app[GATEWAY].config.public_url).path.rstrip("/")


def asked_text(request: web.Request, name: str) -> str:
    """Return a text of a page's query, cut to 500 characters, "" where it is absent; the null character is nowhere."""
    text: str = request.query.get(name, "")[:_ASKED_CHARACTERS_MAX]
    return text.replace("\0", "")


def level_in(text: str) -> int | str:
    """Return the EQF level that a form says; what is no single digit comes back as it is, for its type to refuse."""
    return int(text) if len(text) == 1 and text.isascii() and text.isdecimal() else text


def see_other(location: str) -> web.Response:
    """Return what a form is answered with: the page to go to, so that loading it again sends nothing twice."""
    return web.Response(status=_SEE_OTHER, headers={"Location": location, "Cache-Control": "no-store"})


def page_route(path: str, handler: Any, summary: str, *, description: str = "") -> Route:
    """Return the route of a page."""
    return Route("GET", path, handler, summary=summary, description=description, tag="pages", response=PAGE)


ONCE = "a form that its page has marked is carried out once, and leads to the same page"
"""What becomes of a form whose button is pressed twice (`once.py`)."""


def form_route(
    path: str,
    handler: Any,
    summary: str,
    *,
    operation: str = "",
    body_bytes_max: int = FORM_BYTES_MAX,
    again: str = "nothing changes",
) -> Route:
    """Return the route of a form, which leads to a page; a form of no fields has a handler without `body`."""
    return Route(
        "POST",
        path,
        handler,
        summary=summary,
        again=again,
        operation=operation,
        request=Form,
        response={303: None, **PAGE},
        body_bytes_max=body_bytes_max,
        tag="pages",
    )
