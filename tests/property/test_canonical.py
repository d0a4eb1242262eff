"""Canonical bytes equal those of `rfc8785` and of the published vectors; decoding refuses what has two meanings."""

import json
import re
import string
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proto import events
from proto.canonical import (
    INTEGER_MAX,
    CanonicalTemplate,
    canonical_json,
    canonical_struct,
    canonical_texts,
    decode_json,
)
from proto.envelope import open_envelope
from proto.ids import LeafIndex
from proto.log.entry import encode as encode_entry
from proto.problem import MalformedProblem
from tests.support.chaos import begin

VECTORS = Path(__file__).parents[3] / "shared" / "data" / "jcs"

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.one_of(
    st.integers(-INTEGER_MAX, INTEGER_MAX),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-10, 10).map(lambda number: round(number, 3)),
    st.integers(-(2**60), 2**60).map(lambda number: number / 1000),
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.text(string.printable, max_size=5), inner),
    max_leaves=15,
)


@settings(max_examples=400, deadline=None)  # a first call compiles
@given(value=JSON)
@example(value={"€": 1, "\r": 2, "דּ": 3, "1": 4, "😂": 5, "\x80": 6, "ö": 7, "</script>": 8})
@example(value=[1e-7, 0.0001, 9.999e-5, 1e15, 1e21, 1e20, 5e-324, 1.7976931348623157e308, -0.0, 3.0, 0.1 + 0.2])
@example(value="\x00\x01\x08\t\n\x0b\x0c\r\x1f\x7f\x80\u2028\u2029\"\\/'")
def test_canonical_json_equals_rfc8785(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@settings(max_examples=200, deadline=None)
@given(members=st.dictionaries(st.text(string.printable, max_size=5), JSON, max_size=6), lot=st.randoms())
def test_an_object_of_which_some_members_are_put_in_anew_has_the_bytes_of_the_whole(
    members: dict[str, Any], lot: Random
) -> None:
    open_names = [name for name in members if lot.random() < 0.5]
    written = {name: canonical_json(value) for name, value in members.items()}
    form = CanonicalTemplate({name: written[name] for name in members if name not in open_names}, open_names)
    for _ in range(2):  # what was put in before is not in the next one
        assert form.filled(dict.fromkeys(open_names, b"0")) == rfc8785.dumps(members | dict.fromkeys(open_names, 0))
        assert form.filled({name: written[name] for name in open_names}) == rfc8785.dumps(members)


@settings(max_examples=200, deadline=None)
@given(
    value=st.recursive(
        st.booleans() | TEXTS, lambda each: st.lists(each) | st.dictionaries(st.sampled_from("aB~"), each)
    )
)
def test_texts_have_their_canonical_bytes(value: Any) -> None:
    assert canonical_texts(value) == rfc8785.dumps(value)


def test_half_a_character_has_no_canonical_bytes() -> None:
    with pytest.raises(MalformedProblem, match="no canonical form"):
        canonical_texts(["\ud800"])


@settings(max_examples=300, deadline=None)  # a first call compiles
@given(value=JSON)
@example(value=9007199254740992.0)
@example(value=1e21)
def test_decoding_and_encoding_canonical_json_changes_no_byte(value: Any) -> None:
    data = canonical_json(value)
    try:
        decoded = decode_json(data)
    except MalformedProblem:
        assert any(len(word) > 15 and word.isdigit() for word in re.split(rb"[^0-9]", data)), "a whole number over 2^53"
        return
    assert canonical_json(decoded) == data
    assert canonical_json(decode_json(json.dumps(value, indent=2).encode())) == data


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_written_as_javascript_writes_it(number: float) -> None:
    assert canonical_json([number]) == rfc8785.dumps([number])


@settings(max_examples=40, deadline=None)  # a history takes as long as it is
@given(rng=st.integers(0, 2**32).map(Random))
def test_canonical_struct_equals_rfc8785_on_events_and_entries(rng: Random) -> None:
    chaos = begin(rng)
    for index in range(20):
        event, key = chaos.statement()
        assert canonical_struct(event) == rfc8785.dumps(msgspec.to_builtins(event)) == events.encode(event)
        entry = encode_entry(chaos.world.seal(event, key=key), LeafIndex(index), bytes(32), chaos.world.now)
        assert entry == rfc8785.dumps(json.loads(entry))


@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), min_size=1, max_size=200))
def test_names_in_any_script_are_canonical(name: str) -> None:
    chaos = begin(Random(1))
    party = chaos.world.party("new")
    event = chaos.world.admission(party, legal_name=name)
    assert events.encode(event) == rfc8785.dumps(msgspec.to_builtins(event))
    if all(character >= " " for character in name):
        assert open_envelope(chaos.world.seal(event)).event == event


# Vectors.


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the JCS vectors are not beside this repository")
@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_the_published_vectors_come_out_byte_for_byte(name: str) -> None:
    data = (VECTORS / "input" / f"{name}.json").read_bytes()
    expected = bytes.fromhex((VECTORS / "outhex" / f"{name}.txt").read_text())
    assert canonical_json(decode_json(data)) == expected
    assert expected == (VECTORS / "output" / f"{name}.json").read_bytes()


# What has no canonical form, or two meanings.


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        2**53,
        -(2**53),
        10**400,
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        {"ö": {3: 4}},
        object(),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    for wrapped in (value, [value], {"a": value}, {"ö": value}):
        with pytest.raises(MalformedProblem):
            canonical_json(wrapped)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":2}',
        '[{"b":{"c":1,"d":2,"c":3}}]',
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e400",
        "-1e400",
        "9007199254740992",
        "-9007199254740992",
        "9007199254740992.0",
        "1e17",
        "-999999999999999999999",
        "9" * 5_000,
        '"\\ud800"',
        '{"\\uDFFF":1}',
        "",
        "[1,]",
        "{'a':1}",
        "[1] 2",
        '"\x00"',
        "\ufeff1",
        "01",
        "+1",
        ".5",
    ],
)
def test_json_that_two_readers_could_understand_differently_is_refused(text: str) -> None:
    with pytest.raises(MalformedProblem):
        decode_json(text.encode())


@pytest.mark.parametrize("data", [b"\xff", b'"\xc0\x80"', b'"\xed\xa0\x80"', "{}".encode("utf-16")])
def test_bytes_that_are_not_utf8_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedProblem):
        decode_json(data)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
@pytest.mark.parametrize("depth", [65, 999, 100_000])
def test_deep_nesting_is_refused_and_crashes_nothing(opening: str, depth: int) -> None:
    closing = "".join({"[": "]", "{": "}"}[each] for each in reversed(opening) if each in "[{")
    for text in (opening * depth + "1" + closing * depth, opening * depth):
        with pytest.raises(MalformedProblem):
            decode_json(text.encode())


def test_the_bounds_of_depth_and_size_are_exact() -> None:
    assert decode_json(b"[" * 64 + b"]" * 64) is not None
    with pytest.raises(MalformedProblem, match="deep"):
        decode_json(b"[" * 66 + b"]" * 66)
    assert decode_json(b'"' + b"a" * 8 + b'"', bytes_max=10) == "a" * 8
    with pytest.raises(MalformedProblem, match="at most 10"):
        decode_json(b'"' + b"a" * 9 + b'"', bytes_max=10)


def test_whole_floats_become_integers_as_jcs_writes_them() -> None:
    assert [type(each) for each in decode_json(b"[3.0, 3.5, 1e2, -0.0, 0]")] == [int, float, int, int, int]


def test_an_object_nested_beyond_recursion_has_no_canonical_form() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(MalformedProblem):
        canonical_json(value)
