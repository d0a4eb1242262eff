"""Documents carry what was given, leave out what was not, and say the same as their claims."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from proto.canonical import canonical_json, decode_json
from proto.documents.document import credential_id_of, document_digest
from proto.documents.open_badge import MismatchProblem, build_document, official_language
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem, claims
from proto.documents.open_badge_names import IRIS, NAMES, NamedTwiceProblem, with_iris, with_names
from proto.ids import Did
from proto.keys import key_id_of
from proto.moment import Moment
from proto.problem import InvalidProblem
from services.crypto.data_integrity import secure
from services.crypto.rdf_canonical import pinned_contexts
from tests.support.documents import DOCUMENT_ID, ISSUER, KEY, full_achievement, full_award, full_document
from tests.support.earlier_documents import earlier_document

KEY_ID = key_id_of(ISSUER.did, KEY.public_key)


def test_grade_credits_and_end_are_inside() -> None:
    document = full_document()
    subject = document["credentialSubject"]
    assert subject["result"][0]["value"] == "4.5"
    assert subject["creditsEarned"] == 2.5
    assert document["validUntil"] == "2030-07-01T00:00:00Z"
    assert subject["achievement"]["achievementType"] == "MicroCredential"
    assert document[IRIS["otherIdentifier"]][0]["identifier"] == "https://old.example/credentials/1"


def test_whole_credits_are_written_as_integers() -> None:
    document = full_document(achievement=full_achievement(ects_hundredths=300))
    earned = document["credentialSubject"]["creditsEarned"]
    assert earned == 3
    assert isinstance(earned, int)


def test_nothing_empty_is_written() -> None:
    def values(node: Any) -> list[Any]:
        if isinstance(node, dict):
            return [node, *(found for child in node.values() for found in values(child))]
        return [node, *(found for child in node for found in values(child))] if isinstance(node, list) else [node]

    assert not [value for value in values(full_document()) if value in (None, "", [], {}) and value is not False]


def test_the_learners_reference_never_leaves_the_gateway() -> None:
    assert b"pn-1" not in canonical_json(full_document())


def test_a_document_survives_writing_and_reading() -> None:
    document = full_document()
    read = decode_json(canonical_json(document))
    assert canonical_json(read) == canonical_json(document)
    assert claims(read) == claims(document)


def test_claims_say_what_the_event_will_say() -> None:
    found = claims(full_document())
    assert found.document_id == DOCUMENT_ID
    assert found.issuer == ISSUER.did
    assert found.achievement == "https://nadmorska.example/achievements/data-literacy"
    assert found.ects_hundredths == 250
    assert found.eqf_level == 5
    assert found.valid_from == "2025-07-01T00:00:00.000Z"
    assert found.valid_until == "2030-07-01T00:00:00.000Z"
    assert found.components == ("ab" * 32,)


def test_claims_of_what_is_not_stated_are_none_or_zero() -> None:
    achievement = full_achievement(ects_hundredths=0, eqf_level=None, workload_hours=160)
    found = claims(full_document(achievement=achievement, award=full_award(valid_until=None), components=[]))
    assert (found.ects_hundredths, found.eqf_level, found.valid_until, found.components) == (0, None, None, ())


def test_a_time_with_an_offset_is_the_same_claim() -> None:
    document = full_document()
    document["validFrom"] = "2025-07-01T02:00:00+02:00"
    assert claims(document).valid_from == "2025-07-01T00:00:00.000Z"


def set_at(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    altered = copy.deepcopy(document)
    node: Any = altered
    *parents, last = [int(token) if token.isdigit() else token for token in path.split("/")[1:]]
    for token in parents:
        node = node[token]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return altered


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/@context", ["https://example.org/v9"]),
        ("/@context", None),
        ("/type", "VerifiableCredential"),
        ("/type", ["VerifiableCredential"]),
        ("/id", 7),
        ("/issuer/id", "https://u.example/issuers/1"),
        ("/issuer", None),
        ("/validFrom", "2025-07-01"),
        ("/validUntil", "tomorrow"),
        ("/credentialSubject", []),
        ("/credentialSubject/achievement", None),
        ("/credentialSubject/achievement/id", "urn:x"),
        ("/credentialSubject/creditsEarned", "3.5"),
        ("/credentialSubject/creditsEarned", True),
        ("/credentialSubject/creditsEarned", 3.555),
        ("/credentialSubject/creditsEarned", -1),
        ("/credentialSubject/creditsEarned", 1e300),
        ("/credentialSubject/achievement/alignment", "EQF 6"),
        ("/credentialSubject/achievement/alignment/0/targetCode", "9"),
        ("/credentialSubject/achievement/alignment/0/targetCode", None),
        ("/credentialSubject/achievement/eqfLevel", "http://data.europa.eu/snb/eqf/12"),
        ("/credentialSubject/component", {}),
    ],
)
def test_what_is_not_such_a_document_is_refused_with_a_pointer(pointer: str, value: Any) -> None:
    with pytest.raises(NotAnOpenBadgeProblem) as caught:
        claims(set_at(full_document(), pointer, value))
    assert caught.value.pointer == pointer
    with pytest.raises(NotAnOpenBadgeProblem) as before:
        claims(set_at(earlier_document(), pointer, value))
    assert before.value.pointer == pointer


@pytest.mark.parametrize("name", ["credentialId", IRIS["credentialId"]])
def test_a_component_is_named_by_its_credential_id(name: str) -> None:
    document = earlier_document() if name == "credentialId" else full_document()
    components = document["credentialSubject"].get("component") or document["credentialSubject"][IRIS["component"]]
    components[0][name] = "ABCD"
    with pytest.raises(NotAnOpenBadgeProblem) as caught:
        claims(document)
    assert caught.value.pointer == "/credentialSubject/component/0/credentialId"


def test_two_different_levels_are_refused() -> None:
    seven = "http://data.europa.eu/snb/eqf/7"
    for altered in (
        set_at(earlier_document(), "/credentialSubject/achievement/eqfLevel", seven),
        full_document(),
    ):
        if IRIS["eqfLevel"] in altered["credentialSubject"]["achievement"]:
            altered["credentialSubject"]["achievement"][IRIS["eqfLevel"]] = {"id": seven}
        with pytest.raises(NotAnOpenBadgeProblem, match="Two different EQF levels"):
            claims(altered)


def test_an_earlier_form_claims_the_same() -> None:
    assert claims(earlier_document()) == claims(full_document())


def test_what_is_said_under_two_names_is_refused() -> None:
    altered = set_at(full_document(), "/credentialSubject/achievement/eqfLevel", "http://data.europa.eu/snb/eqf/5")
    with pytest.raises(NotAnOpenBadgeProblem, match="two names"):
        claims(altered)
    with pytest.raises(NamedTwiceProblem):
        with_names(altered)


def test_no_name_of_ours_is_lost_on_the_way_to_an_iri_and_back() -> None:
    named = with_names(full_document())
    assert named["credentialSubject"]["achievement"]["titleByLanguage"] == full_achievement().title
    assert named["credentialSubject"]["achievement"]["eqfLevel"] == "http://data.europa.eu/snb/eqf/5"
    assert with_iris(named) == full_document()
    assert with_names(named) == named


def test_no_iri_of_ours_is_a_term_of_the_published_contexts() -> None:
    contexts = [each for found in pinned_contexts().values() for each in iris_in(found)]
    assert not NAMES.keys() & set(contexts)
    assert len(NAMES) == len(IRIS)


def iris_in(context: Any) -> Iterator[str]:
    """Yield everything that a context names, in its scopes too."""
    for value in context.values() if isinstance(context, dict) else context if isinstance(context, list) else ():
        if isinstance(value, str):
            yield value
        else:
            yield from iris_in(value)


def test_times_in_documents_and_proofs_have_no_fractions() -> None:
    award = full_award(valid_from="2025-07-01T00:00:00.900Z", valid_until="2030-07-01T00:00:00.900Z")
    document = full_document(award=award)
    assert (document["validFrom"], document["validUntil"]) == ("2025-07-01T00:00:00Z", "2030-07-01T00:00:00Z")
    assert document["awardedDate"] == "2025-06-26T08:00:00Z"
    assert (award.begins_at, award.ends_at) == ("2025-07-01T00:00:00.000Z", "2030-07-01T00:00:00.000Z")
    created = Moment("2026-11-23T10:00:00.250Z")
    signed = secure(document, key_id=KEY_ID, sign=KEY.sign, suite="eddsa-jcs-2022", created=created)
    assert signed["proof"]["created"] == "2026-11-23T10:00:00Z"
    assert claims(document).valid_from == award.begins_at


@pytest.mark.parametrize("document", [None, [], "x", 1, {}, {"@context": "https://www.w3.org/ns/credentials/v2"}])
def test_what_is_no_credential_at_all_is_refused(document: Any) -> None:
    with pytest.raises(NotAnOpenBadgeProblem):
        claims(document)


def test_an_award_of_another_achievement_is_refused() -> None:
    with pytest.raises(MismatchProblem):
        full_document(award=full_award(achievement="https://nadmorska.example/achievements/other"))


@pytest.mark.parametrize("document_id", ["urn:uuid:1", DOCUMENT_ID + "\n", DOCUMENT_ID.replace("-41ed", "-11ed"), "x"])
def test_a_document_id_is_a_random_uuid(document_id: str) -> None:
    with pytest.raises(InvalidProblem):
        build_document(document_id=document_id, issuer=ISSUER, achievement=full_achievement(), award=full_award())


def test_a_proof_changes_neither_digest_nor_credential_id() -> None:
    document = full_document()
    proven = document | {"proof": {"type": "DataIntegrityProof"}}
    assert document_digest(proven) == document_digest(document)
    assert credential_id_of(proven, ISSUER.did) == credential_id_of(document, ISSUER.did)


def test_the_same_document_of_another_issuer_has_another_credential_id() -> None:
    document = full_document()
    assert credential_id_of(document, ISSUER.did) != credential_id_of(document, Did("did:web:other.example"))


@pytest.mark.parametrize(
    ("tag", "official"),
    [("NL-nl", "nl-NL"), ("sr-latn-rs", "sr-Latn-RS"), ("ca-ES-valencia", "ca-ES"), ("es-419", "es-419"), ("ga", "ga")],
)
def test_languages_are_written_as_open_badges_wants_them(tag: str, official: str) -> None:
    assert official_language(tag) == official
