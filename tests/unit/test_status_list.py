"""Bitstring Status List: the specification's examples, and everything that must be refused."""

import base64
import gzip
import itertools
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.documents.status_check import StatusEntry, read_entries, read_status
from proto.documents.status_list import (
    ENTRY_COUNT_MIN,
    LIST_BYTES_MAX,
    MalformedStatusProblem,
    StatusIndexProblem,
    StatusListLengthProblem,
    StatusListMismatchProblem,
    UnsupportedStatusProblem,
    allocated_index,
    build_list_credential,
    decode_list,
    empty_bits,
    encode_list,
    is_set,
    status_entry,
    with_bits,
)
from proto.ids import Did
from proto.moment import Moment
from proto.problem import InvalidProblem

URL = "https://gateway.example/status/1"
ISSUER = Did("did:web:gateway.example:issuers:1")
NOW = Moment("2026-11-23T12:00:00.000Z")
EXAMPLE = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"
"""The `encodedList` of the specification's example credential (section 2.2): 131,072 zeros."""
ENTRY = StatusEntry(list_url=URL, index=94567, purpose="revocation")


def built(bits: bytes | None = None, **other: Any) -> dict[str, Any]:
    given_: dict[str, Any] = {
        "list_url": URL,
        "issuer": ISSUER,
        "bits": empty_bits() if bits is None else bits,
        "valid_from": Moment("2026-11-23T11:00:00.000Z"),
        "valid_until": Moment("2026-11-24T11:00:00.000Z"),
        "ttl_ms": 300_000,
    }
    return build_list_credential(**(given_ | other))


def packed(data: bytes) -> str:
    return "u" + base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_subject(**members: Any) -> dict[str, Any]:
    document = built()
    document["credentialSubject"] |= members
    return document


def test_the_example_of_the_specification_is_read() -> None:
    assert decode_list(EXAMPLE) == empty_bits()


def test_the_first_entry_is_the_left_most_bit() -> None:
    assert with_bits(empty_bits(), {0: True})[0] == 0b1000_0000
    assert with_bits(empty_bits(), {7: True})[0] == 0b0000_0001
    assert with_bits(empty_bits(), {131_071: True})[-1] == 0b0000_0001


@given(st.sets(st.integers(0, ENTRY_COUNT_MIN - 1), max_size=50))
def test_what_is_set_is_found_again_and_nothing_else(indices: set[int]) -> None:
    bits = decode_list(encode_list(with_bits(empty_bits(), dict.fromkeys(indices, True))))
    assert {index for index in range(len(bits) * 8) if bits[index >> 3] and is_set(bits, index)} == indices
    assert with_bits(bits, dict.fromkeys(indices, False)) == empty_bits()


@given(st.binary(max_size=200))
def test_no_other_bytes_are_read_as_a_list(data: bytes) -> None:
    with pytest.raises(InvalidProblem):
        decode_list(packed(data))


@given(st.integers(1, len(EXAMPLE) - 1), st.sampled_from("uAzZ09-_=+/ \n"))
def test_one_other_character_is_refused_or_means_the_same(place: int, character: str) -> None:
    altered = EXAMPLE[:place] + character + EXAMPLE[place + 1 :]
    try:
        bits = decode_list(altered)
    except InvalidProblem:
        return
    assert bits == empty_bits()  # times, flags and the operating system in GZIP's header mean nothing


@pytest.mark.parametrize(
    "encoded",
    [
        EXAMPLE[1:],
        "m" + EXAMPLE[1:],
        EXAMPLE + "=",
        EXAMPLE + "\n",
        "u",
        "",
        EXAMPLE[:-8],
        packed(gzip.compress(empty_bits(), mtime=0) + b"\0"),
        packed(gzip.compress(empty_bits(), mtime=0) * 2),
        packed(zlib.compress(empty_bits())),
        packed(empty_bits()),
        packed(gzip.compress(empty_bits(), mtime=0))[:-1] + "B",
    ],
)
def test_what_is_not_exactly_one_gzip_stream_in_base64url_is_refused(encoded: str) -> None:
    with pytest.raises(MalformedStatusProblem) as caught:
        decode_list(encoded)
    assert caught.value.pointer == "/credentialSubject/encodedList"


@pytest.mark.parametrize("length", [0, 1, 16_383, LIST_BYTES_MAX + 1, LIST_BYTES_MAX * 20])
def test_lists_that_are_too_short_or_a_bomb_are_refused(length: int) -> None:
    with pytest.raises(StatusListLengthProblem):
        decode_list(packed(gzip.compress(bytes(length), mtime=0)))


def test_a_list_is_not_written_shorter_than_it_may_be() -> None:
    with pytest.raises(StatusListLengthProblem):
        encode_list(bytes(16_383))
    with pytest.raises(StatusListLengthProblem):
        empty_bits(ENTRY_COUNT_MIN + 1)


@pytest.mark.parametrize("index", [-1, ENTRY_COUNT_MIN, 10**15])
def test_an_index_outside_the_list_is_refused(index: int) -> None:
    with pytest.raises(StatusIndexProblem):
        is_set(empty_bits(), index)
    with pytest.raises(StatusIndexProblem):
        with_bits(empty_bits(), {index: True})


def test_an_entry_is_read_as_it_was_written() -> None:
    assert read_entries({"credentialStatus": status_entry(URL, 94567)}) == (ENTRY,)
    assert read_entries({"credentialStatus": [status_entry(URL, 94567)]}) == (ENTRY,)
    assert read_entries({}) == ()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("statusListIndex", "94abc"),
        ("statusListIndex", 94567),
        ("statusListIndex", "-1"),
        ("statusListIndex", "+1"),
        ("statusListIndex", "007"),
        ("statusListIndex", " 7"),
        ("statusListIndex", "7\n"),
        ("statusListIndex", "\u0667"),
        ("statusListIndex", "1_0"),
        ("statusListIndex", "1.0"),
        ("statusListIndex", "9" * 400),
        ("statusListIndex", None),
        ("statusPurpose", ["revocation", "suspension"]),
        ("statusPurpose", ""),
        ("statusPurpose", None),
        ("statusListCredential", "file:///etc/passwd"),
        ("statusListCredential", ["https://gateway.example/status/1"]),
        ("id", URL),
    ],
)
def test_a_malformed_entry_is_refused_and_named(member: str, value: Any) -> None:
    with pytest.raises(MalformedStatusProblem) as caught:
        read_entries({"credentialStatus": status_entry(URL, 94567) | {member: value}})
    assert caught.value.pointer == f"/credentialStatus/{member}"


@pytest.mark.parametrize("status", [None, [], "https://gateway.example/status/1#1", [status_entry(URL, 1)] * 9, [[]]])
def test_what_is_no_status_is_refused(status: Any) -> None:
    with pytest.raises(MalformedStatusProblem):
        read_entries({"credentialStatus": status})


@pytest.mark.parametrize(
    "members",
    [
        {"type": "1EdTechRevocationList"},
        {"type": "StatusList2021Entry"},
        {"type": None},
        {"type": [{}]},
        {"statusSize": 2},
        {"statusSize": 0},
        {"statusSize": "1"},
        {"statusSize": True},
    ],
)
def test_statuses_of_another_kind_are_unsupported_and_never_passed_over(members: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedStatusProblem):
        read_entries({"credentialStatus": [status_entry(URL, 7), status_entry(URL, 94567) | members]})


def test_a_status_is_read_from_its_list() -> None:
    status_list = built(with_bits(empty_bits(), {94567: True}))
    assert read_status(ENTRY, status_list, issuer=ISSUER, now=NOW)
    assert not read_status(
        StatusEntry(list_url=URL, index=94566, purpose="revocation"), status_list, issuer=ISSUER, now=NOW
    )


@pytest.mark.parametrize(
    ("status_list", "problem", "pointer"),
    [
        (built() | {"type": ["VerifiableCredential"]}, MalformedStatusProblem, "/type"),
        (built() | {"type": "BitstringStatusListCredential"}, MalformedStatusProblem, "/type"),
        (built() | {"id": "https://gateway.example/status/2"}, StatusListMismatchProblem, "/id"),
        (built() | {"issuer": "did:web:other.example"}, StatusListMismatchProblem, "/issuer"),
        (built() | {"issuer": {"id": "did:web:other.example"}}, StatusListMismatchProblem, "/issuer"),
        (built() | {"issuer": None}, StatusListMismatchProblem, "/issuer"),
        (built() | {"validUntil": "2026-11-23T12:00:00Z"}, StatusListMismatchProblem, "/validUntil"),
        (built() | {"validFrom": "2026-11-23T12:00:01Z"}, StatusListMismatchProblem, "/validFrom"),
        (built() | {"validUntil": "tomorrow"}, MalformedStatusProblem, "/validUntil"),
        (built() | {"credentialSubject": [built()["credentialSubject"]]}, MalformedStatusProblem, "/credentialSubject"),
        (with_subject(type="Person"), MalformedStatusProblem, "/credentialSubject"),
        (with_subject(statusPurpose="suspension"), StatusListMismatchProblem, "/credentialSubject/statusPurpose"),
        (with_subject(statusPurpose=[]), StatusListMismatchProblem, "/credentialSubject/statusPurpose"),
        (with_subject(encodedList=None), MalformedStatusProblem, "/credentialSubject/encodedList"),
        (with_subject(encodedList=["u"]), MalformedStatusProblem, "/credentialSubject/encodedList"),
    ],
)
def test_a_list_that_does_not_speak_for_the_entry_is_refused(
    status_list: dict[str, Any], problem: type[InvalidProblem], pointer: str
) -> None:
    with pytest.raises(problem) as caught:
        read_status(ENTRY, status_list, issuer=ISSUER, now=NOW)
    assert caught.value.pointer == pointer


def test_an_entry_beyond_the_list_is_refused() -> None:
    beyond = StatusEntry(list_url=URL, index=ENTRY_COUNT_MIN, purpose="revocation")
    with pytest.raises(StatusIndexProblem):
        read_status(beyond, built(), issuer=ISSUER, now=NOW)


@pytest.mark.parametrize(
    "members",
    [
        {"list_url": "ftp://gateway.example/1"},
        {"list_url": URL + "#list"},
        {"valid_until": Moment("2026-11-23T11:00:00.000Z")},
        {"ttl_ms": 0},
    ],
)
def test_a_list_that_nobody_could_use_is_not_built(members: dict[str, Any]) -> None:
    with pytest.raises(MalformedStatusProblem):
        built(**members)


def test_an_entry_that_no_list_can_hold_is_not_built() -> None:
    with pytest.raises(StatusIndexProblem):
        status_entry(URL, LIST_BYTES_MAX * 8)
    with pytest.raises(MalformedStatusProblem):
        status_entry(URL + "#list", 1)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 600))
def test_every_place_of_a_list_is_given_out_exactly_once(secret: bytes, entry_count: int) -> None:
    places = [allocated_index(secret, position, entry_count) for position in range(entry_count)]
    assert sorted(places) == list(range(entry_count))


def test_places_in_a_real_list_are_spread_and_depend_on_the_secret() -> None:
    mine, yours = ([allocated_index(bytes([key]) * 32, n) for n in range(4_000)] for key in (1, 2))
    assert len(set(mine)) == 4_000
    assert len(set(mine) & set(yours)) < 300
    eighths = [sum(1 for place in mine if place * 8 // ENTRY_COUNT_MIN == part) for part in range(8)]
    assert all(400 < count < 600 for count in eighths)
    assert sum(1 for one, two in itertools.pairwise(mine) if one < two) in range(1_800, 2_200)


def test_a_full_list_gives_out_nothing() -> None:
    with pytest.raises(StatusIndexProblem):
        allocated_index(bytes(32), ENTRY_COUNT_MIN)
    with pytest.raises(StatusIndexProblem):
        allocated_index(bytes(16), 0)
