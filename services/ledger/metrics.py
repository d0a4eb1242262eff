"""What a ledger counts, in base units with bounded labels. Knows no request; the edge counts those."""

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from proto.lifecycle import Refusal

_FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DELAYS_SECONDS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)
NOT_TAKEN = ("busy", "clock", "internal", "no-space", "not-appended", "outcome-unknown")
"""Slugs of what is no refusal by a rule: the ledger could not append, and the same event is to be sent again."""
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class SequencingMetrics:
    """What becomes of the events that are sent in.

    Every counter has its samples from the start: a rise from nothing is seen by no alarm.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "credentify_ledger_events",
            "Events answered, by outcome: appended, known, or the slug of the refusal. A rise of refusals means that a "
            "gateway's projection is behind, or that somebody is probing.",
            ("outcome",),
            registry=registry,
        )
        for outcome in ("appended", "known", *NOT_TAKEN, *_slugs(Refusal)):
            self.events.labels(outcome)
        self.batch_events = Histogram(
            "credentify_ledger_batch_events",
            "Events per batch. Larger batches mean more load, or a slower database.",
            buckets=_SIZES,
            registry=registry,
        )
        self.batch_credentials = Histogram(
            "credentify_ledger_batch_credentials",
            "Credentials that the events of a batch are about. Far above the events, institutions issue by groups.",
            buckets=_SIZES,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "credentify_ledger_batch_seconds",
            "Time from taking a batch to its answers. A rise is the database's disk, or a lock on the head row.",
            buckets=_FAST_SECONDS,
            registry=registry,
        )
        self.batches_failed = Counter(
            "credentify_ledger_batches_failed",
            "Batches of which nothing was appended, by reason (clock, database, frozen); their senders were told.",
            ("reason",),
            registry=registry,
        )
        for reason in ("clock", "database", "frozen"):
            self.batches_failed.labels(reason)
        self.events_under_way = Gauge(
            "credentify_ledger_events_under_way",
            "Events accepted and not yet answered. Near its bound, submissions are answered 503.",
            registry=registry,
        )
        self.signature_seconds = Counter(
            "credentify_ledger_signature_seconds",
            "Time spent checking signatures, all threads together.",
            registry=registry,
        )
        self.tree_size = Gauge(
            "credentify_ledger_tree_size_entries", "Entries appended, as far as this process knows.", registry=registry
        )


class PublishingMetrics:
    """What of the log is published, how fresh it is, and who waits for more."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.published_size = Gauge(
            "credentify_ledger_published_size_entries",
            "Entries that the published checkpoint covers. Falling behind the tree size means that nothing is signed.",
            registry=registry,
        )
        self.published_at = Gauge(
            "credentify_ledger_published_timestamp_seconds",
            "POSIX time of the last publication, also of an unchanged checkpoint. Its age is the freshness of the log.",
            registry=registry,
        )
        self.publish_seconds = Histogram(
            "credentify_ledger_publish_seconds",
            "Time to check, sign and publish a checkpoint. It grows with the entries that are read again.",
            buckets=_FAST_SECONDS,
            registry=registry,
        )
        self.delay_seconds = Histogram(
            "credentify_ledger_publication_delay_seconds",
            "Time from an entry's own time to the checkpoint that covers it, counted once for each entry by the "
            "process that signs. Above 2 s institutions and learners wait: a slow database, or slow witnesses.",
            buckets=_DELAYS_SECONDS,
            registry=registry,
        )
        self.backup_at = Gauge(
            "credentify_ledger_backup_timestamp_seconds",
            "When the last backup was made, as written into the signer's folder; 0: none is known. Its age is what "
            "would be lost with the machine, but for mirror and WAL archive.",
            registry=registry,
        )
        self.long_polls = Gauge(
            "credentify_ledger_long_polls", "Requests that wait for a checkpoint: the followers.", registry=registry
        )

    def show_backup(self, last_backup_at: Callable[[], datetime | None]) -> None:
        """Ask when the last backup was made whenever somebody looks."""
        self.backup_at.set_function(lambda: at.timestamp() if (at := last_backup_at()) else 0.0)


class Metrics:
    """The ledger's families in one registry; each help text says what a change means."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sequencing = SequencingMetrics(registry)
        self.publishing = PublishingMetrics(registry)


def _slugs(root: type[Refusal]) -> Iterator[str]:
    """Yield the slugs of all refusals by a rule."""
    yield root.slug
    for each in root.__subclasses__():
        yield from _slugs(each)
