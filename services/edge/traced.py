"""Makes a span of each request of a route. Used only where traces are on; knows no service."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from services.call_context import CallContext
from services.tracing import Tracing

_Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TRACEPARENT_CHARACTERS_MAX = 128


def traced(
    handle: _Handle,
    tracing: Tracing,
    *,
    method: str,
    template: str,
    is_trusted: Callable[[web.Request], bool],
) -> _Handle:
    """Return `handle` with a span around it, named by method and route alone.

    It is part of the trace that somebody trusted sent along; a stranger's is not gone on with.
    """
    name = f"{method} {template}"
    attributes = {"http.request.method": method, "http.route": template}

    async def handle_traced(request: web.Request) -> web.StreamResponse:
        sent = request.headers.get("traceparent", "")
        takes = sent and len(sent) <= _TRACEPARENT_CHARACTERS_MAX and is_trusted(request)
        parents = (CallContext(None, sent),) if takes else ()
        with tracing.span(name, kind="server", parents=parents, attributes=attributes) as found:
            response = await handle(request)
            found["http.response.status_code"] = response.status
            return response

    return handle_traced
