"""Nothing outgrows its room: files stay under 400 lines and functions under 50, without exception."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50


def measured() -> Iterator[tuple[str, int, int]]:
    """Yield name, lines and bound of each file and function of the project; of a function without its docstring."""
    for folder in ("proto", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            name = str(path.relative_to(ROOT))
            yield name, len(text.splitlines()), FILE_LINES_MAX
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                    yield f"{name}:{node.name}", (node.end_lineno or 0) - first.lineno + 1, FUNCTION_LINES_MAX


def test_files_and_functions_stay_small() -> None:
    over = {name: lines for name, lines, bound in measured() if lines > bound}
    assert not over, f"divide these by their second idea: {over}"


def test_no_package_that_was_fetched_or_built_lies_among_the_sources() -> None:
    found = [path.name for folder in (ROOT, ROOT / "services", ROOT / "proto") for path in folder.glob("*.whl")]
    assert not found, f"these are fetched when the environment is made: {found}"
