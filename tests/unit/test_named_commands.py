"""What the papers tell to type is there: commands of ours with their options, and names of code without a path."""

import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from services.command.main import main
from services.issuer_gateway.config import Config as GatewayConfig
from services.ledger.config import Config as LedgerConfig
from services.verifier.config import Config as VerifierConfig
from tests.support.papers_of_ours import PAPERS, ROOT

_SPAN = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_COMMAND = re.compile(r"(?:^|[\s(])(?:\S*/)?credentify +([a-z][^\n`]*)")
_ENDS = {"|", "||", "&&", ";", ">", ">>", "<", "&"}
_CONSTANT = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`")
_SETTING = re.compile(r"\bCREDENTIFY_(?:LEDGER|GATEWAY|VERIFIER)_[A-Z0-9_]*[A-Z0-9]\b(?![_*…])")
_FILE = re.compile(r"`([\w/.-]+\.(?:py|js|toml|yaml|sql|jinja|sh))`")
_SOURCES = (".py", ".js", ".mjs", ".sql", ".toml", ".yaml", ".yml", ".sh", ".env", ".conf", "Makefile")
_NOT_OURS = {"node_modules", ".venv", "vectors", "tools", "__pycache__"}


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words behind `credentify` of each command that stands in code, up to what the shell does with it."""
    for code in _SPAN.findall(text):
        for found in _COMMAND.findall(code.strip("`").replace("\\\n", " ")):
            lexer = shlex.shlex(found.rstrip("\\"), posix=True, punctuation_chars=True)
            lexer.whitespace_split, lexer.quotes = True, ""
            words = list(lexer)
            yield words[: next((at for at, word in enumerate(words) if word in _ENDS), len(words))]


def wrong_in(words: list[str]) -> str | None:
    """Return the first word that no command of ours knows: a sub-command, or an option."""
    command: click.Command = main
    context = click.Context(main)
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            if not re.fullmatch(r"[a-z][a-z-]*", word):
                return None  # what stands for any of them
            found = command.get_command(context, word)
            if found is None:
                return word
            command = found
        elif word.startswith("--"):
            options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
            name = word.partition("=")[0].rstrip(".,:…)")
            if name not in {*options, "--help", "--version"}:
                return f"{command.name} {name}"
    return None


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_ours_that_a_paper_names_is_there_with_its_options(paper: Path) -> None:
    if paper.name != "CHANGELOG.md":  # it says what was called otherwise then, too
        wrong = {found for words in commands_in(paper.read_text()) if (found := wrong_in(words)) is not None}
        assert sorted(wrong) == []


def test_a_command_that_is_not_there_is_found() -> None:
    told = "`credentify trail export FILE --gateway URL` and `credentify trail send` and `credentify fsck --repair`"
    assert [wrong_in(words) for words in commands_in(told)] == [None, "send", "fsck --repair"]


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_that_a_paper_names_is_one_of_its_service(paper: Path) -> None:
    kinds = {"LEDGER": LedgerConfig, "GATEWAY": GatewayConfig, "VERIFIER": VerifierConfig}
    known = {f"CREDENTIFY_{name}_{field.upper()}" for name, kind in kinds.items() for field in kind.__struct_fields__}
    if paper.name != "CHANGELOG.md":
        named = {each for each in _SETTING.findall(paper.read_text()) if each.removesuffix("_FILE") not in known}
        assert sorted(named - known) == [], "a setting, or with _FILE behind it the file that holds its value"


@cache
def _files() -> tuple[Path, ...]:
    """Return the files of the project; what is installed and what others wrote is left out."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in ("proto", "services", "tests", "deploy"):
        for place, folders, names in os.walk(ROOT / folder):
            folders[:] = [each for each in folders if each not in _NOT_OURS]
            found += [Path(place, name) for name in names]
    return tuple(found)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "proto/DESIGN.md"])
def test_every_constant_and_every_file_that_is_named_without_its_folder_is_one_of_the_code(name: str) -> None:
    text = (ROOT / name).read_text()
    sources = "\n".join(path.read_text() for path in _files() if path.name.endswith(_SOURCES))
    named = {each for each in _CONSTANT.findall(text) if not each.startswith("CREDENTIFY_")}
    assert sorted(named - set(re.findall(r"\w+", sources))) == []
    places = [f"/{path.relative_to(ROOT)}" for path in _files()]
    assert sorted(each for each in set(_FILE.findall(text)) if not any(at.endswith(f"/{each}") for at in places)) == []
