"""Puts a ledger together, starts and stops its parts in order, and ends the process when one of them fails for good."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from proto.log.note_key import VerifierKey, parse_vkey
from proto.problem import UnavailableProblem
from services.call_context import CallOrigins
from services.clients.http_session import client_session
from services.clients.tile_client import TileClient
from services.edge import LOG, REGISTRY, STOPPING, TRACING, Log, serve
from services.edge import make_app as make_edge_app
from services.follow.beginning import parse_predecessor
from services.ledger import store
from services.ledger.config import Config, pool_limits
from services.ledger.domain import ClockGuard
from services.ledger.http.routes import make_routes
from services.ledger.metrics import Metrics, PublishingMetrics, SequencingMetrics
from services.ledger.mirrors.bucket_mirror import BucketMirror
from services.ledger.mirrors.folder_mirror import FolderMirror
from services.ledger.mirrors.mirror import Mirror, keep_mirror
from services.ledger.publishing.publication import Publication
from services.ledger.publishing.publisher import Publisher, follow_publication
from services.ledger.publishing.traced_publisher import TracedPublisher
from services.ledger.sequencing.free_space import FreeSpace
from services.ledger.sequencing.intake import Intake
from services.ledger.sequencing.partitions import keep_room, make_room
from services.ledger.sequencing.sequencer import Sequencer
from services.ledger.sequencing.storage import PostgresStorage, Storage
from services.ledger.sequencing.traced import TracedIntake, TracedStorage
from services.ledger.service import LEDGER, Ledger
from services.ledger.signer import Signer, load_key
from services.ledger.store import LogRow
from services.ledger.succession.last_backup import last_backup_at
from services.ledger.succession.opening import apply_migrations, key_files, require_log
from services.ledger.succession.predecessor_logs import OlderLog, OlderLogs
from services.ledger.witnesses.asked_witness import AskedWitness
from services.ledger.witnesses.cosigning import Witnesses
from services.ledger.witnesses.witness_client import WitnessClient
from services.ledger.witnesses.witness_metrics import WitnessMetrics
from services.ledger.witnesses.witness_policy import WitnessPolicy, witness_policy
from services.ledger.witnesses.witness_proofs import Proofs
from services.persistence import postgres
from services.persistence.bucket import Bucket
from services.persistence.engine_traits import assert_traits
from services.persistence.leader_watch import LeaderWatch
from services.persistence.pool_metrics import PoolMetrics
from services.persistence.postgres_errors import EXPLAINED_PROBLEMS, explain_unavailable, reaching_database
from services.persistence.read_confirmations import ReadConfirmations
from services.process_memory import settle_memory
from services.settings import SettingsFault
from services.supervision import EndProcess, TaskSupervision

"""EX_SOFTWARE: what the process says when start-up, and only start-up, can put things right."""
INTAKES = 2
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 15.0
DESCRIPTION = """An append-only transparency log of signed events. Anyone may submit, anyone may read and
audit: the tiles are those of C2SP tlog-tiles, the proofs those of RFC 6962."""


def make_app(config: Config, *, log: Log | None = None, end_process: EndProcess = os._exit) -> web.Application:
    """Return the ledger as an application; its `cleanup_ctx` start and stop everything.

    Starting raises `NotInitialisedFault` where there is no log, `NotDurableFault`, `SettingsFault`, and what the
    signer refuses. `end_process` is called with 70 when a part fails for good: nothing may be answered after that.
    """
    app = make_edge_app(
        "ledger",
        make_routes(config),
        config=config,
        log=log or Log("ledger", sys.stdout.buffer),
        version=version("credentify"),
        description=DESCRIPTION,
        readiness={
            "database": lambda: _database_answers(app),
            "published": lambda: _is_published(app),
            "disk": lambda: _has_room(app),
        },
        explain=explain_unavailable,
        explained=EXPLAINED_PROBLEMS,
    )

    async def running(app: web.Application) -> AsyncIterator[None]:
        async with _running(app, config, end_process):
            yield

    app.cleanup_ctx.append(running)
    return app


async def _database_answers(app: web.Application) -> str | None:
    pool, published = app[LEDGER].pool, app[LEDGER].publication.size
    if (why := await postgres.why_not_written(pool)) is not None:
        return why
    if (head := await store.head(pool)) is None:
        return "The head of the log is missing"
    if head.size < published:
        return f"The database holds {head.size} entries, and {published} are published (RUNBOOK.md: older-database)"
    return None


async def _is_published(app: web.Application) -> str | None:
    return None if app[LEDGER].publication.size else "No checkpoint is published yet"


async def _has_room(app: web.Application) -> str | None:
    return await app[LEDGER].intake.free_space.why_not_ready()


@contextlib.asynccontextmanager
async def _running(app: web.Application, config: Config, end_process: EndProcess) -> AsyncIterator[None]:
    """Start (1) tables, (2) pool, (3) log, (4) parts, (5) the first checkpoint; stop in the reverse order."""
    await apply_migrations(config)  # (1)
    async with contextlib.AsyncExitStack() as stack:
        watch = LeaderWatch(
            config.database_url,
            application_name="credentify-ledger-watch",
            tell=lambda ended: app[LOG].warning("database_leader_changed", sessions_ended=ended),
        )
        pool = await postgres.create_pool(
            config.database_url, application_name="credentify-ledger", limits=pool_limits(config), watch=watch
        )  # (2)
        stack.push_async_callback(postgres.close_pool, pool)
        with reaching_database():
            async with pool.acquire() as connection:
                await postgres.assert_durable(connection)
                log_row = await require_log(connection)  # (3)
            await postgres.assert_writable(pool)
            await assert_traits(pool)
            await make_room(pool)
        executor = stack.enter_context(ThreadPoolExecutor(config.verify_threads, thread_name_prefix="verify"))
        session = await stack.enter_async_context(client_session())
        parts = _Parts(app, config, log_row, pool, executor, session=session, watch=watch)  # (4)
        app[LEDGER] = parts.ledger
        await stack.enter_async_context(_supervised(parts, app[LOG], end_process))  # (5)
        app[LOG].event("log_open", origin=log_row.origin, published_size=parts.publication.size)
        yield


class _Parts:
    """The parts of a running ledger, wired together."""

    def __init__(
        self,
        app: web.Application,
        config: Config,
        log_row: LogRow,
        pool: postgres.Pool,
        executor: ThreadPoolExecutor,
        *,
        session: aiohttp.ClientSession,
        watch: LeaderWatch,
    ) -> None:
        self.config, self.pool, self.log, self.watch = config, pool, app[LOG], watch
        self.first_published = asyncio.Event()
        metrics, log = Metrics(app[REGISTRY]), app[LOG]
        app[REGISTRY].register(PoolMetrics({"requests": pool}))
        metrics.publishing.show_backup(lambda: last_backup_at(config.state_folder, datetime.now(UTC)))
        verifier = parse_vkey(log_row.verifier_key)
        self.publication = Publication(verifier, metrics.publishing)
        before = [parse_predecessor(text) for text in config.predecessors]
        policy = witness_policy(config, verifier, before=[key for _, key in before])
        self.witnesses = self._witnesses(app, policy, Proofs(pool), session, verifier)
        self.publisher = self._publisher(app, log_row, metrics.publishing) if config.log_key_file else None
        storage: Storage = PostgresStorage(pool, frozen_after_ms=config.frozen_after_ms)
        tracing, origins = app.get(TRACING), CallOrigins()
        if tracing is not None:
            storage = TracedStorage(storage, tracing, origins)
            if isinstance(self.publisher, TracedPublisher):
                self.publisher.trace(tracing, storage.take_unpublished)
        self.sequencer = self._sequencer(storage, metrics.sequencing)
        self.intake = (Intake if tracing is None else partial(TracedIntake, tracing, origins))(
            storage,
            sequencer=self.sequencer,
            executor=executor,
            events_max=config.queue_events_max,
            credentials_max=config.queue_credentials_max,
            append_timeout_ms=config.append_timeout_ms,
            free_space=FreeSpace(
                config.free_space_folder, bytes_min=config.free_space_bytes_min, log=log, registry=app[REGISTRY]
            ),
            metrics=metrics.sequencing,
            log=log,
        )
        self.ledger = Ledger(
            config=config,
            origin=log_row.origin,
            verifier=verifier,
            policy=policy.own,
            policy_text=policy.text,
            pool=pool,
            confirmations=ReadConfirmations(pool),
            intake=self.intake,
            publication=self.publication,
            older_logs=OlderLogs([OlderLog(TileClient(session, url), key) for url, key in before]),
            metrics=metrics,
            stopping=app[STOPPING],
        )
        self.mirrors = self._mirrors()

    def _sequencer(self, storage: Storage, metrics: SequencingMetrics) -> Sequencer:
        return Sequencer(
            storage,
            batch_events_max=self.config.batch_events_max,
            batch_wait_ms=self.config.batch_wait_ms,
            clock_guard=ClockGuard(
                difference_ms_max=self.config.clock_difference_ms_max, settle_ms=self.config.clock_settle_ms
            ),
            metrics=metrics,
            log=self.log,
            is_more_coming=lambda: self.intake.is_checking,
            on_growth=self.publisher.hint if self.publisher else lambda: None,
            development_rules=self.config.development_rules,
            published_size=lambda: self.publication.size,
        )

    def _witnesses(
        self,
        app: web.Application,
        policy: WitnessPolicy,
        proofs: Proofs,
        session: aiohttp.ClientSession,
        log_key: VerifierKey,
    ) -> Witnesses:
        config, metrics = self.config, WitnessMetrics(app[REGISTRY])
        asked = [
            AskedWitness(
                witness,
                WitnessClient(
                    session,
                    witness.url or "",
                    timeout_seconds=config.witness_timeout_ms / 1000,
                    monitoring_url=policy.monitoring.get(witness.name),
                ),
                log_key=log_key,
                prover=proofs,
                metrics=metrics,
                log=app[LOG],
            )
            for witness in policy.asked
        ]
        return Witnesses(
            policy.required,
            asked,
            wait_seconds=config.witness_wait_ms / 1000,
            is_fail_open=config.witness_fail_open,
            metrics=metrics,
            log=app[LOG],
        )

    def _publisher(self, app: web.Application, log_row: LogRow, metrics: PublishingMetrics) -> Publisher:
        key_file, folder = key_files(self.config)
        key = load_key(key_file)
        if key.verifier.text != log_row.verifier_key:
            raise SettingsFault(f"{key_file} holds another key than the one that signs the log {log_row.origin}")
        return (TracedPublisher if TRACING in app else Publisher)(
            self.config.database_url,
            limits=pool_limits(self.config),
            signer=Signer(key, folder),
            publication=self.publication,
            interval_ms=self.config.publish_interval_ms,
            idle_interval_ms=self.config.idle_publish_interval_ms,
            lock_wait_ms=self.config.signer_lock_wait_ms,
            metrics=metrics,
            log=app[LOG],
            witnesses=self.witnesses,
            watch=self.watch,
        )

    def background(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """Return what runs for as long as the service does; the sequencer first, for it is asked to stop by itself."""
        publishing = (
            self.publisher.run(self.first_published)
            if self.publisher
            else follow_publication(
                self.config.database_url,
                limits=pool_limits(self.config),
                publication=self.publication,
                interval_ms=self.config.publish_interval_ms,
                started=self.first_published,
                watch=self.watch,
            )
        )
        intakes = [("intake", self.intake.run()) for _ in range(INTAKES)]
        asking = [("witnesses", self.witnesses.run())] if self.publisher else []
        room = ("room", keep_room(self.pool, self.log))
        leader = [("leader", self.watch.run())] if self.watch.is_needed else []
        return [
            ("sequencer", self.sequencer.run()),
            ("publisher", publishing),
            room,
            *self._mirroring(),
            *asking,
            *leader,
            ("free space", self.intake.free_space.run()),
            *intakes,
        ]

    def _mirrors(self) -> list[Mirror]:
        """Return what this process mirrors to; nothing where it does not sign, for it learns late what is published."""
        if self.publisher is None:
            return []
        config, verifier = self.config, self.ledger.verifier
        folder = [FolderMirror(config.mirror_folder, verifier)] if config.mirror_folder else []
        bucket = [BucketMirror(Bucket(config.mirror_bucket), verifier)] if config.mirror_bucket else []
        return [*folder, *bucket]

    def _mirroring(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        stopping = self.ledger.stopping
        return [("mirror", keep_mirror(each, self.pool, self.publication, stopping, self.log)) for each in self.mirrors]


@contextlib.asynccontextmanager
async def _supervised(parts: _Parts, log: Log, end_process: EndProcess) -> AsyncIterator[None]:
    """Run the background tasks; one that ends by itself ends the process, once start-up is over.

    While starting, its error is raised instead. On leaving, what was accepted is still appended.
    """
    tasks = [asyncio.create_task(each, name=name) for name, each in parts.background()]
    supervision = TaskSupervision(log, end_process, parts.ledger.stopping)
    try:
        await _started(parts, tasks)
        for task in tasks:
            supervision.watch(task)
        yield
        supervision.release()
        parts.sequencer.stop()
        await asyncio.wait(tasks[:1], timeout=STOP_TIMEOUT_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _started(parts: _Parts, tasks: list[asyncio.Task[None]]) -> None:
    """Return once a checkpoint is published; raises what ended a task before that."""
    first = asyncio.create_task(parts.first_published.wait())
    try:
        done, _ = await asyncio.wait(
            {first, *tasks}, timeout=START_TIMEOUT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        first.cancel()
    for task in done - {first}:
        task.result()
    if not parts.first_published.is_set():
        raise UnavailableProblem(f"No checkpoint could be published within {START_TIMEOUT_SECONDS:g} seconds")


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then stop without losing what was accepted."""
    settle_memory()

    async def main() -> None:
        await serve(make_app(config), host=config.host, port=config.port)

    uvloop.run(main())
