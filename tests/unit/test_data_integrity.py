"""Proofs hold for what was signed and for nothing else, and what cannot be judged is unknown rather than wrong."""

import copy
import hashlib
from importlib.resources import files
from typing import Any

import pytest

from proto.canonical import canonical_json
from proto.documents.open_badge_context import ISSUED_CONTEXT_DIGESTS
from proto.documents.open_badge_names import IRIS
from proto.documents.status_list import status_entry
from proto.keys import PublicKey, SecretKey, key_id_of
from proto.moment import Moment
from proto.problem import InvalidProblem
from services.crypto.data_integrity import (
    SUITES,
    InvalidProofProblem,
    ProofNotCheckedProblem,
    Suite,
    UnsupportedProofProblem,
    create_proof,
    proofs_of,
    secure,
    verify_proof,
    with_proof,
)
from services.crypto.json_ld_contexts import RenamedTermsProblem
from services.crypto.rdf_canonical import (
    CanonicalForm,
    UndefinedTermsProblem,
    UnknownContextProblem,
    UnsupportedJsonLdProblem,
    canonical_quads,
    covered_quads,
    refuse_other_meanings,
)
from tests.support.documents import ISSUER, KEY, full_document
from tests.support.earlier_documents import earlier_document, signed_before

CREATED = Moment("2025-07-01T00:00:00.000Z")
KEY_ID = key_id_of(ISSUER.did, KEY.public_key)
RDFC: Suite = "eddsa-rdfc-2022"
CONTEXT_SHA256 = {
    "credentials-v2.json": "8a9f494a89ecc51db093e90e84713e07e84d6d9204364a9b3c7868b21751236f",
    "open-badges-3.0.3.json": "ef2fa9c7846dce233cc166b43639027278be4ee44f00bb1d45c75de2dd0cd761",
    "open-badges-extensions.json": "87c06c81bc2317663bf288d740d94fddd2818c4342b186270ff6371dfaa63f93",
}


def proof_of(document: dict[str, Any], suite: Suite) -> dict[str, Any]:
    return create_proof(document, key_id=KEY_ID, sign=KEY.sign, suite=suite, created=CREATED)


@pytest.mark.parametrize("name", CONTEXT_SHA256)
def test_the_pinned_contexts_are_the_ones_that_were_pinned(name: str) -> None:
    data = files("services").joinpath("contexts", name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == CONTEXT_SHA256[name]


@pytest.mark.parametrize("suite", SUITES)
def test_a_proof_holds_whether_or_not_it_stands_in_the_document(suite: Suite) -> None:
    document = full_document()
    proof = proof_of(document, suite)
    verify_proof(document, proof, KEY.public_key)
    verify_proof(document | {"proof": [proof]}, proof, KEY.public_key)


@pytest.mark.parametrize("suite", SUITES)
def test_one_altered_character_breaks_the_proof(suite: Suite) -> None:
    document = full_document()
    proof = proof_of(document, suite)
    document["credentialSubject"]["result"][0]["value"] = "5.0"
    with pytest.raises(InvalidProofProblem):
        verify_proof(document, proof, KEY.public_key)


@pytest.mark.parametrize("suite", SUITES)
def test_another_key_breaks_the_proof(suite: Suite) -> None:
    document = full_document()
    with pytest.raises(InvalidProofProblem):
        verify_proof(document, proof_of(document, suite), SecretKey(bytes(32)).public_key)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(
    "change",
    [
        {"created": "2025-07-01T00:00:01Z"},
        {"created": "yesterday"},
        {"verificationMethod": "did:web:other.example#k"},
        {"verificationMethod": None},
        {"proofPurpose": "authentication"},
        {"proofValue": "z1"},
        {"proofValue": None},
        {"proofValue": "u" + "A" * 86},
        {"domain": "added.example"},
    ],
)
def test_an_altered_proof_does_not_hold(suite: Suite, change: dict[str, Any]) -> None:
    document = full_document()
    with pytest.raises(InvalidProofProblem):
        verify_proof(document, proof_of(document, suite) | change, KEY.public_key)


@pytest.mark.parametrize("suite", SUITES)
def test_leading_ones_make_no_second_text_of_a_signature(suite: Suite) -> None:
    document = full_document()
    proof = proof_of(document, suite)
    with pytest.raises(InvalidProofProblem):
        verify_proof(document, proof | {"proofValue": "z1" + proof["proofValue"][1:]}, KEY.public_key)


@pytest.mark.parametrize(
    "change",
    [
        {"cryptosuite": "bbs-2023"},
        {"type": "Ed25519Signature2020"},
        {"cryptosuite": None},
        {"cryptosuite": {"id": "eddsa-jcs-2022"}},
        {"cryptosuite": ["eddsa-jcs-2022"]},
        {"previousProof": "urn:x"},
    ],
)
def test_another_kind_of_proof_is_unknown(change: dict[str, Any]) -> None:
    document = full_document()
    with pytest.raises(UnsupportedProofProblem):
        verify_proof(document, proof_of(document, RDFC) | change, KEY.public_key)


@pytest.mark.parametrize("suite", SUITES)
def test_a_proof_with_an_end_is_judged_by_the_time_given(suite: Suite) -> None:
    def sign_with_end(data: bytes) -> bytes:
        return KEY.sign(data)

    document = full_document()
    ending = create_proof(document, key_id=KEY_ID, sign=sign_with_end, suite=suite, created=CREATED)
    ending["expires"] = "2026-01-01T00:00:00Z"
    with pytest.raises(ProofNotCheckedProblem):
        verify_proof(document, ending, KEY.public_key)
    with pytest.raises(InvalidProofProblem, match="ended"):
        verify_proof(document, ending, KEY.public_key, now=Moment("2026-01-01T00:00:00.000Z"))


def test_undefined_terms_are_refused_before_signing() -> None:
    document = full_document()
    document["credentialSubject"]["favouriteColour"] = "red"
    with pytest.raises(UndefinedTermsProblem, match="favouriteColour") as caught:
        proof_of(document, RDFC)
    assert caught.value.members["undefined"] == ["favouriteColour"]
    verify_proof(document, proof_of(document, "eddsa-jcs-2022"), KEY.public_key)


def test_terms_smuggled_in_after_signing_are_not_covered_and_not_valid() -> None:
    document = full_document()
    proof = proof_of(document, RDFC)
    document["credentialSubject"]["favouriteColour"] = "red"
    assert canonical_quads(document) == covered_quads(full_document())
    with pytest.raises(UndefinedTermsProblem):
        verify_proof(document, proof, KEY.public_key)


@pytest.mark.parametrize("definition", [None, {"@id": None}, {"@id": "urn:x", "@container": "@index"}])
def test_a_context_that_hides_a_term_is_not_valid(definition: Any) -> None:
    document = full_document()
    proof = proof_of(document, RDFC)
    document["@context"] = [*document["@context"], {"grade": definition}]
    document["credentialSubject"]["grade"] = {"a": "10"}
    with pytest.raises(UnknownContextProblem):
        verify_proof(document, proof, KEY.public_key)
    with pytest.raises(UndefinedTermsProblem):
        covered_quads(document)


def test_a_context_set_to_null_inside_hides_nothing() -> None:
    document = full_document()
    document["credentialSubject"]["narrative"] = {"@context": None, "secret": "1"}
    with pytest.raises((UndefinedTermsProblem, UnsupportedJsonLdProblem)):
        proof_of(document, RDFC)


def test_relative_references_are_refused_before_signing() -> None:
    document = full_document()
    document["credentialSchema"][0]["id"] = "schema.json"
    with pytest.raises(UndefinedTermsProblem, match=r"schema\.json"):
        proof_of(document, RDFC)


def test_a_language_that_is_none_is_not_dropped_silently() -> None:
    document = full_document()
    texts = document["credentialSubject"]["achievement"][IRIS["titleByLanguage"]]
    texts[0]["@language"] = "not a language"
    with pytest.raises((UndefinedTermsProblem, UnsupportedJsonLdProblem)):
        proof_of(document, RDFC)
    earlier = earlier_document()
    earlier["credentialSubject"]["achievement"]["titleByLanguage"]["not a language"] = "x"
    with pytest.raises(UndefinedTermsProblem):
        proof_of(earlier, RDFC)


@pytest.mark.parametrize(
    "texts",
    [
        [{"@value": "x"}],
        [{"@language": "en"}],
        [{"@language": "en", "@value": "x", "@direction": "rtl"}],
        [{"@language": "en", "@value": "x", "@index": "1"}],
        [{"@language": None, "@value": "x"}],
        [["x"]],
        {"@language": "en", "@value": {"id": "urn:x"}},
    ],
)
def test_a_text_by_language_in_another_form_is_refused_before_signing(texts: Any) -> None:
    document = full_document()
    document["credentialSubject"]["achievement"][IRIS["titleByLanguage"]] = texts
    with pytest.raises(InvalidProblem):
        secure(document, key_id=KEY_ID, sign=KEY.sign, suite=RDFC, created=CREATED)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("form", signed_before())
def test_what_was_signed_in_an_earlier_form_holds_for_ever(form: str, suite: Suite) -> None:
    document = signed_before()[form][suite]
    proof = proofs_of(document)[0]
    key = PublicKey(document["issuer"]["id"].removeprefix("did:key:"))
    verify_proof(document, proof, key)
    document["credentialSubject"]["givenName"] = "Somebody"
    with pytest.raises(InvalidProofProblem):
        verify_proof(document, proof, key)


@pytest.mark.parametrize(
    "added",
    [
        {"@foo": "x"},
        {"@index": "x"},
        {"https://e.example/p q": "v"},
        {"image": "foo bar"},
        {"image": "https://x y/"},
        {"image": {"id": "https://x y/", "type": "Image"}},
        {"type": ["AchievementSubject", "no iri"]},
        {"tag": {"@value": "x"}},
    ],
)
def test_what_rdf_cannot_hold_is_refused_before_signing(added: dict[str, Any]) -> None:
    document = full_document()
    document["credentialSubject"] |= added
    with pytest.raises(UndefinedTermsProblem):
        proof_of(document, RDFC)


@pytest.mark.parametrize(
    "context",
    [
        "https://contexts.example/v1",
        {"t": {"@id": "urn:t", "@context": "https://contexts.example/v1"}},
        {"@import": "https://www.w3.org/ns/credentials/v2"},
    ],
)
def test_a_context_that_is_not_pinned_is_unknown_and_never_fetched(context: Any) -> None:
    document = full_document()
    proof = proof_of(document, RDFC)
    document["@context"] = [*document["@context"], context]
    with pytest.raises(UnknownContextProblem):
        verify_proof(document, proof, KEY.public_key)


def test_a_protected_term_cannot_be_given_another_meaning() -> None:
    document = full_document()
    document["@context"] = [*document["@context"], {"name": "urn:something:else"}]
    with pytest.raises(UnsupportedJsonLdProblem, match="protected"):
        proof_of(document, RDFC)


@pytest.mark.parametrize("term", ["validUntil", "creditsEarned"])
def test_a_term_of_a_type_keeps_its_meaning_whatever_the_document_says(term: str) -> None:
    document = full_document()
    document["@context"] = [*document["@context"], {term: "urn:something:else"}]
    assert covered_quads(document) == covered_quads(full_document())


DATE = "http://www.w3.org/2001/XMLSchema#dateTime"
CREDENTIALS = "https://www.w3.org/2018/credentials#"


def aliased(document: dict[str, Any]) -> None:
    document["@context"] = [*document["@context"], {"end": {"@id": f"{CREDENTIALS}validUntil", "@type": DATE}}]
    document["end"] = document.pop("validUntil")


def aliased_inside(document: dict[str, Any]) -> None:
    document["credentialStatus"]["@context"] = {"place": "https://www.w3.org/ns/credentials/status#statusListIndex"}
    document["credentialStatus"]["place"] = document["credentialStatus"].pop("statusListIndex")


def written_as_an_address(document: dict[str, Any]) -> None:
    document[f"{CREDENTIALS}credentialStatus"] = document.pop("credentialStatus")


def said_elsewhere(document: dict[str, Any]) -> None:
    document["credentialSubject"]["evidence"] = {"id": document["id"], "validUntil": document.pop("validUntil")}


@pytest.mark.parametrize(
    ("move", "problem"),
    [
        (aliased, UnknownContextProblem),
        (aliased_inside, UnknownContextProblem),
        (written_as_an_address, RenamedTermsProblem),
        (said_elsewhere, RenamedTermsProblem),
    ],
)
def test_what_readers_look_for_cannot_be_moved_under_another_name(move: Any, problem: type[InvalidProblem]) -> None:
    document = full_document()
    document["validUntil"] = "2030-01-01T00:00:00Z"
    document["credentialStatus"] = status_entry("https://waterland.example/list", 5)
    proof = proof_of(document, RDFC)
    verify_proof(document, proof, KEY.public_key)
    move(document)
    with pytest.raises(problem):
        verify_proof(document, proof, KEY.public_key)
    with pytest.raises((problem, UndefinedTermsProblem)):
        proof_of(document, RDFC)


def test_an_alias_would_keep_the_rdf_proof_whole() -> None:
    document = full_document() | {"validUntil": "2030-01-01T00:00:00Z"}
    before = canonical_quads(document)
    aliased(document)
    assert canonical_quads(document) == before, "this is why other contexts are not read"


def test_every_inline_context_that_we_ever_issued_is_read() -> None:
    issued = [found[suite]["@context"][-1] for found in signed_before().values() for suite in SUITES]
    assert {hashlib.sha256(canonical_json(inline)).hexdigest() for inline in issued} == ISSUED_CONTEXT_DIGESTS
    refuse_other_meanings({"@context": issued[0]})
    inline = issued[0]
    with pytest.raises(UnknownContextProblem):
        refuse_other_meanings({"@context": [inline | {"level": "urn:x"}]})


def test_what_has_not_the_form_of_a_signature_is_refused_before_the_document_is_worked_out() -> None:
    def never(_: object) -> list[CanonicalForm]:
        raise AssertionError("what a document means costs most, and is worked out last")

    document = full_document()
    proof = proof_of(document, RDFC)
    for changed in ({"proofValue": "z1"}, {"proofValue": 7}, {"created": "2999-01-01T00:00:00Z"}):
        with pytest.raises(InvalidProofProblem):
            verify_proof(document, proof | changed, KEY.public_key, now=CREATED, forms=never)


@pytest.mark.parametrize("suite", SUITES)
def test_a_proof_of_the_future_does_not_hold(suite: Suite) -> None:
    document = full_document()
    proof = proof_of(document, suite)
    verify_proof(document, proof, KEY.public_key, now=CREATED)
    verify_proof(document, proof, KEY.public_key, now=Moment("2025-06-30T23:55:00.000Z"))
    with pytest.raises(InvalidProofProblem, match="future"):
        verify_proof(document, proof, KEY.public_key, now=Moment("2025-06-30T23:54:59.999Z"))


@pytest.mark.parametrize("created", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+14:00", "2025-02-30T00:00:00Z"])
def test_a_proof_of_no_time_at_all_does_not_hold(created: str) -> None:
    document = full_document()
    for name in ("created", "expires"):
        with pytest.raises(InvalidProofProblem):
            verify_proof(document, proof_of(document, RDFC) | {name: created}, KEY.public_key, now=CREATED)


def test_names_of_blank_nodes_are_not_read() -> None:
    document = full_document()
    document["credentialSubject"]["id"] = "_:b0"
    with pytest.raises(UnsupportedJsonLdProblem):
        canonical_quads(document)


def test_a_graph_that_would_take_for_ever_is_refused_at_once() -> None:
    twin = {"c": [{"v": "x"}] * 12}
    with pytest.raises(UnsupportedJsonLdProblem, match="too often"):
        canonical_quads({"@context": {"@vocab": "urn:v:"}, "@id": "urn:s", "p": [twin, copy.deepcopy(twin)]})


def test_ten_equal_results_are_no_such_graph() -> None:
    document = full_document()
    document["credentialSubject"]["result"] = [{"type": ["Result"], "value": "8"}] * 10
    assert canonical_quads(document)


@pytest.mark.parametrize("proof", ["x", [1], [{}] * 9, None])
def test_what_is_no_proof_is_refused(proof: Any) -> None:
    with pytest.raises(InvalidProofProblem):
        proofs_of({"proof": proof})


def test_proofs_are_none_one_or_several() -> None:
    assert proofs_of({}) == ()
    assert proofs_of({"proof": {"type": "a"}}) == ({"type": "a"},)
    assert len(proofs_of({"proof": [{"type": "a"}, {"type": "b"}]})) == 2


@pytest.mark.parametrize(
    ("suite", "kind", "is_listed"),
    [
        ("eddsa-rdfc-2022", ["VerifiableCredential", "OpenBadgeCredential"], True),
        ("eddsa-jcs-2022", ["VerifiableCredential", "OpenBadgeCredential"], False),
        ("eddsa-rdfc-2022", ["VerifiableCredential", "BitstringStatusListCredential"], False),
    ],
)
def test_a_proof_stands_in_the_shape_that_others_read(suite: Suite, kind: list[str], is_listed: bool) -> None:
    document = full_document() | {"type": kind, "proof": {"an": "older proof"}}
    proof = {"type": "DataIntegrityProof", "cryptosuite": suite}
    secured = with_proof(document, proof)
    assert secured["proof"] == ([proof] if is_listed else proof)
    assert {**secured, "proof": document["proof"]} == document
