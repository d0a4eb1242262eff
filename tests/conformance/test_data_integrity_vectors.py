"""The W3C's and 1EdTech's own vectors: canonical forms, hashes and signatures, byte for byte."""

import hashlib
import json
from pathlib import Path
from typing import Any

import base58
import pytest

from proto.canonical import canonical_json, decode_json
from proto.ids import KeyId
from proto.keys import PublicKey, SecretKey, decode_public_key, encode_public_key, is_signature
from proto.moment import Moment
from services.crypto.data_integrity import Suite, create_proof, verify_proof
from services.crypto.rdf_canonical import UnknownContextProblem, canonical_quads, covered_quads, pinned_contexts

EXAMPLES_CONTEXT = "https://www.w3.org/ns/credentials/examples/v2"
EXAMPLE_KEY = PublicKey("z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi")
EXAMPLE_PROOF = "5x9aCBYovW3CQCbKdNyhEm7ffYSw1YpEdPywQJoNbzDD2gkzQDKJ1sYKJaWvqZtkMtSbz35HcbgXVEDYHxCzgkCr"


@pytest.fixture
def vectors(vendored: Path) -> Path:
    return vendored / "di-eddsa"


def contexts() -> dict[str, Any]:
    return {**pinned_contexts(), EXAMPLES_CONTEXT: {"@vocab": "https://www.w3.org/ns/credentials/examples#"}}


def read(path: Path) -> Any:
    return decode_json(path.read_bytes())


def public_key(vectors: Path) -> bytes:
    return decode_public_key(read(vectors / "keyPair.json")["publicKeyMultibase"])


def secret_key(vectors: Path) -> SecretKey:
    multicodec_and_seed = base58.b58decode(read(vectors / "keyPair.json")["privateKeyMultibase"][1:])
    return SecretKey(multicodec_and_seed[2:])


@pytest.mark.parametrize(("suite", "name"), [("eddsa-jcs-2022", "signedJCS"), ("eddsa-rdfc-2022", "signedDataInt")])
def test_the_w3c_documents_verify(vectors: Path, suite: str, name: str) -> None:
    document = read(vectors / suite / f"{name}.json")
    verify_proof(document, document["proof"], encode_public_key(public_key(vectors)), contexts=contexts())


def test_our_jcs_proof_is_the_w3c_proof(vectors: Path) -> None:
    suite: Suite = "eddsa-jcs-2022"
    wanted = read(vectors / suite / "signedJCS.json")["proof"]
    made = create_proof(
        read(vectors / "unsigned.json"),
        key_id=KeyId(wanted["verificationMethod"]),
        sign=secret_key(vectors).sign,
        suite=suite,
        created=Moment(wanted["created"]),
    )
    assert made == wanted


@pytest.mark.parametrize(
    ("source", "name"), [("unsigned.json", "canonDoc"), ("eddsa-jcs-2022/proofConfigJCS.json", "proofCanon")]
)
def test_canonical_json_is_that_of_the_w3c(vectors: Path, source: str, name: str) -> None:
    canonical = canonical_json(read(vectors / source))
    assert canonical == (vectors / "eddsa-jcs-2022" / f"{name}JCS.txt").read_bytes().rstrip(b"\n")
    stem = {"canonDoc": "docHash", "proofCanon": "proofHash"}[name]
    assert hashlib.sha256(canonical).hexdigest() == (vectors / "eddsa-jcs-2022" / f"{stem}JCS.txt").read_text().strip()


@pytest.mark.parametrize(
    ("source", "name"), [("unsigned.json", "canonDoc"), ("eddsa-rdfc-2022/proofConfigDataInt.json", "proofCanon")]
)
def test_canonical_quads_are_those_of_the_w3c(vectors: Path, source: str, name: str) -> None:
    wanted = (vectors / "eddsa-rdfc-2022" / f"{name}DataInt.txt").read_bytes()
    assert canonical_quads(read(vectors / source), contexts()) == wanted
    assert covered_quads(read(vectors / source), contexts()) == wanted


def test_a_document_under_a_context_that_is_not_pinned_is_unknown(vectors: Path) -> None:
    document = read(vectors / "eddsa-rdfc-2022" / "employ" / "signedDataInt.json")
    with pytest.raises(UnknownContextProblem):
        verify_proof(document, document["proof"], encode_public_key(public_key(vectors)))


@pytest.mark.parametrize("folder", ["eddsa-rdfc-2022", "eddsa-rdfc-2022/employ"])
def test_the_w3c_signatures_are_over_proof_hash_then_document_hash(vectors: Path, folder: str) -> None:
    parts = [(vectors / folder / f"{name}DataInt.txt").read_bytes() for name in ("proofCanon", "canonDoc")]
    signed = b"".join(hashlib.sha256(part).digest() for part in parts)
    signature = base58.b58decode((vectors / folder / "sigBTC58DataInt.txt").read_text().strip()[1:])
    assert is_signature(public_key(vectors), signed, signature)


def test_the_1edtech_document_canonicalises_and_verifies(vendored: Path) -> None:
    folder = vendored / "open-badges"
    document = json.loads((folder / "examples" / "basicOpenBadgeCredential-0.json").read_text())
    document["issuer"] = {
        "id": "https://example.edu/issuers/565049",
        "type": ["Profile"],
        "name": "Example Corp",
        "url": "https://www.imsglobal.org",
    }
    assert canonical_quads(document) == (folder / "signature-vector" / "document-canon.txt").read_bytes()
    proof = {
        "type": "DataIntegrityProof",
        "created": "2010-01-01T19:23:24Z",
        "verificationMethod": f"https://example.edu/issuers/565049#{EXAMPLE_KEY}",
        "cryptosuite": "eddsa-rdfc-2022",
        "proofPurpose": "assertionMethod",
        "proofValue": f"z{EXAMPLE_PROOF}",
    }
    verify_proof(document, proof, EXAMPLE_KEY)
