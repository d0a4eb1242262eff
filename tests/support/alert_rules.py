"""The alarm rules as they lie in `deploy/monitoring`, and as Kubernetes wants them. Reads files only."""

from pathlib import Path
from typing import Any

import yaml

MONITORING = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"
RULES = MONITORING / "rules.yaml"
_MONITOR = """# Written by tests/support/helm_chart.py from deploy/monitoring/rules.yaml: change the rules there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: credentify}
spec:
"""
Groups = list[dict[str, Any]]


def groups() -> Groups:
    """Return the groups of rules."""
    found: Groups = yaml.safe_load(RULES.read_text())["groups"]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alarms by name."""
    return {rule["alert"]: rule for group in groups() for rule in group["rules"] if "alert" in rule}


THRESHOLDS = {
    "CredentifyOutboxWaiting": ("> 120", "> 4"),
    "CredentifyWitnessBehind": ("> 600", "> 4"),
}
"""Alarms whose condition itself takes minutes: its seconds, and those of a drill."""


def shortened(seconds: int) -> str:
    """Return the rules as a file in which every alarm waits for so many seconds only, and is judged each second.

    Conditions that are a wait of minutes themselves (`THRESHOLDS`) are shortened too.
    """
    short = groups()
    for group in short:
        group["interval"] = "1s"
        for rule in group["rules"]:
            if rule.get("for", "0m") != "0m":
                rule["for"] = f"{seconds}s"
            long, short_one = THRESHOLDS.get(rule.get("alert", ""), ("", ""))
            rule["expr"] = rule["expr"].replace(long, short_one) if long else rule["expr"]
    return str(yaml.safe_dump({"groups": short}, sort_keys=False, width=1_000))


def prometheus_rule() -> str:
    """Return the rules as the Prometheus Operator's kind."""
    text = RULES.read_text()
    lines = text[text.index("groups:\n") :].splitlines(keepends=True)
    return _MONITOR + "".join(f"  {line}" for line in lines)
