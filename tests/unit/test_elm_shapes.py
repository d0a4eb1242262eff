"""European credentials as they come: wrapped, sealed, of several claims, with concepts of an institution's own."""

import base64
import json
from typing import Any

import pytest

from proto.imports.elm import import_elm
from proto.imports.elm_reader import NotAnElmCredentialProblem
from proto.imports.imported import Imported
from tests.support.foreign_documents import concept, elm, elm_of, whole_elm
from tests.support.traces import texts_of, untraced, with_value

Json = dict[str, Any]
_SNB = "http://data.europa.eu/snb/"


def imported(document: Any) -> Imported:
    return import_elm(document, learner_ref="l-1")


def base64url(data: bytes, *, padded: bool = False) -> str:
    text = base64.urlsafe_b64encode(data).decode()
    return text if padded else text.rstrip("=")


def sealed(document: Json, **members: Any) -> Json:
    payload = base64url(json.dumps(document).encode())
    return {"payload": payload, "signatures": [{"protected": "eyJhbGciOiJFUzI1NiJ9", "signature": "c2ln"}]} | members


WRAPPED: dict[str, tuple[Any, str, list[str]]] = {
    "an upload": ({"credential": elm()}, "/credential", []),
    "an upload with an address": (
        {"credential": elm(), "deliveryDetails": {"deliveryAddress": ["a@mail.example"]}},
        "/credential",
        ["/deliveryDetails"],
    ),
    "a seal": (sealed(elm()), "/payload", ["/signatures"]),
    "a flattened seal": (
        {"payload": base64url(json.dumps(elm()).encode(), padded=True), "protected": "e30", "signature": "c2ln"},
        "/payload",
        ["/protected", "/signature"],
    ),
    "a seal of a plain payload": (
        {"payload": json.dumps(elm()), "signatures": [{"protected": "e30", "signature": "c2ln"}]},
        "/payload",
        ["/signatures"],
    ),
    "an upload that is sealed": ({"credential": sealed(elm())}, "/credential/payload", ["/credential/signatures"]),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_a_credential_is_read_in_what_it_comes_in(kind: str) -> None:
    document, pointer, beside = WRAPPED[kind]
    plain, found = imported(elm()), imported(document)
    assert (found.achievement, found.award, found.identity) == (plain.achievement, plain.award, plain.identity)
    assert found.unmapped == (*beside, *(f"{pointer}{each}" for each in plain.unmapped))
    assert [each.pointer for each in found.doubtful] == [f"{pointer}{each.pointer}" for each in plain.doubtful]
    assert found.credential == elm()
    assert found.is_sealed is ("payload" in pointer)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"payload": "%%%", "signatures": []}, "/payload"),
        ({"payload": base64url(b"no json"), "signatures": []}, "/payload"),
        ({"payload": base64url(b"[]"), "signatures": []}, "/payload"),
        ({"credential": {"type": "Diploma"}}, "/credential/type"),
        ({"credential": "x"}, "/credential"),
        (
            {"credential": {"credential": {"credential": {"credential": elm()}}}},
            "/credential/credential/credential/type",
        ),
        ({}, "/type"),
    ],
)
def test_what_holds_no_credential_is_refused_where_it_should_be(document: Any, pointer: str) -> None:
    with pytest.raises(NotAnElmCredentialProblem) as refused:
        imported(document)
    assert refused.value.pointer == pointer


def test_a_fault_in_a_wrapper_is_named_from_outside() -> None:
    with pytest.raises(NotAnElmCredentialProblem) as refused:
        imported({"credential": elm() | {"validFrom": "soon"}})
    assert refused.value.pointer == "/credential/validFrom"


def test_claims_beside_the_only_achievement_are_its_own() -> None:
    document = elm_of(
        {
            "type": "LearningActivity",
            "title": {"en": "Seminar"},
            "workload": "PT60H",
            "directedBy": {"type": "Organisation", "legalName": {"en": "Delta Institute"}},
            "specifiedBy": {
                "type": "LearningActivitySpecification",
                "mode": concept(_SNB + "learning-assessment/920fbb3cbe"),
            },
        },
        {
            "type": "LearningAssessment",
            "grade": {"type": "Note", "noteLiteral": {"en": "8"}},
            "specifiedBy": {"dcType": concept(_SNB + "assessment/d30284d7df")},
        },
        {"type": "LearningEntitlement", "title": {"en": "May enter year two"}},
    )
    found = imported(document)
    assert found.achievement.workload_hours == 60
    assert found.achievement.participation_modes == ("online",)
    assert found.achievement.assessment_types == ("oral-exam",)
    assert [each.title for each in found.achievement.entitlements] == [{"en": "May enter year two"}]
    assert [each.name for each in found.achievement.providers] == ["Delta Institute"]
    assert found.award.result is not None
    assert found.award.result.value == "8"
    assert any("belonging to it" in doubt.detail for doubt in found.doubtful)
    assert set(found.unmapped) == {
        "/credentialSubject/hasClaim/0/specifiedBy/id",
        "/credentialSubject/hasClaim/1/title",
    }


def test_of_several_achievements_one_is_read_and_the_others_are_listedwhole_elm() -> None:
    other = {"type": "LearningAchievement", "title": {"en": "Statistics II"}}
    found = imported(elm_of(other, {"type": "LearningEntitlement", "title": {"en": "May enter"}}))
    assert found.achievement.title == {"en": "Statistics I"}
    assert found.achievement.entitlements == ()
    assert {"/credentialSubject/hasClaim/1", "/credentialSubject/hasClaim/2"} <= set(found.unmapped)


@pytest.mark.parametrize(
    ("level", "framework", "kept"),
    [
        (concept("https://q.example/6", "NLQF level 6"), "National qualifications framework", "NLQF level 6"),
        (
            concept(
                "https://qualifications.example/nlqf/6",
                "6",
                inScheme={"id": "https://qualifications.example/nlqf", "prefLabel": {"en": "NLQF"}},
            ),
            "NLQF",
            "6",
        ),
        ([concept("urn:epass:level:1", None, notation="5")], "National qualifications framework", "5"),
    ],
)
def test_a_national_level_is_kept_as_one(level: Any, framework: str, kept: str) -> None:
    found = imported(elm_of(nqfLevel=level)).achievement
    assert found.national_level is not None
    assert (found.national_level.framework, found.national_level.level, found.eqf_level) == (framework, kept, None)


def test_a_grading_scheme_is_kept_with_its_address_and_also_without_a_grade() -> None:
    scheme = {"id": "https://u.example/scales/ten", "type": "GradingScheme", "title": {"en": "1 to 10"}}
    proof: Json = {"type": "LearningAssessment", "specifiedBy": {"gradingScheme": scheme}}
    ungraded = imported(elm_of(claim={"provenBy": proof}))
    assert [(each.name, each.uri) for each in ungraded.achievement.further_grading_schemes] == [
        ("1 to 10", "https://u.example/scales/ten")
    ]
    graded = imported(elm_of(claim={"provenBy": proof | {"grade": "8"}}))
    assert graded.achievement.grading_scheme is not None
    assert graded.achievement.grading_scheme.uri == "https://u.example/scales/ten"
    assert graded.award.result is not None
    assert graded.award.result.scheme == "1 to 10"


def test_an_assessment_of_an_institutions_own_kind_is_kept_by_its_label() -> None:
    kinds = [concept("https://u.example/kinds/1", "Hackathon"), concept(_SNB + "assessment/d30284d7df", "Oral exam")]
    proof = {"type": "LearningAssessment", "specifiedBy": {"dcType": kinds}}
    found = imported(elm_of(claim={"provenBy": proof}, additionalNote={"noteLiteral": {"en": "In May."}}))
    assert found.achievement.assessment_types == ("oral-exam",)
    assert found.achievement.further_information == {"en": "In May.\nAssessment: Hackathon"}
    assert any(each.endswith("/dcType/0/id") for each in found.unmapped)


def test_related_skills_are_of_esco_or_of_other_frameworks() -> None:
    esco = "http://data.europa.eu/esco/skill/ccd0a1d9-afda-43d9-b901-96344886e14d"
    other = concept(
        "https://skills.example/7",
        "Reads maps",
        inScheme={"id": "https://skills.example/", "prefLabel": {"en": "Skills"}},
    )
    outcome = {"type": "LearningOutcome", "title": {"en": "Measures"}, "relatedSkill": [concept(esco), other]}
    found = imported(elm_of(learningOutcome=outcome))
    assert found.achievement.learning_outcomes[0].esco_skills == (esco,)
    (node,) = found.achievement.alignments
    assert (node.name, node.url, node.framework) == ("Reads maps", "https://skills.example/7", "Skills")
    local = concept("urn:epass:skill:1", "Reads maps")
    found = imported(elm_of(learningOutcome=outcome | {"relatedSkill": local}))
    assert found.achievement.alignments == ()
    assert any(each.endswith("/learningOutcome/relatedSkill") for each in found.unmapped)


def test_entitlements_parts_and_other_names_have_their_places() -> None:
    entitlement = {
        "type": "LearningEntitlement",
        "specifiedBy": {
            "type": "LearningEntitlementSpecification",
            "title": {"en": "May teach"},
            "homepage": {"type": "WebResource", "contentURL": "https://u.example/teach"},
        },
    }
    found = imported(
        elm_of(
            claim={"entitlesTo": entitlement},
            isPartialQualification=True,
            identifier={"type": "Identifier", "notation": "ST-1"},
        )
        | {"evidence": {"type": "Evidence", "evidenceStatement": {"en": "Report"}}}
    )
    assert [(each.title, each.url) for each in found.achievement.entitlements] == [
        ({"en": "May teach"}, "https://u.example/teach")
    ]
    assert found.achievement.stackability == "stackable"
    assert [each.identifier for each in found.achievement.other_identifiers] == ["ST-1"]
    assert [each.text for each in found.award.evidence] == ["Report"]


def test_pages_stand_in_the_further_information_and_what_is_too_long_is_listed() -> None:
    page = {"type": "WebResource", "contentURL": "https://u.example/st-1"}
    found = imported(elm_of(homepage=page, supplementaryDocument=[page]))
    assert found.achievement.further_information == {
        "en": "Home page: https://u.example/st-1\nSupplementary document: https://u.example/st-1"
    }
    found = imported(elm_of(homepage=page, additionalNote={"noteLiteral": {"en": "n" * 9_990}}))
    assert found.achievement.further_information == {"en": "n" * 9_990}
    assert any(each.endswith("/homepage/contentURL") for each in found.unmapped)


def test_of_many_outcomes_as_many_are_kept_as_can_be() -> None:
    outcomes = [{"type": "LearningOutcome", "title": {"en": f"Measures {number}"}} for number in range(70)]
    found = imported(elm_of(learningOutcome=outcomes))
    assert len(found.achievement.learning_outcomes) == 64
    assert len([each for each in found.unmapped if "/learningOutcome/" in each]) == 6


def test_a_birth_that_is_no_day_is_listed_and_tells_people_apart() -> None:
    people = []
    for born in ("8 March 1998", "9 March 1998"):
        document = elm()
        document["credentialSubject"]["dateOfBirth"] = born
        people.append(imported(document))
        assert "/credentialSubject/dateOfBirth" in people[-1].unmapped
    assert people[0].identity.text != people[1].identity.text


# With a concept's URI its labels and its list are known; a type of another name changes nothing.
_KNOWN_BY_URI = ("/prefLabel/", "/inScheme", "/type", "/notation")


def test_no_text_of_a_european_credential_can_change_without_a_trace() -> None:
    document = whole_elm()
    lost = []
    for pointer, _ in texts_of(document):
        if not any(part in pointer for part in _KNOWN_BY_URI):
            lost += untraced(with_value(document, pointer, lambda text: text + "Qx7Zw"), import_elm)
    assert lost == []
