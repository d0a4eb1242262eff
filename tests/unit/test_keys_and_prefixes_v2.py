"""Rules version 2: keys for wallets (P-256, purpose form), and URI prefixes that are nobody else's."""

import base58
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from proto import events
from proto.event_fields import KeyPurpose
from proto.keys import PublicKey, key_id_of
from proto.lifecycle import refusals
from proto.p256 import decode_p256_key, encode_p256_key
from proto.problem import InvalidProblem
from tests.support.statements import Party, p256_public_key
from tests.support.worlds import FirstWorld, World, replay

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _world() -> tuple[World, Party]:
    world = World(rules_version=2)
    return world, world.admit("uni")


# P-256.


@given(st.integers(1, ORDER - 1))
def test_a_point_is_read_as_another_library_reads_it(secret: int) -> None:
    public = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    numbers = public.public_numbers()
    assert decode_p256_key(encode_p256_key(point)) == (numbers.x, numbers.y)


@given(st.binary(min_size=32, max_size=32), st.sampled_from([2, 3]))
def test_what_another_library_takes_for_no_point_is_none(x: bytes, sign: int) -> None:
    point = bytes([sign]) + x
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        with pytest.raises(InvalidProblem):
            decode_p256_key(encode_p256_key(point))
    else:
        decode_p256_key(encode_p256_key(point))


def _spelled(data: bytes) -> PublicKey:
    return PublicKey("z" + base58.b58encode(data).decode())


@pytest.mark.parametrize(
    "key",
    [
        _spelled(b"\x80\x24\x04" + bytes(64)),
        _spelled(b"\x80\x24\x00" + bytes(32)),
        _spelled(b"\x80\x24\x02" + bytes(31)),
        _spelled(b"\x80\x24\x02" + bytes(33)),
        _spelled(b"\x80\x24\x02" + b"\xff" * 32),
        _spelled(b"\x80\x24\x05" + base58.b58decode(p256_public_key("x")[1:])[3:]),
        _spelled(b"\xed\x01" + bytes(33)),
        PublicKey("z" + "1" + p256_public_key("x")[1:]),
        PublicKey("zDn0"),
        PublicKey(""),
    ],
)
def test_another_spelling_length_or_number_is_no_key(key: PublicKey) -> None:
    with pytest.raises(InvalidProblem):
        decode_p256_key(key)


@pytest.mark.parametrize("purpose", ["assertion", "form"])
def test_an_institution_adds_p256_keys_that_sign_no_event(purpose: KeyPurpose) -> None:
    world, university = _world()
    record = university.form_key(purpose=purpose)
    world.say(world.form_key(university, record), key=university.recovery)
    assert world.key_state(record).purpose == purpose  # type: ignore[arg-type] # either record names a key
    assert replay(world.entries).issuers == world.book.issuers
    world.say(world.rotation(university, university, record), key=university.recovery)  # type: ignore[arg-type] # as above


@pytest.mark.parametrize("purpose", ["event", "recovery"])
def test_event_and_recovery_keys_are_ed25519(purpose: KeyPurpose) -> None:
    world, university = _world()
    event = world.form_key(university, university.form_key(purpose=purpose))
    assert world.refuses(event, refusals.FieldRefusal, key=university.recovery).pointer == "/key"


def test_the_keys_of_the_registrar_are_ed25519() -> None:
    world, _ = _world()
    registrar = world.registrar
    event = world.form_key(registrar, registrar.form_key())
    world.refuses(event, refusals.FieldRefusal, key=registrar.recovery)


def test_a_form_key_may_be_ed25519_too_and_signs_no_event() -> None:
    world, university = _world()
    key = university.key("event", 7)
    form = events.KeyRecordV2(key_id=key.key_id, purpose="form", public_key=key.public_key)
    world.say(world.form_key(university, form), key=university.recovery)
    world.refuses(world.committed(university, "a"), refusals.KeyPurposeRefusal, key=key)


def test_a_p256_key_is_new_to_the_log_and_on_the_curve() -> None:
    world, university = _world()
    world.say(world.form_key(university, university.form_key()), key=university.recovery)
    world.refuses(
        world.form_key(university, university.form_key()), refusals.AlreadyExistsRefusal, key=university.recovery
    )
    off = _spelled(b"\x80\x24\x02" + b"\xff" * 32)
    record = events.KeyRecordV2(key_id=key_id_of(university.did, off), purpose="form", public_key=off)
    world.refuses(world.form_key(university, record), refusals.FieldRefusal, key=university.recovery)


def test_a_key_of_version_1_is_of_version_1() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    refusal = world.refuses(
        world.form_key(university, university.form_key()), refusals.RulesVersionRefusal, key=university.recovery
    )
    assert not refusal.is_final
    record = university.form_key()
    with pytest.raises(InvalidProblem):
        world.say(world.key_addition(university, university, record), key=university.recovery)  # type: ignore[arg-type] # on purpose


def test_an_institution_is_admitted_with_a_form_key() -> None:
    world = World(rules_version=2)
    party = world.party("uni")
    keys = (party.event, party.recovery, party.form_key())
    world.say(world.admission(party, keys=keys))
    assert world.key_state(party.form_key()).purpose == "form"  # type: ignore[arg-type] # either record names a key


# Prefixes.


@pytest.mark.parametrize("path", ["", "a/", "a/b/"])
@pytest.mark.parametrize("first", ["", "a/", "a/b/"])
def test_a_prefix_neither_begins_with_anothers_nor_is_its_beginning(first: str, path: str) -> None:
    world = World(rules_version=2)
    college = world.admit("college", uri_prefixes=(f"https://shared.example/{first}",))
    newcomer = world.party("newcomer")
    event = world.admission(newcomer, uri_prefixes=(newcomer.url, f"https://shared.example/{path}"))
    refusal = world.refuses(event, refusals.AlreadyExistsRefusal)
    assert (refusal.pointer, refusal.members["held_by"]) == ("/uri_prefixes", college.did)


def test_neighbours_do_not_overlap() -> None:
    world = World(rules_version=2)
    for name in ("a", "ab", "b"):
        world.admit(name, uri_prefixes=(f"https://shared.example/{name}/",))
    world.admit("c", uri_prefixes=("https://shared.example.org/",))


def test_a_void_admission_keeps_no_prefix() -> None:
    world = World(rules_version=2)
    registrar = world.registrar
    second = registrar.key("event", 1)
    world.say(world.key_addition(registrar, registrar, second), key=registrar.recovery)
    stolen = world.now
    fake = world.party("fake")
    world.say(world.admission(fake, uri_prefixes=("https://uni.example/",)), key=second)
    honest = world.party("uni")
    world.refuses(world.admission(honest), refusals.AlreadyExistsRefusal)
    world.say(world.condemnation(registrar, registrar, second, stolen), key=registrar.recovery)
    world.say(world.admission(honest))


def test_prefixes_of_version_1_are_respected_and_its_admissions_are_admitted_no_more() -> None:
    world = FirstWorld()
    world.admit("old", uri_prefixes=("https://shared.example/",))
    world.say(world.activation(2, world.size + 1))
    newcomer = world.party("newcomer")
    refused = world.admission(newcomer, uri_prefixes=("https://shared.example/a/",))
    world.refuses(refused, refusals.AlreadyExistsRefusal)
    fields = {name: getattr(refused, name) for name in ("subject", "legal_name", "country", "uri_prefixes", "keys")}
    old = world.make(
        events.IssuerAdmitted, world.registrar, scope=refused.scope, accreditation=refused.accreditation, **fields
    )
    assert world.refuses(old, refusals.RulesVersionRefusal).is_final
    world.say(world.admission(newcomer))
