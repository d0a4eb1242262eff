"""The parts that several commands share, and what works in the background. Opens nothing, starts nothing."""

import dataclasses
from collections.abc import Callable
from functools import partial

from proto.log.note_key import parse_vkey
from services.clients.log_client import LogClient
from services.clients.tile_client import TileClient
from services.clients.verifier_client import VerifierClient
from services.crypto.rdf_processes import FormMakers
from services.edge import Log
from services.follow import Beginning, FollowBounds, Follower, LogEvidence
from services.issuer_gateway.achievements.far_titles import FarTitles
from services.issuer_gateway.achievements.named_achievements import AchievementNames
from services.issuer_gateway.batches.workbooks.workbook import Workbooks
from services.issuer_gateway.config import LIMITS, Config
from services.issuer_gateway.keys.batch_keys import BatchKeys
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.keys.signing_keys import SigningKeys
from services.issuer_gateway.keys.vault import Vault
from services.issuer_gateway.log.arrivals import Arrivals
from services.issuer_gateway.log.log_state import FollowedLogState, now_after, wall_clock
from services.issuer_gateway.log.projector import FollowObserver, Projector
from services.issuer_gateway.log.refused_events import RefusedEvents
from services.issuer_gateway.log.relay import Relay
from services.issuer_gateway.log.relay_storage import PostgresRelayStorage
from services.issuer_gateway.log.traced_relay import TracedRelay
from services.issuer_gateway.metrics import Metrics
from services.issuer_gateway.status_lists import StatusLists
from services.issuer_gateway.unit_of_work.idempotency import Idempotency
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.issuer_gateway.unit_of_work.storage import PostgresStorage, RequestStorage
from services.issuer_gateway.unit_of_work.traced_storage import TracedRequestStorage
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.issuer_gateway.waiting.signals import Signal
from services.persistence.postgres import Pool
from services.policy_file import read_pins, read_policy_about
from services.tracing import Tracing

_MS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpenedResources:
    """What `app` has opened: settings, secrets, the pools of requests and of the background, clients of logs."""

    config: Config
    keystore: Keystore
    vault: Vault
    pool: Pool
    background: Pool
    follow_client: LogClient
    relay_client: LogClient
    tile_client: Callable[[str], TileClient]
    verifier: VerifierClient | None
    """Who is asked about the evidence of applications."""
    log: Log
    metrics: Metrics
    tracing: Tracing | None
    fault: LogEvidence | None
    """What an earlier run found against the log."""
    suspects: tuple[bytes, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
    """What several commands share, and what works in the background."""

    pool: Pool
    keystore: Keystore
    learner_keys: LearnerKeys
    batch_keys: BatchKeys
    signing_keys: SigningKeys
    status_lists: StatusLists
    follower: Follower
    beginning: Beginning
    projector: Projector
    relay: Relay
    log_state: FollowedLogState
    storage: RequestStorage
    unit_of_work: UnitOfWork
    writer: LogWriter
    idempotency: Idempotency
    form_makers: FormMakers
    log_client: LogClient
    """Asks the followed log for what it shows anybody."""
    verifier: VerifierClient | None
    achievement_names: AchievementNames
    log: Log
    metrics: Metrics
    workbooks: Workbooks = dataclasses.field(default_factory=Workbooks)
    batch_called: Signal = dataclasses.field(default_factory=Signal)
    """Fires when there is a batch to work on, or one was cancelled."""
    batch_moved: Signal = dataclasses.field(default_factory=Signal)
    """Fires when rows of some batch have their results."""


def make_parts(opened: OpenedResources) -> Parts:
    """Return the parts: those that follow the log, those that speak to it, those that hold keys."""
    config, keystore, pool, background = opened.config, opened.keystore, opened.pool, opened.background
    arrivals, advanced = Arrivals(), Signal()
    signing_keys = SigningKeys(background, keystore, now=lambda: now_after(projector, wall_clock))
    projector = Projector(background, signing_keys=signing_keys, arrivals=arrivals, advanced=advanced)
    follower, beginning = _following(opened, projector)
    relay = _relay(
        opened,
        arrivals,
        RefusedEvents(signing_keys, origin=follower.origin, now=lambda: now_after(projector, wall_clock)),
    )
    log_state = FollowedLogState(follower, beginning, projector)
    wait_seconds = config.sequencing_wait_ms / _MS
    storage = PostgresStorage(pool) if opened.tracing is None else TracedRequestStorage(pool, opened.tracing)
    unit_of_work = UnitOfWork(storage, advanced, wait_seconds=wait_seconds)
    writer = LogWriter(
        storage,
        unit_of_work,
        signing_keys,
        log_state=log_state,
        relay=relay,
        arrivals=arrivals,
        metrics=opened.metrics.outbox,
        wait_seconds=wait_seconds,
    )
    return Parts(
        pool=pool,
        keystore=keystore,
        learner_keys=LearnerKeys(opened.vault, keystore),
        batch_keys=BatchKeys(opened.vault, keystore),
        signing_keys=signing_keys,
        status_lists=_status_lists(opened, signing_keys, advanced, log_state),
        follower=follower,
        beginning=beginning,
        projector=projector,
        relay=relay,
        log_state=log_state,
        storage=storage,
        unit_of_work=unit_of_work,
        writer=writer,
        idempotency=Idempotency(storage, unit_of_work, writer, keystore),
        form_makers=FormMakers(process_count=LIMITS.form_processes),
        log_client=opened.follow_client,
        verifier=opened.verifier,
        achievement_names=AchievementNames(pool, FarTitles(opened.verifier, opened.log)),
        log=opened.log,
        metrics=opened.metrics,
    )


def _relay(opened: OpenedResources, arrivals: Arrivals, refused: RefusedEvents) -> Relay:
    return (Relay if opened.tracing is None else partial(TracedRelay, opened.tracing))(
        PostgresRelayStorage(opened.background, refused),
        opened.relay_client,
        config=opened.config,
        arrivals=arrivals,
        log=opened.log,
        metrics=opened.metrics.outbox,
    )


def _status_lists(
    opened: OpenedResources, signing_keys: SigningKeys, advanced: Signal, log_state: FollowedLogState
) -> StatusLists:
    return StatusLists(
        opened.background,
        keystore=opened.keystore,
        vault=opened.vault,
        signing_keys=signing_keys,
        advanced=advanced,
        valid_hours=opened.config.status_valid_hours,
        ttl_seconds=opened.config.status_ttl_seconds,
        now=log_state.now,
        log=opened.log,
        metrics=opened.metrics.awards,
    )


def _following(opened: OpenedResources, projector: Projector) -> tuple[Follower, Beginning]:
    """Return what follows the log, and what follows the logs before it to their ends."""
    config = opened.config
    observer = FollowObserver(opened.background, opened.log, opened.metrics.following)
    follower = Follower(
        opened.follow_client,
        projector,
        verifier_key=config.log_verifier_key,
        policy=read_policy_about(config.policy_file, parse_vkey(config.log_verifier_key)),
        registrar=read_pins(config.registrar),
        clock=wall_clock,
        bounds=FollowBounds(
            freshness_seconds_max=config.stale_seconds_max, publish_delay_seconds=config.publish_delay_seconds_max
        ),
        known_fault=opened.fault,
        known_suspects=opened.suspects,
        observer=observer,
    )
    beginning = Beginning(
        config.predecessors,
        opened.tile_client,
        ledger_url=config.ledger_url,
        log_verifier_key=config.log_verifier_key,
        clock=wall_clock,
        observer=observer,
    )
    return follower, beginning
