"""Routes of the log in figures: a summary as JSON, its growth as a file."""

from aiohttp import web

from proto.wire.register import DayCount, LogAnswer
from proto.wire.verifier import LanguageQuery
from services.edge import Media, Reply, Route, etag_of
from services.verifier.http.app_keys import LISTS
from services.verifier.http.csv_files import Columns, csv_bytes
from services.verifier.http.list_queries import REVALIDATE
from services.verifier.http.query import language_of
from services.verifier.projection.troubles import PROJECTION_PROBLEMS

_TAG = "log"
_DAYS: Columns[DayCount] = {
    "day": lambda row: row.day,
    "entries": lambda row: row.entries,
    "size": lambda row: row.size,
}


async def log_summary(request: web.Request, *, query: LanguageQuery) -> LogAnswer:
    """Answer with the log in figures."""
    return await request.app[LISTS].log(language_of(request, query))


async def growth_csv(request: web.Request, *, query: LanguageQuery) -> Reply:
    """Answer with the growth of the log as a file."""
    found = await request.app[LISTS].log(language_of(request, query))
    headers = {**REVALIDATE, "Content-Disposition": 'attachment; filename="credentify-growth.csv"'}
    return Reply(csv_bytes(_DAYS, found.days), etag=etag_of(found.as_of.root_hash.encode()), headers=headers)


def log_routes() -> list[Route]:
    """Return the routes about the log."""
    return [
        Route(
            "GET",
            "/v1/log/summary",
            log_summary,
            operation="read_log_summary",
            summary="How large the log is, how it grew, who vouches for it, and what was said last",
            description="From this verifier's own records; witnesses are those whose cosignatures the checkpoint "
            "carries or its policy names, each checked by its key where that is known here.",
            tag=_TAG,
            query=LanguageQuery,
            response={200: LogAnswer},
            problems=PROJECTION_PROBLEMS,
        ),
        Route(
            "GET",
            "/v1/log/growth.csv",
            growth_csv,
            operation="read_growth_csv",
            summary="Entries by day as CSV, with the size of the log at the end of each",
            tag=_TAG,
            query=LanguageQuery,
            response={200: Media("text/csv")},
            has_etag=True,
            problems=PROJECTION_PROBLEMS,
        ),
    ]
