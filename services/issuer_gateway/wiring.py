"""Puts parts and commands of a gateway together, once; whoever asks what a command may touch reads it here.

Opens nothing and starts nothing: `app` does.
"""

import dataclasses
from collections.abc import Callable

from proto.log.note_key import parse_vkey
from services.clients.log_client import LogClient
from services.clients.tile_client import TileClient
from services.crypto.rdf_processes import FormMakers
from services.edge import Log
from services.follow import Beginning, Evidence, FollowBounds, Follower
from services.issuer_gateway.achievements.document_parts import AchievementParts
from services.issuer_gateway.batches.batch_changes import ChangeMany
from services.issuer_gateway.batches.batch_reader import BatchReader
from services.issuer_gateway.batches.batch_upload import BatchUploads
from services.issuer_gateway.batches.batch_worker import BatchWorker, PartWork
from services.issuer_gateway.batches.lists_in_hand import ListsInHand
from services.issuer_gateway.batches.small_batch import CheckList, IssueList, ListAnswers
from services.issuer_gateway.claims.claim_commands import ClaimLinks
from services.issuer_gateway.claims.claim_use import UseClaim
from services.issuer_gateway.config import LIMITS, Config
from services.issuer_gateway.credentials.change_credential import ChangeCredential
from services.issuer_gateway.credentials.credential_reader import CredentialReader
from services.issuer_gateway.credentials.decide_awards import DecideAwards
from services.issuer_gateway.credentials.import_document import ImportDocument
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.issue_together import IssueTogether
from services.issuer_gateway.credentials.prepare_award import PrepareAward
from services.issuer_gateway.credentials.prepare_rows import PrepareRows
from services.issuer_gateway.credentials.source_check import CheckSource
from services.issuer_gateway.credentials.stack_credential import StackCredentials
from services.issuer_gateway.keys.batch_keys import BatchKeys
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.keys.signing_keys import SigningKeys
from services.issuer_gateway.keys.vault import Vault
from services.issuer_gateway.learners.learner_erasure import EraseLearner
from services.issuer_gateway.log.arrivals import Arrivals
from services.issuer_gateway.log.log_state import LogState, now_after, wall_clock
from services.issuer_gateway.log.projector import FollowObserver, Projector
from services.issuer_gateway.log.relay import Relay
from services.issuer_gateway.log.relay_storage import PostgresRelayStorage
from services.issuer_gateway.metrics import Metrics
from services.issuer_gateway.requests.learner_requests import LearnerRequests
from services.issuer_gateway.requests.request_decision import DecideRequest, RequestReader
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.signals import Signal
from services.issuer_gateway.status_lists import StatusLists
from services.issuer_gateway.unit_of_work.idempotency import Idempotency
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.issuer_gateway.unit_of_work.storage import PostgresStorage
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.issuer_gateway.workbooks.workbook import Workbooks
from services.persistence.postgres import Pool
from services.policy_file import read_pins, read_policy_about

_MS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Opened:
    """What `app` has opened: settings, secrets, the pools of requests and of the background, clients of logs."""

    config: Config
    keystore: Keystore
    vault: Vault
    pool: Pool
    background: Pool
    follow_client: LogClient
    relay_client: LogClient
    tile_client: Callable[[str], TileClient]
    log: Log
    metrics: Metrics
    fault: Evidence | None
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
    log_state: LogState
    unit_of_work: UnitOfWork
    writer: LogWriter
    idempotency: Idempotency
    form_makers: FormMakers
    log: Log
    metrics: Metrics
    workbooks: Workbooks = dataclasses.field(default_factory=Workbooks)
    batch_called: Signal = dataclasses.field(default_factory=Signal)
    """Fires when there is a batch to work on, or one was cancelled."""
    batch_moved: Signal = dataclasses.field(default_factory=Signal)
    """Fires when rows of some batch have their results."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Issuing:
    """How awards become credentials, whichever way they come."""

    prepare: PrepareAward
    rows: PrepareRows
    decide: DecideAwards
    issue: IssueCredential


def make_parts(opened: Opened) -> Parts:
    """Return the parts: those that follow the log, those that speak to it, those that hold keys."""
    config, keystore, pool, background = opened.config, opened.keystore, opened.pool, opened.background
    arrivals, advanced = Arrivals(), Signal()
    signing_keys = SigningKeys(background, keystore, now=lambda: now_after(projector, wall_clock))
    projector = Projector(background, signing_keys=signing_keys, arrivals=arrivals, advanced=advanced)
    follower, beginning = _following(opened, projector)
    relay = Relay(
        PostgresRelayStorage(background),
        opened.relay_client,
        config=config,
        arrivals=arrivals,
        log=opened.log,
        metrics=opened.metrics,
    )
    log_state = LogState(follower, beginning, projector)
    wait_seconds = config.sequencing_wait_ms / _MS
    storage = PostgresStorage(pool)
    unit_of_work = UnitOfWork(storage, advanced, wait_seconds=wait_seconds)
    writer = LogWriter(
        storage,
        unit_of_work,
        signing_keys,
        log_state=log_state,
        relay=relay,
        arrivals=arrivals,
        metrics=opened.metrics,
        wait_seconds=wait_seconds,
    )
    return Parts(
        pool=pool,
        keystore=keystore,
        learner_keys=LearnerKeys(opened.vault, keystore),
        batch_keys=BatchKeys(opened.vault, keystore),
        signing_keys=signing_keys,
        status_lists=StatusLists(
            background,
            keystore=keystore,
            vault=opened.vault,
            signing_keys=signing_keys,
            advanced=advanced,
            config=config,
            now=log_state.now,
            log=opened.log,
            metrics=opened.metrics,
        ),
        follower=follower,
        beginning=beginning,
        projector=projector,
        relay=relay,
        log_state=log_state,
        unit_of_work=unit_of_work,
        writer=writer,
        idempotency=Idempotency(storage, unit_of_work, writer, keystore),
        form_makers=FormMakers(process_count=LIMITS.form_processes),
        log=opened.log,
        metrics=opened.metrics,
    )


def _following(opened: Opened, projector: Projector) -> tuple[Follower, Beginning]:
    """Return what follows the log, and what follows the logs before it to their ends."""
    config = opened.config
    observer = FollowObserver(opened.background, opened.log, opened.metrics)
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


def make_issuing(parts: Parts, config: Config) -> Issuing:
    """Return how awards become credentials."""
    prepare = PrepareAward(parts.writer, parts.status_lists, AchievementParts(), annex_gate=config.annex_gate)
    decide = DecideAwards(
        parts.writer,
        parts.log_state,
        parts.learner_keys,
        log=parts.log,
        effective_margin_ms=config.effective_margin_ms,
    )
    issue = IssueCredential(
        parts.pool,
        prepare,
        decide,
        writer=parts.writer,
        idempotency=parts.idempotency,
        learner_keys=parts.learner_keys,
    )
    rows = PrepareRows(parts.pool, prepare, parts.status_lists, log=parts.log)
    return Issuing(prepare=prepare, rows=rows, decide=decide, issue=issue)


def make_worker(parts: Parts, issuing: Issuing, config: Config) -> BatchWorker:
    """Return what works on batches in the background."""
    changes = ChangeMany(
        writer=parts.writer,
        log_state=parts.log_state,
        prepare=issuing.prepare,
        learner_keys=parts.learner_keys,
        log=parts.log,
        effective_margin_ms=config.effective_margin_ms,
    )
    work = PartWork(
        writer=parts.writer,
        rows=issuing.rows,
        decide=issuing.decide,
        issue=issuing.issue,
        changes=changes,
        keystore=parts.keystore,
    )
    return BatchWorker(
        parts.pool,
        work,
        batch_keys=parts.batch_keys,
        called=parts.batch_called,
        moved=parts.batch_moved,
        log=parts.log,
        metrics=parts.metrics,
    )


def make_gateway(parts: Parts, issuing: Issuing, config: Config) -> Gateway:
    """Return the commands that handlers get."""
    pool, writer, idempotency, unit_of_work = parts.pool, parts.writer, parts.idempotency, parts.unit_of_work
    reader = CredentialReader(
        pool,
        parts.learner_keys,
        signing_keys=parts.signing_keys,
        log_state=parts.log_state,
        metrics=parts.metrics,
    )
    lists = ListsInHand()
    answers = ListAnswers(pool, parts.keystore)
    return Gateway(
        config=config,
        pool=pool,
        keystore=parts.keystore,
        unit_of_work=unit_of_work,
        idempotency=idempotency,
        log_state=parts.log_state,
        workbooks=parts.workbooks,
        status_lists=parts.status_lists,
        issue_together=IssueTogether(pool, writer, idempotency, rows=issuing.rows, issuing=issuing.issue),
        stack_credentials=StackCredentials(
            pool, writer, idempotency, prepare=issuing.prepare, decide=issuing.decide, issue=issuing.issue
        ),
        change_credential=ChangeCredential(pool, writer, idempotency, effective_margin_ms=config.effective_margin_ms),
        import_document=ImportDocument(
            pool,
            writer,
            idempotency,
            source=CheckSource(pool, parts.log_state, parts.form_makers),
            prepare=issuing.prepare,
            issue=issuing.issue,
            learner_keys=parts.learner_keys,
            keystore=parts.keystore,
        ),
        credential_reader=reader,
        check_list=CheckList(pool, writer, rows=issuing.rows, decide=issuing.decide),
        issue_list=IssueList(
            unit_of_work,
            writer,
            rows=issuing.rows,
            issue=issuing.issue,
            answers=answers,
            lists=lists,
            keystore=parts.keystore,
            metrics=parts.metrics,
        ),
        batch_uploads=BatchUploads(
            pool=pool,
            unit_of_work=unit_of_work,
            writer=writer,
            batch_keys=parts.batch_keys,
            workbooks=parts.workbooks,
            called=parts.batch_called,
            rows_max=config.batch_rows_max,
        ),
        batch_reader=BatchReader(
            pool,
            unit_of_work,
            parts.keystore,
            answers=answers,
            batch_keys=parts.batch_keys,
            moved=parts.batch_moved,
            wait_seconds=config.sequencing_wait_ms / _MS,
        ),
        claim_links=ClaimLinks(
            pool,
            unit_of_work,
            idempotency,
            prepare=issuing.prepare,
            decide=issuing.decide,
            reader=reader,
            learner_keys=parts.learner_keys,
            keystore=parts.keystore,
            log_state=parts.log_state,
            public_url=config.public_url,
        ),
        use_claim=UseClaim(
            pool,
            unit_of_work,
            idempotency,
            prepare=issuing.prepare,
            issue=issuing.issue,
            reader=reader,
            learner_keys=parts.learner_keys,
            writer=writer,
            log_state=parts.log_state,
            metrics=parts.metrics,
        ),
        learner_requests=LearnerRequests(
            pool,
            unit_of_work,
            parts.learner_keys,
            log_state=parts.log_state,
            metrics=parts.metrics,
            public_url=config.public_url,
            open_max=config.requests_open_max,
            kept_days=config.request_kept_days,
        ),
        request_reader=RequestReader(pool, parts.learner_keys),
        decide_request=DecideRequest(
            pool,
            writer,
            idempotency,
            prepare=issuing.prepare,
            issue=issuing.issue,
            learner_keys=parts.learner_keys,
            metrics=parts.metrics,
        ),
        erase_learner=EraseLearner(
            unit_of_work,
            parts.batch_keys,
            parts.learner_keys,
            pool=pool,
            keystore=parts.keystore,
            lists=lists,
        ),
    )
