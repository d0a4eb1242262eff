"""What every act of the gateway needs, put together once by `app`. Does nothing itself."""

import dataclasses
from typing import Any

from services.crypto.rdf_processes import FormMakers
from services.edge import Log
from services.follow import Beginning, Follower
from services.issuer_gateway.achievements.document_parts import AchievementParts
from services.issuer_gateway.coalescer import Coalescer
from services.issuer_gateway.config import Config
from services.issuer_gateway.keys.batch_keys import BatchKeys
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.keys.signing_keys import SigningKeys
from services.issuer_gateway.log.log_state import LogState
from services.issuer_gateway.log.projector import Projector
from services.issuer_gateway.log.relay import Relay
from services.issuer_gateway.metrics import Metrics
from services.issuer_gateway.signals import Signal
from services.issuer_gateway.status_lists import StatusLists
from services.issuer_gateway.unit_of_work.idempotency import Idempotency
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.issuer_gateway.workbooks.workbook import Workbooks
from services.persistence.postgres import Pool


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ListInHand:
    """A list of awards that a request works on: whom it is about, and who of them was erased since it came."""

    refs: frozenset[str]
    erased: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gateway:
    """One running gateway: its database, its keys, the log it follows and speaks to."""

    config: Config
    pool: Pool
    keystore: Keystore
    learner_keys: LearnerKeys
    batch_keys: BatchKeys
    signing_keys: SigningKeys
    statuses: StatusLists
    beginning: Beginning
    follower: Follower
    projector: Projector
    relay: Relay
    log_state: LogState
    unit_of_work: UnitOfWork
    writer: LogWriter
    idempotency: Idempotency
    log: Log
    metrics: Metrics
    form_makers: FormMakers
    workbooks: Workbooks = dataclasses.field(default_factory=Workbooks)
    batch_called: Signal = dataclasses.field(default_factory=Signal)
    """Fires when there is a batch to work on, or one was cancelled."""
    batch_moved: Signal = dataclasses.field(default_factory=Signal)
    """Fires when rows of some batch have their results."""
    parts: AchievementParts = dataclasses.field(default_factory=AchievementParts)
    in_hand: dict[str, list["ListInHand"]] = dataclasses.field(default_factory=dict)
    """By institution: the lists that requests have in hand."""
    coalescers: dict[str, Coalescer[Any, Any]] = dataclasses.field(default_factory=dict)
    """What concurrent requests have done together, by what it is and for whom."""
