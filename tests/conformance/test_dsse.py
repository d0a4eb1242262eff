"""Foreign code agrees on our envelopes: `securesystemslib` verifies and refuses as we do, and we open what it made."""

import json

import pytest
from msgspec.structs import replace
from securesystemslib.dsse import Envelope as ForeignEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import SSlibKey
from securesystemslib.signer._signature import Signature as ForeignSignature

from proto import envelope as envelopes
from proto import events
from proto.base64_strict import encode_base64
from proto.canonical import canonical_struct
from proto.envelope import PAYLOAD_TYPE, Envelope, open_envelope, pre_authentication_encoding
from proto.keys import decode_public_key, is_signature
from proto.lifecycle import Key
from proto.log import entry as entries
from tests.support.golden_rules_v1 import golden_world
from tests.support.worlds import FirstWorld

WORLD = FirstWorld()
UNIVERSITY = WORLD.admit("uni")


def _foreign(envelope: Envelope) -> ForeignEnvelope:
    return ForeignEnvelope.from_dict(json.loads(canonical_struct(envelope)))


def _foreign_key(record: Key | events.KeyRecord) -> SSlibKey:
    public = decode_public_key(record.public_key).hex()
    return SSlibKey(record.key_id, "ed25519", "ed25519", {"public": public})


def test_a_foreign_verifier_accepts_every_envelope_of_the_golden_log() -> None:
    world = golden_world()
    for line, opened in zip(world.entries, world.opened, strict=True):
        entry = entries.decode(line)
        key = world.book.key(opened.key_id)
        assert key is not None
        foreign_key = _foreign_key(key)
        assert list(_foreign(entry.envelope).verify([foreign_key], 1)) == [key.key_id]


def test_both_sign_the_same_bytes() -> None:
    sealed = WORLD.seal(WORLD.issue(UNIVERSITY))
    opened = open_envelope(sealed)
    foreign = _foreign(sealed)
    assert foreign.pae() == opened.pae
    assert (foreign.payload, foreign.payload_type) == (opened.payload, PAYLOAD_TYPE)


def test_the_example_of_the_specification_has_the_encoding_that_it_says() -> None:
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} ".encode()
    assert pre_authentication_encoding(b"hello world") == head + b"11 hello world"
    assert pre_authentication_encoding(b"") == head + b"0 "


def test_a_foreign_verifier_refuses_what_we_refuse() -> None:
    sealed = WORLD.seal(WORLD.issue(UNIVERSITY))
    other = WORLD.seal(WORLD.issue(UNIVERSITY))
    with pytest.raises(VerificationError):
        _foreign(replace(sealed, payload=other.payload)).verify([_foreign_key(UNIVERSITY.event)], 1)
    with pytest.raises(VerificationError):
        _foreign(sealed).verify([_foreign_key(UNIVERSITY.assertion)], 1)


def test_what_a_foreign_signer_made_opens_and_is_appended() -> None:
    event = WORLD.issue(UNIVERSITY)
    foreign = ForeignEnvelope(events.encode(event), PAYLOAD_TYPE, {})
    signature = UNIVERSITY.sign(UNIVERSITY.event.key_id, foreign.pae())
    foreign.signatures[UNIVERSITY.event.key_id] = ForeignSignature(UNIVERSITY.event.key_id, signature.hex())
    envelope = envelopes.decode(json.dumps(foreign.to_dict(), indent=2).encode())
    opened = open_envelope(envelope)
    assert opened.event == event
    assert is_signature(decode_public_key(UNIVERSITY.event.public_key), foreign.pae(), opened.signature)
    assert envelope == WORLD.seal(event), "Ed25519 is deterministic, and so is the envelope"
    WORLD.append(envelope)


def test_our_base64_is_theirs() -> None:
    sealed = WORLD.seal(WORLD.issue(UNIVERSITY))
    assert _foreign(sealed).to_dict()["payload"] == sealed.payload == encode_base64(open_envelope(sealed).payload)
