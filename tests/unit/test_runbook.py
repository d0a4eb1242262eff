"""The runbook answers what the services say: places that messages point to, and metrics that it names, exist."""

import re

from prometheus_client import CollectorRegistry, ProcessCollector

from services.edge.metrics import RequestMetrics, RouteTally
from services.issuer_gateway.metrics import Metrics as GatewayMetrics
from services.ledger.metrics import Metrics as LedgerMetrics
from tests.support.runbook_text import ROOT, RUNBOOK, headings, sources


def test_every_place_that_a_message_points_to_is_in_the_runbook() -> None:
    named = set(re.findall(r"RUNBOOK\.md: ([a-z-]+)\)", sources()))
    assert {"older-database", "signer-memory", "altered"} <= named
    assert named <= headings()


def test_every_link_of_the_runbook_leads_to_a_place() -> None:
    assert set(re.findall(r"\]\(#([a-z-]+)\)", RUNBOOK.read_text())) <= headings()


def exposed() -> set[str]:
    """Return the names that Prometheus sees: those of counters end in `_total`."""
    declared = re.findall(r"\b(Counter|Gauge|Histogram)(?:MetricFamily)?\(\s*\"(credentify_[a-z_]+)\"", sources())
    names = {f"{name}_total" if kind == "Counter" else name for kind, name in declared}
    process = ProcessCollector(registry=None).collect()
    return names | {sample.name for family in process for sample in family.samples}


def test_every_metric_that_an_operator_is_told_of_exists_under_that_very_name() -> None:
    papers = [RUNBOOK, RUNBOOK.with_name("OPERATIONS.md"), *ROOT.glob("services/*/README.md")]
    told = {
        name
        for paper in papers
        for name in re.findall(r"(?<![A-Za-z_/.-])(?:credentify|process)_[a-z_]+[a-z](?![a-z_.-])", paper.read_text())
    }
    assert {"credentify_ledger_quorum_missed_total", "process_open_fds", "credentify_log_lines_lost_total"} <= told
    assert told - exposed() == set()


def test_every_counter_has_its_samples_from_the_start() -> None:
    registries = [CollectorRegistry() for _ in range(3)]
    LedgerMetrics(registries[0])
    GatewayMetrics(registries[1])
    registries[2].register(RequestMetrics([RouteTally("GET", "/v1/x", ["not-found"])]))
    counters = [family for each in registries for family in each.collect() if family.type == "counter"]
    assert len(counters) > 10
    assert [family.name for family in counters if not family.samples] == []


def test_every_log_line_that_the_runbook_names_is_written() -> None:
    known = sources()
    for name in ("database_changed", "publisher_lost_database", "batch_failed", "no_room_made", "mirror_delayed"):
        assert f'"{name}"' in known
