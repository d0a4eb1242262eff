"""The form of events: limits of every field, optional fields, unknown types, days that no month has (DESIGN 3.3)."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from proto import events
from proto.events import UnknownEventTypeProblem
from proto.problem import InvalidProblem, MalformedProblem
from tests.support.worlds import World

WORLD = World()
UNIVERSITY = WORLD.admit("uni")
ISSUE = json.loads(events.encode(WORLD.issue(UNIVERSITY)))
ADMISSION = json.loads(events.encode(WORLD.admission(WORLD.party("new"))))


def _decode(record: dict[str, Any]) -> events.Event:
    return events.decode(json.dumps(record).encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("log", ""),
        ("log", "a b"),
        ("log", "a" * 201),
        ("issuer", "did:example:x"),
        ("issuer", "did:web:x\n"),
        ("issuer", "did:web:" + "x" * 240),
        ("at", "2026-01-01T00:00:00Z"),
        ("at", "2026-01-01T00:00:00.000+00:00"),
        ("at", "2026-13-01T00:00:00.000Z"),
        ("at", "2026-02-30T00:00:00.000Z"),
        ("at", "2025-02-29T00:00:00.000Z"),
        ("at", "2026-01-01T24:00:00.000Z"),
        ("at", "2026-01-01T00:00:60.000Z"),
        ("at", "9999-01-01T00:00:00.000Z"),
        ("at", "2026-01-01T00:00:00.000Z\n"),
        ("nonce", "00000000-0000-4000-8000-000000000001"),
        ("nonce", "00000000-0000-7000-8000-00000000000G"),
        ("credential_id", "ab" * 31),
        ("credential_id", "AB" * 32),
        ("achievement", "ftp://x/"),
        ("achievement", "https://x/ y"),
        ("achievement", "https://x/ö"),
        ("achievement", "https://x/" + "a" * 500),
        ("ects_hundredths", -1),
        ("ects_hundredths", 100_001),
        ("ects_hundredths", 3.5),
        ("ects_hundredths", "350"),
        ("ects_hundredths", None),
        ("eqf_level", 0),
        ("eqf_level", 9),
        ("eqf_level", None),
        ("valid_from", "2026-04-31T00:00:00.000Z"),
        ("valid_until", None),
    ],
)
def test_a_field_beyond_its_limits_is_refused_where_it_is(field: str, value: object) -> None:
    with pytest.raises(InvalidProblem) as caught:
        _decode(ISSUE | {field: value})
    assert caught.value.pointer == f"/{field}"


def test_a_leap_day_is_a_day() -> None:
    assert _decode(ISSUE | {"valid_from": "2028-02-29T00:00:00.000Z"})


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"keys": []}, "/keys"),
        ({"keys": [ADMISSION["keys"][0] | {"purpose": "root"}, ADMISSION["keys"][1]]}, "/keys/0/purpose"),
        ({"scope": ADMISSION["scope"] | {"eqf_min": 0}}, "/scope/eqf_min"),
        ({"scope": ADMISSION["scope"] | {"may_issue": 1}}, "/scope/may_issue"),
        (
            {"accreditation": {"body": "A", "url": "https://a/", "until": "2026-02-31T00:00:00.000Z"}},
            "/accreditation/until",
        ),
        ({"uri_prefixes": ["https://a.example"]}, "/uri_prefixes/0"),
        ({"country": "at"}, "/country"),
        ({"legal_name": ""}, "/legal_name"),
        ({"legal_name": "a" * 201}, "/legal_name"),
        ({"legal_name": "a\u0000b"}, "/legal_name"),
        ({"legal_name": "a\nb"}, "/legal_name"),
    ],
)
def test_a_fault_deep_inside_is_pointed_at(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidProblem) as caught:
        _decode(ADMISSION | change)
    assert caught.value.pointer == pointer


def test_names_are_in_any_script() -> None:
    for name in ("Università Ca' Foscari", "Πανεπιστήμιο", "東京大学", "e\u0301cole 🎓"):
        assert _decode(ADMISSION | {"legal_name": name})


def test_unknown_fields_and_missing_fields_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="unknown field"):
        _decode(ISSUE | {"student": "Ada"})
    for field in ISSUE.keys() - {"eqf_level"}:
        with pytest.raises((InvalidProblem, MalformedProblem)):
            _decode({name: value for name, value in ISSUE.items() if name != field})


def test_an_unknown_type_is_told_apart_from_a_wrong_event() -> None:
    for kind in ("credential-issued.v3", "credential-burnt.v1", ""):
        with pytest.raises(UnknownEventTypeProblem):
            _decode(ISSUE | {"type": kind})
    with pytest.raises(InvalidProblem) as caught:
        _decode(ISSUE | {"type": 1})
    assert not isinstance(caught.value, UnknownEventTypeProblem)


def test_absent_optional_fields_are_omitted_and_never_null() -> None:
    data = events.encode(WORLD.issue(UNIVERSITY))
    assert b"valid_until" not in data
    assert b"null" not in data
    assert events.encode(events.decode(data)) == data


def test_an_event_has_a_largest_size() -> None:
    with pytest.raises(MalformedProblem, match="at most"):
        events.decode(b" " * (events.EVENT_BYTES_MAX + 1))


def test_every_event_type_has_a_name_with_a_version() -> None:
    assert all(name.endswith((".v1", ".v2")) for name in events.EVENT_TYPES)
    assert len(events.EVENT_TYPES) == 29


def test_sealing_an_invalid_event_is_refused() -> None:
    with pytest.raises(InvalidProblem):
        WORLD.seal(replace(WORLD.issue(UNIVERSITY), ects_hundredths=-1))
