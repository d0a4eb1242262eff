"""The names of figures: which the services show, asked of their own declarations, and which an expression asks for."""

import functools
import re

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from tests.support.runbook_text import sources

_DECLARED = re.compile(r"\b(Counter|Gauge|Histogram|Info)(?:MetricFamily)?\(\s*\"(credentify_[a-z_]+)\"", re.MULTILINE)
_ENDS = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_count", "_sum"), "Info": ("_info",)}
_SCRAPED = {"up", "ALERTS", "scrape_duration_seconds"}
_NAME = re.compile(
    r"(?<![\w:])(?:credentify|process|python)[\w:]*[a-z0-9](?=[^\w:(]|$)|(?<![\w:])(?:up|ALERTS)(?=[{ ]|$)"
)


@functools.cache
def exposed() -> frozenset[str]:
    """Return every name under which Prometheus finds a figure of a service."""
    own = {name + end for kind, name in _DECLARED.findall(sources()) for end in _ENDS[kind]}
    process = {
        sample.name
        for collector in (ProcessCollector(registry=None), GCCollector(registry=CollectorRegistry()))
        for family in collector.collect()
        for sample in family.samples
    }
    return frozenset(own | process | _SCRAPED)


def names_in(expression: str) -> set[str]:
    """Return the figures that an expression asks for; what stands in quotation marks is no name."""
    return set(_NAME.findall(re.sub(r'"[^"]*"', '""', expression)))
