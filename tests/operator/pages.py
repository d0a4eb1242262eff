"""The pages that an operator has, as the walk reads them: the commands of a section, as they are printed."""

import re
from pathlib import Path

from tests.support.fenced import fenced

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "deploy" / "OPERATIONS.md").read_text()
RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text()
README = (ROOT / "README.md").read_text()


def blocks(heading: str, *, page: str = OPERATIONS) -> list[str]:
    """Return the fenced commands under a heading, in order; those of a list without its indentation."""
    (text,) = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", page, re.MULTILINE | re.DOTALL)
    return list(fenced(text))
