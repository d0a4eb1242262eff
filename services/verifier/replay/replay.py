"""Replays the log into the projection while a block runs; a fault that a retry does not mend ends the process."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from proto.log.note_key import parse_vkey
from proto.moment import Moment, from_datetime
from services.clients.catalogue_client import CatalogueClient
from services.clients.http_session import client_session
from services.clients.shown_checkpoint import shown_at
from services.clients.tile_client import TileClient
from services.clients.traced_log_client import log_client
from services.edge import Log
from services.follow import Beginning, FollowBounds, Follower, FollowerKnowledge, SinkUnavailableProblem
from services.follow.findings import finding_of
from services.policy_file import read_pins, read_policy_about
from services.supervision import FATAL_STATUS, EndProcess, TaskSupervision
from services.tracing import Tracing
from services.verifier.config import Config
from services.verifier.metrics import Metrics
from services.verifier.projection.listener import ProjectionListener
from services.verifier.projection.store import Store
from services.verifier.replay.catalogues import Catalogues
from services.verifier.replay.compare import Comparison
from services.verifier.replay.follow_log import ProjectionObserver
from services.verifier.replay.rederive import RederivationError, rederived

"""EX_SOFTWARE: what the process says when following the log failed for a reason that a retry does not mend."""
REDERIVE_AGAIN_SECONDS = (5.0, 15.0)
DAMAGES_SHOWN = 20


class Replay(msgspec.Struct, frozen=True):
    """What runs: the projection and who fills it."""

    store: Store
    follower: Follower
    metrics: Metrics


def now() -> Moment:
    """Return the time."""
    return from_datetime(datetime.now(UTC))


@contextlib.asynccontextmanager
async def replaying(
    config: Config,
    log: Log,
    *,
    listener: ProjectionListener | None = None,
    tell: Callable[[FollowerKnowledge], None] | None = None,
    end_process: EndProcess = os._exit,
    tracing: Tracing | None = None,
) -> AsyncIterator[Replay]:
    """Open (1) the projection's file and (2) follow the log into it, while the block runs; closed in reverse order.

    Raises `SettingsFault` for a policy file that cannot be used, `MalformedProblem` or `InvalidProblem` for the log's
    key, and `StoreProblem`. `listener` hears of each change of the records; `tell` is called with all that is known,
    each time that it changes; `end_process` with 70 when following fails for good. `tracing` makes spans of what
    the log is asked.
    """
    policy = read_policy_about(config.policy_file, parse_vkey(config.log_verifier_key))
    async with contextlib.AsyncExitStack() as stack:
        store = await asyncio.to_thread(  # (1)
            Store, config.database_file, reader_threads=config.reader_threads, listener=listener
        )
        stack.push_async_callback(asyncio.to_thread, store.close)
        session = await stack.enter_async_context(client_session())
        projector = ProjectionObserver(
            store,
            log,
            evidence_file=evidence_file(config),
            finding=lambda evidence: finding_of(
                evidence, parse_vkey(config.log_verifier_key), witnesses=policy.witness_keys if policy else ()
            ),
        )
        follower = Follower(
            log_client(session, config.ledger_url, tracing, timeout_seconds=config.log_timeout_seconds),
            store,
            verifier_key=config.log_verifier_key,
            policy=policy,
            registrar=read_pins(config.registrar),
            clock=now,
            bounds=bounds_of(config),
            known_fault=await store.fault(),
            known_suspects=await store.suspects(),
            root_of=store.root_of,
            observer=projector,
            tell=tell,
        )
        projector.metrics = Metrics(follower.health, lambda: follower.position)
        beginning = Beginning(
            config.predecessors,
            lambda url: TileClient(session, url, timeout_seconds=config.log_timeout_seconds),
            ledger_url=config.ledger_url,
            log_verifier_key=config.log_verifier_key,
            clock=now,
            observer=projector,
        )
        following = _follow(follower, beginning, store)
        await stack.enter_async_context(_beside(following, "follower", log, end_process))  # (2)
        if await store.imported():
            follower.imported(is_imported=True)
            rederiving = _rederive(config, store, follower, log, end_process)
            await stack.enter_async_context(_beside(rederiving, "rederive", log, end_process, may_finish=True))
        for name, work in _besides(config, session, store, follower, log):
            await stack.enter_async_context(_beside(work, name, log, end_process))
        log.event("following", origin=follower.origin, witnessed=config.policy_file is not None)
        yield Replay(store, follower, projector.metrics)


def _besides(
    config: Config, session: aiohttp.ClientSession, store: Store, follower: Follower, log: Log
) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Yield what is done for ever beside following, by its name, as far as the settings ask for it."""
    if config.compare_with:
        yield "compare", _compare(config, session, store, follower, log)
    if config.catalogues:
        yield "catalogues", _read_catalogues(config, session, store, follower, log)


def evidence_file(config: Config) -> Path:
    """Return where conclusive evidence against the log is written, beside the projection."""
    return config.database_file.with_name(f"{config.database_file.name}.evidence.json")


def bounds_of(config: Config) -> FollowBounds:
    """Return the follower's bounds as they are set."""
    return FollowBounds(
        chunk_entries_max=config.chunk_entries_max,
        chunk_bytes_max=config.chunk_bytes_max,
        poll_seconds=config.poll_seconds,
        freshness_seconds_max=config.freshness_seconds_max,
        backoff_seconds_max=config.backoff_seconds_max,
        publish_delay_seconds=config.publish_delay_seconds_max,
        signature_threads=config.signature_threads,
        signature_processes=config.signature_processes,
    )


async def _compare(config: Config, session: aiohttp.ClientSession, store: Store, follower: Follower, log: Log) -> None:
    """Compare the log with what it shows to the verifiers that are configured, for ever."""
    timeout_seconds = config.log_timeout_seconds
    others = [(url, shown_at(session, url, timeout_seconds=timeout_seconds)) for url in config.compare_with]
    key = parse_vkey(config.log_verifier_key)
    comparison = Comparison(store, follower, others, key=key, clock=now, log=log)
    await comparison.run(interval_seconds=config.compare_seconds)


async def _read_catalogues(
    config: Config, session: aiohttp.ClientSession, store: Store, follower: Follower, log: Log
) -> None:
    """Read the catalogues that are configured, for ever."""
    clients = [
        CatalogueClient(session, url, timeout_seconds=config.log_timeout_seconds)
        for url in dict.fromkeys(url.rstrip("/") for url in config.catalogues)
    ]
    catalogues = Catalogues(
        store, clients, is_caught_up=lambda: follower.health().state == "healthy", clock=now, log=log
    )
    await catalogues.run(interval_seconds=config.catalogue_seconds)


async def _rederive(config: Config, store: Store, follower: Follower, log: Log, end_process: EndProcess) -> None:
    """Try until the log was replayed; what it does not bear out is thrown away, and the process ends to begin anew."""
    while True:
        log.event("snapshot_rederiving")
        try:
            report = await rederived(config)
            if report.damage_count:
                await store.condemn()
            elif report.is_clean:
                await store.rederived()
        except (RederivationError, OSError, SinkUnavailableProblem) as error:
            log.warning("snapshot_not_rederived", detail=str(error))
        else:
            if report.damage_count:
                damages = [f"{damage.place}: {damage.what}" for damage in report.damages[:DAMAGES_SHOWN]]
                log.failure("snapshot_wrong", None, damages=damages, count=report.damage_count)
                log.flush()
                end_process(FATAL_STATUS)
                return
            if report.is_clean:
                follower.imported(is_imported=False)
                log.event("snapshot_rederived", size=report.tree_size)
                return
            log.warning("snapshot_not_rederived", detail=report.incomplete)
        await asyncio.sleep(random.uniform(*REDERIVE_AGAIN_SECONDS))


async def _follow(follower: Follower, beginning: Beginning, store: Store) -> None:
    """Follow the logs before, then the log itself, for ever."""
    await beginning.reach_at_last(store)
    await follower.run()


@contextlib.asynccontextmanager
async def _beside(
    work: Coroutine[Any, Any, None], name: str, log: Log, end_process: EndProcess, *, may_finish: bool = False
) -> AsyncIterator[None]:
    """Have work done while the block runs; where it ends before, and may not, say why and end the process."""
    task = asyncio.create_task(work, name=name)
    TaskSupervision(log, end_process).watch(task, may_finish=may_finish)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
