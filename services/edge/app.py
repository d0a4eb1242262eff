"""Puts a service together: its routes, the operator's routes, and what happens around every handler. Runs nothing."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, Info, ProcessCollector, generate_latest

from proto.problem import Problem
from services.edge.address import TrustedProxies, rate_key
from services.edge.any_origin import ANY_ORIGIN, preflight, preflights
from services.edge.auth import Authenticate
from services.edge.body import BODY_THREADS, BODY_TURN, HELD_BODIES, THREADS, HeldBodies
from services.edge.config import EdgeConfig
from services.edge.connections import Connections
from services.edge.dispatch import DISPATCH, Admit, Dispatch, Explain, Handle, Observe, ShowRefusal, as_is
from services.edge.endpoint import Endpoint
from services.edge.log import Log
from services.edge.machine import Machine, watched_by_settings
from services.edge.metrics import RequestMetrics
from services.edge.operations import STOPPING, Operations, ReadinessCheck
from services.edge.problem_page import problem_page
from services.edge.route import Route
from services.tracing import Tracing, open_tracing

LOG: web.AppKey[Log] = web.AppKey("log", Log)
REGISTRY: web.AppKey[CollectorRegistry] = web.AppKey("registry", CollectorRegistry)
CONFIG: web.AppKey[EdgeConfig] = web.AppKey("edge_config", EdgeConfig)
TRACING: web.AppKey[Tracing] = web.AppKey("tracing", Tracing)
"""There is one where the settings name a receiver."""
CONNECTIONS: web.AppKey[Connections] = web.AppKey("connections", Connections)


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
    explain: Explain | None = None,
    explained: Sequence[type[Problem]] = (),
    admit: Admit | None = None,
    observe: Observe | None = None,
    expose: Callable[[CollectorRegistry], bytes] = generate_latest,
    places: Mapping[str, Path] | None = None,
    show_refusal: ShowRefusal = problem_page,
) -> web.Application:
    """Return the application of a service: its routes, the operator's routes, and the edge around both.

    The app holds `LOG`, `REGISTRY`, `CONFIG` and `STOPPING`; the service adds its own keys and `cleanup_ctx`, and no
    route of its own behind the edge's back: what no `Route` takes is answered 404. Raises `TypeError` where a route and
    its handler contradict each other. `service` is one word: `ledger`, `gateway`. `explain` turns what is no refusal
    but no fault of ours either (a database that restarts) into one of `explained`; None means a fault, answered 500.
    `admit` counts requests of clients that have a share of their own, and keeps them from their address's.
    `observe` is told of each request of `routes` and its answer. `expose` makes the text of `/metrics` from the
    registry. `places` are folders beside those that settings name, whose disks are watched too. `show_refusal` makes
    the page of a refusal for a browser.
    """
    registry = registry if registry is not None else CollectorRegistry()
    app = web.Application()
    app[STOPPING] = asyncio.Event()
    tracing = open_tracing(
        url=config.traces_url, share=config.traces_share, service=service, version=version, say=log.warning
    )
    dispatch = Dispatch(
        config=config,
        log=log,
        stopping=app[STOPPING],
        explain=explain,
        admit=admit,
        observe=observe,
        tracing=tracing,
        show_refusal=show_refusal,
    )
    app[LOG], app[REGISTRY], app[CONFIG] = log, registry, config
    _add_edge(app, dispatch, config)
    if tracing is not None:
        app[TRACING] = tracing
        app.cleanup_ctx.append(_traced(tracing))  # the first, so the last to end
    operations = Operations(
        service=service,
        version=version,
        log=log,
        metrics=lambda: expose(registry),
        readiness=readiness or {},
        timeout_seconds=config.readiness_timeout_seconds,
        stopping=app[STOPPING],
    )
    every = [*routes, *operations.routes()]
    for number, route in enumerate(every):
        operation = route.operation_id if number < len(routes) else ""
        endpoint = Endpoint(route, config=config, authenticate=authenticate, realm=service)
        _add(app, endpoint, explained, operation=operation)
    _add_unmatched(app, every)
    operations.describe(title=f"Credentify {service}", description=description, routes=every, explained=explained)
    registry.register(RequestMetrics(dispatch.tallies, lost_lines=lambda: log.lost_count))
    registry.register(app[CONNECTIONS])
    Info(
        "credentify_build",
        "Which release runs here; after an upgrade all processes show the new one.",
        registry=registry,
    ).info({"service": service, "version": version})
    _watch_machine(app, config, registry, places or {})
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return app


def _add_edge(app: web.Application, dispatch: Dispatch, config: EdgeConfig) -> None:
    """Add what every request passes: the dispatch, connections, and the bodies that are held at once."""
    app[DISPATCH] = dispatch
    app[CONNECTIONS] = Connections(log=app[LOG], proxies=TrustedProxies(config.trusted_proxies))
    app[HELD_BODIES] = HeldBodies(
        bytes_max=config.bodies_held_bytes_max, key_of=lambda request: rate_key(dispatch.address_of(request))
    )
    app[BODY_THREADS] = ThreadPoolExecutor(THREADS, thread_name_prefix="bodies")
    app[BODY_TURN] = asyncio.Lock()
    app.on_cleanup.append(_end_threads)


def _watch_machine(
    app: web.Application, config: EdgeConfig, registry: CollectorRegistry, places: Mapping[str, Path]
) -> None:
    """Have disks, secrets and certificates looked at while the app runs."""
    machine = Machine(watched_by_settings(config, **places))
    registry.register(machine)

    async def watching(_: web.Application) -> AsyncIterator[None]:
        async with machine.watching():
            yield

    app.cleanup_ctx.append(watching)


def _traced(tracing: Tracing) -> Callable[[web.Application], AsyncIterator[None]]:
    async def running(_: web.Application) -> AsyncIterator[None]:
        async with tracing.running():
            yield

    return running


def _add_unmatched(app: web.Application, every: Sequence[Route]) -> None:
    """Answer what browsers ask before they read, and what no route takes."""
    dispatch = app[DISPATCH]
    for path, readable in preflights(every).items():
        app.router.add_route("OPTIONS", path, _preflight(dispatch, readable))
    for path, allowed in _shadowing(every):
        app.router.add_route("*", path, dispatch.around_unmatched(allowed))
    app.router.add_route("*", r"/{path:[\s\S]*}", dispatch.around_unmatched())


async def _end_threads(app: web.Application) -> None:
    """Let no thread outlive the app; what one still reads is for nobody any more."""
    app[BODY_THREADS].shutdown(wait=False, cancel_futures=True)


def _preflight(dispatch: Dispatch, routes: Sequence[Route]) -> Handle:
    return dispatch.around(
        preflight(routes),
        arguments=None,
        render=as_is,
        method="OPTIONS",
        template=routes[0].template,
        always=ANY_ORIGIN,
    )


def _shadowing(routes: Sequence[Route]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each path without placeholders that another route's placeholder would take too, and its own methods.

    `DELETE /v1/batches/changes` must not delete a batch of the name "changes".
    """
    templates = [re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(r.template))) for r in routes if r.placeholders]
    for path in dict.fromkeys(route.path for route in routes if not route.placeholders):
        if any(template.fullmatch(path) for template in templates):
            methods = {route.method for route in routes if route.path == path}
            yield path, tuple(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _add(app: web.Application, endpoint: Endpoint, explained: Sequence[type[Problem]], *, operation: str) -> None:
    route = endpoint.route
    handle = app[DISPATCH].around(
        route.handler,
        arguments=None if endpoint.is_plain else endpoint.arguments,
        render=endpoint.render,
        method=route.method,
        template=route.template,
        rate_limited=route.rate_limited,
        logged=route.logged,
        problems=[problem.slug for problem in (*route.problems, *explained)],
        operation=operation,
        always=ANY_ORIGIN if route.any_origin else None,
    )
    for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
        app.router.add_route(method, route.path, handle, expect_handler=endpoint.expect)
