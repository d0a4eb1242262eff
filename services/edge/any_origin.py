"""Answers that pages of any origin may read (CORS, Fetch standard 3.2), and the questions that browsers ask before.

For what is public: nothing that is asked with a cookie, and nothing that only its caller may see.
"""

from collections.abc import Iterable, Mapping

from aiohttp import web

from services.edge.route import Handler, Route

ANY_ORIGIN: Mapping[str, str] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Language, ETag, Retry-After, X-Request-Id",
}
_ASKED = "Accept, Accept-Language, Content-Type, If-None-Match"
_SECONDS = "86400"


def preflights(routes: Iterable[Route]) -> dict[str, list[Route]]:
    """Return by path the routes whose answers pages of any origin may read."""
    found: dict[str, list[Route]] = {}
    for route in routes:
        if route.any_origin:
            found.setdefault(route.path, []).append(route)
    return found


def preflight(routes: Iterable[Route]) -> Handler:
    """Return the handler that tells a browser which methods and headers pages may use at the path of these routes."""
    methods = {method for route in routes for method in (("GET", "HEAD") if route.method == "GET" else (route.method,))}
    asked = f"Authorization, {_ASKED}" if any(route.takes_key for route in routes) else _ASKED
    headers = {
        "Allow": ", ".join(sorted({*methods, "OPTIONS"})),
        "Access-Control-Allow-Methods": ", ".join(sorted(methods)),
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": _SECONDS,
    }

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=204, headers=headers)

    return answer
