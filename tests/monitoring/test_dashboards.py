"""Grafana's dashboards: up to date, each panel told and with a unit, each query of figures that there are."""

from pathlib import Path

import yaml

from tests.monitoring.conftest import program
from tests.monitoring.exposed import exposed, names_in
from tests.monitoring.queries import DASHBOARDS, PANELS, queries
from tests.packages.conftest import run
from tests.support.alert_rules import groups
from tests.support.dashboards import FOLDER, written

UNITS = {"Bps", "bytes", "percentunit", "reqps", "s", "short"}


def test_the_dashboards_are_what_their_source_says() -> None:
    found = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert found == written(), "python -m tests.support.dashboards"
    assert DASHBOARDS.keys() == {"overview", "ledger", "gateway", "verifier", "witnesses", "capacity"}


def test_each_panel_says_what_it_tells_in_which_unit_and_from_the_chosen_source() -> None:
    for name, panel in PANELS:
        assert panel["title"], name
        assert panel["description"].endswith("."), (name, panel["title"])
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, (name, panel["title"])
        for source in (panel["datasource"], *(each["datasource"] for each in panel["targets"])):
            assert source == {"type": "prometheus", "uid": "${datasource}"}, (name, panel["title"])
    for name, dashboard in DASHBOARDS.items():
        titles = [panel["title"] for panel in dashboard["panels"]]
        assert len(set(titles)) == len(titles), name
        assert [each["name"] for each in dashboard["templating"]["list"]] == ["datasource", "instance"], name


def test_every_figure_that_is_drawn_is_shown_by_a_service_or_recorded() -> None:
    recorded = {rule["record"] for group in groups() for rule in group["rules"] if "record" in rule}
    for place, query in queries():
        assert names_in(query), place
        assert names_in(query) - recorded - exposed() == set(), place


def test_every_figure_that_a_service_declares_is_drawn_or_alarms() -> None:
    texts = [query for _, query in queries()]
    texts += [rule["expr"] for group in groups() for rule in group["rules"]]
    used = {name for text in texts for name in names_in(text)}
    families = {name.removesuffix("_bucket") for name in exposed() if name.endswith("_bucket")}
    plain = {
        name for name in exposed() if name.startswith("credentify") and not name.endswith(("_bucket", "_count", "_sum"))
    }
    assert {name for name in plain if name not in used} == set()
    assert {name for name in families if f"{name}_bucket" not in used} == {"credentify_ledger_batch_credentials"}


def test_prometheus_reads_every_query(tmp_path: Path) -> None:
    promtool = program("promtool")
    rules = [{"record": f"query_{number}", "expr": query} for number, (_, query) in enumerate(queries())]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    run([promtool, "check", "rules", tmp_path / "queries.yaml"])
