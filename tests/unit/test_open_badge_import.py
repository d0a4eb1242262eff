"""Documents of others are read, what was guessed is named, and what has no place is listed."""

import copy
from typing import Any

import pytest

from proto.canonical import decode_json
from proto.documents.open_badge import build_document
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem, claims
from proto.documents.open_badge_names import IRIS
from proto.imports.open_badge import import_open_badge
from tests.support.documents import DOCUMENT_ID, EXAMPLES, ISSUER


def example(name: str) -> dict[str, Any]:
    document = decode_json((EXAMPLES / "open-badges" / f"{name}.json").read_bytes())
    assert isinstance(document, dict)
    return document


def test_three_and_three_and_a_half_credits_of_one_learner_are_imported() -> None:
    dikes, talks = (
        import_open_badge(example(f"waterland-{name}")) for name in ("dike-assessment", "risk-communication")
    )
    assert (dikes.achievement.ects_hundredths, talks.achievement.ects_hundredths) == (300, 350)
    assert dikes.award.learner == talks.award.learner
    assert dikes.achievement.eqf_level == 6
    assert dikes.award.result is not None
    assert dikes.award.result.value == "8.5"
    assert dikes.issuer.name == "Hogeschool Waterland"


def test_hours_without_credits_stay_hours() -> None:
    found = import_open_badge(example("waterland-pump-operator"))
    assert (found.achievement.ects_hundredths, found.achievement.workload_hours) == (0, 160)
    assert any("No credits" in doubt.detail for doubt in found.doubtful)


def test_an_imported_document_is_issued_anew_and_keeps_its_old_id() -> None:
    found = import_open_badge(example("waterland-dike-assessment"), learner_ref="w-17")
    assert found.award.learner.ref == "w-17"
    document = build_document(document_id=DOCUMENT_ID, issuer=ISSUER, achievement=found.achievement, award=found.award)
    assert claims(document).ects_hundredths == 300
    assert (
        document[IRIS["otherIdentifier"]][0]["identifier"] == "https://waterland.example/badges/credentials/crd-7F31A2"
    )


@pytest.mark.parametrize("named", [[], {"id": "urn:x:1"}, 7, True, ""])
def test_what_names_no_description_is_left_out(named: Any) -> None:
    document = example("waterland-dike-assessment")
    document["credentialSubject"]["result"][0]["resultDescription"] = named
    found = import_open_badge(document)
    assert "/credentialSubject/result/0/resultDescription" in found.unmapped
    assert found.award.result is not None
    assert (found.award.result.scheme, found.achievement.grading_scheme) == (None, None)


def test_what_has_no_place_is_listed_and_nothing_else() -> None:
    document = example("waterland-dike-assessment")
    before = set(import_open_badge(document).unmapped)
    document["credentialSubject"]["achievement"]["a/b~c"] = {"deep": 1}
    document["evidence"] = [{"genre": "of nothing"}]
    document["credentialSubject"]["result"].append({"type": ["Result"], "achievedLevel": "urn:level:9"})
    added = set(import_open_badge(document).unmapped) - before
    assert added == {"/credentialSubject/achievement/a~1b~0c", "/evidence", "/credentialSubject/result/1"}


def test_every_leaf_is_read_or_listed() -> None:
    document = example("waterland-risk-communication")
    achievement = document["credentialSubject"]["achievement"]
    for name in list(achievement):
        altered = copy.deepcopy(document)
        altered["credentialSubject"]["achievement"]["x-" + name] = achievement[name]
        assert f"/credentialSubject/achievement/x-{name}" in import_open_badge(altered).unmapped


def test_two_names_for_supervision_that_disagree_are_doubtful() -> None:
    document = example("waterland-dike-assessment")
    document["credentialSubject"]["achievement"]["identityChecked"] = False
    found = import_open_badge(document)
    assert "/credentialSubject/achievement/identityChecked" in found.unmapped
    assert any(doubt.pointer.endswith("identityChecked") for doubt in found.doubtful)


def test_credits_without_a_framework_are_doubtful() -> None:
    document = example("waterland-dike-assessment")
    achievement = document["credentialSubject"]["achievement"]
    achievement["creditsAvailable"] = achievement.pop("ECTS")
    found = import_open_badge(document)
    assert found.achievement.ects_hundredths == 300
    assert any(doubt.pointer.endswith("creditsAvailable") for doubt in found.doubtful)


def test_a_plain_name_and_mail_address_identify_the_learner() -> None:
    document = example("waterland-dike-assessment")
    subject = document["credentialSubject"]
    del subject["id"]
    subject["identifier"] = [
        {"type": "IdentityObject", "hashed": False, "identityHash": "Siân ap Rhys", "identityType": "name"},
        {"type": "IdentityObject", "hashed": True, "identityHash": "sha256$00", "identityType": "emailAddress"},
    ]
    found = import_open_badge(document)
    assert found.award.learner.family_name == "Siân ap Rhys"
    assert "/credentialSubject/identifier/1" in found.unmapped


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": None}, "/id"),
        ({"validFrom": "yesterday"}, "/validFrom"),
        ({"validUntil": "2020-01-01T00:00:00Z"}, ""),
        ({"credentialSubject": "x"}, "/credentialSubject"),
        ({"issuer": 5}, "/issuer"),
        ({"type": ["OpenBadgeCredential"]}, "/type"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_with_a_pointer(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(NotAnOpenBadgeProblem) as caught:
        import_open_badge(example("waterland-dike-assessment") | change)
    assert caught.value.pointer == pointer
