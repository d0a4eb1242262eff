"""Achievements and awards: limits on every field, and what Annex I misses of them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto.documents.annex_i import annex_i
from proto.documents.credential import Achievement, Award, IssuerProfile, Learner
from proto.ids import Did

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
ISSUER = IssuerProfile(did=Did("did:web:u.example"), legal_name="Universiteit U", country="NL")
LEAST: dict[str, Any] = {
    "uri": "https://u.example/a/1",
    "title": {"en": "T"},
    "description": {"en": "D"},
    "criteria": {"en": "C"},
    "language": "en",
    "ects_hundredths": 350,
}
AWARD: dict[str, Any] = {
    "learner": {"ref": "s-1", "given_name": "Ζωή", "family_name": "Παπά"},
    "achievement": "https://u.example/a/1",
    "valid_from": "2026-06-30T00:00:00+02:00",
}


def achievement(**fields: Any) -> Achievement:
    return msgspec.convert(LEAST | fields, Achievement)


def award(**fields: Any) -> Award:
    return msgspec.convert(AWARD | fields, Award)


def states(found: Achievement, **other: Any) -> dict[int, str]:
    return {element.number: element.state for element in annex_i(found, **other).elements}


@pytest.mark.parametrize(
    "fields",
    [
        {"uri": "urn:not-http"},
        {"ects_hundredths": 3.5},
        {"ects_hundredths": -1},
        {"ects_hundredths": 100_001},
        {"eqf_level": 0},
        {"eqf_level": 9},
        {"title": {}},
        {"title": {"en": ""}},
        {"title": {"english language": "T"}},
        {"title": {"nl-NL": "a", "nl-nl": "b"}},
        {"title": {"en": "x" * 301}},
        {"title": "T"},
        {"workload_hours": 0},
        {"assessment_types": ["a guess"]},
        {"isced_f": ["6"]},
        {"esco": [{"uri": "https://example.org/skill", "name": "s"}]},
        {"image": "not a uri"},
        {"unheard_of": 1},
    ],
)
def test_a_field_beyond_its_limits_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        achievement(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"learner": {"ref": "s-1"}},
        {"learner": {"ref": "a b", "family_name": "X"}},
        {"learner": {"ref": "s-1", "family_name": "X", "date_of_birth": "2001-02-29"}},
        {"valid_from": "2026-06-31"},
        {"valid_from": "2026-06-30T00:00"},
        {"valid_from": "2026-06-30", "valid_until": "2026-06-29"},
        {"valid_from": "2026-06-30T00:00:00"},
        {"valid_from": "2026-02-30T00:00:00Z"},
        {"valid_until": "2026-06-29T22:00:00Z"},
        {"activity_start": "2026-02-01", "activity_end": "2026-01-01"},
        {"activity_start": "2026-02-31"},
        {"result": {}},
        {"result": {"status": "Passed"}},
    ],
)
def test_an_award_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        award(**fields)


def test_times_are_compared_and_kept_in_utc() -> None:
    given = award(valid_until="2026-06-29T22:00:01.5Z")
    assert given.begins_at == "2026-06-29T22:00:00.000Z"
    assert given.ends_at == "2026-06-29T22:00:01.000Z"  # documents say seconds


def test_an_award_states_the_credits_of_its_achievement_unless_it_states_its_own() -> None:
    assert award().earned_hundredths(achievement()) == 350
    assert award(ects_hundredths=150).earned_hundredths(achievement()) == 150


def test_text_is_given_in_the_language_of_the_achievement() -> None:
    found = achievement(language="nl-NL", title={"en": "Title", "nl": "Titel"})
    assert found.text_in(found.title) == "Titel"
    assert found.text_in({"fr": "Titre"}) == "Titre"


def test_what_an_achievement_does_not_state_is_missing_or_doubtful() -> None:
    report = annex_i(achievement(), issuer=ISSUER, award=award())
    found = {element.number: element.state for element in report.elements}
    assert not report.is_complete
    assert [number for number, state in found.items() if state == "missing"] == [9, 10, 11, 12, 13, 14, 15, 16]
    assert [number for number, state in found.items() if state == "doubtful"] == [6, 8]


@pytest.mark.parametrize("name", ["data-literacy", "spatial-statistics"])
def test_the_examples_state_all_mandatory_elements(name: str) -> None:
    found = msgspec.json.decode((EXAMPLES / "achievements" / f"{name}.json").read_bytes(), type=Achievement)
    report = annex_i(found, issuer=ISSUER, award=award())
    assert report.is_complete
    assert all(element.state == "present" for element in report.elements if element.is_mandatory)


def test_hours_are_not_credits() -> None:
    assert states(achievement(ects_hundredths=0))[7] == "missing"
    assert states(achievement(ects_hundredths=0, workload_hours=500))[7] == "doubtful"
    assert states(achievement(workload_hours=98))[7] == "present"
    assert states(achievement(workload_hours=350))[7] == "doubtful"


def test_a_country_code_that_names_no_country_is_doubtful() -> None:
    nowhere = msgspec.structs.replace(ISSUER, country="XX")
    assert states(achievement(), issuer=nowhere)[3] == "doubtful"
    assert states(achievement(), issuer=ISSUER)[3] == "present"
    assert states(achievement())[3] == "missing"


def test_a_learner_known_by_an_address_only_is_doubtful() -> None:
    assert states(achievement(), award=award())[1] == "present"
    assert states(achievement(), award=award(learner={"ref": "s-1", "email": "a@b.example"}))[1] == "doubtful"


@pytest.mark.parametrize("field", ["awarded_at", "valid_from", "valid_until", "activity_start", "activity_end"])
def test_a_day_that_is_in_no_calendar_is_named_as_typed_with_its_field(field: str) -> None:
    award = {"learner": {"ref": "s", "given_name": "Ann"}, "achievement": "a", "valid_from": "2026-01-01"}
    with pytest.raises(msgspec.ValidationError, match=f"{field}: There is no day 2026-02-31: a day is written"):
        msgspec.convert(award | {field: "2026-02-31"}, Award)
    with pytest.raises(msgspec.ValidationError, match="date_of_birth: There is no such day"):
        msgspec.convert({"ref": "s", "given_name": "Ann", "date_of_birth": "1999-02-30"}, Learner)
