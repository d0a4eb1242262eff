"""The statements that stand in modules of stores, as the driver gets them. Runs none of them."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[2]
_KIND = re.compile(r"\s*(SELECT|UPDATE|DELETE|WITH|INSERT)\b")
_BEGUN_BY = frozenset({"select_batches"})
"""Functions that put the beginning, `_SELECT` of their module, before a condition, their second argument."""
_CONDITION = "condition"
_ASKED_BY = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval", "cursor"})


class StoredStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement, and the function in which it stands: `store/requests.py:page`."""

    name: str
    text: str


def statements_of(pattern: str) -> Iterator[StoredStatement]:
    """Yield every statement that the modules of a pattern give to the driver, in the order in which they stand.

    Its text is put together from what the module itself names; one that holds anything else raises `NameError`.
    """
    for path in sorted(ROOT.glob(pattern)):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for function in _functions(ast.parse(path.read_text())):
            for text in (text for call in _calls(function) for text in _texts(call, vars(module))):
                if _KIND.match(text):
                    yield StoredStatement(name=f"{path.parent.name}/{path.name}:{function.name}", text=text)


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    return (each for each in ast.walk(function) if isinstance(each, ast.Call))


def _texts(call: ast.Call, names: dict[str, Any]) -> Iterator[str]:
    """Yield the statements that a call gives to the driver, or to a function of the store that puts its own before."""
    if isinstance(call.func, ast.Attribute) and call.func.attr in _ASKED_BY and call.args:
        asked = call.args[0]
        if not _is_completed_by_others(asked):
            chosen = (asked.body, asked.orelse) if isinstance(asked, ast.IfExp) else (asked,)
            yield from (_text(each, names) for each in chosen)
    elif isinstance(call.func, ast.Name) and call.func.id in _BEGUN_BY:
        yield vars(sys.modules[names[call.func.id].__module__])["_SELECT"] + " " + _text(call.args[1], names)


def _is_completed_by_others(asked: ast.expr) -> bool:
    return any(isinstance(each, ast.Name) and each.id == _CONDITION for each in ast.walk(asked))


def _text(asked: ast.expr, names: dict[str, Any]) -> str:
    text: str = eval(compile(ast.Expression(asked), "<statement>", "eval"), dict(names))
    return text
