"""Open Badges as they come: ornaments sink nothing, one object stands for a list, and our own return whole."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from proto.documents.open_badge import build_document
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.documents.open_badge_names import IRIS
from proto.imports.imported import Imported
from proto.imports.open_badge import import_open_badge
from tests.support.documents import DOCUMENT_ID, EXAMPLES, ISSUER, full_achievement, full_award, full_document
from tests.support.earlier_documents import earlier_document
from tests.support.foreign_documents import open_badge
from tests.support.traces import lost_by_one_change, untraced

Json = dict[str, Any]
VECTORS = Path(__file__).parents[1] / "conformance" / "vectors" / "open-badges"
_ACHIEVEMENT = "/credentialSubject/achievement"
_LONG = "https://images.example/" + "i" * 600


def badge(**achievement: Any) -> Json:
    document = open_badge()
    document["credentialSubject"]["achievement"] |= achievement
    return document


def imported(document: Json) -> Imported:
    return import_open_badge(document, learner_ref="l-1")


def alignment(**members: Any) -> Json:
    return {"type": ["Alignment"], "targetName": "Node", "targetUrl": "https://frameworks.example/1"} | members


ORNAMENTS: dict[str, tuple[Json, list[str]]] = {
    "an image written out in its address": (
        {"image": {"id": "data:image/png;base64," + "A" * 900, "type": "Image"}}, ["image/id"],
    ),
    "an image written out in a text": ({"image": "data:image/svg+xml;base64," + "A" * 900}, ["image"]),
    "a long address": ({"image": {"id": _LONG, "type": "Image"}, "criteria": {"id": _LONG}}, ["image/id", "criteria"]),
    "an alignment without an address": (
        {"alignment": [{"type": "Alignment", "targetName": "Node"}, alignment()]},
        ["alignment/0"],
    ),
    "an alignment of another type": ({"alignment": [alignment(targetType="Skill")]}, ["alignment/0/targetType"]),
    "an alignment with a long name": ({"alignment": [alignment(targetName="n" * 301)]}, ["alignment/0/targetName"]),
    "an alignment with a long code": ({"alignment": [alignment(targetCode="c" * 101)]}, ["alignment/0/targetCode"]),
    "an alignment that is a text": ({"alignment": ["https://frameworks.example/1"]}, ["alignment"]),
    "many tags": ({"tag": [f"t{number}" for number in range(40)]}, [f"tag/{number}" for number in range(32, 40)]),
    "tags that are none": ({"tag": ["water", {"id": "x"}, "w" * 101]}, ["tag/1", "tag/2"]),
    "credits in words": ({"creditsAvailable": "three"}, ["creditsAvailable"]),
    "credits beyond any": ({"creditsAvailable": 1001}, ["creditsAvailable"]),
    "half hours": ({"SBU": 1.5}, ["SBU"]),
    "results of a type of its own": (
        {"resultDescription": [{"id": "https://x.example/1", "name": "Mark", "resultType": "Mark"}]},
        ["resultDescription/0/resultType"],
    ),
    "other names of kinds of its own": (
        {"otherIdentifier": [{"type": "IdentifierEntry", "identifier": "x", "identifierType": "crebo"}]},
        ["otherIdentifier"],
    ),
    "a language that is none": ({"inLanguage": "Nederlands"}, ["inLanguage"]),
    "criteria of another kind": ({"criteria": 7}, ["criteria"]),
    "a version that is a list": ({"version": ["1", "2"]}, ["version"]),
    "a term of ours of another form": ({"cycle": "fourth"}, ["cycle"]),
    "a name nobody can see": ({"alignment": [alignment(targetName="\u200b")]}, ["alignment"]),
}  # fmt: skip  # a table reads better


@pytest.mark.parametrize("kind", ORNAMENTS)
def test_an_ornament_that_cannot_be_kept_is_listed_and_sinks_nothing(kind: str) -> None:
    members, listed = ORNAMENTS[kind]
    found = imported(badge(**members))
    assert found.achievement.title == {"und": "Soil"} or found.achievement.language != "und"
    assert set(found.unmapped) == {f"{_ACHIEVEMENT}/{name}" for name in listed}
    assert untraced(badge(**members), import_open_badge) == []


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"name": 5}, "/name"),
        ({"name": "x" * 301}, ""),
        ({"name": None}, "/name"),
        ({"alignment": [alignment(targetType="ext:EQF", targetCode="9")]}, "/alignment/0/targetCode"),
        ({"alignment": alignment(targetType="ext:EQF", targetCode="HBO")}, "/alignment/targetCode"),
        ({"eqfLevel": "http://data.europa.eu/snb/eqf/9"}, "/eqfLevel"),
    ],
)
def test_what_is_essential_refuses_a_document_where_it_is_wrong(members: Json, pointer: str) -> None:
    with pytest.raises(NotAnOpenBadgeProblem) as refused:
        imported(badge(**members))
    assert refused.value.pointer == _ACHIEVEMENT + pointer


@pytest.mark.parametrize(("stated", "hundredths"), [("3.5", 350), ("3,5", 350), (7.333, 733), (0, 0), (" 2 ", 200)])
def test_credits_are_read_as_they_are_written(stated: Any, hundredths: int) -> None:
    found = imported(badge(creditsAvailable=stated))
    assert found.achievement.ects_hundredths == hundredths
    rounded = [each.detail for each in found.doubtful if "two decimals" in each.detail]
    assert bool(rounded) is (stated == 7.333)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://bücher.example/größe?q=ä#ö", "https://xn--bcher-kva.example/gr%C3%B6%C3%9Fe?q=%C3%A4#%C3%B6"),
        ("https://images.example/a b.png", "https://images.example/a%20b.png"),
    ],
)
def test_an_address_with_other_letters_is_kept_in_ascii(address: str, kept: str) -> None:
    found = imported(badge(image={"id": address, "type": "Image"}, alignment=[alignment(targetUrl=address)]))
    assert (found.achievement.image, found.achievement.alignments[0].url) == (kept, kept)
    assert sum("ASCII" in each.detail for each in found.doubtful) == 2


@pytest.mark.parametrize("stated", ["", None])
def test_a_document_without_a_description_has_its_title_for_one(stated: Any) -> None:
    found = imported(badge(description=stated))
    assert found.achievement.description == {"und": "Soil"}
    assert f"{_ACHIEVEMENT}/description" not in found.unmapped


@pytest.mark.parametrize(
    "stated",
    ["urn:uuid:8b1c0f64-6d43-4a0f-9d0e-0f1a2b3c4d5e", "tag:zuidzee.example,2025:soil", "did:web:zuidzee.example:soil"],
)
def test_an_id_that_is_no_address_becomes_one_and_is_kept(stated: str) -> None:
    found = imported(badge(id=stated))
    assert found.achievement.uri == imported(badge(id=stated, name="Soils")).achievement.uri
    assert found.achievement.uri.startswith("https://open-badge.invalid/")
    assert [each.identifier for each in found.achievement.other_identifiers] == [stated]
    assert found.achievement.uri != imported(badge(id=stated + "2")).achievement.uri


@pytest.mark.parametrize("stated", ["urn:uuid:8b1c0f64-6d43-4a0f-9d0e-0f1a2b3c4d5e", "tag:z.example:1", "did:key:z6"])
def test_a_learner_and_a_document_may_have_any_such_id(stated: str) -> None:
    document = open_badge(id=stated) | {"id": stated}
    found = imported(document)
    assert found.award.learner.uri == stated
    assert [each.identifier for each in found.award.other_identifiers] == [stated]


def _one(document: Json, *names: str) -> Json:
    place: Any = document
    for name in names[:-1]:
        place = place[name]
    (place[names[-1]],) = place[names[-1]]
    return document


_LISTS = [
    ("credentialSchema",), ("evidence",), ("otherIdentifier",),
    ("credentialSubject", "result"), ("credentialSubject", "type"),
    ("credentialSubject", "achievement", "alignment"), ("credentialSubject", "achievement", "otherIdentifier"),
    ("credentialSubject", "achievement", "type"), ("credentialSubject", "achievement", "resultDescription"),
    ("credentialSubject", "achievement", "tag"), ("credentialSubject", "achievement", "qualityAssurance"),
    ("credentialSubject", "achievement", "learningOutcome"), ("credentialSubject", "achievement", "assessmentType"),
    ("credentialSubject", "achievement", "learningResource"), ("credentialSubject", "achievement", "provider"),
]  # fmt: skip  # a table reads better


def _small() -> Json:
    """Return a document of ours, each list of which has one item."""
    outcomes = [{"title": {"en": "Explains dikes"}}]
    achievement = full_achievement(
        tags=["water"],
        learning_outcomes=outcomes,
        assessment_types=["portfolio"],
        quality_assurance=[{"type": "programme-quality-assurance", "name": "NVAO"}],
        eqf_level=None,
        esco=[],
    )
    learner = {"ref": "l-1", "family_name": "Ó Briain", "email": "l@mail.example"}
    return earlier_document(achievement=achievement, award=full_award(learner=learner), components=())


@pytest.mark.parametrize("names", _LISTS, ids=".".join)
def test_one_object_may_stand_where_a_list_is_usual(names: tuple[str, ...]) -> None:
    usual, alone = imported(_small()), imported(_one(_small(), *names))
    assert (alone.achievement, alone.award) == (usual.achievement, usual.award)


@pytest.mark.parametrize("name", ["credentialSubject", "issuer"])
def test_a_list_of_one_may_stand_where_an_object_is_usual(name: str) -> None:
    usual, listed = imported(_small()), imported(_small() | {name: [_small()[name]]})
    assert (listed.achievement, listed.award, listed.issuer) == (usual.achievement, usual.award, usual.issuer)


def test_several_subjects_are_refused_in_words() -> None:
    with pytest.raises(NotAnOpenBadgeProblem, match="each by itself"):
        imported(_small() | {"credentialSubject": [_small()["credentialSubject"]] * 2})


def test_a_name_alone_says_whose_it_is() -> None:
    document = open_badge(name="Siân ap Rhys")
    for member in ("givenName", "familyName"):
        del document["credentialSubject"][member]
    found = imported(document)
    assert found.award.learner.full_name == "Siân ap Rhys"
    assert found.unmapped == ()
    assert not found.identity.is_enough


def _returned(document: Json) -> Json:
    found = imported(document)
    return build_document(document_id=DOCUMENT_ID, issuer=ISSUER, achievement=found.achievement, award=found.award)


def test_a_document_of_ours_loses_nothing_between_two_institutions() -> None:
    document = full_document(components=(), credential_status=None)
    returned = _returned(document)
    name = IRIS["otherIdentifier"]
    assert returned[name] == [
        *document[name],
        {"type": "IdentifierEntry", "identifier": DOCUMENT_ID, "identifierType": "identifier"},
    ]
    del returned[name], document[name]
    assert returned == document
    component = f"/credentialSubject/{IRIS['component']}"
    assert imported(full_document()).unmapped == ("/issuer/url", component, "/credentialStatus")
    assert imported(earlier_document()).achievement == imported(full_document()).achievement
    assert imported(full_document()).doubtful == ()


def test_days_of_a_document_of_ours_stay_days() -> None:
    award = full_award(valid_from="2026-10-01", valid_until="2027-09-30")
    returned = _returned(full_document(award=award))
    for name in ("validFrom", IRIS["validFromDay"], "validUntil", IRIS["validUntilDay"]):
        assert returned[name] == full_document(award=award)[name]


def test_a_term_of_ours_that_says_otherwise_than_the_official_one_is_listed() -> None:
    document = full_document()
    document["credentialSubject"]["achievement"]["name"] = "Something else"
    found = imported(document)
    assert found.achievement.title == {"pl": "Something else"}
    assert f"{_ACHIEVEMENT}/{IRIS['titleByLanguage'].replace('/', '~1')}" in found.unmapped


EVIDENCE: list[tuple[Any, list[tuple[str | None, str | None, str | None]], list[str]]] = [
    ([{"id": "https://e.example/1", "type": ["Evidence"]}], [("https://e.example/1", None, None)], []),
    ({"type": "Evidence", "narrative": "Report", "genre": "text"}, [(None, "Report", "text")], []),
    ("https://e.example/1", [("https://e.example/1", None, None)], []),
    (["https://e.example/1", "https://e.example/2"], [(f"https://e.example/{n}", None, None) for n in (1, 2)], []),
    ([{"type": ["Evidence"], "name": "Map", "audience": "all"}], [(None, "Map", None)], ["/evidence/0/audience"]),
    ([{"type": ["Evidence"], "genre": "text"}], [], ["/evidence"]),
    ({"type": "Evidence", "name": "Film", "narrative": "Seen"}, [(None, "Film\nSeen", None)], []),
    ({"type": "Evidence", "name": "Film", "narrative": "n" * 9_999}, [(None, "n" * 9_999, None)], ["/evidence/name"]),
]


@pytest.mark.parametrize(("stated", "kept", "listed"), EVIDENCE)
def test_evidence_is_kept_with_the_award(stated: Any, kept: list[Any], listed: list[str]) -> None:
    found = imported(open_badge() | {"evidence": stated})
    assert [(each.url, each.text, each.kind) for each in found.award.evidence] == kept
    assert list(found.unmapped) == listed


def _vendored() -> list[Path]:
    folders = (VECTORS / "nl-microcredentials", VECTORS / "examples", EXAMPLES / "open-badges")
    return [path for folder in folders for path in sorted(folder.glob("*.json"))]


@pytest.mark.parametrize(
    "path", [*_vendored(), *sorted((EXAMPLES / "open-badges").glob("*.json"))], ids=lambda p: p.stem
)
def test_no_text_of_a_badge_can_change_without_a_trace(path: Path) -> None:
    assert lost_by_one_change(json.loads(path.read_text()), import_open_badge) == []


@pytest.mark.parametrize("document", [full_document(), earlier_document()], ids=["published names", "inline context"])
def test_no_text_of_a_document_of_ours_can_change_without_a_trace(document: Json) -> None:
    assert lost_by_one_change(copy.deepcopy(document), import_open_badge) == []


def test_all_dutch_microcredentials_are_imported_with_their_own_words() -> None:
    for path in sorted(VECTORS.glob("nl-microcredentials/*.json")):
        document = json.loads(path.read_text())
        achievement = imported(document).achievement
        assert achievement.title == {
            document["credentialSubject"]["achievement"]["inLanguage"]: (
                document["credentialSubject"]["achievement"]["name"]
            )
        }


@pytest.mark.parametrize(
    ("checked", "supervision", "listed"),
    [
        (True, "supervised-online-with-identity-check", []),
        (False, "supervised-without-identity-check", []),
        (None, None, ["supervisionType"]),
    ],
)
def test_supervision_online_is_read_with_whether_the_identity_was_checked(
    checked: Any, supervision: str | None, listed: list[str]
) -> None:
    members = {"supervisionType": "supervised online"} | ({} if checked is None else {"identityChecked": checked})
    found = imported(badge(**members))
    assert found.achievement.supervision == supervision
    assert list(found.unmapped) == [f"{_ACHIEVEMENT}/{name}" for name in listed]


def test_an_investment_of_time_is_read_as_hours_and_said() -> None:
    found = imported(badge(timeInvestment=13))
    assert found.achievement.workload_hours == 13
    assert any("read as hours" in doubt.detail for doubt in found.doubtful)
