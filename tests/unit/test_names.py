"""One class name, one meaning in the whole tree: who has read of it in one place knows it in every other."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ALIKE = {
    "AchievementPage": "a page of the achievements that a service lists",
    "AchievementPath": "an achievement in a path of a service",
    "Config": "the settings of a service",
    "Metrics": "what a service counts",
    "Pages": "the pages of a service",
    "PostgresStorage": "the database behind what a service's simulation keeps in memory",
    "Report": "what a service's check of itself found",
    "Status": "how a credential stands, as a service answers it",
    "UnknownAchievementProblem": "a service has no achievement of that name",
    "UnknownCredentialProblem": "a service has no credential of that id",
}
"""Names that mean the same in each service, where each has its own."""


class Module(NamedTuple):
    """What this file asks of a module."""

    path: str
    public_classes: tuple[str, ...]
    private_names: tuple[str, ...]
    counts: Counter[str]


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of the project, read once."""
    paths = [path for folder in ("proto", "services") for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(_module(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in paths)


def _module(path: str, text: str) -> Module:
    tree = ast.parse(text)
    classes = tuple(node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name[0] != "_")
    own = tuple(name for name in _names(tree) if name.startswith("_") and not name.startswith("__"))
    return Module(path, classes, own, Counter(re.findall(r"\w+", text)))


def places() -> dict[str, list[str]]:
    """Return where public classes are defined, by name."""
    found = defaultdict(list)
    for module in modules():
        for name in module.public_classes:
            found[name].append(module.path)
    return found


def test_a_class_name_means_one_thing() -> None:
    twice = {name: where for name, where in places().items() if len(where) > 1 and name not in ALIKE}
    assert not twice, f"give one of each its own name: {twice}"


def test_what_is_excused_stands_more_than_once() -> None:
    found = places()
    assert [name for name in ALIKE if len(found[name]) < 2] == []


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module gives to functions, classes and constants of its own."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))


def test_what_a_module_keeps_to_itself_is_used_there() -> None:
    unused = [
        f"{module.path}: {name}"
        for module in modules()
        for name in sorted(module.private_names)
        if module.counts[name] == 1
    ]
    assert unused == []
