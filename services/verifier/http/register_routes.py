"""Routes of the register: institutions, what they award, what they recognise; as JSON and as files."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta

from proto.ids import Did
from proto.wire.ledger import Body
from proto.wire.register import (
    AwardedAchievement,
    AwardedPage,
    IssuerAnswer,
    IssuerPage,
    IssuerSummary,
    RecognisedAchievement,
    RecognisedPage,
)
from proto.wire.verifier import LanguageQuery
from services.edge import Media, Reply, Route
from services.edge.route import Handler
from services.verifier.answers.list_service import Slice
from services.verifier.answers.questions import UnknownIssuerProblem
from services.verifier.http.app_keys import LISTS
from services.verifier.http.csv_files import AWARDS, ISSUERS, RECOGNITIONS, ROWS_MAX
from services.verifier.http.institution_path import IssuerPath, dids_in
from services.verifier.http.list_queries import (
    ROWS_DEFAULT,
    FileQuery,
    Limit,
    after_of,
    csv_reply,
    cursor_of,
    list_reply,
)
from services.verifier.http.query import language_of
from services.verifier.projection.listed import AwardKey, RecognisedKey
from services.verifier.projection.listed_reads import InstitutionPlace, InstitutionsWanted
from services.verifier.projection.troubles import PROJECTION_PROBLEMS

_TAG = "register"
_OF_FILES = (
    f'At most {ROWS_MAX} rows; where more follow, a `Link` header with `rel="next"` names their address. Credits stand '
    "in hundredths and, with a decimal point, in ECTS."
)
ISSUERS_LIST, _AWARDS, _RECOGNITIONS = "issuers", "awards", "recognitions"

Words = Annotated[
    str, Meta(max_length=200, description="Each of these words is in the name, the DID or who accredited it")
]
Country = Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z", description="Only of this country, as PT")]
State = Annotated[
    Literal["", "active", "suspended", "closed", "unknown"],
    Meta(description="Only what stands so now; by records that are not fresh, none is `active`, only `unknown`"),
]
IssuerDid = Annotated[str, Meta(max_length=240, description="Only what this institution awards, by its DID")]
RecogniserDid = Annotated[str, Meta(max_length=240, description="Only what this institution recognises, by its DID")]
AchievementUri = Annotated[str, Meta(max_length=500, description="Only this achievement, by its address")]


class IssuersFileQuery(FileQuery, frozen=True, kw_only=True):
    """Which institutions."""

    q: Words = ""
    country: Country = ""
    state: State = ""


class IssuersQuery(IssuersFileQuery, frozen=True, kw_only=True):
    """Which institutions, how many, after which."""

    limit: Limit = ROWS_DEFAULT


class AwardsFileQuery(FileQuery, frozen=True, kw_only=True):
    """What was awarded, by whom."""

    issuer: IssuerDid = ""
    achievement: AchievementUri = ""


class AwardedQuery(AwardsFileQuery, frozen=True, kw_only=True):
    """What was awarded, by whom; how many, after which."""

    limit: Limit = ROWS_DEFAULT


class RecognitionsFileQuery(AwardsFileQuery, frozen=True, kw_only=True):
    """What is recognised, of whom, by whom."""

    recogniser: RecogniserDid = ""


class RecognitionsQuery(RecognitionsFileQuery, frozen=True, kw_only=True):
    """What is recognised, of whom, by whom; how many, after which."""

    limit: Limit = ROWS_DEFAULT


async def issuers(request: web.Request, *, query: IssuersQuery) -> Reply:
    """Answer with institutions of the register."""
    found = await _issuers(request, query, query.limit)
    return list_reply(request, issuer_page(found), found)


def issuer_page(found: Slice[IssuerSummary]) -> IssuerPage:
    """Return institutions as the body of an answer."""
    return IssuerPage(
        issuers=found.rows, next_cursor=cursor_of(ISSUERS_LIST, found), as_of=found.as_of, freshness=found.freshness
    )


async def issuers_csv(request: web.Request, *, query: IssuersFileQuery) -> Reply:
    """Answer with the same as a file."""
    found = await _issuers(request, query, ROWS_MAX)
    return csv_reply(request, ISSUERS_LIST, ISSUERS, found, cursor_of(ISSUERS_LIST, found))


async def _issuers(request: web.Request, query: IssuersFileQuery, limit: int) -> Slice[IssuerSummary]:
    return await request.app[LISTS].issuers(
        InstitutionsWanted(query.q, query.country, query.state),
        after=after_of(ISSUERS_LIST, query.cursor, InstitutionPlace),
        limit=limit,
        language=language_of(request, query),
    )


async def issuer(request: web.Request, *, path: IssuerPath, query: LanguageQuery) -> IssuerAnswer:
    """Answer with what the register says of an institution."""
    return await request.app[LISTS].issuer(dids_in(request, path), language_of(request, query))


async def awards(request: web.Request, *, query: AwardedQuery) -> Reply:
    """Answer with what was awarded."""
    found = await _awards(request, query, query.limit)
    page = AwardedPage(
        awards=found.rows, next_cursor=cursor_of(_AWARDS, found), as_of=found.as_of, freshness=found.freshness
    )
    return list_reply(request, page, found)


async def awards_csv(request: web.Request, *, query: AwardsFileQuery) -> Reply:
    """Answer with the same as a file."""
    found = await _awards(request, query, ROWS_MAX)
    return csv_reply(request, _AWARDS, AWARDS, found, cursor_of(_AWARDS, found))


async def _awards(request: web.Request, query: AwardsFileQuery, limit: int) -> Slice[AwardedAchievement]:
    return await request.app[LISTS].awards(
        issuer=Did(query.issuer) or None,
        achievement=query.achievement or None,
        after=after_of(_AWARDS, query.cursor, AwardKey),
        limit=limit,
        language=language_of(request, query),
    )


async def recognitions(request: web.Request, *, query: RecognitionsQuery) -> Reply:
    """Answer with who recognises what."""
    found = await _recognitions(request, query, query.limit)
    page = RecognisedPage(
        recognitions=found.rows,
        next_cursor=cursor_of(_RECOGNITIONS, found),
        as_of=found.as_of,
        freshness=found.freshness,
    )
    return list_reply(request, page, found)


async def recognitions_csv(request: web.Request, *, query: RecognitionsFileQuery) -> Reply:
    """Answer with the same as a file."""
    found = await _recognitions(request, query, ROWS_MAX)
    return csv_reply(request, _RECOGNITIONS, RECOGNITIONS, found, cursor_of(_RECOGNITIONS, found))


async def _recognitions(request: web.Request, query: RecognitionsFileQuery, limit: int) -> Slice[RecognisedAchievement]:
    return await request.app[LISTS].recognised(
        recogniser=Did(query.recogniser) or None,
        issuer=Did(query.issuer) or None,
        achievement=query.achievement or None,
        after=after_of(_RECOGNITIONS, query.cursor, RecognisedKey),
        limit=limit,
        language=language_of(request, query),
    )


def register_routes() -> list[Route]:
    """Return the routes of the register."""
    return [
        *_listed(
            "/v1/issuers",
            (issuers, issuers_csv),
            (IssuersQuery, IssuersFileQuery),
            IssuerPage,
            summary="Search the register of institutions",
            description="In the order of their names: `?q=delta&country=NL&state=active`.",
        ),
        *_listed(
            "/v1/awards",
            (awards, awards_csv),
            (AwardedQuery, AwardsFileQuery),
            AwardedPage,
            summary="Which achievements were awarded, by whom and how often",
            description="By the log alone; the log holds no titles and no descriptions.",
        ),
        *_listed(
            "/v1/recognitions",
            (recognitions, recognitions_csv),
            (RecognitionsQuery, RecognitionsFileQuery),
            RecognisedPage,
            summary="Which institutions recognise credentials of which achievements, and how often",
        ),
        Route(
            "GET",
            "/v1/issuers/{did}",
            issuer,
            operation="read_issuer",
            summary="What the register says of an institution",
            description="Its standing, scope, keys and successor, what it has issued and what it recognises. Counts "
            "are of acts on the log; what was said with a key that was condemned afterwards stays counted.",
            tag=_TAG,
            path_parameters=IssuerPath,
            query=LanguageQuery,
            response={200: IssuerAnswer},
            problems=(UnknownIssuerProblem, *PROJECTION_PROBLEMS),
        ),
    ]


def _listed(
    path: str,
    handlers: tuple[Handler, Handler],
    queries: tuple[type[Body], type[Body]],
    answer: type[Body],
    *,
    summary: str,
    description: str = "",
) -> Iterator[Route]:
    """Yield the routes of one list: as JSON in parts, and as a file."""
    made: dict[str, Any] = {"tag": _TAG, "has_etag": True, "problems": PROJECTION_PROBLEMS}
    name = f"list_{path.rpartition('/')[2]}"
    yield Route(
        "GET",
        path,
        handlers[0],
        operation=name,
        summary=summary,
        description=description,
        query=queries[0],
        response={200: answer},
        **made,
    )
    yield Route(
        "GET",
        f"{path}.csv",
        handlers[1],
        operation=f"{name}_csv",
        summary="The same as CSV",
        description=_OF_FILES,
        query=queries[1],
        response={200: Media("text/csv")},
        **made,
    )
