"""The pages of achievements: the catalogue, and one of them. What cannot be shown is said on a page."""

from typing import Annotated
from urllib.parse import quote

from aiohttp import web
from msgspec import Meta
from msgspec.structs import replace

from proto.problem import InvalidProblem
from proto.wire.verifier import LanguageQuery
from services.edge import Media, Route, annotate
from services.verifier.answers.catalogue import UnknownAchievementProblem
from services.verifier.http.achievement_path import AchievementPath, uri_in
from services.verifier.http.app_keys import LIST_PAGES, LISTS
from services.verifier.http.catalogue_routes import LIST, AchievementsFileQuery, found_page
from services.verifier.http.list_queries import ROWS_DEFAULT, Cursor, after_of
from services.verifier.http.query import said_of
from services.verifier.pages.list_words import CATALOGUE_HEADING, NO_ACHIEVEMENT
from services.verifier.pages.words import UNREADABLE
from services.verifier.projection.catalogue_reads import AchievementPlace
from services.verifier.projection.described import FACETS
from services.verifier.projection.troubles import ProjectionProblem

_PAGE = Media("text/html")
_Text = Annotated[str, Meta(max_length=600)]


class AchievementsPageQuery(LanguageQuery, frozen=True, kw_only=True):
    """What the form of the catalogue sends; what no achievement has finds none."""

    q: Annotated[str, Meta(max_length=200, description="Words of what describes it")] = ""
    issuer: _Text = ""
    level: _Text = ""
    credits: _Text = ""
    language: _Text = ""
    mode: _Text = ""
    subject: _Text = ""
    skill: _Text = ""
    cursor: Cursor | None = None


async def achievements_page(request: web.Request, *, query: AchievementsPageQuery) -> web.Response:
    """Show the catalogue."""
    said, pages = said_of(request, query), request.app[LIST_PAGES]
    typed = {name: getattr(query, name).strip() for name in ("q", *FACETS)}
    asked = AchievementsFileQuery(lang=query.lang, **typed)
    form = typed | {"cursor": query.cursor or ""}
    try:
        after = after_of(LIST, query.cursor, AchievementPlace)
    except InvalidProblem:  # a link that somebody cut: from the beginning, then
        after = None
    try:
        page = await found_page(request, asked, ROWS_DEFAULT, after)
    except ProjectionProblem as problem:
        annotate(request, problem=problem.slug)
        return pages.achievements(None, said, query=form, fault=said.line(UNREADABLE), status=problem.status)
    return pages.achievements(page, said, query=form, fault=None, status=200)


async def achievement_page(request: web.Request, *, path: AchievementPath, query: LanguageQuery) -> web.Response:
    """Show an achievement; an address whose slashes were decoded on the way is sent to where links are right."""
    uri, pages = uri_in(path), request.app[LIST_PAGES]
    steps = request.raw_path.partition("?")[0].count("/") - 2
    if steps > 0:
        again = f"?lang={query.lang}" if query.lang else ""
        raise web.HTTPSeeOther("../" * steps + quote(uri, safe="") + again)
    said = replace(said_of(request, query), root="..")
    try:
        answer = await request.app[LISTS].achievement(uri, said.language)
    except (UnknownAchievementProblem, ProjectionProblem) as problem:
        annotate(request, problem=problem.slug)
        words = NO_ACHIEVEMENT if isinstance(problem, UnknownAchievementProblem) else UNREADABLE
        return pages.fault(said, heading=CATALOGUE_HEADING, fault=said.line(words), status=problem.status)
    return pages.achievement(answer, said)


def catalogue_page_routes() -> list[Route]:
    """Return the routes of these pages."""
    return [
        Route(
            "GET",
            "/achievements",
            achievements_page,
            operation="show_achievements",
            summary="The page of the catalogue, with its facets",
            tag="pages",
            query=AchievementsPageQuery,
            response=dict.fromkeys((200, 503), _PAGE),
        ),
        Route(
            "GET",
            "/achievements/{uri:.+}",
            achievement_page,
            operation="show_achievement",
            summary="The page of an achievement, by its percent-encoded address",
            tag="pages",
            path_parameters=AchievementPath,
            query=LanguageQuery,
            response={**dict.fromkeys((200, 404, 503), _PAGE), 303: None},
        ),
    ]
