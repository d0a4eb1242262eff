"""The runbook answers what the services say: places that messages point to, and metrics that it names, exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "deploy" / "RUNBOOK.md"


def sources() -> str:
    return "\n".join(path.read_text() for folder in ("services", "proto") for path in (ROOT / folder).rglob("*.py"))


def headings() -> set[str]:
    return set(re.findall(r"^#{2,3} ([a-z-]+)$", RUNBOOK.read_text(), re.MULTILINE))


def test_every_place_that_a_message_points_to_is_in_the_runbook() -> None:
    named = set(re.findall(r"RUNBOOK\.md: ([a-z-]+)\)", sources()))
    assert {"older-database", "signer-memory", "altered"} <= named
    assert named <= headings()


def test_every_link_of_the_runbook_leads_to_a_place() -> None:
    assert set(re.findall(r"\]\(#([a-z-]+)\)", RUNBOOK.read_text())) <= headings()


def test_every_metric_that_the_runbook_names_exists() -> None:
    known = sources()
    for name in set(re.findall(r"credentify_(?:ledger|gateway|verifier)_[a-z_]+", RUNBOOK.read_text())):
        assert f'"{name}"' in known or f'"{name.removesuffix("_total")}"' in known, name


def test_every_log_line_that_the_runbook_names_is_written() -> None:
    known = sources()
    for name in ("database_changed", "publisher_lost_database", "batch_failed", "no_room_made", "mirror_delayed"):
        assert f'"{name}"' in known
