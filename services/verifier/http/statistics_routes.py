"""Routes of the statistics: JSON, CSV and a page, all from the same counts."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.ids import Did
from proto.problem import InvalidProblem, Problem
from proto.wire.ledger import Body
from proto.wire.verifier import Lang, StatisticsAnswer
from services.edge import Media, Reply, Route, etag_of, parameter_problem
from services.verifier.http.app_keys import ANSWERS, PAGES
from services.verifier.http.query import said_of
from services.verifier.pages.words import MONTHS_BACKWARDS, STATISTICS_FAULTS, TOO_MANY_GROUPS, UNREADABLE
from services.verifier.projection.statistics import DIMENSIONS, TooManyGroupsProblem, Wanted, as_csv
from services.verifier.projection.troubles import PROJECTION_PROBLEMS, ProjectionProblem

_FIRST, _LAST = "0000-00", "9999-99"
_REVALIDATE = {"Cache-Control": "public, no-cache"}
_MONTH_PATTERN = r"^([0-9]{4}-(0[1-9]|1[0-2]))?\Z"
_BY_PATTERN = rf"^(|({'|'.join(DIMENSIONS)})(,({'|'.join(DIMENSIONS)}))*)\Z"
_PROBLEMS: tuple[type[Problem], ...] = (TooManyGroupsProblem, *PROJECTION_PROBLEMS)


class StatisticsQuery(Body, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """By what to group (several with commas; nothing: one row), and which groups; what is left empty is not asked."""

    by: Annotated[str, Meta(pattern=_BY_PATTERN, description=f"Of {', '.join(DIMENSIONS)}, with commas")] = "month"
    issuer: Annotated[str, Meta(max_length=600, description="Only this institution, by its DID")] = ""
    country: Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z", description="Only institutions of this country, as PT")] = (
        ""
    )
    eqf_level: Annotated[str, Meta(pattern=r"^[0-8]?\Z", description="Only this level; 0: not stated")] = ""
    first: Annotated[str, Meta(pattern=_MONTH_PATTERN, description="From this month on, as 2026-01")] = ""
    last: Annotated[str, Meta(pattern=_MONTH_PATTERN, description="Up to and with this month")] = ""

    def wanted(self) -> Wanted:
        """Return the same in other types; raises `InvalidProblem` for a month that is before the first."""
        months = self.first or _FIRST, self.last or _LAST
        if months[0] > months[1]:
            raise parameter_problem("to", f"The last month lies before the first, {self.first}")
        return Wanted(
            by=tuple(name for name in DIMENSIONS if name in self.by.split(",")),
            issuer=Did(self.issuer) if self.issuer else None,
            country=self.country or None,
            eqf_level=int(self.eqf_level) if self.eqf_level else None,
            months=months,
        )


async def statistics(request: web.Request, *, query: StatisticsQuery) -> Reply:
    """Answer with the counts."""
    answer = await request.app[ANSWERS].statistics(query.wanted())
    body = msgspec.json.encode(answer)
    return Reply(body, etag=_etag(answer, query), headers=_REVALIDATE)


async def statistics_csv(request: web.Request, *, query: StatisticsQuery) -> Reply:
    """Answer with the counts as a file for a spreadsheet."""
    answer = await request.app[ANSWERS].statistics(query.wanted())
    headers = {"Content-Disposition": 'attachment; filename="credentify-statistics.csv"', **_REVALIDATE}
    headers["X-Log-Size"] = str(answer.as_of.size)
    return Reply(as_csv(answer.rows, answer.by), etag=_etag(answer, query), headers=headers)


def _etag(answer: StatisticsAnswer, query: StatisticsQuery) -> str:
    """Return a tag that changes with the log and the question, and not with every second that passes."""
    return etag_of(msgspec.json.encode((answer.as_of.root_hash, answer.freshness.code, query)))


class StatisticsPageQuery(Body, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """The same as a form sends it, and in which language; what is wrong in it is said on the page, and stays there."""

    by: Annotated[str, Meta(max_length=100, description=f"Of {', '.join(DIMENSIONS)}, with commas")] = "month"
    issuer: Annotated[str, Meta(max_length=600, description="Only this institution, by its DID")] = ""
    country: Annotated[str, Meta(max_length=100, description="Only institutions of this country, as PT")] = ""
    eqf_level: Annotated[str, Meta(max_length=100, description="Only this level; 0: not stated")] = ""
    first: Annotated[str, Meta(max_length=100, description="From this month on, as 2026-01")] = ""
    last: Annotated[str, Meta(max_length=100, description="Up to and with this month")] = ""
    lang: Lang = None


async def statistics_page(request: web.Request, *, query: StatisticsPageQuery) -> web.Response:
    """Show the counts, drawn and as a table; or what is wrong with the question, above the form that holds it."""
    said, pages = said_of(request, query), request.app[PAGES]
    typed = {name: text.strip() for name, text in msgspec.to_builtins(query).items() if text is not None}
    typed["country"] = typed["country"].upper()
    wanted, fault = _read(typed)
    if wanted is None:
        return pages.statistics_fault(said, query=typed, fault=said.line(fault), status=422)
    try:
        answer = await request.app[ANSWERS].statistics(wanted, language=said.language)
    except TooManyGroupsProblem as problem:
        return pages.statistics_fault(said, query=typed, fault=said.line(TOO_MANY_GROUPS), status=problem.status)
    except ProjectionProblem as problem:
        return pages.statistics_fault(said, query=typed, fault=said.line(UNREADABLE), status=problem.status)
    return pages.statistics(answer, said, query=typed)


def _read(typed: Mapping[str, str]) -> tuple[Wanted | None, str]:
    """Return what is asked for, or what is wrong with the first field that cannot be read."""
    fields = {name: text for name, text in typed.items() if name in {*STATISTICS_FAULTS, "issuer"}}
    for name, text in fields.items():
        try:
            msgspec.convert({name: text}, StatisticsQuery)
        except msgspec.ValidationError:
            return None, STATISTICS_FAULTS[name]
    try:
        return msgspec.convert(fields, StatisticsQuery).wanted(), ""
    except InvalidProblem:
        return None, MONTHS_BACKWARDS


def statistics_routes() -> list[Route]:
    """Return the three routes."""
    return [
        Route(
            "GET",
            "/v1/statistics",
            statistics,
            operation="read_statistics",
            summary="Credentials, credits, stacks, revocations and recognitions in numbers",
            description="By institution, country, EQF level and month, from the log alone: `?by=country,month&from=…`. "
            "Acts are counted in the month in which the log received them.",
            tag="statistics",
            response={200: StatisticsAnswer},
            has_etag=True,
            query=StatisticsQuery,
            problems=_PROBLEMS,
        ),
        Route(
            "GET",
            "/v1/statistics.csv",
            statistics_csv,
            operation="read_statistics_csv",
            summary="The same as CSV",
            tag="statistics",
            response={200: Media("text/csv")},
            has_etag=True,
            query=StatisticsQuery,
            problems=_PROBLEMS,
        ),
        Route(
            "GET",
            "/statistics",
            statistics_page,
            operation="show_statistics",
            summary="The page with the same, drawn and as a table",
            tag="pages",
            response=dict.fromkeys((200, 422, 503), Media("text/html")),
            query=StatisticsPageQuery,
        ),
    ]
