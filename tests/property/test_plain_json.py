"""The short way for plain JSON says what the exact way says, or nothing."""

import json
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proto.canonical import INTEGER_MAX, canonical_json, decode_json
from proto.plain_json import decode_plain, plain_bytes
from proto.problem import MalformedProblem

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["[", "]", "{}", '"', "\\", '\\"', '"]', "\\\\", "é", "\uffff", "\U0001f600", "1234567890123456"]
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), st.just(3.5)
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=5)
INDENTS = st.sampled_from([None, 1])


def _exactly(data: bytes) -> Any:
    try:
        return decode_json(data)
    except MalformedProblem:
        return None


@settings(max_examples=250, deadline=None)  # a first call compiles
@given(value=OBJECTS, is_ascii=st.booleans(), indent=INDENTS)
@example(value={"\uffff": 1, "\U0001f600": 2}, is_ascii=False, indent=None)
@example(value={"a": INTEGER_MAX, "b": INTEGER_MAX + 1}, is_ascii=False, indent=None)
def test_what_the_short_way_reads_is_what_the_exact_way_reads(
    value: Any, *, is_ascii: bool, indent: int | None
) -> None:
    data = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()
    found = decode_plain(data)
    if found is not None:
        content, encoded = found
        assert content == _exactly(data)
        assert encoded == plain_bytes(content) == canonical_json(content)


@settings(max_examples=100, deadline=None)  # a first call compiles
@given(value=OBJECTS.filter(bool), extra=JSON, place=st.integers(0, 4))
def test_a_key_that_stands_twice_is_never_read_the_short_way(value: dict[str, Any], extra: Any, place: int) -> None:
    members = [(json.dumps(key), json.dumps(item)) for key, item in value.items()]
    members.insert(min(place, len(members)), (members[0][0], json.dumps(extra)))
    text = "{" + ",".join(f"{key}:{item}" for key, item in members) + "}"
    assert decode_plain(text.encode()) is None
    nested = '{"outer":[' + text + "]}"
    assert decode_plain(nested.encode()) is None


@settings(max_examples=60)
@given(levels=st.integers(1, 140), name=st.sampled_from(["[", "{", "[{", '["]", [', '["}", {']))
def test_what_is_too_deep_is_never_read_the_short_way(levels: int, name: str) -> None:
    value: Any = "]" if "]" in name else 1
    for level in range(levels):
        value = [value, "]"] if name[level % len(name)] == "[" else {"a": value}
    data = msgspec.json.encode({"top": value})
    found = decode_plain(data)
    assert found is None or found[0] == _exactly(data)


def test_an_ordinary_document_is_read_the_short_way() -> None:
    value = {"name": "Zażółć gęślą jaźń", "credits": 3.5, "level": 6, "list": [{"a": None}, True], "quote": 'a "b" \\'}
    found = decode_plain(json.dumps(value, ensure_ascii=False).encode())
    assert found is not None
    assert found[0] == value
