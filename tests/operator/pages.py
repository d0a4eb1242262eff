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


def readme_blocks() -> list[str]:
    """Return README's commands from an institution's request to its first credential, without those of `make up`."""
    found = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    begin = next(number for number, block in enumerate(found) if "credentify keygen --out recovery.key" in block)
    first = [
        re.sub(r"^(export PATH|eval|cd ).*\n", "", found[begin], flags=re.MULTILINE),
        *found[begin + 1 : begin + 3],
    ]
    return [*first, found[begin + 3].partition("\ncat > awards.csv")[0]]
