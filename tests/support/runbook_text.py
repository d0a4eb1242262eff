"""The runbook, read."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "deploy" / "RUNBOOK.md"


def sources() -> str:
    return "\n".join(path.read_text() for folder in ("services", "proto") for path in (ROOT / folder).rglob("*.py"))


def headings() -> set[str]:
    return set(re.findall(r"^#{2,3} ([a-z-]+)$", RUNBOOK.read_text(), re.MULTILINE))
