"""The runbook as its walks read it: entries, the commands in them as printed, and who walks or drills each."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.alert_rules import alerts
from tests.support.fenced import fenced

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "deploy" / "RUNBOOK.md").read_text()
DRILLS = ROOT / "tests" / "monitoring"
WALKS = ROOT / "tests" / "runbook"


def entries() -> dict[str, str]:
    """Return the text of each entry by its name; headings that have a blank in them hold entries and are none."""
    found = re.findall(r"^#{2,3} ([a-z-]+)\n(.*?)(?=^#{1,3} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return dict(found)


def blocks(entry: str) -> list[str]:
    """Return the fenced commands of an entry, in order."""
    return list(fenced(entries()[entry]))


def marked(folder: Path, name: str) -> Iterator[str]:
    """Yield the words of every mark of a name in the tests of a folder."""
    for path in folder.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{name}":
                yield from (str(ast.literal_eval(word)) for word in node.args)


def walked() -> set[str]:
    """Return the entries that are walked by their commands."""
    return set(marked(WALKS, "walk"))


def drilled() -> set[str]:
    """Return the entries of alarms that are drilled: their fault is brought about, and its end seen."""
    rules = alerts()
    places = {name: rule["annotations"]["runbook"].partition("#")[2] for name, rule in rules.items()}
    return {places[f"Credentify{name}"] for name in marked(DRILLS, "drill")}
