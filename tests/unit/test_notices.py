"""What others made and lies among our files is named, with its terms, beside it and in NOTICE."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "services/contexts": "NOTICE.md",
    "services/issuer_gateway/papers/fonts": "NOTICE.md",
    "services/verifier/pages/browser/vendor": "README.md",
    "tests/conformance/vectors": "NOTICE.md",
    "tests/packages/operator": "NOTICE.md",
}
"""Where works of others lie, and which file there says whose they are."""
BINARY = {".ttf", ".otf", ".woff", ".woff2", ".png", ".jpg", ".gif", ".ico", ".jar", ".wasm"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_everything_of_others_is_named_with_its_terms_beside_it(folder: str) -> None:
    text = (ROOT / folder / FOLDERS[folder]).read_text(encoding="utf-8")
    held = [path.name for path in (ROOT / folder).iterdir() if path.name != FOLDERS[folder]]
    families = [name for name in held if not (name in text or f"`{name}/" in text or _of_a_family(name, text))]
    assert families == [], f"{folder}/{FOLDERS[folder]} says nothing of these"
    assert re.search(r"licen[cs]e|terms", text, re.IGNORECASE)


def _of_a_family(name: str, text: str) -> bool:
    """Tell whether a name is one of those that the text names together, as `a_*.yaml`."""
    return any(Path(name).match(pattern.rpartition("/")[2]) for pattern in re.findall(r"`([^`]*\*[^`]*)`", text))


def test_notice_names_every_folder_of_works_of_others_and_no_other() -> None:
    named = re.findall(r"^- (\S+)/:", (ROOT / "NOTICE").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(FOLDERS)


def test_no_font_picture_or_program_of_others_lies_elsewhere_among_the_sources() -> None:
    found = [
        str(path.relative_to(ROOT))
        for folder in ("proto", "services", "deploy")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in BINARY or path.name.endswith(".min.js")
    ]
    assert [path for path in found if not path.startswith(tuple(FOLDERS))] == []


def test_the_libraries_of_the_page_are_those_whose_hashes_are_written_down() -> None:
    folder = ROOT / "services/verifier/pages/browser/vendor"
    said = re.findall(r"^([0-9a-f]{64})  (\S+)$", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {path.name for path in folder.glob("*.js")} == {name for _, name in said}
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest for digest, name in said)
