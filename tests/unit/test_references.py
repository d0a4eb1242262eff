"""The READMEs are held against the code: tables are the code's, what is named exists, links lead somewhere."""

import re
from pathlib import Path

import pytest

from services.command.main import _ROOMS
from tests.support.reference_tables import READMES, ROOT, with_tables

PAPERS = (
    *ROOT.glob("*.md"),
    *ROOT.glob("deploy/**/*.md"),
    *ROOT.glob("proto/*.md"),
    *ROOT.glob("services/*/*.md"),
)
_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


@pytest.mark.parametrize("service", READMES)
def test_every_route_and_every_setting_stands_in_the_readme_of_its_service(service: str) -> None:
    text = READMES[service].read_text(encoding="utf-8")
    assert text == with_tables(service, text), "run: python -m tests.support.reference_tables"


def test_every_command_stands_in_its_readme() -> None:
    text = (ROOT / "services" / "command" / "README.md").read_text(encoding="utf-8")
    assert [name for name in _ROOMS if f"`credentify {name}" not in text and f"`{name}`" not in text] == []


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 250


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_paper_leads_to_a_file(paper: Path) -> None:
    text = paper.read_text(encoding="utf-8")
    targets = [link for link, _ in _LINK.findall(text) if not link.startswith(("http:", "https:", "mailto:"))]
    assert [link for link in targets if not (paper.parent / link).exists()] == []
