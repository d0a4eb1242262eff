"""No altered envelope opens as the same event and verifies; no bytes from outside raise anything but a problem."""

from collections.abc import Callable
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proto import envelope as envelopes
from proto import events
from proto.base64_strict import decode_base64, encode_base64
from proto.canonical import canonical_struct
from proto.envelope import Envelope, Opened, open_envelope, pre_authentication_encoding
from proto.events import encode
from proto.keys import decode_public_key, is_signature
from proto.problem import InvalidProblem, MalformedProblem, Problem
from tests.support.chaos import begin
from tests.support.worlds import World

WORLD = World()
UNIVERSITY = WORLD.admit("uni")
EVENT = WORLD.issue(UNIVERSITY)
SEALED = WORLD.seal(EVENT)
PUBLIC_KEY = decode_public_key(UNIVERSITY.event.public_key)


def _opens_and_verifies(envelope: Envelope) -> Opened | None:
    try:
        opened = open_envelope(envelopes.decode(canonical_struct(envelope)))
    except Problem:
        return None
    return opened if is_signature(PUBLIC_KEY, opened.pae, opened.signature) else None


def test_what_was_sealed_opens_and_verifies() -> None:
    opened = _opens_and_verifies(SEALED)
    assert opened is not None
    assert (opened.event, opened.key_id) == (EVENT, UNIVERSITY.event.key_id)
    assert opened.payload == events.encode(EVENT)


@given(data=st.data())
@settings(max_examples=300, deadline=None)  # a first call compiles
def test_no_envelope_with_one_byte_changed_verifies(data: st.DataObject) -> None:
    line = canonical_struct(SEALED)
    position = data.draw(st.integers(0, len(line) - 1))
    changed = bytearray(line)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        envelope = envelopes.decode(bytes(changed))
    except Problem:
        return
    opened = _opens_and_verifies(envelope)
    assert opened is None or opened.key_id != UNIVERSITY.event.key_id, (
        "another name for the key is looked up, not found"
    )


@given(position=st.integers(0, len(events.encode(EVENT)) - 1), flip=st.integers(1, 255))
@settings(max_examples=300, deadline=None)  # a first call compiles
def test_no_payload_with_one_byte_changed_verifies(position: int, flip: int) -> None:
    payload = bytearray(events.encode(EVENT))
    payload[position] ^= flip
    assert _opens_and_verifies(replace(SEALED, payload=encode_base64(bytes(payload)))) is None


@given(position=st.integers(0, 63), bit=st.integers(0, 7))
@settings(max_examples=512, deadline=None)  # every bit of a signature
def test_no_signature_with_one_bit_changed_verifies(position: int, bit: int) -> None:
    signature = bytearray(decode_base64(SEALED.signatures[0].sig))
    signature[position] ^= 1 << bit
    changed = replace(SEALED.signatures[0], sig=encode_base64(bytes(signature)))
    assert _opens_and_verifies(replace(SEALED, signatures=(changed,))) is None


def test_a_signature_with_the_group_order_added_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    raw = decode_base64(SEALED.signatures[0].sig)
    second = int.from_bytes(raw[32:], "little") + order
    malleable = raw[:32] + second.to_bytes(32, "little")
    assert not is_signature(PUBLIC_KEY, pre_authentication_encoding(events.encode(EVENT)), malleable)


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload.replace(b'":"', b'": "', 1),
        lambda payload: b" " + payload,
        lambda payload: payload + b"\n",
        lambda payload: payload.replace(b"credential-issued.v1", b"credential\\u002dissued.v1"),
        lambda payload: payload.replace(b'"eqf_level":6', b'"eqf_level":6,"eqf_level":6'),
        lambda payload: payload.replace(b'"eqf_level":6', b'"eqf_level":6.0'),
        lambda payload: payload.replace(b'"eqf_level":6', b'"eqf_level":null'),
        lambda payload: payload.replace(b'"eqf_level":6', b'"eqf_level":6,"valid_until":null'),
        lambda payload: payload.replace(b'"eqf_level":6', b'"eqf_level":6,"name":"Ada"'),
        lambda payload: payload.replace(b'"ects_hundredths":350', b'"ects_hundredths":"350"'),
        lambda payload: payload.replace(b'"ects_hundredths":350', b'"ects_hundredths":3.5e2'),
        lambda payload: payload.replace(b'"ects_hundredths":350', b'"ects_hundredths":true'),
        lambda payload: b"[" + payload + b"]",
    ],
)
def test_a_payload_that_is_not_the_one_canonical_text_is_refused(change: Callable[[bytes], bytes]) -> None:
    payload = events.encode(EVENT)
    changed = change(payload)
    assert changed != payload
    with pytest.raises((MalformedProblem, InvalidProblem)):
        open_envelope(replace(SEALED, payload=encode_base64(changed)))


def test_base64_has_one_text() -> None:
    for text in (SEALED.payload + "\n", SEALED.payload.rstrip("=") + "====", SEALED.payload[:-1]):
        with pytest.raises(MalformedProblem):
            open_envelope(replace(SEALED, payload=text))


def test_there_is_exactly_one_signature() -> None:
    for signatures in ([], [SEALED.signatures[0]] * 2):
        line = msgspec.json.encode(
            {"payload": SEALED.payload, "payloadType": SEALED.payload_type, "signatures": signatures}
        )
        with pytest.raises(InvalidProblem):
            envelopes.decode(line)


@pytest.mark.parametrize("payload_type", ["application/json", SEALED.payload_type + "\n", SEALED.payload_type + "x"])
def test_another_payload_type_is_refused(payload_type: str) -> None:
    with pytest.raises(InvalidProblem) as caught:
        envelopes.decode(canonical_struct(replace(SEALED, payload_type=payload_type)))
    assert caught.value.pointer == "/payloadType"


@given(data=st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=400, deadline=None)  # a first call compiles
def test_no_bytes_raise_anything_but_a_problem(data: bytes) -> None:
    for decode in (envelopes.decode, events.decode):
        for wrapped in (data, b'{"type":"' + data + b'"}', b'{"payload":"' + data, b'{"a":' + data + b',"type":"x"}'):
            with pytest.raises(Problem):
                decode(wrapped)


@pytest.mark.parametrize(
    "text", [b'{"a":', b"[", b'{"type":"issuer-suspended.v1","a":[', b'{"a":[', b'{"payload":{"a":']
)
def test_deep_nesting_crashes_nothing(text: bytes) -> None:
    for decode, bytes_max in (
        (envelopes.decode, envelopes.ENVELOPE_BYTES_MAX),
        (events.decode, events.EVENT_BYTES_MAX),
    ):
        deep = text + b"[" * (bytes_max - len(text))
        for data in (deep, text * (bytes_max // len(text)), deep + b"["):
            with pytest.raises(Problem):
                decode(data)


@given(rng=st.integers(0, 2**32).map(Random))
@settings(max_examples=20, deadline=None)  # a history takes as long as it is
def test_every_event_survives_sealing_and_opening(rng: Random) -> None:
    chaos = begin(rng)
    for _ in range(20):
        event, key = chaos.statement()
        assert encode(open_envelope(chaos.world.seal(event, key=key)).event) == encode(event)
