"""What the gateway counts, in Prometheus' terms. Label values are bounded words, never an id."""

from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from proto import events
from services.follow.interface import FaultKind

PROOFS = ("eddsa-rdfc-2022", "eddsa-jcs-2022", "none")
_WAITS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class OutboxMetrics:
    """What was said, and how it gets to the ledger."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Gauge(
            "credentify_gateway_outbox_events",
            "Events in the outbox that are not published yet, by state. `pending` that stays up: the ledger is not "
            "reached; `sequenced` that stays up: nothing is published, or the gateway does not follow.",
            ["state"],
            registry=registry,
        )
        self.oldest_seconds = Gauge(
            "credentify_gateway_outbox_oldest_pending_seconds",
            "Age of the oldest event that the ledger has not taken. A rise that stays means that institutions wait.",
            registry=registry,
        )
        self.refused = Gauge(
            "credentify_gateway_outbox_refused_events",
            "Events that the ledger refused for good. A rise means that projection and ledger disagree: look at them.",
            registry=registry,
        )
        self.said = Counter(
            "credentify_gateway_events_said",
            "Events signed and put into the outbox, by type.",
            ["type"],
            registry=registry,
        )
        self.relayed = Counter(
            "credentify_gateway_relayed_events",
            "Answers of the ledger to events, by result. `later` that rises means that something is not admitted yet.",
            ["result"],
            registry=registry,
        )
        self.relay_failures = Counter(
            "credentify_gateway_relay_failures",
            "Times that the ledger could not be reached or did not answer as it should.",
            registry=registry,
        )
        self.relay_seconds = Histogram(
            "credentify_gateway_relay_seconds",
            "Time of one submission to the ledger. A rise is the ledger's, or the network's.",
            buckets=_WAITS_SECONDS,
            registry=registry,
        )
        _begin(self.said, (str(kind.__struct_config__.tag) for kind in get_args(events.Event)))
        _begin(self.relayed, ("taken", "refused", "later"))


class FollowingMetrics:
    """How far and how well the log is followed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.size = Gauge(
            "credentify_gateway_followed_entries",
            "Entries of the log that were proven and applied. It must rise as the log grows.",
            registry=registry,
        )
        self.age_seconds = Gauge(
            "credentify_gateway_follow_age_seconds",
            "Age of what the gateway knows of the log; -1 before it has caught up. A rise means stale answers.",
            registry=registry,
        )
        self.clock_behind_seconds = Gauge(
            "credentify_gateway_clock_behind_seconds",
            "How far this machine's clock is behind the newest time that the log or its witnesses have shown. Above 10 "
            "nothing newer is read: set the clock, or ask the log's operator.",
            registry=registry,
        )
        self.faults = Counter(
            "credentify_gateway_log_faults",
            "Times that the log was found to be faulty. Anything but 0 needs a person at once.",
            ["kind"],
            registry=registry,
        )
        _begin(self.faults, get_args(FaultKind))


class AwardMetrics:
    """What is awarded, read and asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batch_rows = Counter(
            "credentify_gateway_batch_rows",
            "Rows of batches, by result.",
            ["result"],
            registry=registry,
        )
        self.status_lists_published = Counter(
            "credentify_gateway_status_lists_published",
            "Status lists signed. It follows revocations and time; a standstill while revocations come needs a look.",
            registry=registry,
        )
        self.documents_read = Counter(
            "credentify_gateway_documents_read",
            "Documents opened for an institution, by proof asked for.",
            ["proof"],
            registry=registry,
        )
        self.requests = Counter(
            "credentify_gateway_requests_for_achievements",
            "Requests of learners, by what became of them. `open` that rises alone means that nobody decides.",
            ["state"],
            registry=registry,
        )
        self.claims_used = Counter(
            "credentify_gateway_claims_used",
            "One-time links that led their learners to a credential.",
            registry=registry,
        )
        _begin(self.batch_rows, ("accepted", "already-awarded", "refused"))
        _begin(self.documents_read, PROOFS)
        _begin(self.requests, ("open", "accepted", "rejected"))


class Metrics:
    """The gateway's own families in one registry; every counter has its samples from the start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outbox = OutboxMetrics(registry)
        self.following = FollowingMetrics(registry)
        self.awards = AwardMetrics(registry)


def _begin(counter: Counter, labels: Iterable[str]) -> None:
    """Give a counter its samples: a rise from nothing is seen by no alarm."""
    for label in labels:
        counter.labels(label)
