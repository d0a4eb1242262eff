"""What the code cites stands in this repository: every `DESIGN 3.6` is a heading of `proto/DESIGN.md`."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = (".py", ".md", ".sql", ".toml", ".jinja")
_CITED = re.compile(r"\bDESIGN((?:,? (?:and )?\d+(?:\.\d+)?)+)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def cited(text: str) -> set[str]:
    return {number for run in _CITED.findall(text) for number in _NUMBER.findall(run)}


def test_a_citation_of_several_sections_names_each() -> None:
    assert cited("by the rules (DESIGN 3.6, 3.7), and DESIGN 4.") == {"3.6", "3.7", "4"}


def test_every_citation_of_the_design_is_a_heading() -> None:
    design = (ROOT / "proto" / "DESIGN.md").read_text()
    headings = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", design, re.MULTILINE))
    missing = {
        f"{path.relative_to(ROOT)}: DESIGN {number}"
        for folder in ("proto", "services", "tests", "deploy")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in READ and "node_modules" not in path.parts and ".venv" not in path.parts
        for number in cited(path.read_text()) - headings
        if path != Path(__file__)
    }
    assert not missing
