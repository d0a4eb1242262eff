"""What a ledger counts of its witnesses; the label is the witness's name in the policy, so it is bounded."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class WitnessMetrics:
    """The families in one registry; each help text says what a change means."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "credentify_ledger_witness_requests",
            "Requests to witnesses by outcome (cosigned, other_size, contradicted, refused, failed, lied). One that is "
            "contradicted means that a witness holds this log to be forked: look at once.",
            ("witness", "outcome"),
            registry=registry,
        )
        self.seconds = Histogram(
            "credentify_ledger_witness_request_seconds",
            "Time that a witness took to answer. A slow one delays nothing, unless the quorum needs it.",
            ("witness",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.cosigned_size = Gauge(
            "credentify_ledger_witness_cosigned_size_entries",
            "Size that the witness cosigned last. Falling behind the published size means that it is slow or dead.",
            ("witness",),
            registry=registry,
        )
        self.cosigned_at = Gauge(
            "credentify_ledger_witness_cosigned_timestamp_seconds",
            "Time in the witness's last cosignature, by its own clock.",
            ("witness",),
            registry=registry,
        )
        self.stopped = Gauge(
            "credentify_ledger_witness_stopped",
            "1 where a witness is not asked any more because it contradicted the log; the log line says why.",
            ("witness",),
            registry=registry,
        )
        self.quorum_missed = Counter(
            "credentify_ledger_quorum_missed",
            "Attempts to publish for which too few witnesses cosigned in time. While it rises nothing new is "
            "published, unless failing open is configured.",
            registry=registry,
        )
