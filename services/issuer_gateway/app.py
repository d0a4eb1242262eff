"""Puts a gateway together, starts and stops its parts in order, and ends the process when one fails for good."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import uvloop
from aiohttp import web

from proto.problem import UnavailableProblem
from services.clients.http_session import client_session
from services.clients.tile_client import TileClient
from services.clients.traced_log_client import log_client
from services.clients.verifier_client import VerifierClient
from services.edge import LOG, REGISTRY, TRACING, Log, Principal, RateLimit, serve, token_hash
from services.edge import make_app as make_edge_app
from services.follow import Health
from services.issuer_gateway import migrations
from services.issuer_gateway.batches.batch_worker import BatchWorker
from services.issuer_gateway.config import Config
from services.issuer_gateway.http.apply_routes import APPLICATION_PAGES
from services.issuer_gateway.http.audited_calls import AuditedCalls
from services.issuer_gateway.http.caller import CALLERS, GATEWAY, PAGES, REQUEST_LIMIT, Callers
from services.issuer_gateway.http.holder_link_routes import HELD_PAGES
from services.issuer_gateway.http.office_session import OFFICE_PAGES
from services.issuer_gateway.http.people import show_refusal
from services.issuer_gateway.http.routes import make_routes
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.keys.batch_keys import BatchKeys
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.keys.vault import KeyFolderUnavailableProblem, Vault, vault_folder
from services.issuer_gateway.metrics import Metrics
from services.issuer_gateway.pages import Pages
from services.issuer_gateway.pages.application_pages import ApplicationPages
from services.issuer_gateway.pages.credential_pages import CredentialPages
from services.issuer_gateway.pages.office_pages import OfficePages
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.store import followed_log, outbox
from services.issuer_gateway.unit_of_work.audit_chain import AuditChain
from services.issuer_gateway.wiring.awards import make_issuing, make_worker
from services.issuer_gateway.wiring.commands import make_gateway
from services.issuer_gateway.wiring.parts import OpenedResources, Parts, make_parts
from services.persistence import database_setup, postgres
from services.persistence.engine_traits import assert_traits
from services.persistence.leader_watch import LeaderWatch
from services.persistence.pool_metrics import PoolMetrics
from services.persistence.postgres import Pool
from services.persistence.postgres_errors import (
    DATABASE_ERRORS,
    EXPLAINED_PROBLEMS,
    OUTAGE_ERRORS,
    explain_unavailable,
    reaching_database,
)
from services.persistence.postgres_session import PoolLimits
from services.process_memory import settle_memory
from services.settings import read_secret
from services.supervision import EndProcess, TaskSupervision

PARTS: web.AppKey[Parts] = web.AppKey("gateway_parts", Parts)
BACKGROUND_CONNECTIONS_MAX = 8
_MEASURE_SECONDS = 5.0
_HOUR_SECONDS = 3_600
_DATABASE_PAUSE_SECONDS = 1.0
_CANCEL_SECONDS = 0.5
_APPLICATIONS_SECONDS = 60.0
DESCRIPTION = """What institutions use: describe achievements, issue, stack and revoke credentials, recognise those of
others. Everything said becomes a signed event on the ledger's log; documents stay here, sealed under their learner's
key."""


def make_app(config: Config, *, log: Log | None = None, end_process: EndProcess = os._exit) -> web.Application:
    """Return the gateway as an application; its `cleanup_ctx` start and stop everything.

    Starting raises `MasterKeyFault`, `NotDurableFault`, `SettingsFault`, `DatabaseUnavailableProblem`. The ledger
    need not answer. `end_process` is called with 70 when a part fails for good.
    """
    operator_hash = token_hash(read_secret(config.operator_token_file).decode())
    keystore = Keystore.from_file(config.master_key_file)

    async def authenticate(hashed: bytes) -> Principal | None:
        return await app[CALLERS].find(hashed)

    log = log or Log("gateway", sys.stdout.buffer)
    app = make_edge_app(
        "gateway",
        [
            *make_routes(config),
        ],
        config=config,
        log=log,
        version=version("credentify"),
        description=DESCRIPTION,
        readiness={"database": lambda: _database_answers(app), "log": lambda: _is_followed(app)},
        explain=explain_unavailable,
        explained=(*EXPLAINED_PROBLEMS, KeyFolderUnavailableProblem),
        authenticate=authenticate,
        places={"key_folder": vault_folder(config.key_folder, config.master_key_file)},
        observe=AuditedCalls(lambda: app[GATEWAY].pool, log),
        show_refusal=show_refusal,
    )

    async def running(app: web.Application) -> AsyncIterator[None]:
        async with _running(app, config, keystore, operator_hash, end_process):
            yield

    app.cleanup_ctx.append(running)
    app[PAGES] = Pages(kept_days=config.request_kept_days)
    app[HELD_PAGES] = CredentialPages()
    app[APPLICATION_PAGES] = ApplicationPages()
    app[OFFICE_PAGES] = OfficePages()
    app[REQUEST_LIMIT] = RateLimit(
        per_second=config.requests_per_hour / _HOUR_SECONDS,
        burst=config.requests_burst,
        keys_max=config.rate_addresses_max,
    )
    return app


async def _database_answers(app: web.Application) -> str | None:
    return await postgres.why_not_written(app[GATEWAY].pool)


async def _is_followed(app: web.Application) -> str | None:
    """A stale log is no reason to turn institutions away: what they say waits in the outbox. A faulty one is.

    So is a clock that is behind the log's: what we would say of times is wrong.
    """
    health = app[GATEWAY].log_state.health()
    if health.state in {"faulty", "unknown_rules", "clock_behind"}:
        return health.detail
    position = app[PARTS].projector.latest
    return None if position and position.size else "The log's opening has not been met yet"


async def apply_migrations(config: Config) -> None:
    """Bring the tables to this version if the owner's URL is given."""
    await database_setup.migrate_where_owned(
        config.database_url,
        config.migration_database_url,
        migrations.__name__,
        application_name="credentify-gateway",
    )


@contextlib.asynccontextmanager
async def _running(
    app: web.Application, config: Config, keystore: Keystore, operator_hash: bytes, end_process: EndProcess
) -> AsyncIterator[None]:
    """Start (1) tables, (2) pools, (3) keys, (4) parts; stop in the reverse order."""
    await apply_migrations(config)  # (1)
    async with contextlib.AsyncExitStack() as stack:
        watch = LeaderWatch(
            config.database_url,
            application_name="credentify-gateway-watch",
            tell=lambda ended: app[LOG].warning("database_leader_changed", sessions_ended=ended),
        )
        pool, background = await _open_pools(stack, config, watch)  # (2)
        app[REGISTRY].register(PoolMetrics({"requests": pool, "background": background}))
        with reaching_database():
            await institution_commands.check_master_key(pool, keystore)  # (3)
        vault = Vault(vault_folder(config.key_folder, config.master_key_file))
        stack.callback(vault.close)
        learner_keys = LearnerKeys(vault, keystore)
        await learner_keys.put_in_order(background)
        if not config.key_folder_lost:
            await learner_keys.check_folder(background)
        session = await stack.enter_async_context(client_session())
        await BatchKeys(vault, keystore).put_in_order(background)
        opened = OpenedResources(
            config=config,
            keystore=keystore,
            vault=vault,
            pool=pool,
            background=background,
            follow_client=log_client(session, config.ledger_url, app.get(TRACING)),
            relay_client=log_client(
                session, config.ledger_url, app.get(TRACING), timeout_seconds=config.relay_timeout_seconds
            ),
            tile_client=lambda url: TileClient(session, url),
            verifier=VerifierClient(session, config.evidence_verifier_url) if config.evidence_verifier_url else None,
            log=app[LOG],
            tracing=app.get(TRACING),
            metrics=Metrics(app[REGISTRY]),
            fault=await followed_log.kept_fault(background),
            suspects=await followed_log.kept_suspects(background),
        )
        app[PARTS] = parts = make_parts(opened)
        issuing = make_issuing(parts, config)
        app[GATEWAY] = gateway = make_gateway(parts, issuing, config)
        app[CALLERS] = Callers(pool, operator_hash)
        await stack.enter_async_context(parts.form_makers.processes(warm_count=0))
        worker = make_worker(parts, issuing, config)
        await stack.enter_async_context(  # (4)
            _supervised(parts, worker, gateway, background, end_process, watch=watch)
        )
        yield


async def _open_pools(stack: contextlib.AsyncExitStack, config: Config, watch: LeaderWatch) -> tuple[Pool, Pool]:
    """Return the pool of requests and that of the background, on a database that does what we need of it."""
    pool = await _open_pool(stack, config, config.database_connections_max, watch)
    background = await _open_pool(stack, config, BACKGROUND_CONNECTIONS_MAX, watch)
    with reaching_database():
        async with pool.acquire() as connection:
            await postgres.assert_durable(connection)
        await postgres.assert_writable(pool)
        await assert_traits(pool)
    return pool, background


async def _open_pool(
    stack: contextlib.AsyncExitStack, config: Config, connections_max: int, watch: LeaderWatch
) -> Pool:
    pool = await postgres.create_pool(
        config.database_url,
        application_name="credentify-gateway",
        limits=PoolLimits(connections_max=connections_max, requires_standby=config.database_standby_required),
        watch=watch,
    )
    stack.push_async_callback(postgres.close_pool, pool)
    return pool


async def _lasting(log: Log, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Work for ever; while our own database or key folder is away we wait, and read again after it what lies there."""
    while True:
        try:
            await work()
        except (*OUTAGE_ERRORS, UnavailableProblem) as error:  # also: somebody else is at work on the same rows
            log.failure(name, error)
            await asyncio.sleep(_DATABASE_PAUSE_SECONDS)


async def _measure(parts: Parts, pool: Pool) -> None:
    """Put the outbox and the age of the projection into the metrics, every few seconds."""
    metrics = parts.metrics
    while True:
        with contextlib.suppress(*DATABASE_ERRORS):
            depth = await outbox.depth(pool)
            metrics.outbox.events.labels("pending").set(depth.pending)
            metrics.outbox.events.labels("sequenced").set(depth.sequenced)
            metrics.outbox.refused.set(depth.refused)
            oldest = depth.oldest_pending_at
            metrics.outbox.oldest_seconds.set((datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0)
        health: Health = parts.follower.health()
        metrics.following.age_seconds.set(-1.0 if health.age_seconds is None else health.age_seconds)
        metrics.following.clock_behind_seconds.set(health.behind_seconds)
        await asyncio.sleep(_MEASURE_SECONDS)


async def _follow(parts: Parts) -> None:
    """Follow the logs before to their ends, then this one."""
    await parts.beginning.reach_at_last(parts.projector)
    await parts.follower.run()


async def _relay(parts: Parts) -> None:
    """Send only once it is known what the log before has taken: what it has not, this one is asked, and refuses."""
    await parts.beginning.wait()
    await parts.relay.run()


async def _applications(gateway: Gateway) -> None:
    """Put on the log what applicants asked for once it is due, erase what was kept long enough, remind; each minute."""
    while True:
        await gateway.publish_recognitions.publish_due()
        await gateway.recognition_applications.sweep()
        await gateway.remind_offices.remind()
        await asyncio.sleep(_APPLICATIONS_SECONDS)


@contextlib.asynccontextmanager
async def _supervised(
    parts: Parts,
    worker: BatchWorker,
    gateway: Gateway,
    background: Pool,
    end_process: EndProcess,
    *,
    watch: LeaderWatch,
) -> AsyncIterator[None]:
    """Run the background tasks; one that ends by itself ends the process, for nothing can put it right from here."""
    works: dict[str, Coroutine[Any, Any, None]] = {
        "follower": _lasting(parts.log, "follow_database", lambda: _follow(parts)),
        "status lists": _lasting(parts.log, "status_database", parts.status_lists.run),
        "relay": _relay(parts),
        "measure": _measure(parts, background),
        "batches": worker.run(),
        "retention": _lasting(parts.log, "retention_database", gateway.retention.keep_swept),
        "audit trail": _lasting(parts.log, "audit_database", AuditChain(background).run),
        "requests": _lasting(parts.log, "request_database", gateway.learner_requests.keep_swept),
        "applications": _lasting(parts.log, "application_database", lambda: _applications(gateway)),
    }
    if watch.is_needed:
        works["leader"] = watch.run()
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    supervision = TaskSupervision(parts.log, end_process)
    for task in tasks:
        supervision.watch(task)
    try:
        yield
    finally:
        supervision.release()
        await _stop(tasks)


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: a cancellation that hits a COMMIT becomes a doubt about it, and the task goes on."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_CANCEL_SECONDS)


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; what is in the outbox then waits there for the next start."""
    settle_memory()

    async def main() -> None:
        await serve(make_app(config), host=config.host, port=config.port)

    uvloop.run(main())
