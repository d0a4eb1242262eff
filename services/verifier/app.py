"""Puts a verifier together, starts and stops its parts in order, and ends the process when following fails for good."""

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import aiohttp
import uvloop
from aiohttp import web
from prometheus_client import Counter

from proto.moment import Moment, from_datetime
from proto.note_key import parse_vkey
from proto.policy import Policy
from services.edge import LOG, REGISTRY, Log, serve
from services.edge import make_app as make_edge_app
from services.follow import Beginning, FollowBounds, Follower
from services.log_client import LogClient
from services.policy_file import read_policy_about
from services.verifier.api_keys import ApiKeys
from services.verifier.attached import PdfReader
from services.verifier.config import Config
from services.verifier.inquiry import Inquiry
from services.verifier.metrics import Metrics
from services.verifier.pages import Pages
from services.verifier.parts import API_KEYS, INQUIRY, PAGES, PDF, READY, SETTINGS, is_admitted
from services.verifier.projector import Projector
from services.verifier.ready import ReadyAnswers
from services.verifier.routes import make_routes
from services.verifier.routes_witness import WITNESS
from services.verifier.store import Store
from services.verifier.witness import OnFork, Witness, open_witness
from services.verifier.witness_memory import WitnessMemory

GC_THRESHOLDS = (50_000, 20, 100)
"""Objects, then rounds, after which the three generations are looked through."""
FATAL_STATUS = 70
"""EX_SOFTWARE: what the process says when following the log failed for a reason that a retry does not mend."""
DESCRIPTION = """Answers whether a micro-credential is authentic and still holds, from a replay of the log that it has
proven itself. It asks neither the log nor the institution, and stores nothing of what is sent."""

EndProcess = Callable[[int], Any]


def now() -> Moment:
    """Return the time."""
    return from_datetime(datetime.now(UTC))


def make_app(config: Config, *, log: Log | None = None, end_process: EndProcess = os._exit) -> web.Application:
    """Return the verifier as an application; its `cleanup_ctx` start and stop everything.

    Starting raises `SettingsProblem` for a policy or witness file that cannot be used, `MalformedProblem` or
    `InvalidProblem` for the log's key, `StoreProblem` and `WitnessMemoryProblem`. `end_process` is called with 70 when
    following fails for good.
    """
    app = make_edge_app(
        "verifier",
        make_routes(config),
        config=config,
        log=log or Log("verifier", sys.stdout.buffer),
        version=version("credentify"),
        description=DESCRIPTION,
        readiness={"log": lambda: _is_fresh(app)},
        admit=is_admitted if config.api_keys_file is not None else None,
    )
    app[SETTINGS], app[PAGES], app[PDF] = config, Pages(), PdfReader()
    if config.api_keys_file is not None:
        app[API_KEYS] = ApiKeys(
            config.api_keys_file, on_trouble=lambda detail: app[LOG].warning("api_keys_not_read", detail=detail)
        )

    async def running(app: web.Application) -> AsyncIterator[None]:
        async with _running(app, config, end_process):
            yield

    app.cleanup_ctx.append(running)
    return app


async def _is_fresh(app: web.Application) -> str | None:
    health = app[INQUIRY].health()
    return None if health.state == "healthy" else health.detail


@contextlib.asynccontextmanager
async def _running(app: web.Application, config: Config, end_process: EndProcess) -> AsyncIterator[None]:
    """Start (1) the projection's file, (2) the follower over it, (3) questions; stop in the reverse order.

    A witness depends on none of them, and they not on it.
    """
    log, policy = app[LOG], read_policy_about(config.policy_file, parse_vkey(config.log_verifier_key))
    store = await asyncio.to_thread(  # (1)
        Store, config.database_file, reader_threads=config.reader_threads, answers_max=config.answers_max
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, store.close)
        if (opened := await asyncio.to_thread(open_witness, config, _on_fork(app))) is not None:
            app[WITNESS], memory = opened
            stack.push_async_callback(asyncio.to_thread, memory.close)
            _say_witnessing(log, app[WITNESS], memory)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        projector = Projector(store, log)
        follower = await _follower(config, session, store, policy, projector)
        projector.metrics = Metrics(follower.health, lambda: follower.position)
        app[REGISTRY].register(projector.metrics)
        app[INQUIRY] = Inquiry(store, follower, clock=now, count=projector.metrics.count_verdict)  # (3)
        app[READY] = ReadyAnswers(store, app[INQUIRY], clock=now)
        beginning = Beginning(
            config.predecessors,
            lambda url: _client(config, session, url),
            ledger_url=config.ledger_url,
            log_verifier_key=config.log_verifier_key,
            clock=now,
            observer=projector,
        )
        await stack.enter_async_context(_following(follower, beginning, store, log, end_process))  # (2)
        log.event("following", origin=follower.origin, witnessed=config.policy_file is not None)
        yield


def _on_fork(app: web.Application) -> OnFork:
    """Return what a witness calls, from its own thread, when a log showed it a second history."""
    forks = Counter(
        "credentify_verifier_witness_forks",
        "Checkpoints that contradict one that was cosigned, signed by the log itself. Anything but 0 is the gravest "
        "alarm there is: the log line holds both.",
        registry=app[REGISTRY],
    )

    def on_fork(cosigned: bytes, shown: bytes) -> None:
        forks.inc()
        app[LOG].failure("log_forked", cosigned=cosigned.decode(), shown=shown.decode())

    return on_fork


def _say_witnessing(log: Log, witness: Witness, memory: WitnessMemory) -> None:
    origins = sorted({key.name for key in witness.logs})
    log.event("witnessing", key=witness.key.verifier.text, logs=origins)
    if memory.is_new:
        log.warning("witness_memory_new", words="Nothing is known to be cosigned. Never begin anew under a used key")


def _client(config: Config, session: aiohttp.ClientSession, url: str) -> LogClient:
    return LogClient(session, url, timeout_seconds=config.log_timeout_seconds)


async def _follower(
    config: Config, session: aiohttp.ClientSession, store: Store, policy: Policy | None, projector: Projector
) -> Follower:
    return Follower(
        _client(config, session, config.ledger_url),
        store,
        verifier_key=config.log_verifier_key,
        policy=policy,
        clock=now,
        bounds=FollowBounds(
            chunk_entries_max=config.chunk_entries_max,
            chunk_bytes_max=config.chunk_bytes_max,
            poll_seconds=config.poll_seconds,
            freshness_seconds_max=config.freshness_seconds_max,
            backoff_seconds_max=config.backoff_seconds_max,
            signature_threads=config.signature_threads,
            signature_processes=config.signature_processes,
        ),
        known_fault=await store.fault(),
        observer=projector,
    )


@contextlib.asynccontextmanager
async def _following(
    follower: Follower, beginning: Beginning, store: Store, log: Log, end_process: EndProcess
) -> AsyncIterator[None]:
    """Follow while the block runs, after the logs before; where that fails for good, say why and end the process."""

    async def follow() -> None:
        await beginning.reach_at_last(store)
        await follower.run()

    task = asyncio.create_task(follow(), name="follower")
    task.add_done_callback(lambda done: _end_if_failed(done, log, end_process))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _end_if_failed(task: asyncio.Task[None], log: Log, end_process: EndProcess) -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    log.failure("fatal", error, task=task.get_name())
    log.flush()
    end_process(FATAL_STATUS)


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then stop."""
    # What is here now stays, and what comes is mostly short-lived and without cycles: to look through all of it again
    # and again for garbage takes a tenth of a replay.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)

    async def main() -> None:
        await serve(make_app(config), host=config.host, port=config.port)

    uvloop.run(main())
