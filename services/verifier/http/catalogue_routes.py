"""Routes of achievements: the list with its facets, as JSON and as a file; one achievement. As pages: `list_pages`."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.stacking import ects_text
from proto.wire.register import AchievementFacts, AchievementPage, AchievementSummary
from proto.wire.verifier import LanguageQuery
from services.edge import Media, Reply, Route, decode_cursor, encode_cursor, etag_of
from services.verifier.answers.catalogue import UnknownAchievementProblem
from services.verifier.http.achievement_path import AchievementPath, uri_in
from services.verifier.http.app_keys import LISTS
from services.verifier.http.csv_files import ROWS_MAX, Columns, csv_bytes, title_text
from services.verifier.http.list_queries import REVALIDATE, ROWS_DEFAULT, FileQuery, Limit, next_link
from services.verifier.http.query import language_of
from services.verifier.projection.catalogue_reads import AchievementPlace, AchievementsWanted
from services.verifier.projection.described import FACETS
from services.verifier.projection.troubles import PROJECTION_PROBLEMS

LIST = "achievements"
_TAG = "register"
_COLUMNS: Columns[AchievementSummary] = {
    "achievement": lambda row: row.achievement,
    "title": lambda row: title_text(row.title),
    "issuer": lambda row: row.issuer,
    "issuer_name": lambda row: row.issuer_name,
    "language": lambda row: row.language,
    "ects_hundredths_min": lambda row: row.ects_hundredths_min,
    "ects_min": lambda row: ects_text(row.ects_hundredths_min),
    "ects_hundredths_max": lambda row: row.ects_hundredths_max,
    "ects_max": lambda row: ects_text(row.ects_hundredths_max),
    "eqf_levels": lambda row: " ".join(map(str, row.eqf_levels)),
    "credential_count": lambda row: row.credential_count,
    "recognition_count": lambda row: row.recognition_count,
}


class AchievementsFileQuery(FileQuery, frozen=True, kw_only=True):
    """Which achievements: by words, and by one value of each facet."""

    q: Annotated[str, Meta(max_length=200, description="Each of these words is in what describes it")] = ""
    issuer: Annotated[str, Meta(max_length=600, description="Only of this institution, by its DID")] = ""
    level: Annotated[str, Meta(max_length=1, description="Only of this EQF level")] = ""
    credits: Annotated[str, Meta(max_length=4, description="none, 1, 3, 6, 12, 30 (up to so many ECTS) or more")] = ""
    language: Annotated[str, Meta(max_length=35, description="Taught in this language, as nl")] = ""
    mode: Annotated[str, Meta(max_length=30, description="How one takes part, as online")] = ""
    subject: Annotated[str, Meta(max_length=2, description="Broad field of ISCED-F 2013, as 06")] = ""
    skill: Annotated[str, Meta(max_length=200, description="ESCO address of a skill")] = ""

    def wanted(self) -> AchievementsWanted:
        """Return the same for the records."""
        return AchievementsWanted(self.q, {name: value for name in FACETS if (value := getattr(self, name))})


class AchievementsQuery(AchievementsFileQuery, frozen=True, kw_only=True):
    """Which achievements, how many, after which."""

    limit: Limit = ROWS_DEFAULT


async def found_page(
    request: web.Request, query: AchievementsFileQuery, limit: int, after: AchievementPlace | None
) -> AchievementPage:
    """Return a part of the catalogue with the cursor of what follows."""
    page, next_place = await request.app[LISTS].achievements(
        query.wanted(), after=after, limit=limit, language=language_of(request, query)
    )
    if next_place is None:
        return page
    return msgspec.structs.replace(page, next_cursor=encode_cursor(LIST, next_place))


def _after(query: AchievementsFileQuery) -> AchievementPlace | None:
    return decode_cursor(LIST, query.cursor, AchievementPlace) if query.cursor else None


async def achievements(request: web.Request, *, query: AchievementsQuery) -> AchievementPage:
    """Answer with achievements."""
    return await found_page(request, query, query.limit, _after(query))


async def achievements_csv(request: web.Request, *, query: AchievementsFileQuery) -> Reply:
    """Answer with the same as a file."""
    page = await found_page(request, query, ROWS_MAX, _after(query))
    body = csv_bytes(_COLUMNS, page.achievements)
    headers = {**REVALIDATE, "Content-Disposition": 'attachment; filename="credentify-achievements.csv"'}
    return Reply(body, etag=etag_of(body), headers=headers | next_link(request, page.next_cursor))


async def achievement(request: web.Request, *, path: AchievementPath, query: LanguageQuery) -> AchievementFacts:
    """Answer with what is known of an achievement."""
    return await request.app[LISTS].achievement(uri_in(path), language_of(request, query))


def catalogue_routes() -> Iterator[Route]:
    """Yield the routes of achievements."""
    made: dict[str, Any] = {"tag": _TAG}
    yield Route(
        "GET",
        "/v1/achievements",
        achievements,
        operation="list_achievements",
        summary="Search achievements by words and facets",
        description="Those that were awarded, by the log, and those that catalogues of gateways describe, which this "
        "verifier is told to read: the log holds no description, so that title, language, mode, subject and skills are "
        "the catalogue's word.",
        query=AchievementsQuery,
        response={200: AchievementPage},
        problems=PROJECTION_PROBLEMS,
        **made,
    )
    yield Route(
        "GET",
        "/v1/achievements.csv",
        achievements_csv,
        operation="list_achievements_csv",
        summary="The same as CSV",
        description=f'At most {ROWS_MAX} rows; where more follow, a `Link` header with `rel="next"` names their '
        "address.",
        query=AchievementsFileQuery,
        response={200: Media("text/csv")},
        has_etag=True,
        problems=PROJECTION_PROBLEMS,
        **made,
    )
    yield Route(
        "GET",
        "/v1/achievements/{uri:.+}",
        achievement,
        operation="read_achievement",
        summary="What is on record of an achievement, and what describes it",
        description="The address is percent-encoded as one segment.",
        path_parameters=AchievementPath,
        query=LanguageQuery,
        response={200: AchievementFacts},
        problems=(UnknownAchievementProblem, *PROJECTION_PROBLEMS),
        **made,
    )
