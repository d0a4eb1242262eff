"""One class name, one meaning in the whole tree: who has read of it in one place knows it in every other."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

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


def places() -> dict[str, list[str]]:
    """Return where public classes are defined, by name."""
    found = defaultdict(list)
    for folder in ("proto", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(ROOT)))
    return found


def test_a_class_name_means_one_thing() -> None:
    twice = {name: where for name, where in places().items() if len(where) > 1 and name not in ALIKE}
    assert not twice, f"give one of each its own name: {twice}"


def test_what_is_excused_stands_more_than_once() -> None:
    found = places()
    assert [name for name in ALIKE if len(found[name]) < 2] == []


def _private_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names with an underscore that a module gives to functions, classes and constants of its own."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))


def test_what_a_module_keeps_to_itself_is_used_there() -> None:
    unused = []
    for folder in ("proto", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            counts = Counter(re.findall(r"\w+", text))
            once = sorted(name for name in _private_names(ast.parse(text)) if counts[name] == 1)
            own = [name for name in once if name.startswith("_") and not name.startswith("__")]
            unused += [f"{path.relative_to(ROOT)}: {name}" for name in own]
    assert unused == []
