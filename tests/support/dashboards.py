"""`python -m tests.support.dashboards`: writes Grafana's dashboards from `deploy/monitoring/dashboards.yaml`.

A dashboard is a list of panels; a panel is a title, what it tells, a unit of Grafana's and its queries. `@` in a query
stands for the choice of machines at the top, `[~]` for the interval of rates that Grafana chooses.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.support.alert_rules import MONITORING

FOLDER = MONITORING / "dashboards"
SOURCE = MONITORING / "dashboards.yaml"
NAMES = ("overview", "ledger", "gateway", "verifier", "witnesses", "capacity")
CHOICE = 'instance=~"$instance"'
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3
Queries = dict[str, str]


class Panel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One picture: `queries` by the words of their line."""

    title: str
    tells: str
    unit: str
    queries: Queries
    kind: str = "timeseries"


def panels_of(dashboard: str) -> list[Panel]:
    """Return the panels of a dashboard, as their source has them."""
    return msgspec.convert(yaml.safe_load(SOURCE.read_text())[dashboard], list[Panel])


def written() -> dict[str, str]:
    """Return the dashboards' files by name."""
    made = {f"{name}.json": _dashboard(name, panels_of(name)) for name in NAMES}
    return {name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in made.items()}


def _dashboard(name: str, panels: list[Panel]) -> dict[str, Any]:
    return {
        "uid": f"credentify-{name}",
        "title": f"Credentify: {name}",
        "description": "Written by tests/support/dashboards.py: change it there.",
        "tags": ["credentify"],
        "timezone": "browser",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["credentify"], "title": "Credentify", "asDropdown": True}],
        "templating": {"list": [_DATASOURCE, _INSTANCE]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.tells,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": query.replace("@", CHOICE).replace("[~]", "[$__rate_interval]"),
                "legendFormat": words,
            }
            for place, (words, query) in enumerate(panel.queries.items())
        ],
    }


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_DATASOURCE = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
_INSTANCE = {
    "name": "instance",
    "label": "Machine",
    "type": "query",
    "datasource": _SOURCE,
    "query": {"query": 'label_values(up{job=~"credentify-.+"}, instance)', "refId": "instance"},
    "definition": 'label_values(up{job=~"credentify-.+"}, instance)',
    "refresh": 2,
    "multi": True,
    "includeAll": True,
    "allValue": ".*",
    "current": {"text": "All", "value": "$__all"},
}


def asked(expression: str) -> str:
    """Return a query as Grafana sends it where all machines are chosen."""
    return expression.replace("$instance", ".*").replace("$__rate_interval", "1m")


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in written().items():
        Path(FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
