"""The claims root of a document is made as DESIGN 9 says, by the digests of SD-JWT; whoever has the document has it."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from proto.documents.claims_root import (
    CLAIMS_ROOT_TERM,
    ClaimsRootProblem,
    achievement_claim,
    claims_of,
    claims_root,
    digest_of,
    disclosure,
    stated_root,
)
from proto.documents.document import credential_id_of, document_digest
from proto.ids import Did
from services.issuer_gateway.domain.issuing import committed

SEED = bytes(range(32))
ISSUER = Did("did:web:harbour.example")
DOCUMENT: dict[str, Any] = {
    "id": "urn:uuid:6d1f7d44-6f8e-4d8c-9a5f-0c1c7f0f3a11",
    "issuer": {"id": ISSUER},
    "validFrom": "2026-01-01T00:00:00Z",
    "credentialSubject": {
        "type": ["AchievementSubject"],
        "http://xmlns.com/foaf/0.1/givenName": "Zoë",
        "http://xmlns.com/foaf/0.1/familyName": "Łukasiewicz",
        "creditsEarned": 3.5,
        "achievement": {
            "id": "https://harbour.example/a/1",
            "http://purl.org/dc/terms/title": [{"@language": "en", "@value": "Hydrology"}],
        },
    },
    "evidence": [{"id": "https://harbour.example/e", "type": ["Evidence"]}],
}
CLAIMS = {
    "achievement": '{"id":"https://harbour.example/a/1","titleByLanguage":{"en":"Hydrology"}}',
    "creditsEarned": "3.5",
    "evidence": '[{"id":"https://harbour.example/e","type":["Evidence"]}]',
    "familyName": '"Łukasiewicz"',
    "givenName": '"Zoë"',
}
ROOT = "8ee3c3caa65ecd50f095d6eeff4824766917db13682285a0df32cc4e141be507"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _by_the_text() -> str:
    """Return the root as a stranger makes it who has read DESIGN 9 and RFC 9901, and none of our code."""
    digests = []
    for name, value in CLAIMS.items():
        salt = _base64url(hmac.new(SEED, f"credentify/salt/v2\n{name}".encode(), hashlib.sha256).digest()[:16])
        disclosed = _base64url(f'["{salt}","{name}",{value}]'.encode())
        digests.append(_base64url(hashlib.sha256(disclosed.encode("ascii")).digest()))
    lines = "".join(f"{digest}\n" for digest in sorted(digests))
    return hashlib.sha256(f"credentify/claims-root/v2\n{lines}".encode()).hexdigest()


def test_the_root_is_the_one_of_the_vector_and_of_the_text() -> None:
    assert claims_root(DOCUMENT, SEED).hex() == _by_the_text() == ROOT


def test_a_disclosure_is_the_array_of_salt_name_and_value() -> None:
    disclosed = disclosure(SEED, "givenName", '"Zoë"'.encode())
    salt, name, value = json.loads(base64.urlsafe_b64decode(disclosed + b"=="))
    assert (len(base64.urlsafe_b64decode(salt + "==")), name, value) == (16, "givenName", "Zoë")
    assert digest_of(disclosed) == _base64url(hashlib.sha256(disclosed).digest())


def test_what_an_achievement_says_can_be_made_before() -> None:
    made = achievement_claim(DOCUMENT["credentialSubject"]["achievement"])
    assert made.decode() == CLAIMS["achievement"]
    assert claims_root(DOCUMENT, SEED, achievement=made) == claims_root(DOCUMENT, SEED)


def test_claims_have_short_names_and_neither_root_nor_proof_is_one() -> None:
    document = committed(DOCUMENT, ISSUER, SEED).document | {"proof": {"type": "DataIntegrityProof"}}
    assert claims_of(document).keys() == CLAIMS.keys()
    assert claims_root(document, SEED).hex() == document[CLAIMS_ROOT_TERM]


def test_whoever_has_the_document_has_its_id_and_any_other_claim_or_seed_makes_another() -> None:
    made = committed(DOCUMENT, ISSUER, SEED)
    assert credential_id_of(made.document, ISSUER) == made.credential_id
    assert credential_id_of(made.document | {"proof": {}}, ISSUER) == made.credential_id
    assert credential_id_of(DOCUMENT, ISSUER) != made.credential_id
    assert document_digest(DOCUMENT) != document_digest(made.document)
    renamed = DOCUMENT["credentialSubject"] | {"http://xmlns.com/foaf/0.1/givenName": "Zoe"}
    for other in (
        committed(DOCUMENT, ISSUER, SEED[::-1]),
        committed(DOCUMENT | {"credentialSubject": renamed}, ISSUER, SEED),
    ):
        assert other.credential_id != made.credential_id
        assert other.document[CLAIMS_ROOT_TERM] != made.document[CLAIMS_ROOT_TERM]


@pytest.mark.parametrize("root", ["", "A" * 64, "a" * 63, "a" * 64 + "\n", 7, ["a" * 64], {}, True])
def test_a_claims_root_that_is_none_is_named(root: Any) -> None:
    with pytest.raises(ClaimsRootProblem) as refused:
        stated_root(DOCUMENT | {CLAIMS_ROOT_TERM: root})
    assert refused.value.pointer == f"/{CLAIMS_ROOT_TERM}"
