"""The route of precedents: how institutions decided on the credentials of one achievement."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from proto.ids import Did
from proto.wire.precedents import PrecedentsAnswer
from proto.wire.verifier import LanguageQuery
from services.edge import Route
from services.verifier.http.app_keys import LISTS
from services.verifier.http.query import language_of
from services.verifier.projection.troubles import PROJECTION_PROBLEMS


class PrecedentsQuery(LanguageQuery, frozen=True, kw_only=True):
    """Of which achievement, awarded by whom."""

    achievement: Annotated[str, Meta(min_length=1, max_length=500, description="Its address, as on the log")]
    issuer: Annotated[str, Meta(min_length=1, max_length=240, description="The DID of the institution that awards it")]


async def precedents(request: web.Request, *, query: PrecedentsQuery) -> PrecedentsAnswer:
    """Answer with what was decided."""
    return await request.app[LISTS].precedents(query.achievement, Did(query.issuer), language_of(request, query))


def precedent_routes() -> list[Route]:
    """Return the one route."""
    return [
        Route(
            "GET",
            "/v1/precedents",
            precedents,
            operation="list_precedents",
            summary="How institutions decided, on the public log, on the credentials of an achievement",
            description="Recognitions that are live, by who decided, how and towards which programme, and the standing "
            "decisions in force. An achievement that nobody recognised has none; refusals are on no log.",
            query=PrecedentsQuery,
            response={200: PrecedentsAnswer},
            problems=PROJECTION_PROBLEMS,
            tag="register",
        )
    ]
