"""One vocabulary of failure: what a library raises is spelled once, and its messages are read in one place.

`DATABASE_ERRORS`, `HTTP_ERRORS`, `SQLITE_ERRORS` and `DECODE_ERRORS` are what a statement, a request, a file and a
decoder raise. A second spelling is shorter than the first by what somebody forgot.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPELLED_IN = {
    "asyncpg.PostgresError": "services/persistence/",
    "asyncpg.InterfaceError": "services/persistence/",
    "asyncpg.InternalClientError": "services/persistence/",
    "aiohttp.ClientError": "services/clients/http_session.py",
}
"""Names of whole families of errors, and where alone they stand."""
TUPLES = (
    {"OSError", "sqlite3.Error"},
    {"msgspec.DecodeError", "UnicodeDecodeError", "RecursionError"},
)
"""Errors that have one name together: `SQLITE_ERRORS`, `DECODE_ERRORS`."""
NAMED_IN = {"services/persistence/sqlite_records.py", "proto/canonical.py"}
READS_MESSAGES = {
    "proto/expected.py",  # msgspec's messages, with `proto/located.py`: it has no codes
}


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Yield every node of every module of the project, with the module's path."""
    paths = [path for folder in ("proto", "services") for path in sorted((ROOT / folder).rglob("*.py"))]
    for path in paths:
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield name, node


def name_of(node: ast.AST) -> str:
    """Return the dotted name that an expression is, "" for any other."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
        case _:
            return ""


def _is_message(node: ast.expr) -> bool:
    """Tell whether an expression is what an error says: `str(error)`, or a member that holds its sentence."""
    match node:
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id="error" | "problem" | "fault")]):
            return True
        case ast.Attribute(attr="detail" | "args") | ast.Subscript(value=ast.Attribute(attr="args")):
            return True
        case _:
            return False


def _is_decided_by_words(node: ast.AST) -> bool:
    match node:
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[right]):
            return _is_message(left) or _is_message(right)
        case ast.Compare(left=left, comparators=[ast.Constant(value=str())]):
            return _is_message(left)
        case ast.Call(func=ast.Attribute(attr="startswith" | "endswith" | "find" | "rpartition", value=value)):
            return _is_message(value)
        case _:
            return False


def _is_spelled_elsewhere(path: str, node: ast.AST) -> bool:
    name = name_of(node)
    return name in SPELLED_IN and not path.startswith(SPELLED_IN[name])


def _is_listed_again(path: str, node: ast.AST) -> bool:
    if not isinstance(node, ast.Tuple) or path in NAMED_IN:
        return False
    names = set(map(name_of, node.elts))
    return any(errors <= names for errors in TUPLES)


def _is_caught_in_part(node: ast.AST) -> bool:
    """Tell whether a block expects a decoder to fail in one way, and not in the others."""
    if not isinstance(node, ast.Try):
        return False
    caught = {name_of(each) for handler in node.handlers if handler.type for each in ast.walk(handler.type)}
    return "msgspec.DecodeError" in caught and not {"UnicodeDecodeError", "RecursionError"} <= caught


def test_a_family_of_errors_has_one_name_and_nothing_is_decided_by_the_sentence_of_one() -> None:
    spelled, listed, decided = [], [], []
    for path, node in nodes():
        if _is_spelled_elsewhere(path, node):
            spelled.append((path, name_of(node)))
        if _is_listed_again(path, node) or _is_caught_in_part(node):
            listed.append((path, ast.unparse(node)))
        if _is_decided_by_words(node) and path not in READS_MESSAGES:
            decided.append((path, ast.unparse(node)))
    assert spelled == [], "these stand once: DATABASE_ERRORS, HTTP_ERRORS"
    assert listed == [], "these have a name together: SQLITE_ERRORS, DECODE_ERRORS"
    assert decided == [], "an error has a type and members: its sentence is for people"
