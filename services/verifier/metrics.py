"""What a verifier measures of itself: plain numbers, turned into Prometheus families when scraped."""

from collections.abc import Callable, Iterator
from typing import get_args

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from proto.wire.verifier import Verdict
from services.follow import FollowerState, Health, Position

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
STATES: tuple[FollowerState, ...] = get_args(FollowerState)


class Metrics(Collector):
    """The Prometheus view of one verifier. `health` and `position` are asked when scraped."""

    def __init__(self, health: Callable[[], Health], position: Callable[[], Position | None]) -> None:
        self._health = health
        self._position = position
        self._size = 0
        self._applied = 0
        self._troubles = 0
        self._faults = 0
        self._verdicts = dict.fromkeys(VERDICTS, 0)

    def count_verdict(self, verdict: Verdict) -> None:
        """Count one answer."""
        self._verdicts[verdict] += 1

    def count_applied(self, entries: int) -> None:
        """Count entries that were proven and applied."""
        self._applied += entries

    def count_trouble(self) -> None:
        """Count one failed attempt to read the log."""
        self._troubles += 1

    def count_fault(self) -> None:
        """Count one finding that the log is faulty."""
        self._faults += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._gauges()
        yield from self._counters()

    def _gauges(self) -> Iterator[Metric]:
        health, position = self._health(), self._position()
        self._size = position.size if position else self._size
        yield GaugeMetricFamily(
            "credentify_verifier_position",
            "Entries applied. It follows the log's published size; a gap that stays means that we do not keep up.",
            value=self._size,
        )
        yield GaugeMetricFamily(
            "credentify_verifier_age_seconds",
            "Age of what is known. Above the freshness limit every answer is indeterminate. +Inf: never caught up.",
            value=float("inf") if health.age_seconds is None else health.age_seconds,
        )
        yield GaugeMetricFamily(
            "credentify_verifier_clock_behind_seconds",
            "How far this machine's clock is behind the newest time that the log or its witnesses have shown. Above "
            "10 every answer is indeterminate: set the clock, or ask the log's operator.",
            value=health.behind_seconds,
        )
        states = GaugeMetricFamily(
            "credentify_verifier_log_state",
            "1 for the state the log is in for us. `faulty` at 1 is the gravest alarm there is: read the evidence.",
            labels=("state",),
        )
        for state in STATES:
            states.add_metric([state], float(state == health.state))
        yield states
        yield GaugeMetricFamily(
            "credentify_verifier_imported",
            "1 while the records rest on a snapshot that is being derived again from the log. It goes to 0 by itself.",
            value=float(health.is_imported),
        )

    def _counters(self) -> Iterator[Metric]:
        verdicts = CounterMetricFamily(
            "credentify_verifier_verdicts",
            "Answers by verdict. A rise of `indeterminate` means that the log is stale or records are incomplete.",
            labels=("verdict",),
        )
        for verdict, count in self._verdicts.items():
            verdicts.add_metric([verdict], count)
        yield verdicts
        yield CounterMetricFamily(
            "credentify_verifier_entries_applied", "Entries proven and applied by this process.", value=self._applied
        )
        yield CounterMetricFamily(
            "credentify_verifier_log_troubles",
            "Failed attempts to read the log. A rise means that the log is down, slow or refuses us.",
            value=self._troubles,
        )
        yield CounterMetricFamily(
            "credentify_verifier_log_faults",
            "Findings that the log is faulty. Anything but 0 needs a person.",
            value=self._faults,
        )
