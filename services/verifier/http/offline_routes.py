"""The page that checks credentials in the reader's own browser, and the same page as a file to keep."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from proto.wire.verifier import LanguageQuery
from services.edge import Media, Route
from services.edge.reply import sealed_page
from services.verifier.http.app_keys import OFFLINE
from services.verifier.http.query import language_of
from services.verifier.pages.said import PageLanguage

FILE_NAME = "credentify-check.html"


class OfflineQuery(LanguageQuery, frozen=True, kw_only=True):
    """Whether the page is to be kept as a file."""

    save: Annotated[bool, Meta(description="As a file, which works from a disk and without a network")] = False


async def offline(request: web.Request, *, query: OfflineQuery) -> web.Response:
    """Show the page, or hand it out as a file."""
    said = PageLanguage(language=language_of(request, query), is_named=query.lang is not None)
    page = request.app[OFFLINE]
    return sealed_page(page.html(said), seal=page.seal, file_name=FILE_NAME if query.save else None)


def offline_routes() -> list[Route]:
    """Return the route of the page."""
    return [
        Route(
            "GET",
            "/offline",
            offline,
            operation="show_offline_check",
            summary="The page that checks a credential on the reader's device",
            description="It verifies a credential and its bundle in the browser, asks no server, sends nothing, and "
            "never says more than `authentic as of`. With `save` it comes as one file that works from a disk.",
            tag="pages",
            query=OfflineQuery,
            response={200: Media("text/html")},
        )
    ]
