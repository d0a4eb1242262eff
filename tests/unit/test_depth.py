"""How deep JSON goes is told from its bytes, whatever stands in its texts."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.depth import DEPTH_MAX, is_deep

TEXTS = st.text(alphabet='[]{}"\\n,é', max_size=12)
VALUES = st.recursive(TEXTS, lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4))


def depth_of(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, dict | list) + max(map(depth_of, inside), default=0)


@given(VALUES, st.integers(0, 6))
def test_brackets_count_and_those_in_texts_do_not(value: Any, depth_max: int) -> None:
    assert is_deep(msgspec.json.encode(value), depth_max=depth_max) == (depth_of(value) > depth_max)


@pytest.mark.parametrize("depth", [DEPTH_MAX, DEPTH_MAX + 1])
def test_the_bound_itself_is_not_deep(depth: int) -> None:
    assert is_deep(b"[" * depth + b"]" * depth) == (depth > DEPTH_MAX)


@pytest.mark.parametrize("text", [b'"' + b'\\"' * 400_000, b'"' * 400_001, b'"[' * 400_000, b"\\" * 400_001])
def test_what_is_no_json_is_told_in_one_pass(text: bytes) -> None:
    assert is_deep(b"[" * 100 + text) in {True, False}
