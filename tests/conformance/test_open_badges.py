"""1EdTech's schema accepts our documents; documents of others are imported as they are."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from proto.canonical import decode_json
from proto.documents.credential import Achievement
from proto.documents.open_badge import build_document
from proto.documents.open_badge_claims import claims
from proto.documents.open_badge_names import IRIS
from proto.ids import AchievementUri
from proto.imports.open_badge import import_open_badge
from proto.tables.awards_csv import parse_awards
from services.crypto.rdf_canonical import covered_quads
from tests.support.documents import EXAMPLES, ISSUER, full_achievement, full_award, full_document

DUTCH = {
    "uvh_at_microcredential_full_1": (300, None, 4),
    "uvh_at_microcredential_full_2": (350, None, 4),
    "uvh_fvhz_microcredential_full": (450, None, 4),
    "theed_microcredential_full_ho": (300, None, 4),
    "theed_microcredential_minimal_ho": (300, None, 4),
    "theed_microcredential_full_mbo": (0, 500, 4),
}


@pytest.fixture(scope="session")
def schema(vendored: Path) -> Any:
    body = json.loads((vendored / "open-badges" / "ob_v3p0_achievementcredential_schema.json").read_text())
    return jsonschema.Draft201909Validator(body, format_checker=jsonschema.FormatChecker())


def dutch(vendored: Path, name: str) -> Any:
    return decode_json((vendored / "open-badges" / "nl-microcredentials" / f"{name}.json").read_bytes())


def leaves(node: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield from leaves(child, f"{pointer}/{key}")
    if not isinstance(node, dict | list):
        yield pointer, node


@pytest.mark.parametrize(
    "document",
    [
        full_document(),
        full_document(components=[], credential_status=None),
        full_document(award=full_award(valid_until=None, awarded_at=None, result=None, activity_end=None)),
        full_document(achievement=full_achievement(ects_hundredths=300, learning_outcomes=[], language="sr-latn-rs")),
    ],
)
def test_our_documents_follow_the_schema_and_define_every_term(schema: Any, document: dict[str, Any]) -> None:
    schema.validate(document)
    assert covered_quads(document)


def test_every_award_of_the_example_file_makes_such_a_document(schema: Any) -> None:
    for row in parse_awards((EXAMPLES / "awards.csv").read_bytes()).rows:
        uri = f"https://nadmorska.example/achievements/{row.award.achievement}"  # as the gateway resolves a short id
        award = msgspec.structs.replace(row.award, achievement=AchievementUri(uri))
        document = build_document(
            document_id=f"urn:uuid:{uuid.uuid4()}",
            issuer=ISSUER,
            achievement=full_achievement(uri=uri),
            award=award,
        )
        schema.validate(document)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "open-badges").glob("*.json")), ids=lambda path: path.stem)
def test_the_example_badges_follow_the_schema(schema: Any, path: Path) -> None:
    schema.validate(json.loads(path.read_text()))


@pytest.mark.parametrize("name", DUTCH)
def test_dutch_micro_credentials_are_imported_as_they_are(vendored: Path, schema: Any, name: str) -> None:
    found = import_open_badge(dutch(vendored, name))
    stated = (found.achievement.ects_hundredths, found.achievement.workload_hours, found.achievement.eqf_level)
    assert stated == DUTCH[name]
    document = build_document(
        document_id=f"urn:uuid:{uuid.uuid4()}", issuer=ISSUER, achievement=found.achievement, award=found.award
    )
    schema.validate(document)
    assert covered_quads(document)
    assert claims(document).ects_hundredths == DUTCH[name][0]
    assert document[IRIS["otherIdentifier"]][0]["identifier"] == "http://example.com/credentials/crd-A1B2C3"


@pytest.mark.parametrize("name", DUTCH)
def test_every_text_of_a_dutch_document_is_kept_or_listed(vendored: Path, name: str) -> None:
    source = dutch(vendored, name)
    found = import_open_badge(source)
    document = build_document(
        document_id=f"urn:uuid:{uuid.uuid4()}", issuer=ISSUER, achievement=found.achievement, award=found.award
    )
    kept = {value for _, value in leaves(document)} | {found.issuer.id, found.issuer.name, found.issuer.country}
    guessed = [doubt.pointer for doubt in found.doubtful]
    terms = ("/@context", "/type/", "/type", "Type", "/identityChecked", "/validFrom", "/validUntil", "/SBU", "/ECTS")
    for pointer, value in leaves(source):
        listed = any(pointer == path or pointer.startswith(path + "/") for path in found.unmapped)
        assert listed or value in kept or str(value) in kept or pointer in guessed or any(t in pointer for t in terms)


def test_the_two_documents_of_one_student_make_six_and_a_half_credits(vendored: Path) -> None:
    first, second = (import_open_badge(dutch(vendored, f"uvh_at_microcredential_full_{n}")) for n in (1, 2))
    assert first.award.learner == second.award.learner
    assert first.achievement.uri != second.achievement.uri
    assert first.achievement.ects_hundredths + second.achievement.ects_hundredths == 650


@pytest.mark.parametrize(
    "name",
    [
        "basicOpenBadgeCredential-0",
        "fullOpenBadge-0",
        "skillAssertionCase-0",
        "skillAssertionCtdl-0",
        "achievementAlignmentCase-0",
        "achievementAlignmentCe-0",
    ],
)
def test_the_1edtech_examples_are_imported(vendored: Path, name: str) -> None:
    found = import_open_badge(decode_json((vendored / "open-badges" / "examples" / f"{name}.json").read_bytes()))
    assert isinstance(found.achievement, Achievement)
    assert "/@context/0" not in found.unmapped
