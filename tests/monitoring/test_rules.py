"""The alarms: each has a place in the runbook, asks for figures that there are, and fires when it should (promtool)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.alarm_cases import CASES, AlarmCase, Course
from tests.monitoring.conftest import program
from tests.monitoring.exposed import exposed, names_in
from tests.packages.conftest import run
from tests.support.alert_rules import MONITORING, RULES, alerts, groups
from tests.support.runbook_text import headings

PREFIX = "Credentify"


def test_each_alarm_has_a_section_of_the_runbook_a_sentence_and_a_severity() -> None:
    for name, alert in alerts().items():
        paper, _, place = alert["annotations"]["runbook"].partition("#")
        assert (paper, place in headings()) == ("deploy/RUNBOOK.md", True), (name, place)
        assert alert["annotations"]["summary"][0].isupper(), name
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert f"`{name}`" in (MONITORING.parent / "RUNBOOK.md").read_text(), f"{name} is not in the runbook's table"


def test_rules_ask_for_figures_that_the_services_show() -> None:
    recorded = {rule["record"] for group in groups() for rule in group["rules"] if "record" in rule}
    for group in groups():
        for rule in group["rules"]:
            assert names_in(rule["expr"]) - recorded - exposed() == set(), rule


def test_prometheus_finds_no_fault_in_rules_and_settings() -> None:
    promtool = program("promtool")
    run([promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES])
    run([promtool, "check", "config", MONITORING / "prometheus.yml"])


def test_every_alarm_has_its_case() -> None:
    assert {PREFIX + name for name in CASES} == alerts().keys()


def test_each_alarm_fires_when_it_should_and_not_when_it_should_not(tmp_path: Path) -> None:
    promtool = program("promtool")
    courses = [
        _course(name, case, figures, count)
        for name, case in CASES.items()
        for figures, count in ((case.fires, case.count), (case.quiet, 0))
    ]
    written = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": courses}
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(written, width=1_000))
    run([promtool, "test", "rules", tmp_path / "cases.yaml"])


def test_a_case_that_does_not_hold_is_found(tmp_path: Path) -> None:
    promtool = program("promtool")
    case = CASES["ServiceDown"]
    written = {"rule_files": [str(RULES)], "tests": [_course("ServiceDown", case, case.quiet, 1)]}
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(written, width=1_000))
    with pytest.raises(pytest.fail.Exception, match="ServiceDown"):
        run([promtool, "test", "rules", tmp_path / "cases.yaml"])


def _course(name: str, case: AlarmCase, figures: Course, count: int) -> dict[str, Any]:
    """Return promtool's test of one course: how many alarms of the name fire."""
    firing = f'count(ALERTS{{alertname="{PREFIX}{name}",alertstate="firing"}})'
    return {
        "name": f"{name}, {count}",
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in figures.items()],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": f"{case.minutes}m",
                "exp_samples": [{"labels": "{}", "value": count}] if count else [],
            }
        ],
    }
