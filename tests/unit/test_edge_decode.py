"""What strangers send becomes a typed value or a problem that names the fault."""

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto import canonical
from proto.problem import InvalidProblem, MalformedProblem
from services.edge import decode_cursor, decode_json, decode_parameters, encode_cursor, form, refuse_duplicate_keys
from services.edge.decode import NESTING_MAX, invalid
from services.verifier.documents import reader
from services.verifier.documents.sent_document import SentDocument


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    credits: Annotated[int, msgspec.Meta(ge=1)]


class Whole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    parts: list[Part] = []
    names: dict[str, list[str]] = {}
    odd_name: str = msgspec.field(default="", name="a/b~c")


class Page(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(le=100)] = 10
    live: bool = False
    tag: list[str] = []


DECODER = msgspec.json.Decoder(Whole)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"parts":[{"credits":1},{"credits":0}]}', "/parts/1/credits"),
        (b'{"parts":[{"credits":1,"more":2}]}', "/parts/0"),
        (b'{"parts":[{}]}', "/parts/0"),
        (b'{"names":{"x.y":[1]}}', "/names"),
        (b'{"a/b~c":7}', "/a~1b~0c"),
        (b'{"unknown":7}', ""),
        (b"[]", ""),
    ],
)
def test_the_pointer_names_the_nearest_parent_that_has_a_name(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidProblem) as refused:
        decode_json(body, DECODER)
    assert refused.value.pointer == pointer
    assert refused.value.status == 422
    assert " - at " not in refused.value.detail


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'a':1}", b"\xff", b'{"a/b~c":"\xff"}', b'{"names":{"x":["\\ud800"]}}', b'{"parts":[NaN]}', b"{}{}"],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedProblem):
        decode_json(body, DECODER)


def test_deep_nesting_is_refused_and_breaks_nothing() -> None:
    decoder = msgspec.json.Decoder(Any)
    for depth in (NESTING_MAX + 1, 2_000, 200_000):
        for body in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"0" + b"}" * depth, b"[" * depth):
            with pytest.raises(MalformedProblem):
                decode_json(body, decoder, unique_keys=True)
    decode_json(b"[" * NESTING_MAX + b"]" * NESTING_MAX, decoder, unique_keys=True)
    wide = msgspec.json.encode([{"text": '\\"[{' * 3, "list": [[]]}] * 2_000)
    for body in (wide, b"[" + b"[]," * 5_000 + b"0]"):
        assert decode_json(body, decoder, unique_keys=True)
    hidden = b'["]",' * 2_000 + b"0" + b"]" * 2_000
    with pytest.raises(MalformedProblem):
        decode_json(hidden, decoder, unique_keys=True)


def test_a_fault_under_a_pointer_is_named_from_there() -> None:
    with pytest.raises(InvalidProblem) as refused:
        decode_json(b'{"a/b~c":7}', DECODER, under="/rows/4")
    assert refused.value.pointer == "/rows/4/a~1b~0c"


def test_a_fault_in_a_key_names_the_object() -> None:
    problem = invalid("Expected `int`, got `str` - at `key` in `$.names[...]`")
    assert (problem.pointer, problem.detail) == ("/names", "Expected `int`, got `str`")


def test_a_long_field_name_of_the_sender_does_not_come_back_whole() -> None:
    with pytest.raises(InvalidProblem) as refused:
        decode_json(b'{"' + b"x" * 100_000 + b'":1}', DECODER)
    assert len(refused.value.detail.partition(". Its fields are")[0]) <= 300


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a":1,"a":1}', ""),
        (b'{"a":{"b":[{"c":1,"d":2,"c":3}]}}', "/a/b/0"),
        (b'[{"x/y":{"a":1,"\\u0061":2}}]', "/0/x~1y"),
        (b'{"a":{"q":1,"q":2},"a":3}', ""),
    ],
)
def test_a_key_that_comes_twice_is_refused_with_its_object(body: bytes, pointer: str) -> None:
    with pytest.raises(MalformedProblem) as refused:
        refuse_duplicate_keys(body)
    assert refused.value.pointer == pointer


def test_the_same_key_in_two_objects_is_no_duplicate() -> None:
    refuse_duplicate_keys(b'{"a":{"a":[{"a":1},{"a":2}]}}')


def test_numbers_beyond_every_bound_are_refused_as_malformed() -> None:
    with pytest.raises(MalformedProblem):
        refuse_duplicate_keys(b'{"a":' + b"9" * 100_000 + b"}")


def test_parameters_are_read_from_their_text() -> None:
    assert decode_parameters({"limit": "7", "live": "true", "tag": ["a", "b"]}, Page) == Page(
        limit=7, live=True, tag=["a", "b"]
    )


@pytest.mark.parametrize(
    ("values", "name"), [({"limit": "x"}, "limit"), ({"limit": "101"}, "limit"), ({"limt": "1"}, "limt")]
)
def test_a_wrong_parameter_is_named(values: dict[str, str], name: str) -> None:
    with pytest.raises(InvalidProblem) as refused:
        decode_parameters(values, Page)
    assert refused.value.members == {"parameter": name}
    assert name in refused.value.detail


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(InvalidProblem) as refused:
        decode_parameters({}, Part)
    assert refused.value.members == {"parameter": "credits"}


@pytest.mark.parametrize("sign", [b"\\n", b"\\\\", b'\\"'], ids=["line ends", "backslashes", "quotes"])
def test_a_text_of_escapes_takes_no_more_memory_than_a_few_of_itself(sign: bytes) -> None:
    data = b'[["' + sign * 200_000 + b'"],' + b"[]," * NESTING_MAX + b"1]"
    tracemalloc.start()
    try:
        decode_json(data, msgspec.json.Decoder(msgspec.Raw))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(data)


@pytest.mark.parametrize(
    ("text", "is_deep"),
    [
        (b'"\\\\"', True),
        (b'"\\\\\\""', True),
        (b'"\\"[[[[\\\\"', True),
        (b'"' + b"[" * 600 + b'"', False),
        (b'"\\\\\\"' + b"[" * 600 + b'\\\\"', False),
    ],
)
def test_brackets_count_outside_of_texts_alone_whatever_is_escaped_in_them(text: bytes, is_deep: bool) -> None:
    depth = NESTING_MAX + 1 if is_deep else 3
    data = b"[" * depth + text + b"]" * depth
    decoder = msgspec.json.Decoder(msgspec.Raw)
    if not is_deep:
        decode_json(data, decoder)
        return
    with pytest.raises(MalformedProblem, match="deep"):
        decode_json(data, decoder)


def test_more_quotation_marks_than_any_json_has_are_refused_before_they_are_cut_apart() -> None:
    with pytest.raises(MalformedProblem, match="not JSON"):
        decode_json(b"[" * 501 + b'"' * 500_000, msgspec.json.Decoder(msgspec.Raw))


def test_a_cursor_comes_back_as_it_went_out() -> None:
    assert decode_cursor("entries", encode_cursor("entries", (5, "abc")), tuple[int, str]) == (5, "abc")


@pytest.mark.parametrize(
    "text", ["", "!", "é", "x" * 2000, encode_cursor("others", 5), encode_cursor("entries", "5"), "WyJlbnRyaWVzIiwgNV0"]
)
def test_any_other_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidProblem) as refused:
        decode_cursor("entries", text, int)
    assert refused.value.members == {"parameter": "cursor"}


class Place(NamedTuple):
    day: Annotated[datetime, msgspec.Meta(tz=True)]
    name: str


@pytest.mark.parametrize(
    "position",
    [
        2**63,
        -(10**300),
        "a\0",
        ["a", "\0"],
        [["a", ["\0"]]],
        {"place": {"number": 2**64}},
    ],
)
@pytest.mark.parametrize("of", [Any, int, str, tuple[str, str]])
def test_a_cursor_that_somebody_made_names_nothing_that_no_database_holds(position: Any, of: Any) -> None:
    with pytest.raises(InvalidProblem):
        decode_cursor("entries", encode_cursor("entries", position), of)


@pytest.mark.parametrize("day", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-00:01"])
def test_a_cursor_names_no_moment_outside_of_the_calendar(day: str) -> None:
    with pytest.raises(InvalidProblem):
        decode_cursor("entries", encode_cursor("entries", [day, "a"]), Place)


@pytest.mark.parametrize(
    ("position", "of"),
    [
        (2**63 - 1, int),
        (Place(datetime(9999, 12, 31, 23, tzinfo=UTC), "é"), Place),
        (Place(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=14))), ""), Place),
    ],
)
def test_a_cursor_at_the_edge_of_what_a_database_holds_comes_back(position: Any, of: Any) -> None:
    assert decode_cursor("entries", encode_cursor("entries", position), of) == position


def test_a_refused_value_is_answered_with_what_the_field_takes() -> None:
    class Graded(msgspec.Struct, forbid_unknown_fields=True):
        kind: Literal["written", "oral"]

    with pytest.raises(InvalidProblem) as caught:
        decode_json(b'{"kind": "sung"}', msgspec.json.Decoder(Graded))
    assert caught.value.detail == "Invalid enum value 'sung'. It takes one of: oral, written"
    assert caught.value.pointer == "/kind"


def test_a_parameter_without_a_known_form_is_explained_by_its_own_description() -> None:
    class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        by: Annotated[str, msgspec.Meta(pattern="^(month|country)$", description="Of month, country")] = "month"

    with pytest.raises(InvalidProblem, match=r"form that is asked for\. What it is: Of month, country"):
        decode_parameters({"by": "year"}, Query)


@pytest.mark.parametrize("data", [b"[" + b"1," * 100_001 + b"1]", b"[" + b"[]," * 60_000 + b"1]"])
def test_values_are_counted_before_they_are_decoded(data: bytes) -> None:
    reads: list[Callable[[], Any]] = [
        lambda: decode_json(data, msgspec.json.Decoder(list[msgspec.Raw])),
        lambda: canonical.decode_json(data, bytes_max=len(data)),
        lambda: reader.split(SentDocument(data), documents_max=100),
        lambda: reader.with_status_lists(SentDocument(b'{"document":{},"status_lists":' + data + b"}")),
    ]
    for read in reads:
        with pytest.raises(MalformedProblem, match="more than 100000 values"):
            read()


def test_a_list_that_nests_without_end_is_malformed() -> None:
    with pytest.raises(MalformedProblem, match="not a JSON list"):
        reader.split(SentDocument(b"[" * 90_000 + b"]" * 90_000), documents_max=100)


def _sent(*, key: bytes = b"status_lists", extra: bytes = b"") -> bytes:
    """Return a document with two status lists, large enough to be decoded apart."""
    lists = b",\n ".join(b'{"encodedList" : "u%b, ]"}' % (b"A" * 700_000) for _ in range(2))
    return b' {"document": {"issuer":"x", "a":[1,2]},%b "%b":[%b]}\n' % (extra, key, lists)


def test_a_large_document_and_its_lists_are_decoded_apart_and_alike() -> None:
    found = reader.with_status_lists(SentDocument(_sent()))
    assert found is not None
    assert found.document.content == {"issuer": "x", "a": [1, 2]}
    assert [len(each["encodedList"]) for each in found.status_lists] == [700_004, 700_004]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (_sent(extra=b'"document":{"issuer":"y"},'), "stands twice"),
        (_sent(extra=b'"status_lists":[],'), "stands twice"),
        (_sent(extra=b'"more":1,'), "not JSON of a document and its status lists"),
        (_sent().replace(b'"a":[1,2]', b'"a":1,"a":2'), "stands twice in one object"),
        (_sent().replace(b"A" * 700_000, b"A" * 1_100_000), "bytes; at most"),
        (_sent()[:-3], "not JSON of a document and its status lists"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused_in_a_large_body_too(sent: bytes, words: str) -> None:
    with pytest.raises(MalformedProblem, match=words):
        reader.with_status_lists(SentDocument(sent))


@settings(max_examples=200, deadline=None)
@given(st.text(), st.integers(0, 3))
def test_an_escaped_text_is_read_as_it_was_written(text: str, padding: int) -> None:
    value = "a" * (16 - padding) + text
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(form, "_PIECE_BYTES", 16)  # texts end in the midst of one of many pieces
        assert form.urlencoded(f"x={quote_plus(value)}".encode()).fields["x"] == value.encode()
        assert form.urlencoded(f"x={quote(value, safe='')}".encode()).fields["x"] == value.encode()


class Optional(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    to: int | None = None
    name: str | None = None


def test_an_unknown_parameter_is_told_which_there_are() -> None:
    with pytest.raises(InvalidProblem, match=r"no parameter `learner_ref`. It takes to, name"):
        decode_parameters({"learner_ref": "7"}, Optional)


@pytest.mark.parametrize("text", ["null", "NULL"])
def test_null_is_no_number_of_a_parameter_but_may_be_a_text(text: str) -> None:
    with pytest.raises(InvalidProblem, match="leave it out"):
        decode_parameters({"to": text}, Optional)
    assert decode_parameters({"name": text}, Optional).name == text
