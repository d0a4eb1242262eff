"""The routes that every service has for its operator and its integrators: probes, metrics, OpenAPI and its page."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta
from prometheus_client import CONTENT_TYPE_LATEST

from proto.problem import Problem
from services.edge.docs import DocsPage
from services.edge.exposition import RationedExposition
from services.edge.log import Log
from services.edge.openapi import openapi_document
from services.edge.problems import NotReadyProblem
from services.edge.reply import Reply, etag_of, html_page
from services.edge.route import Media, Route

TAG = "operations"
STOPPING: web.AppKey[asyncio.Event] = web.AppKey("stopping", asyncio.Event)
"""Set as soon as the service is told to stop: long polls wait for it too, so that they end early."""

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""Returns None where all is well, else one sentence for the operator, without secrets; an exception is a failure."""


class Alive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The process answers."""

    status: str
    service: str
    version: str


class Ready(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that the service needs answers; `checks` names what was asked."""

    status: str
    checks: tuple[str, ...]


class DocsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page of the interface is searched for; nothing: all of it."""

    q: Annotated[str, Meta(max_length=100, description="Words that operations and schemas must have, all of them")] = ""


class _Described(msgspec.Struct, frozen=True):
    """The description of a route table as it is answered: as JSON, as a page, and the page compressed."""

    document: bytes
    page: DocsPage
    zipped: bytes


class Operations:
    """The handlers of the operator's routes."""

    def __init__(
        self,
        *,
        service: str,
        version: str,
        log: Log,
        metrics: Callable[[], bytes],
        readiness: Mapping[str, ReadinessCheck],
        timeout_seconds: float,
        stopping: asyncio.Event,
    ) -> None:
        self._alive = Alive(status="alive", service=service, version=version)
        self._log = log
        self._exposition = RationedExposition(metrics)
        self._readiness = dict(readiness)
        self._timeout_seconds = timeout_seconds
        self._stopping = stopping
        self._describe: Callable[[], _Described]
        self._described: _Described | None = None
        self._describing = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return the five routes."""
        return [
            self._route("/livez", self.live, "Whether the process answers", Alive),
            self._route("/readyz", self.ready, "Whether requests should be sent here", Ready, NotReadyProblem),
            self._route("/metrics", self.metrics, "Metrics in Prometheus' text format", Media("text/plain")),
            self._route("/openapi.json", self.openapi, "This description, OpenAPI 3.1", dict[str, Any]),
            self._docs_route(),
        ]

    def _route(self, path: str, handler: Any, summary: str, response: Any, *problems: Any) -> Route:
        return Route(
            "GET",
            path,
            handler,
            summary=summary,
            tag=TAG,
            operation="read_" + path[1:].partition(".")[0],
            response={200: response},
            problems=problems,
            rate_limited=False,
            logged=False,
        )

    def _docs_route(self) -> Route:
        return Route(
            "GET",
            "/docs",
            self.docs,
            summary="This description, as a page that can be searched",
            tag=TAG,
            operation="read_docs",
            query=DocsQuery,
            response={200: Media("text/html")},
            logged=False,
        )

    def describe(
        self, *, title: str, description: str, routes: Sequence[Route], explained: Sequence[type[Problem]] = ()
    ) -> None:
        """Take the whole route table, of which the first reader has the OpenAPI document and its page made.

        `explained` as for `make_app`.
        """
        version = self._alive.version

        def make() -> _Described:
            document = openapi_document(
                title=title, version=version, description=description, routes=routes, explained=explained
            )
            page = DocsPage(document)
            return _Described(msgspec.json.encode(document), page, gzip.compress(page.whole.encode(), mtime=0))

        self._describe = make

    async def _description(self) -> _Described:
        """Return the description; it is made once, off the loop: no start and no other request waits for it."""
        async with self._describing:
            if self._described is None:
                self._described = await asyncio.to_thread(self._describe)
        return self._described

    async def live(self, _: web.Request) -> Alive:
        """Answer that the process runs, whatever else is wrong."""
        return self._alive

    async def ready(self, _: web.Request) -> Ready:
        """Run all checks at once; raises `NotReadyProblem` with a sentence for each that fails, and while stopping."""
        if self._stopping.is_set():
            raise NotReadyProblem("The service is stopping", members={"failing": {"stopping": "It was told to stop"}})
        words = await asyncio.gather(*(self._checked(name, check) for name, check in self._readiness.items()))
        failing = {name: word for name, word in zip(self._readiness, words, strict=True) if word is not None}
        if failing:
            sentences = "; ".join(f"{name}: {word}" for name, word in failing.items())
            raise NotReadyProblem(sentences, members={"failing": failing})
        return Ready(status="ready", checks=tuple(self._readiness))

    async def _checked(self, name: str, check: ReadinessCheck) -> str | None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await check()
        except TimeoutError:
            return f"It did not answer within {self._timeout_seconds:g} seconds"
        except Exception as error:  # noqa: BLE001 - whatever a check raises means that it failed
            self._log.failure("readiness_check_failed", error, check=name)
            return "The check itself failed; the log has the rest"

    async def metrics(self, _: web.Request) -> Reply:
        """Return every family of the service."""
        return Reply(await self._exposition.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, _: web.Request) -> Reply:
        """Return the OpenAPI document."""
        document = (await self._description()).document
        return Reply(document, etag=etag_of(document))

    async def docs(self, request: web.Request, *, query: DocsQuery) -> web.Response:
        """Return the page made from the OpenAPI document: whole, compressed once, or what a search finds of it."""
        described = await self._description()
        if searched := " ".join(query.q.split()):
            return html_page(described.page.found(searched), style=described.page.style)
        response = html_page(described.page.whole, style=described.page.style)
        response.headers["Vary"] = "Accept-Encoding"
        if "gzip" in map(str.strip, request.headers.get("Accept-Encoding", "").split(",")):
            response.body = described.zipped
            response.headers["Content-Encoding"] = "gzip"
        return response
