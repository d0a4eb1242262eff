"""What routes of pages for people share: refusals as pages, the reader's language, forms and where they lead."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from proto.problem import InvalidProblem, Problem
from services.edge import Form, Media, Route, annotate
from services.issuer_gateway.http.caller import GATEWAY, PAGES
from services.issuer_gateway.http.paper_routes import language_named
from services.issuer_gateway.languages import LearnerLanguage, negotiated

FORM_BYTES_MAX = 65_536
_SEE_OTHER = 303
PAGE: dict[int, Any] = {status: Media("text/html") for status in (200, 404, 409, 410, 422, 429, 503)}
"""What a page is answered with: also what was refused is said on a page."""


def for_people(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return the handler of a page: what it refuses is said on a page too."""

    @functools.wraps(handler)
    async def shown(request: web.Request, **arguments: Any) -> Any:
        try:
            return await handler(request, **arguments)
        except Problem as problem:
            annotate(request, problem=problem.slug)
            return request.app[PAGES].fault(problem)

    return shown


def language_of(request: web.Request) -> tuple[LearnerLanguage, bool]:
    """Return the language of a page, and whether it was asked for by name; an unknown name is as none."""
    query: Mapping[str, str] = request.query
    try:
        named = language_named(query["lang"]) if "lang" in query else None
    except InvalidProblem:
        named = None
    return named or negotiated(request.headers.get("Accept-Language")), named is not None


def query_of(request: web.Request) -> str:
    """Return what keeps the language of a page that was asked for by name."""
    language, is_named = language_of(request)
    return f"?lang={language.code}" if is_named else ""


def root_of(request: web.Request) -> str:
    """Return the path under which the gateway is reached: "" at the root of its host, else without a slash behind."""
    return urlsplit(request.app[GATEWAY].config.public_url).path.rstrip("/")


def level_in(text: str) -> int | str:
    """Return the EQF level that a form says; what is no single digit comes back as it is, for its type to refuse."""
    return int(text) if len(text) == 1 and text.isascii() and text.isdecimal() else text


def see_other(location: str) -> web.Response:
    """Return what a form is answered with: the page to go to, so that loading it again sends nothing twice."""
    return web.Response(status=_SEE_OTHER, headers={"Location": location, "Cache-Control": "no-store"})


def page_route(path: str, handler: Any, summary: str, *, description: str = "") -> Route:
    """Return the route of a page."""
    return Route("GET", path, handler, summary=summary, description=description, tag="pages", response=PAGE)


def form_route(
    path: str, handler: Any, summary: str, *, operation: str = "", body_bytes_max: int = FORM_BYTES_MAX
) -> Route:
    """Return the route of a form, which leads to a page; a form of no fields has a handler without `body`."""
    return Route(
        "POST",
        path,
        handler,
        summary=summary,
        operation=operation,
        request=Form,
        response={303: None, **PAGE},
        body_bytes_max=body_bytes_max,
        tag="pages",
    )
