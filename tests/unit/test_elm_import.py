"""Credentials of the European Learning Model and MicroHE metadata: what is read, guessed and left."""

import json
from pathlib import Path
from typing import Any

import pytest

from proto.documents.duration import hours_of
from proto.imports.elm import import_elm
from proto.imports.elm_reader import ElmReader, NotAnElmCredentialProblem
from proto.imports.json_reader import Reader
from proto.imports.microhe import NotMicroHeProblem, import_microhe

_SNB = "http://data.europa.eu/snb/"


def _concept(path: str) -> dict[str, Any]:
    return {"id": _SNB + path, "type": "Concept", "prefLabel": {"en": "a label"}}


def _elm(**changes: Any) -> dict[str, Any]:
    spec = {
        "id": "https://uni.example/achievements/hydrology",
        "type": "LearningAchievementSpecification",
        "title": {"en": "Hydrology", "nl": "Hydrologie"},
        "learningOutcome": {
            "id": "urn:1",
            "type": "LearningOutcome",
            "title": {"en": "Explains floods"},
            "relatedESCOSkill": [
                {"id": "http://data.europa.eu/esco/skill/000f1d3d-220f-4789-9c0a-cc742521fb02", "type": "Concept"}
            ],
        },
        "creditPoint": {
            "type": "CreditPoint",
            "framework": _concept("education-credit/6fcec5c5af"),
            "point": "3.5",
        },
        "volumeOfLearning": "PT90H",
        "eqfLevel": _concept("eqf/6"),
    } | changes
    assessment = {
        "type": "LearningAssessment",
        "grade": {"type": "Note", "noteLiteral": {"en": "8.5"}},
        "idVerification": _concept("supervision-verification/c598449d64"),
        "specifiedBy": {
            "type": "LearningAssessmentSpecification",
            "dcType": _concept("assessment/d30284d7df"),
        },
    }
    claim = {"type": "LearningAchievement", "title": {"en": "Hydrology"}, "specifiedBy": spec, "provenBy": assessment}
    return {
        "@context": ["http://data.europa.eu/snb/model/context/edc-ap"],
        "id": "urn:credential:1",
        "type": ["VerifiableCredential", "EuropeanDigitalCredential"],
        "issuer": {"id": "urn:org:1", "type": "Organisation", "legalName": {"en": "Uni"}},
        "validFrom": "2026-01-01T00:00:00+01:00",
        "credentialSubject": {"type": "Person", "fullName": {"en": "Zoë Ó Briain"}, "hasClaim": [claim]},
    }


def test_an_achievement_is_read_with_credits_level_outcomes_and_assessment() -> None:
    found = import_elm(_elm(), learner_ref="s-1")
    achievement = found.achievement
    assert (achievement.ects_hundredths, achievement.workload_hours, achievement.eqf_level) == (350, 90, 6)
    assert achievement.title == {"en": "Hydrology", "nl": "Hydrologie"}
    assert len(achievement.learning_outcomes[0].esco_skills) == 1
    assert achievement.assessment_types == ("oral-exam",)
    assert achievement.supervision == "unsupervised-without-identity-check"
    assert found.award.result
    assert found.award.result.value == "8.5"
    assert found.award.begins_at == "2025-12-31T23:00:00.000Z"
    assert found.award.learner.ref == "s-1"
    assert [pointer for pointer in found.unmapped if "specifiedBy/" in pointer] == [
        "/credentialSubject/hasClaim/0/specifiedBy/learningOutcome/id",
    ]


def test_sixty_months_are_not_sixty_minutes_and_nothing_is_guessed() -> None:
    found = import_elm(_elm(volumeOfLearning="P60M"))
    assert found.achievement.workload_hours is None
    pointer = "/credentialSubject/hasClaim/0/specifiedBy/volumeOfLearning"
    doubt = next(each for each in found.doubtful if each.pointer == pointer)
    assert "PT60M" in doubt.detail
    assert pointer in found.unmapped


def test_what_has_no_place_is_listed() -> None:
    found = import_elm(_elm(accessibilityNote={"en": "ramps"}) | {"evidence": [{"id": "urn:e"}]})
    assert {"/evidence", "/credentialSubject/hasClaim/0/specifiedBy/accessibilityNote"} <= set(found.unmapped)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"type": ["VerifiableCredential"]}, "/type"),
        ({"credentialSubject": {"type": "Person"}}, "/credentialSubject/hasClaim"),
        ({"validFrom": "soon"}, "/validFrom"),
        ({"validFrom": None}, "/validFrom"),
        ({"issuer": None}, "/issuer"),
    ],
)
def test_what_is_no_such_credential_is_refused_with_the_place(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(NotAnElmCredentialProblem) as refused:
        import_elm(_elm() | change)
    assert refused.value.pointer == pointer


def test_the_commissions_own_sample_is_read(vendored: Path) -> None:
    document = json.loads((vendored / "elm" / "Sample-CertOfPart-unsigned.jsonld").read_bytes())
    found = import_elm(document)
    assert found.achievement.title == {"en": "EDC Updates Webinar"}
    assert (found.achievement.workload_hours, found.achievement.participation_modes) == (2, ("online",))
    assert found.award.learner.family_name == "Andromeda"
    assert "/credentialSubject/nationalID" in found.unmapped
    assert any("P2M" in doubt.detail for doubt in found.doubtful)
    assert import_elm(document) == found


@pytest.mark.parametrize(
    ("text", "hours", "is_doubtful"),
    [
        ("PT60H", 60, False),
        ("PT90M", 2, True),
        ("PT60M", 1, False),
        ("P60M", None, True),
        ("P2M", None, True),
        ("P1W", None, True),
        ("P", None, True),
        ("sixty", None, True),
        ("PT99999H", None, True),
    ],
)
def test_hours_of_a_duration(text: str, hours: int | None, *, is_doubtful: bool) -> None:
    found = hours_of(text)
    assert (found.hours, found.doubt is not None) == (hours, is_doubtful)


def _flat(**changes: Any) -> dict[str, Any]:
    return {
        "identifier": "https://uni.example/courses/42",
        "title": "Blockchain in education",
        "language": "en",
        "EQFLevel": "EQF level 6",
        "ECTSCreditPoints": "3,5",
        "volumeOfLearning": "P60M",
        "learningOutcome": "- Explains ledgers\n- Builds one",
        "assesmentMethod": "Written exam",
        "holder": "Zoë Ó Briain",
        "grade": 8.5,
        "creditsAwarded": 3,
        "dateOfIssue": "2019-06-30",
        "blockchainTransaction": "0xabc",
        "schoolMascot": "otter",
    } | changes


def test_flat_metadata_is_read_and_the_rest_is_listed() -> None:
    found = import_microhe(_flat())
    achievement, award = found.achievement, found.award
    assert (achievement.ects_hundredths, achievement.eqf_level, achievement.workload_hours) == (350, 6, None)
    assert [each.title["en"] for each in achievement.learning_outcomes] == ["Explains ledgers", "Builds one"]
    assert achievement.assessment_types == ("written-exam",)
    assert (award.ects_hundredths, award.valid_from) == (300, "2019-06-30")
    assert award.result
    assert award.result.value == "8.5"
    assert found.unmapped == ("/volumeOfLearning", "/blockchainTransaction", "/schoolMascot")
    assert any("PT60M" in doubt.detail for doubt in found.doubtful)


@pytest.mark.parametrize("name", ["title", "holder", "dateOfIssue"])
def test_flat_metadata_without_what_is_needed_is_refused(name: str) -> None:
    document = _flat()
    del document[name]
    with pytest.raises(NotMicroHeProblem) as refused:
        import_microhe(document)
    assert refused.value.pointer == f"/{name}"


def test_credits_that_are_no_number_are_left_out_and_doubted() -> None:
    found = import_microhe(_flat(ECTSCreditPoints="many"))
    assert found.achievement.ects_hundredths == found.award.ects_hundredths  # what was awarded is what is known
    assert import_microhe(_flat(ECTSCreditPoints="many", creditsAwarded="")).achievement.ects_hundredths == 0
    assert "/ECTSCreditPoints" in found.unmapped
    assert any(doubt.pointer == "/ECTSCreditPoints" for doubt in found.doubtful)


def _pointers(value: Any, pointer: str = "") -> list[str]:
    """Return a pointer to every text in the document."""
    if isinstance(value, dict):
        return [each for key, member in value.items() for each in _pointers(member, f"{pointer}/{key}")]
    if isinstance(value, list):
        return [each for place, member in enumerate(value) for each in _pointers(member, f"{pointer}/{place}")]
    return [pointer] if isinstance(value, str) else []


def _altered(document: dict[str, Any], pointer: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(document))
    *steps, last = pointer.split("/")[1:]
    place: Any = copy
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    key: Any = int(last) if isinstance(place, list) else last
    place[key] += "x"
    return copy


_LABELS = ("/prefLabel/", "/type")  # with a concept's URI its label is known; a type of another name changes nothing


@pytest.mark.parametrize("pointer", [each for each in _pointers(_elm()) if not any(part in each for part in _LABELS)])
def test_no_text_of_a_credential_can_change_without_a_trace(pointer: str) -> None:
    before = import_elm(_elm(), learner_ref="l")
    try:
        after = import_elm(_altered(_elm(), pointer), learner_ref="l")
    except NotAnElmCredentialProblem:
        return
    assert after != before or any(pointer.startswith(each) for each in after.unmapped), pointer


def _claimed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    document["credentialSubject"]["hasClaim"][0] |= changes
    return document


def _assessed(document: dict[str, Any], *more: dict[str, Any], **changes: Any) -> dict[str, Any]:
    first = document["credentialSubject"]["hasClaim"][0]["provenBy"] | changes
    return _claimed(document, provenBy=[first, *more])


def _person(**changes: Any) -> dict[str, Any]:
    document = _elm()
    document["credentialSubject"] |= changes
    return document


LOST: dict[str, tuple[dict[str, Any], str]] = {
    "a full name beside the others": (_person(givenName={"en": "Zoë"}), "the full name says it otherwise"),
    "a name in two languages": (_person(familyName={"el": "Παππάς", "en": "Pappas"}), "left out: en"),
    "an issuer in two languages": (
        _elm() | {"issuer": {"id": "urn:org:1", "type": "Organisation", "legalName": {"en": "Uni", "nl": "Uni NL"}}},
        "left out: nl",
    ),
    "a grade in two languages": (
        _assessed(_elm(), grade={"type": "Note", "noteLiteral": {"en": "good", "nl": "goed"}}),
        "left out: nl",
    ),
    "a long grade": (
        _assessed(_elm(), grade={"type": "Note", "noteLiteral": {"en": "g" * 150}}),
        "first 100 of 150 characters",
    ),
    "a time of day": (
        _claimed(_elm(), temporal={"type": "PeriodOfTime", "startDate": "2026-01-01T09:30:00Z"}),
        "the time of day",
    ),
    "a second supervision": (
        _assessed(_elm(), {"idVerification": _concept("supervision-verification/df2880c5cb")}),
        "One supervision can be kept",
    ),
}


@pytest.mark.parametrize("name", LOST)
def test_what_there_is_no_place_for_is_named(name: str) -> None:
    document, words = LOST[name]
    found = import_elm(document, learner_ref="l")
    assert any(words in doubt.detail for doubt in found.doubtful), (found.doubtful, found.unmapped)


def test_a_member_of_a_concept_that_nobody_knows_is_not_taken_for_its_label() -> None:
    found = import_elm(_elm(eqfLevel=_concept("eqf/6") | {"remark": "provisional"}), learner_ref="l")
    assert any(pointer.endswith("/eqfLevel/remark") for pointer in found.unmapped)


def test_what_a_flat_record_cannot_keep_is_named() -> None:
    record = {
        "title": "Hydrology",
        "dateOfIssue": "2026-01-01",
        "holder": "Zoë Ó Briain",
        "familyName": "Briain",
        "grade": "g" * 150,
        "accreditation": "a" * 400,
    }
    said = " ".join(doubt.detail for doubt in import_microhe(record).doubtful)
    for words in ("the holder says it otherwise", "first 100 of 150", "first 300 of 400"):
        assert words in said


@pytest.mark.parametrize("value", [["Databases"], 7, True, {}, {"no language": "x"}, None, ""])
def test_what_is_no_language_map_is_left_where_it_is(value: object) -> None:
    source = Reader({"title": value}, "", set())
    assert ElmReader().text(source, "title") is None
    assert source.unmapped() == ("/title",)


def test_each_language_of_a_map_is_taken_by_itself() -> None:
    source = Reader({"title": {"en": "Databases", "nl": ["Databanken"], "de": ["Eins", "Zwei"], "!": "x"}}, "", set())
    assert ElmReader().text(source, "title") == {"en": "Databases", "nl": "Databanken", "de": "Eins"}
    assert source.unmapped() == ("/title/de", "/title/!")
