"""The normative statements of the VC data model 2.0: what is a credential, and what is none."""

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.documents.vc import DataModelProblem, check_credential
from proto.documents.vc_terms import TERMS_REMEMBERED_MAX, ContextNotGivenProblem, KnownContexts
from proto.ids import Did
from proto.keys import key_id_of
from proto.moment import Moment
from proto.problem import InvalidProblem
from services.crypto.data_integrity import SUITES, Suite, secure
from services.crypto.rdf_canonical import covered_quads, known_contexts
from services.verifier.documents.reader import read
from services.verifier.documents.sent_document import SentDocument
from tests.support.documents import ISSUER, KEY, full_document
from tests.support.earlier_documents import earlier_document

V2 = "https://www.w3.org/ns/credentials/v2"
CONTEXTS = known_contexts()
PROOF = {
    "type": "DataIntegrityProof",
    "cryptosuite": "eddsa-jcs-2022",
    "created": "2026-11-23T10:00:00Z",
    "verificationMethod": "did:example:issuer#key-1",
    "proofPurpose": "assertionMethod",
    "proofValue": "z5x9aCBYovW3CQCbKdNyhEm7",
}
STATUS = {"id": "https://issuer.example/status/3#4", "type": "BitstringStatusListEntry", "statusPurpose": "revocation"}


def credential(**members: Any) -> dict[str, Any]:
    """Return a small credential, with `members` in place of its own; a member that is `...` is left out."""
    given = {
        "@context": [V2],
        "id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential"],
        "issuer": "did:example:issuer",
        "validFrom": "2026-11-23T10:00:00Z",
        "credentialSubject": {"id": "did:example:learner", "name": "Aoife Ó Briain"},
    }
    return {name: value for name, value in (given | members).items() if value is not ...}


def faults(document: Any, **options: Any) -> list[str]:
    """Return where the faults are; the first is what the problem points at."""
    try:
        check_credential(document, **options)
    except DataModelProblem as problem:
        found = [fault["pointer"] for fault in problem.members["faults"]]
        return found if problem.pointer == found[0] else ["the pointer is not that of the first fault"]
    return []


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"id": ...},
        {"validFrom": ...},
        {"@context": [V2, "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json", {"term": "urn:term"}]},
        {"type": "VerifiableCredential"},
        {"type": ["https://types.example/Other", "VerifiableCredential"]},
        {"issuer": {"id": "https://issuer.example/", "name": {"@value": "Ζωή", "@language": "el"}}},
        {"name": [{"@value": "Dike", "@language": "en"}, {"@value": "סכר", "@language": "he", "@direction": "rtl"}]},
        {"credentialSubject": [{"name": "a"}, {"id": "did:example:b", "name": "b"}]},
        {"validFrom": "2026-11-23T10:00:00.123456Z", "validUntil": "2026-11-23T12:00:00+01:00"},
        {"validUntil": "2026-11-23T10:00:00Z"},
        {"credentialStatus": STATUS},
        {"credentialStatus": [STATUS, {"type": "BitstringStatusListEntry"}]},
        {"credentialSchema": {"id": "https://schema.example/1", "type": "JsonSchema"}},
        {"relatedResource": [{"id": "https://r.example/", "digestSRI": "sha384-x"}]},
        {"proof": PROOF},
        {"proof": [PROOF, PROOF | {"proofValue": "z6x", "domain": ["a.example"], "previousProof": "urn:1"}]},
    ],
)
def test_what_is_a_credential_is_accepted(members: dict[str, Any]) -> None:
    check_credential(credential(**members))


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        # 4.3: the value of @context is an ordered set that begins with the base context; then URLs or objects.
        ({"@context": ...}, "/@context"),
        ({"@context": V2}, "/@context"),
        ({"@context": []}, "/@context"),
        ({"@context": {"term": "urn:term"}}, "/@context"),
        ({"@context": ["https://www.w3.org/2018/credentials/v1"]}, "/@context"),
        ({"@context": ["https://other.example/v1", V2]}, "/@context"),
        ({"@context": [{"term": "urn:term"}, V2]}, "/@context"),
        ({"@context": [V2, "https://not a url"]}, "/@context/1"),
        ({"@context": [V2, None]}, "/@context/1"),
        ({"@context": [V2, [{"term": "urn:term"}]]}, "/@context/1"),
        ({"@context": [V2, V2]}, "/@context/1"),
        ({"@context": [V2, *({f"t{n}": "urn:t"} for n in range(64))]}, "/@context"),
        # 4.4: an id is a single URL.
        ({"id": "not-a-url"}, "/id"),
        ({"id": ["urn:uuid:1", "urn:uuid:2"]}, "/id"),
        ({"id": None}, "/id"),
        ({"@id": "urn:uuid:1"}, "/@id"),
        ({"credentialSubject": {"id": "someone", "name": "x"}}, "/credentialSubject/id"),
        ({"credentialSubject": {"id": ["did:a:b", "did:a:c"], "name": "x"}}, "/credentialSubject/id"),
        ({"credentialStatus": STATUS | {"id": "not-a-url"}}, "/credentialStatus/id"),
        # 4.5: a type is required, of the credential and of the objects in it.
        ({"type": ...}, "/type"),
        ({"type": []}, "/type"),
        ({"type": None}, "/type"),
        ({"type": [1, "VerifiableCredential"]}, "/type"),
        ({"type": ["OpenBadgeCredential"]}, "/type"),
        ({"@type": "VerifiableCredential"}, "/@type"),
        ({"credentialStatus": {"id": "urn:1"}}, "/credentialStatus/type"),
        ({"credentialSchema": {"id": "urn:1"}}, "/credentialSchema/type"),
        ({"termsOfUse": {"id": "urn:1"}}, "/termsOfUse/type"),
        ({"evidence": [{"type": "Evidence"}, {"id": "urn:1"}]}, "/evidence/1/type"),
        ({"refreshService": {"id": "urn:1"}}, "/refreshService/type"),
        # 4.6 and 11.1: names and descriptions are texts in a language.
        ({"name": 1}, "/name"),
        ({"name": {"@value": 1}}, "/name"),
        ({"name": {"en": "Dike"}}, "/name"),
        ({"name": {"@value": "Dike", "url": "https://x.example"}}, "/name"),
        ({"description": [{"@value": "x", "@language": "not a tag"}]}, "/description/0"),
        ({"issuer": {"id": "did:a:b", "name": {"@value": "x", "@direction": "up"}}}, "/issuer/name"),
        # 4.7: the issuer is a URL, or an object with one as its id.
        ({"issuer": ...}, "/issuer"),
        ({"issuer": None}, "/issuer"),
        ({"issuer": "somebody"}, "/issuer"),
        ({"issuer": ["did:a:b", "did:a:c"]}, "/issuer"),
        ({"issuer": {"name": "x"}}, "/issuer/id"),
        ({"issuer": {"id": None}}, "/issuer/id"),
        ({"issuer": {"id": "somebody"}}, "/issuer/id"),
        # 4.8: subjects are objects that say something; one that is only named is taken, as W3C's own suite takes it.
        ({"credentialSubject": ...}, "/credentialSubject"),
        ({"credentialSubject": []}, "/credentialSubject"),
        ({"credentialSubject": {}}, "/credentialSubject"),
        ({"credentialSubject": "did:example:learner"}, "/credentialSubject"),
        ({"credentialSubject": [{"name": "x"}, {}]}, "/credentialSubject/1"),
        # 4.9: times have a zone and exist, and the beginning is not after the end.
        ({"validFrom": "2026-11-23T10:00:00"}, "/validFrom"),
        ({"validFrom": "2026-11-23"}, "/validFrom"),
        ({"validFrom": "2026-11-23 10:00:00Z"}, "/validFrom"),
        ({"validFrom": "2026-02-30T10:00:00Z"}, "/validFrom"),
        ({"validFrom": "2026-11-23T10:00:00Z\n"}, "/validFrom"),
        ({"validFrom": "2026-11-23T10:00:00+15:00"}, "/validFrom"),
        ({"validFrom": None}, "/validFrom"),
        ({"validFrom": 1795428000}, "/validFrom"),
        ({"validFrom": ["2026-11-23T10:00:00Z"]}, "/validFrom"),
        ({"validUntil": "tomorrow"}, "/validUntil"),
        ({"validUntil": "2026-11-23T09:59:59Z"}, "/validUntil"),
        ({"validUntil": "2026-11-23T10:30:00+01:00"}, "/validUntil"),
        # 4.10 and 4.11
        ({"credentialStatus": "https://issuer.example/status/3#4"}, "/credentialStatus"),
        ({"credentialStatus": []}, "/credentialStatus"),
        ({"credentialStatus": None}, "/credentialStatus"),
        ({"credentialStatus": [[STATUS]]}, "/credentialStatus/0"),
        ({"credentialSchema": {"type": "JsonSchema"}}, "/credentialSchema/id"),
        # 5.3
        ({"relatedResource": {"id": "https://r.example/"}}, "/relatedResource"),
        ({"relatedResource": {"digestSRI": "sha384-x"}}, "/relatedResource"),
        ({"relatedResource": [{"id": "urn:1", "digestSRI": "a"}] * 2}, "/relatedResource/1/id"),
        # 4.12, Data Integrity 2.1 and 3.1
        ({"proof": "z5x9"}, "/proof"),
        ({"proof": {name: value for name, value in PROOF.items() if name != "type"}}, "/proof/type"),
        ({"proof": PROOF | {"proofPurpose": None}}, "/proof/proofPurpose"),
        ({"proof": PROOF | {"verificationMethod": "key-1"}}, "/proof/verificationMethod"),
        ({"proof": PROOF | {"verificationMethod": {"id": "did:a:b#c"}}}, "/proof/verificationMethod"),
        ({"proof": PROOF | {"proofValue": ""}}, "/proof/proofValue"),
        ({"proof": {name: value for name, value in PROOF.items() if name != "cryptosuite"}}, "/proof/cryptosuite"),
        ({"proof": [PROOF, PROOF | {"created": "2026-11-23T10:00:00"}]}, "/proof/1/created"),
        ({"proof": PROOF | {"expires": "never"}}, "/proof/expires"),
        ({"proof": PROOF | {"challenge": 1}}, "/proof/challenge"),
        ({"proof": PROOF | {"domain": [1]}}, "/proof/domain"),
    ],
)
def test_what_is_no_credential_is_refused_where_it_is_wrong(members: dict[str, Any], pointer: str) -> None:
    assert pointer in faults(credential(**members))


@pytest.mark.parametrize("document", [None, [], "x", 1, [credential()]])
def test_what_is_no_object_is_no_credential(document: Any) -> None:
    assert faults(document) == [""]


@given(
    st.dictionaries(
        st.sampled_from([*credential(proof=PROOF, credentialStatus=STATUS), "evidence", "relatedResource", "honours"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([V2, "urn:1"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["id", "type", "@value", "@context", "@id", "x"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_whatever_is_sent_gets_a_verdict(members: dict[str, Any]) -> None:
    with contextlib.suppress(DataModelProblem, ContextNotGivenProblem):
        check_credential(full_document() | members, contexts=CONTEXTS)


def test_every_fault_is_named_at_once() -> None:
    assert faults({}) == ["/@context", "/type", "/issuer", "/credentialSubject"]


def test_a_secured_credential_has_a_proof() -> None:
    assert faults(credential(), needs_proof=True) == ["/proof"]
    assert faults(credential(proof=PROOF), needs_proof=True) == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda d: d.update(honours="x"), "/honours"),
        (lambda d: d["credentialSubject"].update(honours="x"), "/credentialSubject/honours"),
        (
            lambda d: d["credentialSubject"]["achievement"].update({"a/b~c": 1}),
            "/credentialSubject/achievement/a~1b~0c",
        ),
        (lambda d: d["credentialSubject"]["result"][0].update(honours="x"), "/credentialSubject/result/0/honours"),
        (lambda d: d["credentialSubject"].update(narrative=None), "/credentialSubject/narrative"),
        (lambda d: d["credentialSubject"].update(narrative=[["a"]]), "/credentialSubject/narrative/0"),
        (lambda d: d["type"].append("Honours"), "/type"),
        (lambda d: d.update(issuanceDate="2026-11-23T10:00:00Z"), "/issuanceDate"),
        # Terms of one type mean nothing in an object of another.
        (lambda d: d["credentialSubject"].update(statusPurpose="revocation"), "/credentialSubject/statusPurpose"),
        (lambda d: d["issuer"].update(creditsEarned=3), "/issuer/creditsEarned"),
        (lambda d: d["@context"].append({"honours": None}) or d.update(honours="x"), "/honours"),
        (lambda d: d["credentialSubject"].update(givenName="Zoë"), "/credentialSubject/givenName"),
        (lambda d: d["@context"].append({"Honours": "not-a-url"}) or d["type"].append("Honours"), "/type"),
        (lambda d: d["@context"].append({"name": "urn:name"}), "/@context"),
        (lambda d: d["credentialSubject"].update({"@context": {"type": "urn:type"}}), "/credentialSubject/@context"),
    ],
)
def test_names_without_meaning_and_changed_meanings_are_refused(change: Any, pointer: str) -> None:
    document = full_document()
    change(document)
    assert pointer in faults(document, contexts=CONTEXTS)


def test_names_that_are_iris_or_under_a_vocabulary_have_a_meaning() -> None:
    document = full_document()
    document["credentialSubject"]["https://terms.example/honours"] = "x"
    assert faults(document, contexts=CONTEXTS) == []
    document["@context"].append({"@vocab": "https://terms.example/"})
    document["credentialSubject"]["honours"] = "x"
    assert faults(document, contexts=CONTEXTS) == []


def test_our_documents_are_credentials_and_every_name_in_them_has_a_meaning() -> None:
    check_credential(full_document(), contexts=CONTEXTS)
    check_credential(earlier_document(), contexts=CONTEXTS)


@pytest.mark.parametrize("term", sorted(earlier_document()["@context"][2]))
def test_a_term_taken_out_of_the_context_is_missed_as_by_rdf(term: str) -> None:
    document = earlier_document()
    del document["@context"][2][term]
    found = faults(document, contexts=CONTEXTS)
    try:
        covered_quads(document)
    except InvalidProblem:
        assert found
    else:
        assert not found


def test_a_context_that_is_not_at_hand_is_no_verdict() -> None:
    document = full_document()
    document["@context"].append("https://other.example/v1")
    with pytest.raises(ContextNotGivenProblem):
        check_credential(document, contexts=CONTEXTS)


def test_an_object_without_end_is_refused() -> None:
    document = full_document()
    inner: dict[str, Any] = {"type": ["Achievement"]}
    for _ in range(100):
        inner = {"type": ["AchievementSubject"], "achievement": inner}
    document["credentialSubject"] = inner
    assert any(pointer.startswith("/credentialSubject/achievement/") for pointer in faults(document, contexts=CONTEXTS))


def test_what_one_document_defines_means_nothing_in_another() -> None:
    assert not faults(credential(**{"@context": [V2, {"honours": "urn:honours"}], "honours": "x"}), contexts=CONTEXTS)
    assert faults(credential(honours="x"), contexts=CONTEXTS) == ["/honours"]
    assert faults(credential(**{"@context": [V2, {"honour": "urn:h"}], "honours": "x"}), contexts=CONTEXTS)


def test_names_are_judged_alike_however_many_contexts_came_before() -> None:
    for number in range(TERMS_REMEMBERED_MAX + 3):
        context = [V2, {f"term{number}": {"@id": "urn:term", "@context": {"inner": f"urn:{number}"}}}]
        known = credential(**{"@context": context, f"term{number}": {"inner": "x"}})
        assert not faults(known, contexts=CONTEXTS)
        assert faults(known | {"inner": "x", f"term{number + 1}": "x"}, contexts=CONTEXTS) == [
            "/inner",
            f"/term{number + 1}",
        ]


def test_contexts_count_as_they_were_given_and_changed_ones_are_others() -> None:
    contexts = {V2: CONTEXTS.contexts[V2], "https://own.example/": {"@context": {"honours": "urn:honours"}}}
    document = credential(**{"@context": [V2, "https://own.example/"], "honours": "x"})
    known = KnownContexts(contexts)
    assert not faults(document, contexts=known)
    contexts["https://own.example/"] = {"@context": {}}
    assert not faults(document, contexts=known)
    assert "/honours" in faults(document, contexts=KnownContexts(contexts))


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_no_credential_is_not_signed_in_either_suite(suite: Suite) -> None:
    key_id = key_id_of(Did(ISSUER.did), KEY.public_key)
    created = Moment("2026-11-23T10:00:00.000Z")
    assert secure(full_document(), key_id=key_id, sign=KEY.sign, suite=suite, created=created)["proof"]
    for change in ({"issuer": "somebody"}, {"honours": "x"}, {"type": ["VerifiableCredential", "Honours"]}):
        document = copy.deepcopy(full_document()) | change
        with pytest.raises(DataModelProblem):
            secure(document, key_id=key_id, sign=KEY.sign, suite=suite, created=created)


@pytest.mark.parametrize(
    "change",
    [
        {"@context": [V2, V2]},
        {"type": "OpenBadgeCredential"},
        {"validUntil": "2020-07-01T00:00:00Z"},
        {"evidence": [{}]},
    ],
)
def test_a_verifier_reads_nothing_that_is_no_credential(change: dict[str, Any]) -> None:
    assert read(SentDocument(json.dumps(full_document()).encode())).credential_id
    found = read(SentDocument(json.dumps(full_document() | change).encode()))
    assert found.credential_id is None
    assert found.fault


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "\u0001javascript:alert(1)",
        "vbscript:x",
        "file:///etc/passwd",
        "data:text/html,<script>alert(1)</script>",
        "blob:https://x.example/1",
        "\n" * 5_000 + "javascript:alert(1)",
        "java" + "\u200b" * 5_000 + "script:alert(1)",
        "search-ms:query=x&crumb=location:%5C%5Cx.example%5Cshare",
        "smb://x.example/share",
        "intent://x#Intent;scheme=sms;end",
    ],
)
@pytest.mark.parametrize("place", ["id", "issuer", "image", "url", "evidence", "criteria", "type", "listed"])
def test_an_address_that_runs_something_is_refused_wherever_it_stands(place: str, address: str) -> None:
    document = full_document()
    achievement = document["credentialSubject"]["achievement"]
    if place == "id":
        document["id"] = address
    elif place == "issuer":
        document["issuer"] = document["issuer"] | {"url": address}
    elif place == "evidence":
        document["evidence"] = [{"id": address, "type": ["Evidence"]}]
    elif place == "criteria":
        achievement["criteria"] = address
    elif place == "type":
        achievement["type"] = ["Achievement", address]
    elif place == "listed":
        achievement["image"] = [{"id": "https://x.example/a", "type": "Image"}, address]
    else:
        achievement[place] = address
    with pytest.raises(DataModelProblem):
        check_credential(document)


@pytest.mark.parametrize("text", ["javascript: the good parts", "file: see below", "about: this course"])
def test_words_that_only_look_like_such_addresses_are_none(text: str) -> None:
    document = full_document() | {"name": text, "description": text}
    document["credentialSubject"]["achievement"]["description"] = text
    document["credentialSubject"]["achievement"]["image"] = {"id": "data:image/png;base64,AAAA", "type": "Image"}
    check_credential(document)
