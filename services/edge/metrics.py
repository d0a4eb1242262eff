"""What is counted of requests. Plain numbers on the event loop, turned into Prometheus families only when scraped."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LABELS = ("method", "route", "code")


class _Tally:
    """Answers of one route with one class of status code."""

    __slots__ = ("buckets", "count", "received_bytes", "seconds", "sent_bytes")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.received_bytes = 0
        self.sent_bytes = 0
        self.buckets = [0] * (len(BUCKETS_SECONDS) + 1)


class RouteTally:
    """Requests of one route: how many run now, and what has been answered, by status class and by problem."""

    def __init__(self, method: str, template: str, problems: Iterable[str] = ()) -> None:
        """`problems` are the slugs that the route says it may refuse with: they are counted from 0."""
        self.method = method
        self.template = template
        self.in_flight = 0
        self.problems: dict[str, int] = dict.fromkeys(problems, 0)
        self.by_class: dict[int, _Tally] = {}

    def add(self, status: int, seconds: float, received_bytes: int, sent_bytes: int) -> None:
        """Count one answer."""
        tally = self.by_class.get(status // 100)
        if tally is None:
            tally = self.by_class[status // 100] = _Tally()
        tally.count += 1
        tally.seconds += seconds
        tally.received_bytes += received_bytes
        tally.sent_bytes += sent_bytes
        tally.buckets[bisect_left(BUCKETS_SECONDS, seconds)] += 1

    def add_problem(self, slug: str) -> None:
        """Count one refusal by its slug."""
        self.problems[slug] = self.problems.get(slug, 0) + 1

    def labelled(self) -> Iterator[tuple[list[str], _Tally]]:
        """Yield label values and tally for each class of status code that occurred."""
        for status_class, tally in sorted(self.by_class.items()):
            yield [self.method, self.template, f"{status_class}xx"], tally

    def counted(self) -> Iterator[tuple[list[str], _Tally]]:
        """Yield the same for counters, which have a sample from the start: a rise from nothing is seen by nobody."""
        begun = () if self.template == UNMATCHED else _CLASSES
        for status_class in sorted({*begun, *self.by_class}):
            yield [self.method, self.template, f"{status_class}xx"], self.by_class.get(status_class, _NONE)


_NONE = _Tally()
UNMATCHED = "unmatched"
"""The template of what no route takes, with whatever method; counted once there is any."""
_CLASSES = (2, 4, 5)


class RequestMetrics(Collector):
    """The Prometheus view of a service's route tallies, and of the log lines that were lost."""

    def __init__(self, tallies: Iterable[RouteTally], *, lost_lines: Callable[[], int] = int) -> None:
        self._tallies = tallies
        self._lost_lines = lost_lines

    def collect(self) -> Iterator[Metric]:
        """Yield the families; label values are route templates, methods, status classes and problem slugs only."""
        yield self._in_flight()
        yield self._durations()
        yield from self._counters()
        yield CounterMetricFamily(
            "credentify_log_lines_lost",
            "Lines of the log that could not be written. A rise means that nobody reads the pipe that standard output "
            "is, or that its disk is full: what happens is not recorded.",
            self._lost_lines(),
        )

    def _in_flight(self) -> Metric:
        family = GaugeMetricFamily(
            "credentify_http_requests_in_flight",
            "Requests being answered now. A rise that stays means that something behind the route has become slow.",
            labels=("method", "route"),
        )
        for tally in self._tallies:
            family.add_metric([tally.method, tally.template], tally.in_flight)
        return family

    def _durations(self) -> Metric:
        family = HistogramMetricFamily(
            "credentify_http_request_duration_seconds",
            "Time from the request's headers to its answer. A rise of the upper quantiles is what clients feel first.",
            labels=_LABELS,
        )
        bounds = [*map(str, BUCKETS_SECONDS), "+Inf"]
        for route in self._tallies:
            for labels, tally in route.labelled():
                running, buckets = 0, []
                for bound, count in zip(bounds, tally.buckets, strict=True):
                    running += count
                    buckets.append((bound, float(running)))
                family.add_metric(labels, buckets, tally.seconds)
        return family

    def _counters(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "credentify_http_requests",
            "Answers given. A rise of 5xx is our fault; of 4xx a client's, or somebody is probing.",
            labels=_LABELS,
        )
        received = CounterMetricFamily(
            "credentify_http_received_bytes",
            "Bytes of request bodies. A rise without more requests means larger batches, or somebody testing limits.",
            labels=_LABELS,
        )
        sent = CounterMetricFamily(
            "credentify_http_sent_bytes",
            "Bytes of answers. A rise on routes for followers means that followers replay from the beginning.",
            labels=_LABELS,
        )
        problems = CounterMetricFamily(
            "credentify_http_problems",
            "Refusals by kind. `rate-limited` and `unavailable` rise when the service is short of something.",
            labels=("method", "route", "problem"),
        )
        for route in self._tallies:
            for labels, tally in route.counted():
                requests.add_metric(labels, tally.count)
                received.add_metric(labels, tally.received_bytes)
                sent.add_metric(labels, tally.sent_bytes)
            for slug, count in sorted(route.problems.items()):
                problems.add_metric([route.method, route.template, slug], count)
        yield from (requests, received, sent, problems)
