"""Puts a service together: routes, and the one middleware in which every request is limited, measured and logged."""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from proto.problem import Problem
from services.edge.address import RateLimit, TrustedProxies, rate_key
from services.edge.auth import Authenticate
from services.edge.config import EdgeConfig
from services.edge.endpoint import Endpoint
from services.edge.log import Log
from services.edge.metrics import RequestMetrics, RouteTally
from services.edge.operations import STOPPING, Operations, ReadinessCheck
from services.edge.problems import InternalProblem, RateLimitedProblem, from_http_exception, problem_response
from services.edge.reply import SECURITY_HEADERS
from services.edge.route import Route

LOG: web.AppKey[Log] = web.AppKey("log", Log)
REGISTRY: web.AppKey[CollectorRegistry] = web.AppKey("registry", CollectorRegistry)
CONFIG: web.AppKey[EdgeConfig] = web.AppKey("edge_config", EdgeConfig)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ID_KEY: web.RequestKey[str] = web.RequestKey("id", str)
_LINE_KEY: web.RequestKey[dict[str, Any]] = web.RequestKey("line", dict)
_CLIENT_GONE = 499  # nginx's word for a client that left before its answer; seen in log and metrics only
_ERROR_STATUS_MIN = 400


def request_id(request: web.Request) -> str:
    """Return the request's id, which its log line and its `X-Request-Id` header carry."""
    return request.app[EDGE].request_id(request)


def client_address(request: web.Request) -> str:
    """Return the client's address: the peer's, or what a trusted proxy says of it. Never to be logged."""
    return request.app[EDGE].address_of(request)


def annotate(request: web.Request, **values: Any) -> None:
    """Add values to the request's log line: counts, durations, codes; never ids, names or content."""
    line = request.get(_LINE_KEY)
    if line is None:
        line = request[_LINE_KEY] = {}
    line.update(values)


class Edge:
    """What one app's middleware needs, bound once."""

    def __init__(self, *, config: EdgeConfig, log: Log) -> None:
        self.endpoints: dict[Any, Endpoint] = {}
        self._unmatched = {method: RouteTally(method, "unmatched") for method in (*sorted(_METHODS), "other")}
        self._config = config
        self._log = log
        self._proxies = TrustedProxies(config.trusted_proxies)
        self._id_prefix = secrets.token_hex(4)
        self._id_numbers = itertools.count(1)
        self._limit = (
            RateLimit(per_second=config.rate_per_second, burst=config.rate_burst, keys_max=config.rate_addresses_max)
            if config.rate_per_second
            else None
        )

    def tallies(self) -> list[RouteTally]:
        """Return the tallies of all routes and of what no route matched."""
        return [*(endpoint.tally for endpoint in self.endpoints.values()), *self._unmatched.values()]

    def middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        """Return the one middleware: limit by address, answer or refuse, add headers, count and log."""

        @web.middleware
        async def edge(request: web.Request, handler: Callable[..., Awaitable[Any]]) -> web.StreamResponse:
            started = time.perf_counter()
            endpoint = self.endpoints.get(handler)
            tally = endpoint.tally if endpoint else self._tally_of_unmatched(request)
            tally.in_flight += 1
            status, slug, sent_bytes = _CLIENT_GONE, None, 0
            try:
                try:
                    self._admit(request, endpoint)
                    response: web.StreamResponse = await handler(request)
                except Exception as error:  # noqa: BLE001 - this is where every refusal and every fault is rendered
                    response, slug = self._refused(request, error, tally)
                status = response.status
                sent_bytes = self._finish(request, response)
                return response
            finally:
                tally.in_flight -= 1
                seconds = time.perf_counter() - started
                tally.add(status, seconds, request.content.total_bytes, sent_bytes)
                if endpoint is None or endpoint.route.logged or status >= _ERROR_STATUS_MIN:
                    values = {"status": status, "duration_ms": round(seconds * 1000, 3), "bytes": sent_bytes}
                    self._log_request(request, tally.template, values, slug)

        return edge

    def address_of(self, request: web.Request) -> str:
        """Return the client's address; "" for a peer without one (a unix socket)."""
        return self._proxies.client_address(request.remote or "", request.headers.getall(hdrs.X_FORWARDED_FOR, ()))

    def request_id(self, request: web.Request) -> str:
        """Return the request's id: what a trusted proxy sent as `X-Request-Id`, else a new one."""
        known = request.get(_ID_KEY)
        if known is None:
            sent = request.headers.get("X-Request-Id")
            if sent and _REQUEST_ID.fullmatch(sent) and self._proxies.is_trusted(request.remote or ""):
                known = sent
            else:
                known = f"{self._id_prefix}-{next(self._id_numbers)}"
            request[_ID_KEY] = known
        return known

    def _tally_of_unmatched(self, request: web.Request) -> RouteTally:
        return self._unmatched[request.method if request.method in _METHODS else "other"]

    def _admit(self, request: web.Request, endpoint: Endpoint | None) -> None:
        """Raise `RateLimitedProblem` where this client has used up its share; probes and metrics are never refused."""
        if self._limit is None or (endpoint is not None and not endpoint.route.rate_limited):
            return
        wait_seconds = self._limit.charge(rate_key(self.address_of(request)), time.monotonic())
        if wait_seconds > 0:
            raise RateLimitedProblem(
                "Your address sent too many requests; wait a little", retry_after_seconds=wait_seconds
            )

    def _refused(self, request: web.Request, error: Exception, tally: RouteTally) -> tuple[web.Response, str | None]:
        """Return the answer to a refusal or a fault, and the problem's slug; only here are problems rendered."""
        if isinstance(error, Problem):
            problem = error
        elif isinstance(error, web.HTTPException):
            if error.status < _ERROR_STATUS_MIN:
                return web.Response(status=error.status, headers=error.headers), None
            problem = from_http_exception(error, limit_bytes=self._config.body_bytes_max)
        elif request.transport is None or request.transport.is_closing():
            return web.Response(status=_CLIENT_GONE), "client-gone"
        else:
            problem = self._fault(request, error, tally)
        if request.writer.output_size > 0:
            self._cut(request, problem, tally)
        tally.add_problem(problem.slug)
        return problem_response(problem), problem.slug

    def _fault(self, request: web.Request, error: Exception, tally: RouteTally) -> Problem:
        known = self.request_id(request)
        self._log.failure("request_failed", error, method=tally.method, route=tally.template, request_id=known)
        return InternalProblem(
            "This is a fault of ours. Quote the request id if you report it", members={"request_id": known}
        )

    def _cut(self, request: web.Request, problem: Problem, tally: RouteTally) -> None:
        """End the connection in the middle of an answer, so that nobody takes what was sent for the whole of it."""
        self._log.warning("answer_cut", route=tally.template, problem=problem.slug, request_id=self.request_id(request))
        if request.transport is not None:
            request.transport.abort()

    def _finish(self, request: web.Request, response: web.StreamResponse) -> int:
        """Add the headers that every answer has; return the bytes of its body."""
        if response.prepared:
            return request.writer.output_size
        headers = response.headers
        for name, value in SECURITY_HEADERS.items():
            if name not in headers:
                headers[name] = value
        headers["X-Request-Id"] = self.request_id(request)
        return response.content_length or 0

    def _log_request(self, request: web.Request, template: str, values: dict[str, Any], slug: str | None) -> None:
        line: dict[str, Any] = {
            "method": request.method if request.method in _METHODS else "other",
            "route": template,
            **values,
            "request_id": self.request_id(request),
        }
        if slug is not None:
            line["problem"] = slug
        if (noted := request.get(_LINE_KEY)) is not None:
            line.update(noted)
        self._log.request(line)


EDGE: web.AppKey[Edge] = web.AppKey("edge", Edge)


def make_app(
    service: str,
    routes: Sequence[Route],
    *,
    config: EdgeConfig,
    log: Log,
    version: str,
    description: str,
    readiness: Mapping[str, ReadinessCheck] | None = None,
    authenticate: Authenticate | None = None,
    registry: CollectorRegistry | None = None,
) -> web.Application:
    """Return the application of a service: its routes, the operator's routes, and the edge around both.

    The app holds `LOG`, `REGISTRY`, `CONFIG` and `STOPPING`; the service adds its own keys and `cleanup_ctx`. Raises
    `TypeError` where a route and its handler contradict each other. `service` is one word: `ledger`, `gateway`.
    """
    registry = registry if registry is not None else CollectorRegistry()
    edge = Edge(config=config, log=log)
    app = web.Application(middlewares=[edge.middleware()], client_max_size=config.body_bytes_max)
    app[EDGE], app[LOG], app[REGISTRY], app[CONFIG], app[STOPPING] = edge, log, registry, config, asyncio.Event()
    operations = Operations(
        service=service,
        version=version,
        log=log,
        registry=registry,
        readiness=readiness or {},
        timeout_seconds=config.readiness_timeout_seconds,
        stopping=app[STOPPING],
    )
    every = [*routes, *operations.routes()]
    for route in every:
        _add(app, edge, Endpoint(route, config=config, authenticate=authenticate, realm=service))
    operations.describe(title=f"Credentify {service}", description=description, routes=every)
    registry.register(RequestMetrics(edge.tallies()))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return app


def _add(app: web.Application, edge: Edge, endpoint: Endpoint) -> None:
    handler = endpoint.answer
    edge.endpoints[handler] = endpoint
    route = endpoint.route
    for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
        app.router.add_route(method, route.path, handler, expect_handler=endpoint.expect)
