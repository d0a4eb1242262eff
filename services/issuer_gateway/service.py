"""What every act of the gateway needs, put together once by `app`. Does nothing itself."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from proto.ids import Origin
from proto.moment import Moment, from_datetime
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
from services.issuer_gateway.log.arrivals import Arrivals
from services.issuer_gateway.log.projector import Projector
from services.issuer_gateway.log.relay import Relay
from services.issuer_gateway.metrics import Metrics
from services.issuer_gateway.signals import Signal
from services.issuer_gateway.status_lists import StatusLists
from services.persistence.postgres import Pool


def now_after(projector: Projector, clock: Callable[[], Moment]) -> Moment:
    """Return the clock's time, never before what the log said last."""
    last = projector.latest.last_received_at if projector.latest else None
    return max(clock(), last) if last else clock()


def wall_clock() -> Moment:
    """Return the time now, in UTC."""
    return from_datetime(datetime.now(UTC))


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
    origin: Origin
    beginning: Beginning
    follower: Follower
    projector: Projector
    relay: Relay
    arrivals: Arrivals
    advanced: Signal
    log: Log
    metrics: Metrics
    form_makers: FormMakers
    clock: Callable[[], Moment] = wall_clock
    batch_called: Signal = dataclasses.field(default_factory=Signal)
    """Fires when there is a batch to work on, or one was cancelled."""
    batch_moved: Signal = dataclasses.field(default_factory=Signal)
    """Fires when rows of some batch have their results."""
    parts: AchievementParts = dataclasses.field(default_factory=AchievementParts)
    in_hand: dict[str, list["ListInHand"]] = dataclasses.field(default_factory=dict)
    """By institution: the lists that requests have in hand."""
    coalescers: dict[str, Coalescer[Any, Any]] = dataclasses.field(default_factory=dict)
    """What concurrent requests have done together, by what it is and for whom."""

    def now(self) -> Moment:
        """Return the time, never before what the log said last."""
        return now_after(self.projector, self.clock)
