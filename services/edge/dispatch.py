"""What happens around every handler: limit by address, render refusals, add headers, count, log. Knows no service."""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from aiohttp import hdrs, web

from proto.problem import Problem, UnavailableProblem
from services import call_context
from services.edge.address import RateLimit, TrustedProxies, rate_key
from services.edge.body import give_back
from services.edge.config import EdgeConfig
from services.edge.log import Log, RequestLine, fault_values
from services.edge.metrics import UNMATCHED, RouteTally
from services.edge.problem_page import problem_page, wants_page
from services.edge.problems import (
    InternalProblem,
    MethodNotAllowedProblem,
    RateLimitedProblem,
    UnknownPathProblem,
    from_http_exception,
    problem_response,
)
from services.edge.reply import SECURITY_HEADERS
from services.edge.route import Handler
from services.edge.starts import Starts
from services.edge.traced import traced
from services.tracing import Tracing

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_CLIENT_GONE = 499  # nginx's word for a client that left before its answer; seen in log and metrics only
_ERROR_STATUS_MIN = 400
_HEADER_OF_ALL = "Referrer-Policy"  # no handler sets this one, so an answer that has it has all of them


Explain = Callable[[Exception], Problem | None]
"""What a service makes of an exception that is no refusal: a problem, or None for a fault of ours."""


ShowRefusal = Callable[[web.Request, Problem], web.Response]
"""How a service shows a refusal to whoever opened an address in a browser."""


Admit = Callable[[web.Request], bool]
"""Whether a client is known and has a share of its own, which this request was counted in; raises what refuses it."""


class Observe(Protocol):
    """Told of each request of a route when it begins and when its answer is known; refuses and breaks nothing."""

    def begin(self, request: web.Request, method: str, operation: str) -> None:
        """Take note that a request is carried out now, in this task."""
        ...

    async def end(self, status: int, problem: str | None) -> None:
        """Take note of what it was answered, before it is sent."""
        ...


class _Unobserved:
    """Takes note of nothing."""

    def begin(self, request: web.Request, method: str, operation: str) -> None:
        """Take no note."""

    async def end(self, status: int, problem: str | None) -> None:
        """Take no note."""


_UNOBSERVED: Observe = _Unobserved()


def _unexplained(_: Exception) -> Problem | None:
    return None


class Noted:
    """What is known of one request besides itself: its id, once somebody asked, and values for its log line."""

    __slots__ = ("headers", "request_id", "values")

    def __init__(self) -> None:
        self.request_id: str | None = None
        self.values: dict[str, Any] | None = None
        self.headers: Mapping[str, str] | None = None


_NOTED: web.RequestKey[Noted] = web.RequestKey("noted", Noted)


class Dispatch:
    """What one app does around its handlers, with the state that this needs: request ids, rate limit, tallies.

    It is bound around each handler and not an aiohttp middleware: that machinery costs a third of a short request.
    """

    def __init__(
        self,
        *,
        config: EdgeConfig,
        log: Log,
        stopping: asyncio.Event,
        explain: Explain | None = None,
        admit: Admit | None = None,
        observe: Observe | None = None,
        tracing: Tracing | None = None,
        show_refusal: ShowRefusal = problem_page,
    ) -> None:
        self._stopping = stopping
        self._explain = explain or _unexplained
        self._admit_known = admit
        self._observe = observe
        self._show_refusal = show_refusal
        self._tracing = tracing
        self.tallies: list[RouteTally] = []
        self._starts = Starts()
        self._config = config
        self._log = log
        self._proxies = TrustedProxies(config.trusted_proxies)
        self._id_prefix = secrets.token_hex(4)
        self._id_numbers = itertools.count(1)
        self._limit: RateLimit | None = None
        if config.rate_per_second:
            self._limit = RateLimit(
                per_second=config.rate_per_second, burst=config.rate_burst, keys_max=config.rate_addresses_max
            )

    def around(
        self,
        handler: Handler,
        *,
        arguments: Callable[[web.Request], Awaitable[dict[str, Any]]] | None,
        render: Callable[[web.Request, Any], web.StreamResponse],
        method: str,
        template: str,
        rate_limited: bool = True,
        logged: bool = True,
        problems: Sequence[str] = (),
        operation: str = "",
        always: Mapping[str, str] | None = None,
    ) -> Handle:
        """Return what to register for `handler`: it never raises, unless the request is cancelled.

        `arguments` makes the handler's keyword arguments (None: it has none), `render` a response of what it returns.
        `operation` is told to whoever observes. `problems` are the slugs that it is known to refuse with, which are
        counted from 0; `always` are headers of every answer, refusals too.
        """
        tally = self._tally(method, template, problems)
        is_limited = rate_limited and (self._limit is not None or self._admit_known is not None)
        service = self._log.service
        observe = self._observe if operation and self._observe is not None else _UNOBSERVED

        async def handle(request: web.Request) -> web.StreamResponse:
            started = time.perf_counter()
            noted = request[_NOTED] = Noted()
            known = self.request_id(request)
            call_context.begin(known, asker := lambda: rate_key(self.address_of(request)))
            tally.in_flight += 1
            status, slug, sent_bytes = _CLIENT_GONE, None, 0
            try:
                observe.begin(request, method, operation)
                try:
                    await self._starts.turn(asker)
                    if is_limited:
                        self._admit(request)
                    if arguments is None:
                        response = render(request, await handler(request))
                    else:
                        response = render(request, await handler(request, **await arguments(request)))
                except Exception as error:  # noqa: BLE001 - this is where every refusal and every fault is rendered
                    response, slug = self._refused(request, error, tally)
                status = response.status
                await observe.end(status, slug)
                if always and not response.prepared:
                    response.headers.update(always)
                sent_bytes = self._finish(request, response, known)
                return response
            finally:
                give_back(request)
                seconds = time.perf_counter() - started
                tally.in_flight -= 1
                tally.add(status, seconds, request.content.total_bytes, sent_bytes)
                if logged or status >= _ERROR_STATUS_MIN:
                    method_known = request.method if request.method in METHODS else "other"
                    said = method_known, template, status, round(seconds * 1000, 3), sent_bytes, known, slug
                    self._log.request(RequestLine(datetime.now(UTC), "info", service, "request", *said), noted.values)

        if self._tracing is None or not logged:
            return handle
        return traced(handle, self._tracing, method=method, template=template, is_trusted=self._is_from_trusted)

    def around_unmatched(self, allowed: tuple[str, ...] = ()) -> Handle:
        """Return the handler for what no route takes: 404, or 405 where another method of its path exists.

        `allowed` are the methods of the path, where they are known.
        """
        refuse = partial(_refuse_unmatched, allowed=allowed)
        by_method = {
            method: self.around(refuse, arguments=None, render=as_is, method=method, template=UNMATCHED)
            for method in (*sorted(METHODS), "other")
        }

        async def handle(request: web.Request) -> web.StreamResponse:
            return await by_method[request.method if request.method in METHODS else "other"](request)

        return handle

    def address_of(self, request: web.Request) -> str:
        """Return the client's address; "" for a peer without one (a unix socket)."""
        return self._proxies.client_address(request.remote or "", request.headers.getall(hdrs.X_FORWARDED_FOR, ()))

    def request_id(self, request: web.Request) -> str:
        """Return the request's id: what a trusted proxy sent as `X-Request-Id`, else a new one."""
        noted = request[_NOTED]
        if noted.request_id is None:
            noted.request_id = self._sent_id(request) or f"{self._id_prefix}-{next(self._id_numbers)}"
        return noted.request_id

    def _is_from_trusted(self, request: web.Request) -> bool:
        return bool(self._config.trusted_proxies) and self._proxies.is_trusted(request.remote or "")

    def _sent_id(self, request: web.Request) -> str | None:
        if not self._is_from_trusted(request):
            return None
        sent = request.headers.get("X-Request-Id", "")
        return sent if _REQUEST_ID.fullmatch(sent) else None

    def _tally(self, method: str, template: str, problems: Sequence[str]) -> RouteTally:
        """Return the tally of a route; there is one for all that no route takes."""
        known = next((each for each in self.tallies if (each.method, each.template) == (method, template)), None)
        if known is not None:
            return known
        tally = RouteTally(method, template, (*problems, InternalProblem.slug))
        self.tallies.append(tally)
        return tally

    def _admit(self, request: web.Request) -> None:
        """Raise `RateLimitedProblem` where this client has used up its share; who is known has one of its own."""
        if (self._admit_known is not None and self._admit_known(request)) or self._limit is None:
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
            if error.__cause__ is not None and error.status == UnavailableProblem.status:
                self._note_cause(request, error.__cause__, error, tally)
        elif isinstance(error, web.HTTPException):
            if error.status < _ERROR_STATUS_MIN:  # a redirect; aiohttp wants it raised, not returned
                headers = {name: error.headers[name] for name in (hdrs.LOCATION,) if name in error.headers}
                return web.Response(status=error.status, headers=headers), None
            problem = from_http_exception(error, limit_bytes=self._config.body_bytes_max)
        elif request.transport is None or request.transport.is_closing():
            return web.Response(status=_CLIENT_GONE), "client-gone"
        else:
            problem = self._explained(request, error, tally) or self._fault(request, error, tally)
        if request.writer.output_size > 0:
            self._cut(request, problem, tally)
        tally.add_problem(problem.slug)
        if wants_page(request):
            return self._show_refusal(request, problem), problem.slug
        return problem_response(problem), problem.slug

    def _explained(self, request: web.Request, error: Exception, tally: RouteTally) -> Problem | None:
        problem = self._explain(error)
        if problem is not None:
            self._note_cause(request, error, problem, tally)
        return problem

    def _note_cause(self, request: web.Request, cause: BaseException, problem: Problem, tally: RouteTally) -> None:
        """Write why something is away for now: the client is told that it is, the operator what its server said."""
        self._log.warning(
            "unavailable",
            error=type(cause).__qualname__,
            message=str(cause),
            problem=problem.slug,
            method=tally.method,
            route=tally.template,
            request_id=self.request_id(request),
        )

    def _fault(self, request: web.Request, error: Exception, tally: RouteTally) -> Problem:
        known = self.request_id(request)
        place = {"method": tally.method, "route": tally.template, "request_id": known}
        self._log.failure("request_failed", **fault_values(error), **place)
        return InternalProblem(
            "This is a fault of ours. Quote the request id if you report it", members={"request_id": known}
        )

    def _cut(self, request: web.Request, problem: Problem, tally: RouteTally) -> None:
        """End the connection in the middle of an answer, so that nobody takes what was sent for the whole of it."""
        self._log.warning("answer_cut", route=tally.template, problem=problem.slug, request_id=self.request_id(request))
        if request.transport is not None:
            request.transport.abort()

    def _finish(self, request: web.Request, response: web.StreamResponse, known: str) -> int:
        """Add the headers that every answer has; return the bytes of its body."""
        if response.prepared:
            return request.writer.output_size
        headers = response.headers
        if _HEADER_OF_ALL not in headers:
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        headers["X-Request-Id"] = known
        if self._stopping.is_set():  # so the client sends nothing more on a connection that is closed soon
            response.force_close()
        if (more := request[_NOTED].headers) is not None:
            headers.update(more)
        return response.content_length or 0


def as_is(_: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Render a response as it is."""
    return response


async def _refuse_unmatched(request: web.Request, *, allowed: tuple[str, ...]) -> web.StreamResponse:
    found = set(allowed)
    for resource in () if allowed else request.app.router.resources():
        _, methods = await resource.resolve(request)
        found |= methods - {hdrs.METH_ANY, hdrs.METH_OPTIONS}
    if found:
        names = tuple(sorted(found))
        raise MethodNotAllowedProblem(f"This path takes {', '.join(names)}", allowed=names)
    raise UnknownPathProblem("No route has this path; /docs lists those there are")


DISPATCH: web.AppKey[Dispatch] = web.AppKey("dispatch", Dispatch)


def request_id(request: web.Request) -> str:
    """Return the request's id, which its log line and its `X-Request-Id` header carry."""
    return request.app[DISPATCH].request_id(request)


def client_address(request: web.Request) -> str:
    """Return the client's address: the peer's, or what a trusted proxy says of it. Never to be logged."""
    return request.app[DISPATCH].address_of(request)


def add_headers(request: web.Request, headers: Mapping[str, str]) -> None:
    """Add headers to whatever the answer will be, unless it has begun."""
    request[_NOTED].headers = headers


def annotate(request: web.Request, **values: Any) -> None:
    """Add values to the request's log line: counts, durations, codes; never ids, names or content."""
    noted = request[_NOTED]
    noted.values = (noted.values or {}) | values
