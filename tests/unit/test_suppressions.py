"""Who silences a checker, or lets an import through a contract, says why, in words, on the same line."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SILENCED = re.compile(r"#\s*(?:noqa|type: ignore|pragma|fmt)\b")
_LET_THROUGH = re.compile(r'"[\w.*]+ -> [\w.*]+"')
_WITH_REASON = re.compile(
    r"#\s*(?:noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*|type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\]"
    r"|pragma: \w+(?: \w+)?|fmt: skip)"
    r"\s+[-#]\s+[`\w].+"
)


def _without_reason(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each comment that silences a checker and does not say why."""
    if not _SILENCED.search(text):
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        comment = token.string
        if token.type == tokenize.COMMENT and _SILENCED.match(comment) and not _WITH_REASON.match(comment):
            yield token.start[0], comment


def test_every_suppression_says_why() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{line}: {comment}"
        for folder in ("proto", "services", "tests", "deploy")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
        for line, comment in _without_reason(path.read_text(encoding="utf-8"))
    ]
    assert silent == []


@pytest.mark.parametrize(
    "silenced",
    ["noqa", "noqa: S101", "noqa: S101 -", "type: ignore", "type: ignore[arg-type]", "fmt: skip", "fmt: off"],
)
def test_a_suppression_without_words_is_found(silenced: str) -> None:
    assert [*_without_reason(f"value = 1  # {silenced}\n")] == [(1, f"# {silenced}")]


@pytest.mark.parametrize(
    "silenced", ["noqa: S101 - read by us alone", "type: ignore[arg-type] # on purpose", "fmt: skip  # a table"]
)
def test_a_suppression_with_words_is_not_found(silenced: str) -> None:
    assert not [*_without_reason(f"value = 1  # {silenced}\n")]


def test_every_import_that_a_contract_lets_through_says_why() -> None:
    lines = [line for line in (ROOT / "pyproject.toml").read_text().splitlines() if _LET_THROUGH.search(line)]
    assert len(lines) > 40, "the contracts are there"
    assert [line for line in lines if not re.search(r"[\],] # \w", line)] == []
