"""What the papers and the code name is there: files and folders, modules, `make` targets, links and their headings."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.papers_of_ours import PAPERS, ROOT

_PLACE = re.compile(r"`((?:proto|services|tests|deploy)/[\w./-]*)(?![\w./*{<…-])")
_MODULE = re.compile(r"(?:`|-m )((?:proto|services|tests)(?:\.[a-z_]\w*)+)")
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_TARGET = re.compile(r"^`?make ([a-z][a-z-]*)", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def _is_module(name: str) -> bool:
    """Tell whether the dotted name leads to a module or a package, or to something in one."""
    steps = name.split(".")
    places = [ROOT.joinpath(*steps[:count]) for count in range(len(steps), 1, -1)]
    return any(place.is_dir() or place.with_suffix(".py").is_file() for place in places[:2])


def _anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    words = re.sub(r"[^\w\- ]", "", heading.lower().strip())
    return words.replace(" ", "-")


def _anchors(paper: Path) -> set[str]:
    return {_anchor(heading) for heading in re.findall(r"^#+ (.+)$", paper.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_and_folder_that_a_paper_names_is_there(paper: Path) -> None:
    named = {name.rstrip("/.") for name in _PLACE.findall(paper.read_text())}
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_paper_leads_somewhere(paper: Path) -> None:
    lost = []
    for link in _LINK.findall(paper.read_text()):
        place, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (paper.parent / place).resolve() if place else paper
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_target_of_make_that_a_paper_names_is_there(paper: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for code in _CODE.findall(paper.read_text()) for name in _TARGET.findall(code)}
    assert sorted(named - targets) == []


@pytest.mark.parametrize("service", ["ledger", "issuer_gateway", "verifier"])
def test_every_room_that_a_service_says_data_flow_through_is_there(service: str) -> None:
    folder = ROOT / "services" / service
    flow = (folder / "README.md").read_text().partition("## How data flows")[2].partition("\n## ")[0]
    rooms = [
        name for name in re.findall(r"`([a-z_]+(?:/[a-z_]*)*)`", flow) if not name.startswith(("services/", "tests/"))
    ]
    assert len(rooms) > 4
    places = [(name, folder / name.rstrip("/")) for name in rooms]
    lost = [name for name, place in places if not place.exists() and not place.with_suffix(".py").exists()]
    assert [name for name in lost if "/" in name or name not in _modules(folder)] == []


def _modules(folder: Path) -> set[str]:
    """Return the names of modules inside a service's rooms: a flow may name one beside its room."""
    return {path.stem for path in folder.rglob("*.py")}


def _texts() -> Iterator[tuple[Path, str]]:
    for folder in ("proto", "services", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not {"node_modules", ".venv"} & set(path.parts):
                yield path, path.read_text()
    for paper in PAPERS:
        if paper.name != "CHANGELOG.md":  # it says what was called otherwise then, too
            yield paper, paper.read_text()


def test_every_module_that_is_named_in_words_is_there() -> None:
    lost = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in _texts()
        for name in sorted(set(_MODULE.findall(text)))
        if not _is_module(name)
    ]
    assert lost == []


def test_every_name_of_code_in_the_glossary_is_one_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "proto" / "DESIGN.md").read_text(), re.MULTILINE)
    defined = {
        name
        for path in (ROOT / "proto").rglob("*.py")
        for name in re.findall(r"^(?:class|def) (\w+)", path.read_text(), re.MULTILINE)
    }
    assert {"Book", "Life", "Ruling"} <= set(rows)
    assert [name for name in rows if name not in defined] == []
