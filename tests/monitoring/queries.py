"""Queries of dashboards."""

import json
from typing import Any

from tests.support.dashboards import FOLDER, asked

DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}
PANELS = [(name, panel) for name, dashboard in DASHBOARDS.items() for panel in dashboard["panels"]]


def queries() -> list[tuple[str, str]]:
    """Return every query with where it stands."""
    return [
        (f"{name}: {panel['title']}, {each['legendFormat']}", asked(each["expr"]))
        for name, panel in PANELS
        for each in panel["targets"]
    ]


_WITNESSES = "the ledger has no witnesses"
EMPTY = {
    "capacity: Certificates, {{job}} {{address}}": "no setting is an https:// address",
    "verifier: Processes, processes {{instance}}": "one process replays and answers",
    "witnesses: Requests, {{witness}} {{outcome}}": _WITNESSES,
    "witnesses: Time of witnesses, {{witness}}": _WITNESSES,
    "witnesses: Behind the log, {{witness}}": _WITNESSES,
    "witnesses: Age of cosignatures, {{witness}}": _WITNESSES,
    "witnesses: Contradictions, {{witness}}": _WITNESSES,
}
"""Panels that have nothing to show on one machine without witnesses and TLS, and why."""


MOVABLE = {"capacity: Disk full in, {{job}} {{place}}"}
"""Panels that have something to show at times: this one where a disk fills."""
