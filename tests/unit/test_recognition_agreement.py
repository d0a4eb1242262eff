"""What both parties of an agreement sign: one form of it, by each of them once, and nobody else."""

import pytest

from proto.documents import recognition_agreement as agreed
from proto.ids import Did, KeyId, Origin
from proto.keys import SecretKey, key_id_of
from proto.moment import Moment
from proto.problem import InvalidProblem, MalformedProblem, Problem
from services.crypto.document_keys import is_signed_by

ONE, OTHER, THIRD = (Did(f"did:web:{name}.example") for name in ("college", "school", "stranger"))
SECRET = SecretKey.generate()
AGREEMENT = agreed.RecognitionAgreement(
    log=Origin("log.example/1"),
    proposer=ONE,
    accepter=OTHER,
    at=Moment("2026-01-01T00:00:00.000Z"),
    nonce="01890a5d-ac96-774b-bcce-b302099a8057",
    valid_from=Moment("2026-01-01T00:00:00.000Z"),
    valid_until=Moment("2027-01-01T00:00:00.000Z"),
    terms=(
        agreed.AgreementTerm(
            awarded_by=ONE, recogniser=OTHER, programme="https://school.example/p", eqf_level=6, decision="full"
        ),
    ),
)
PAYLOAD = agreed.encoded(AGREEMENT)


def _by(party: Did, payload: bytes = PAYLOAD) -> tuple[KeyId, bytes]:
    return agreed.signature_by(payload, key_id_of(party, SECRET.public_key), SECRET.sign)


def test_what_was_signed_is_read_as_it_was_written_and_its_signatures_hold() -> None:
    found = agreed.opened(agreed.envelope_of(PAYLOAD, [_by(ONE), _by(OTHER)]))
    assert (found.statement, found.payload, set(found.signatures)) == (AGREEMENT, PAYLOAD, {ONE, OTHER})
    assert found.digest == agreed.digest_of(PAYLOAD)
    for _, signature in found.signatures.values():
        assert is_signed_by(SECRET.public_key, agreed.signed_bytes(PAYLOAD), signature)
        assert not is_signed_by(SECRET.public_key, PAYLOAD, signature), "no document's signature is a consent"


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (PAYLOAD.replace(b",", b", ", 1), MalformedProblem),
        (PAYLOAD.replace(b'"terms"', b'"extra":1,"terms"'), InvalidProblem),
        (PAYLOAD.replace(b"recognition-agreement.v1", b"recognition-agreement.v2"), InvalidProblem),
        (b"{", MalformedProblem),
    ],
)
def test_other_bytes_are_no_agreement(payload: bytes, kind: type[Problem]) -> None:
    with pytest.raises(kind):
        agreed.opened(agreed.envelope_of(payload, [_by(ONE, payload)]))


@pytest.mark.parametrize("parties", [(THIRD,), (ONE, ONE), (ONE, THIRD)])
def test_each_party_signs_once_and_nobody_else(parties: tuple[Did, ...]) -> None:
    with pytest.raises(InvalidProblem, match="Each party signs once"):
        agreed.opened(agreed.envelope_of(PAYLOAD, [_by(party) for party in parties]))


def test_who_ends_an_agreement_signs_its_ending_and_the_other_that_it_has_it() -> None:
    ending = agreed.AgreementEnding(
        log=AGREEMENT.log, agreement=agreed.digest_of(PAYLOAD), party=ONE, at=Moment("2026-06-01T00:00:00.000Z")
    )
    payload = agreed.encoded(ending)
    assert agreed.opened(agreed.envelope_of(payload, [_by(ONE, payload)])).statement == ending
    seen = agreed.opened(agreed.envelope_of(payload, [_by(ONE, payload), _by(OTHER, payload)]))
    assert set(seen.signatures) == {ONE, OTHER}
    for wrong in ([OTHER], [ONE, ONE]):
        with pytest.raises(InvalidProblem):
            agreed.opened(agreed.envelope_of(payload, [_by(party, payload) for party in wrong]))
