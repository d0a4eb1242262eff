"""Ids that a swap would make dangerous have types of their own wherever they are passed or kept (`proto/ids.py`)."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IDS = {
    "achievement_id",
    "agreement_id",
    "api_key_id",
    "application_id",
    "batch_id",
    "claim_id",
    "credential_id",
    "event_id",
    "institution_id",
    "key_id",
    "learner_id",
    "link_id",
    "request_id",
}
"""`request_id` is the id of a request for an achievement; that of an HTTP request is text, and named so below."""
TEXT = {
    "services/call_context.py": {"request_id"},  # of an HTTP request
    "services/edge/log.py": {"request_id"},  # the same
    "services/issuer_gateway/batches/row_order.py": {"credential_id"},  # read from a row that nobody has checked
}
COMMANDS = "services/command/"
"""What a person types is text until it was parsed; a command that hands it on as it is says what it stands for."""


def bare_ids() -> Iterator[tuple[str, str]]:
    """Yield each parameter and field that is named as an id and typed as any text."""
    for folder in ("proto", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                named = _named(node)
                if named and named[0] in IDS - TEXT.get(name, set()) and _is_text(named[1]):
                    yield name, named[0]


def _named(node: ast.AST) -> tuple[str, ast.expr] | None:
    match node:
        case ast.arg(arg=name, annotation=ast.expr() as kind) | ast.AnnAssign(target=ast.Name(name), annotation=kind):
            return name, kind
        case _:
            return None


def _is_text(kind: ast.expr) -> bool:
    return ast.unparse(kind) in {"str", "str | None", "UUID", "uuid.UUID", "UUID | None", "uuid.UUID | None"}


def _parsed_in(path: str, name: str) -> bool:
    return path.startswith(COMMANDS) and f"parse_{name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_no_parameter_and_no_field_takes_any_text_for_an_id() -> None:
    assert [(path, name) for path, name in bare_ids() if not _parsed_in(path, name)] == []
