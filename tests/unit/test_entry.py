"""Entries: one canonical text, at most 65,535 bytes, and the chain inside the leaves (DESIGN 3.5)."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proto.bundles.bundle import decode_bundle, encode_bundle
from proto.envelope import ENVELOPE_BYTES_MAX
from proto.event_fields import INTEGER_MAX
from proto.events import EVENT_BYTES_MAX
from proto.ids import KeyId, LeafIndex, Origin
from proto.log import entry as entries
from proto.log.entry import ENTRY_BYTES_MAX, first_previous
from proto.log.merkle import leaf_hash
from proto.moment import Moment
from proto.problem import InvalidProblem, MalformedProblem, Problem
from tests.support.bundles import bundle_of
from tests.support.worlds import ORIGIN, World

WORLD = World()
UNIVERSITY = WORLD.admit("uni")
SEALED = WORLD.seal(WORLD.issue(UNIVERSITY))
NOW = Moment("2026-01-01T00:00:00.000Z")
LINE = entries.encode(SEALED, LeafIndex(7), bytes(32), NOW)


def test_an_entry_survives_encoding_and_decoding() -> None:
    entry = entries.decode(LINE)
    assert (entry.envelope, entry.index, entry.previous, entry.received_at) == (SEALED, 7, "00" * 32, NOW)
    assert entries.encode(entry.envelope, entry.index, bytes.fromhex(entry.previous), entry.received_at) == LINE


def test_an_entry_is_canonical_json_with_four_fields() -> None:
    assert list(json.loads(LINE)) == ["envelope", "index", "previous", "received_at"]
    assert b" " not in LINE
    assert b"\n" not in LINE


def test_the_first_entry_names_the_origin_and_each_other_the_leaf_before_it() -> None:
    world = World()
    world.admit("uni")
    first, second = map(entries.decode, world.entries)
    assert first.previous == hashlib.sha256(ORIGIN.encode()).hexdigest() == first_previous(ORIGIN).hex()
    assert (
        second.previous == hashlib.sha256(b"\x00" + world.entries[0]).hexdigest() == leaf_hash(world.entries[0]).hex()
    )
    assert first_previous(Origin("other")) != first_previous(ORIGIN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"index":7', b'"index": 7'),
        (b'"index":7', b'"index":7.0'),
        (b'"index":7', b'"index":07'),
        (b'"index":7', b'"index":7,"index":7'),
        (b'"index":7', b'"index":-7'),
        (b'"index":7', b'"index":9007199254740992'),
        (b'"index":7', b'"index":7,"note":""'),
        (b'"index":7,', b""),
        (b'"previous":"00', b'"previous":"0'),
        (b'"previous":"00', b'"previous":"AA'),
        (b'"received_at":"2026-01-01', b'"received_at":"2026-01-01 '),
        (b'00.000Z"', b'00Z"'),
        (b'00.000Z"', b'00.000+00:00"'),
    ],
)
def test_what_is_no_canonical_entry_is_refused(old: bytes, new: bytes) -> None:
    assert old in LINE
    with pytest.raises((MalformedProblem, InvalidProblem)):
        entries.decode(LINE.replace(old, new))


def test_an_entry_that_was_received_on_no_day_is_refused_alone_and_in_a_bundle() -> None:
    world = World()
    bundle = bundle_of(world, world.issued(world.admit("school")))
    data = encode_bundle(bundle)
    day = bundle.entries[-1].entry.received_at[:10].encode()
    none = data.replace(b'"received_at":"' + day, b'"received_at":"2026-02-30')
    with pytest.raises(InvalidProblem, match="not a time that exists"):
        decode_bundle(none)
    with pytest.raises(InvalidProblem, match="not a time that exists"):
        entries.decode(world.entries[0].replace(b'"received_at":"2026-01-01', b'"received_at":"2026-02-30'))


def test_the_order_of_fields_is_part_of_the_bytes() -> None:
    shuffled = dict(reversed(json.loads(LINE).items()))
    with pytest.raises(MalformedProblem, match="canonical"):
        entries.decode(json.dumps(shuffled, separators=(",", ":")).encode())


@given(position=st.integers(0, len(LINE) - 1), flip=st.integers(1, 255))
@settings(max_examples=300, deadline=None)  # a first call compiles
def test_a_changed_byte_is_refused_or_is_another_entry(position: int, flip: int) -> None:
    changed = bytearray(LINE)
    changed[position] ^= flip
    try:
        entry = entries.decode(bytes(changed))
    except Problem:
        return
    assert entry != entries.decode(LINE)
    assert leaf_hash(bytes(changed)) != leaf_hash(LINE)


def test_the_largest_event_fits_into_an_entry() -> None:
    payload = "A" * (-(-EVENT_BYTES_MAX // 3) * 4)
    signature = replace(SEALED.signatures[0], keyid=KeyId("did:web:" + "a" * 220 + "#" + "k" * 64))
    envelope = replace(SEALED, payload=payload, signatures=(signature,))
    line = entries.encode(envelope, LeafIndex(INTEGER_MAX), bytes(32), NOW)
    assert len(line) < ENVELOPE_BYTES_MAX < ENTRY_BYTES_MAX
    assert entries.decode(line).envelope == envelope


def test_an_entry_is_not_larger_than_a_bundle_can_say() -> None:
    envelope = replace(SEALED, payload="A" * ENTRY_BYTES_MAX)
    with pytest.raises(MalformedProblem, match="65535"):
        entries.encode(envelope, LeafIndex(0), bytes(32), NOW)
    with pytest.raises(MalformedProblem, match="65535"):
        entries.decode(b" " * (ENTRY_BYTES_MAX + 1))


@given(data=st.binary(max_size=100))
@settings(max_examples=200, deadline=None)  # a first call compiles
def test_no_bytes_raise_anything_but_a_problem(data: bytes) -> None:
    for wrapped in (data, b'{"envelope":' + data, b'{"previous":"' + data + b'"}'):
        with pytest.raises(Problem):
            entries.decode(wrapped)


@pytest.mark.parametrize("text", [b"[", b'{"envelope":', b'{"a":[', b'{"envelope":{"payload":['])
def test_deep_nesting_crashes_nothing(text: bytes) -> None:
    with pytest.raises(Problem):
        entries.decode(text + b"[" * (ENTRY_BYTES_MAX - len(text)))
