"""Puts a verifier together: a process that replays and answers, or one of several that answer from another's replay."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest

from proto.ids import Origin
from proto.log.note_key import parse_vkey
from proto.log.policy import NO_QUORUM
from services.crypto.rdf_processes import FormMakers
from services.edge import LOG, REGISTRY, TRACING, Log, serve
from services.edge import make_app as make_edge_app
from services.follow import HealthPolicy
from services.policy_file import policy_text, read_policy_about
from services.process_memory import settle_memory
from services.supervision import EndProcess
from services.verifier.answers.answer_cache import AnswerCache
from services.verifier.answers.cached_answers import CachedAnswers
from services.verifier.answers.list_service import ListService
from services.verifier.answers.log_summary import WatchedLog
from services.verifier.answers.questions import HealthSource
from services.verifier.answers.service import AnswerService
from services.verifier.answers.traced_answers import TracedAnswerService
from services.verifier.config import Config
from services.verifier.documents.pdf import PdfReader
from services.verifier.http.app_keys import (
    ANSWERS,
    API_KEYS,
    CACHED_ANSWERS,
    FORM_MAKERS,
    LIST_PAGES,
    LISTS,
    OFFLINE,
    PAGES,
    PDF,
    SETTINGS,
    is_admitted,
)
from services.verifier.http.routes import make_routes
from services.verifier.http.statement_routes import STATEMENT_KEY
from services.verifier.http.witness_routes import WITNESS
from services.verifier.limits.api_keys import ApiKeys
from services.verifier.limits.quotas import Usage
from services.verifier.metrics import Metrics
from services.verifier.pages import Pages
from services.verifier.pages.lists import ListPages
from services.verifier.pages.offline import OfflinePage
from services.verifier.projection.quality_file import read_quality_file
from services.verifier.projection.reader import ProjectionReader
from services.verifier.projection.snapshot import load_snapshot_key
from services.verifier.replay.replay import now, replaying
from services.verifier.replay.shared_state import RemoteHealth, SharedStateReader
from services.verifier.witness.memory import WitnessMemory
from services.verifier.witness.witness import OnFork, Witness, open_witness

DESCRIPTION = """Answers whether a micro-credential is authentic and still holds, from a replay of the log that it has
proven itself. It asks neither the log nor the institution, and stores nothing of what is sent."""
Running = Callable[[web.Application], contextlib.AbstractAsyncContextManager[None]]


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of one verifier share: files that the one which replays has made."""

    state_file: Path
    quotas_file: Path


def make_app(config: Config, *, log: Log | None = None, end_process: EndProcess = os._exit) -> web.Application:
    """Return a verifier that replays and answers; its `cleanup_ctx` start and stop everything.

    Starting raises `SettingsFault` for a policy or witness file that cannot be used, `MalformedProblem` or
    `InvalidProblem` for the log's key, `StoreProblem` and `WitnessMemoryProblem`. `end_process` is called with 70 when
    following fails for good.
    """

    @contextlib.asynccontextmanager
    async def running(app: web.Application) -> AsyncIterator[None]:
        cache = AnswerCache(answers_max=config.answers_max)
        async with replaying(
            config, app[LOG], listener=cache, end_process=end_process, tracing=app.get(TRACING)
        ) as replay:
            _answer(app, replay.store, replay.follower, cache, replay.metrics)
            yield

    return _app(config, log or Log("verifier", sys.stdout.buffer), running)


def make_answering_app(
    config: Config, shared: Shared, *, log: Log, expose: Callable[[CollectorRegistry], bytes] = generate_latest
) -> web.Application:
    """Return a verifier that answers from what another process replays; raises as `make_app`.

    `expose` makes the text of `/metrics` from this process's registry.
    """

    @contextlib.asynccontextmanager
    async def running(app: web.Application) -> AsyncIterator[None]:
        key = parse_vkey(config.log_verifier_key)
        policy = read_policy_about(config.policy_file, key)
        health_policy = HealthPolicy(
            is_witnessed=policy is not None and policy.quorum != NO_QUORUM,
            is_pinned=bool(config.registrar or (policy and policy.pins)),
            freshness_seconds_max=config.freshness_seconds_max,
            clock=now,
        )
        projection = ProjectionReader(config.database_file, reader_threads=config.reader_threads)
        cache = AnswerCache(answers_max=config.answers_max)
        with contextlib.closing(SharedStateReader(shared.state_file)) as reader:
            health_source = RemoteHealth(reader, health_policy, cache, Origin(key.name))
            metrics = Metrics(health_source.health, lambda: health_source.known.position)
            _answer(app, projection, health_source, cache, metrics)
            try:
                yield
            finally:
                await asyncio.to_thread(projection.close)

    return _app(config, log, running, quotas_file=shared.quotas_file, expose=expose)


def _trusted(config: Config) -> str:
    """Return the policy with which the page for the reader's own browser begins."""
    vkeys = [*(each.split()[-1] for each in config.predecessors), config.log_verifier_key]
    return policy_text(config.policy_file, vkeys, config.registrar)


def _app(
    config: Config,
    log: Log,
    running: Running,
    *,
    quotas_file: Path | None = None,
    expose: Callable[[CollectorRegistry], bytes] = generate_latest,
) -> web.Application:
    app = make_edge_app(
        "verifier",
        make_routes(config),
        config=config,
        log=log,
        version=version("credentify"),
        description=DESCRIPTION,
        readiness={"log": lambda: _is_fresh(app)},
        admit=is_admitted if config.api_keys_file is not None else None,
        expose=expose,
    )
    app[OFFLINE] = OfflinePage(policy=_trusted(config))
    app[SETTINGS], app[PAGES], app[LIST_PAGES], app[PDF] = config, Pages(), ListPages(), PdfReader()
    if config.statement_key_file is not None:
        app[STATEMENT_KEY] = load_snapshot_key(config.statement_key_file, use="statement")
    if config.api_keys_file is not None:
        app[API_KEYS] = ApiKeys(
            config.api_keys_file,
            used=Usage(quotas_file),
            on_trouble=lambda detail: log.warning("api_keys_not_read", detail=detail),
        )

    async def all_running(app: web.Application) -> AsyncIterator[None]:
        app[FORM_MAKERS] = FormMakers(process_count=config.form_processes)
        # One is warm for who asks first; another begins once documents of two come at a time.
        async with app[FORM_MAKERS].processes(warm_count=1), _witnessing(app, config), running(app):
            yield

    app.cleanup_ctx.append(all_running)
    return app


def _answer(
    app: web.Application,
    projection: ProjectionReader,
    health_source: HealthSource,
    cache: AnswerCache,
    metrics: Metrics,
) -> None:
    """Have the routes answer from these records."""
    app[REGISTRY].register(metrics)
    tracing = app.get(TRACING)
    make = AnswerService if tracing is None else partial(TracedAnswerService, tracing)
    app[ANSWERS] = make(projection, health_source, app[FORM_MAKERS], clock=now, count=metrics.count_verdict)
    app[CACHED_ANSWERS] = CachedAnswers(projection, app[ANSWERS], cache, clock=now)
    config = app[SETTINGS]
    projection.quality = read_quality_file(config.quality_register_file, days_max=config.quality_register_days_max)
    key = parse_vkey(config.log_verifier_key)
    watched = WatchedLog(key=key, policy=read_policy_about(config.policy_file, key), compare_with=config.compare_with)
    app[LISTS] = ListService(projection, app[ANSWERS], watched)


async def _is_fresh(app: web.Application) -> str | None:
    health = app[ANSWERS].health()
    return None if health.state == "healthy" else health.detail


@contextlib.asynccontextmanager
async def _witnessing(app: web.Application, config: Config) -> AsyncIterator[None]:
    """Have the witness while the block runs, where there is one; several processes share its memory."""
    opened = await asyncio.to_thread(open_witness, config, _on_fork(app))
    if opened is None:
        yield
        return
    app[WITNESS], memory = opened
    _say_witnessing(app[LOG], app[WITNESS], memory)
    try:
        yield
    finally:
        await asyncio.to_thread(memory.close)


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


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then stop; the process that answers alone, of one verifier."""
    settle_memory()

    async def main() -> None:
        await serve(make_app(config), host=config.host, port=config.port)

    uvloop.run(main())
