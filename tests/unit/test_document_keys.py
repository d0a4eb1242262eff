"""Documents are signed by keys of either kind; which it is follows from the key, from no header (DESIGN 9)."""

from typing import Any

import pytest

from proto import events
from proto.envelope import open_envelope, seal
from proto.event_fields import KeyPurpose
from proto.keys import PublicKey, SecretKey, did_key, key_id_of
from proto.lifecycle import signing_key
from proto.lifecycle.refusals import KeyPurposeRefusal
from proto.moment import Moment
from proto.p256 import P256_ORDER
from proto.problem import InvalidProblem
from services.crypto.data_integrity import AnySuite, InvalidProofProblem, create_proof, verify_proof
from services.crypto.document_keys import is_signed_by, kind_of
from services.crypto.issuer_proofs import by_itself, by_log
from services.crypto.rdf_canonical import forms_of
from tests.support.awarded import award
from tests.support.documents import full_document
from tests.support.p256_keys import P256Secret
from tests.support.worlds import World

KEY = P256Secret("document")
CREATED = Moment("2025-07-01T00:00:00.000Z")
SUITES: tuple[AnySuite, ...] = ("ecdsa-jcs-2019", "ecdsa-rdfc-2019")
MESSAGE = b"what was said"


def halves(signature: bytes) -> tuple[int, int]:
    """Return r and s."""
    return int.from_bytes(signature[:32]), int.from_bytes(signature[32:])


def joined(r: int, s: int) -> bytes:
    """Return r ‖ s."""
    return r.to_bytes(32) + s.to_bytes(32)


def test_a_key_signs_what_it_signed_and_nothing_else() -> None:
    signature = KEY.sign(MESSAGE)
    assert kind_of(KEY.public_key) == "P-256"
    assert is_signed_by(KEY.public_key, MESSAGE, signature)
    assert not is_signed_by(KEY.public_key, MESSAGE + b"!", signature)
    assert not is_signed_by(P256Secret("another").public_key, MESSAGE, signature)


def test_either_of_the_two_forms_of_a_signature_holds() -> None:
    r, s = halves(KEY.sign(MESSAGE))
    for form in (s, P256_ORDER - s):
        assert is_signed_by(KEY.public_key, MESSAGE, joined(r, form))


def test_numbers_out_of_their_range_and_other_lengths_are_no_signature() -> None:
    signature = KEY.sign(MESSAGE)
    r, s = halves(signature)
    out = [joined(r, 0), joined(0, s), joined(r, P256_ORDER), joined(P256_ORDER, s), bytes(64), b"\xff" * 64]
    out += [signature[:63], signature + b"\x00", b""]
    if r + P256_ORDER < 2**256:
        out.append(joined(r + P256_ORDER, s))
    assert not any(is_signed_by(KEY.public_key, MESSAGE, each) for each in out)


def test_an_ed25519_key_is_what_it_was() -> None:
    key = SecretKey(bytes(range(32)))
    assert is_signed_by(key.public_key, MESSAGE, key.sign(MESSAGE))
    assert not is_signed_by(key.public_key, MESSAGE, KEY.sign(MESSAGE))
    assert not is_signed_by(KEY.public_key, MESSAGE, key.sign(MESSAGE))


@pytest.mark.parametrize("text", ["zDn" + "1" * 46, "zDnaaaa", "z6Mkaaaa", ""])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidProblem):
        is_signed_by(PublicKey(text), MESSAGE, bytes(64))


def proof_of(document: dict[str, Any], suite: AnySuite) -> dict[str, Any]:
    """Return a proof by the key, named as a did:key."""
    key_id = key_id_of(did_key(KEY.public_key), KEY.public_key)
    return create_proof(document, key_id=key_id, sign=KEY.sign, suite=suite, created=CREATED)


@pytest.mark.parametrize("suite", SUITES)
def test_a_proof_holds_for_its_document_alone(suite: AnySuite) -> None:
    document = full_document()
    proof = proof_of(document, suite)
    verify_proof(document, proof, KEY.public_key)
    document["credentialSubject"]["id"] = "did:example:another"
    with pytest.raises(InvalidProofProblem):
        verify_proof(document, proof, KEY.public_key)


@pytest.mark.parametrize(
    ("suite", "claimed"), [("ecdsa-jcs-2019", "eddsa-jcs-2022"), ("ecdsa-rdfc-2019", "eddsa-rdfc-2022")]
)
def test_the_suite_follows_from_the_key(suite: AnySuite, claimed: str) -> None:
    document, other = full_document(), SecretKey(bytes(range(32)))
    proof = proof_of(document, suite)
    with pytest.raises(InvalidProofProblem, match="its key does not make"):
        verify_proof(document, proof | {"cryptosuite": claimed}, KEY.public_key)
    with pytest.raises(InvalidProofProblem, match="its key does not make"):
        verify_proof(document, proof, other.public_key)


def test_a_kind_of_key_that_is_not_known_leaves_a_proof_unchecked() -> None:
    p384 = "z82" + "a" * 66
    document = full_document() | {"issuer": {"id": f"did:key:{p384}", "type": ["Profile"], "name": "Somebody"}}
    method = f"did:key:{p384}#{p384}"
    proof = proof_of(document, "ecdsa-jcs-2019") | {"verificationMethod": method, "proofValue": "z" + "a" * 119}
    found = by_itself(document | {"proof": proof}, now=CREATED, forms=forms_of)
    assert (found.result, found.code) == ("unknown", "proof-not-checked")


@pytest.mark.parametrize("suite", SUITES)
def test_a_strangers_document_is_proven_by_the_key_that_it_is(suite: AnySuite) -> None:
    document = full_document() | {"issuer": {"id": did_key(KEY.public_key), "type": ["Profile"], "name": "Somebody"}}
    signed = document | {"proof": proof_of(document, suite)}
    assert by_itself(signed, now=CREATED, forms=forms_of).code == "proof-holds-outside"
    altered = signed | {"validFrom": "2020-01-01T00:00:00Z"}
    assert by_itself(altered, now=CREATED, forms=forms_of).result == "invalid"


@pytest.mark.parametrize(("purpose", "code"), [("assertion", "proof-holds"), ("form", "proof-key-purpose")])
@pytest.mark.parametrize("suite", SUITES)
def test_an_institutions_p256_key_proves_its_documents_by_the_log(
    suite: AnySuite, purpose: KeyPurpose, code: str
) -> None:
    world = World(start=CREATED)
    school = world.admit("school")
    awarded = award(world, school, suite=None)
    key_id = key_id_of(school.did, KEY.public_key)
    record = events.KeyRecordV2(key_id=key_id, purpose=purpose, public_key=KEY.public_key)
    world.say(world.form_key(school, record), key=school.recovery)
    proof = create_proof(awarded.document, key_id=key_id, sign=KEY.sign, suite=suite, created=world.now)
    credential = world.book.credential(awarded.credential_id)
    assert credential is not None

    def found(document: dict[str, Any]) -> str:
        life = credential.lives[-1]
        return by_log(document, school.did, world.book, life, now=world.now, forms=forms_of).code

    assert found(awarded.document | {"proof": proof}) == code
    assert found(awarded.document | {"proof": proof | {"proofValue": "z" + "1" * 64}}) != "proof-holds"
    world.say(
        world.make(
            events.IssuerKeyRetired,
            school,
            subject=school.did,
            key_id=key_id,
            reason="compromised",
            invalid_from=world.now,
        ),
        key=school.recovery,
    )
    assert found(awarded.document | {"proof": proof}) == code, "condemned after the log had fixed the document"


def test_a_key_of_another_purpose_is_refused_before_its_signature_is_looked_at() -> None:
    world = World(rules_version=2)
    school = world.admit("school")
    form = school.form_key()
    world.say(world.form_key(school, form), key=school.recovery)
    for key_id in (form.key_id, school.assertion.key_id):
        envelope = seal(world.committed(school, "a"), key_id, lambda _: bytes(64))
        with pytest.raises(KeyPurposeRefusal):
            signing_key(world.book, open_envelope(envelope), received_at=world.now)
