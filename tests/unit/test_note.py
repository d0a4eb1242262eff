"""Signed notes: what is read, what is refused, whose signatures count."""

import pytest

from proto.keys import SecretKey
from proto.log.note import SIGNATURES_MAX, Note, SignatureLine, SignatureProblem, open_note, parse_note, sign_note
from proto.log.note_key import KeyKind, SignerKey, VerifierKey, parse_signer_key, parse_vkey
from proto.problem import InvalidProblem, MalformedProblem

ALICE = SignerKey(name="alice.example", kind=KeyKind.ED25519, secret=SecretKey(bytes([1]) * 32))
BOB = SignerKey(name="bob.example", kind=KeyKind.ED25519, secret=SecretKey(bytes([2]) * 32))
TEXT = "one\n\ntwo — three\n"
NOTE = sign_note(TEXT, [ALICE, BOB])


def test_a_text_with_blank_lines_is_split_at_the_last_one() -> None:
    assert parse_note(NOTE.encode()) == NOTE
    assert NOTE.text == TEXT


def test_each_known_signature_is_verified() -> None:
    assert list(open_note(NOTE, [BOB.verifier, ALICE.verifier]).verified) == [ALICE.verifier, BOB.verifier]


def test_unknown_keys_are_ignored() -> None:
    assert list(open_note(NOTE, [BOB.verifier]).verified) == [BOB.verifier]


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    with pytest.raises(SignatureProblem):
        open_note(NOTE, [SignerKey(name=ALICE.name, secret=BOB.secret).verifier])
    with pytest.raises(SignatureProblem):
        open_note(NOTE, [])


def test_one_bad_signature_of_a_known_key_sinks_the_note() -> None:
    altered = Note(text=TEXT + "more\n", signatures=NOTE.signatures)
    resigned = Note(text=altered.text, signatures=(*sign_note(altered.text, [ALICE]).signatures, NOTE.signatures[1]))
    assert open_note(resigned, [ALICE.verifier]).verified
    with pytest.raises(SignatureProblem, match="bob"):
        open_note(resigned, [ALICE.verifier, BOB.verifier])


def test_a_repeated_line_of_one_key_is_ignored_after_its_first() -> None:
    bad = SignatureLine(name=ALICE.name, key_id=ALICE.verifier.key_id, payload=bytes(64))
    opened = open_note(Note(text=TEXT, signatures=(*NOTE.signatures, bad)), [ALICE.verifier])
    assert opened.verified == {ALICE.verifier: NOTE.signatures[0]}
    with pytest.raises(SignatureProblem):
        open_note(Note(text=TEXT, signatures=(bad, *NOTE.signatures)), [ALICE.verifier])


def test_two_verifiers_of_one_name_and_key_id_are_ambiguous() -> None:
    with pytest.raises(InvalidProblem):
        open_note(NOTE, [ALICE.verifier, ALICE.verifier])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        TEXT.encode(),
        NOTE.encode()[:-1],
        NOTE.encode() + b"\n",
        NOTE.encode().replace(b"one", b"o\x00e"),
        NOTE.encode().replace(b"one", b"o\te"),
        NOTE.encode().replace(b"one\n", b"one\r\n"),
        NOTE.encode().replace(b"one", b"o\xffe"),
        NOTE.encode().replace(b"one", b"o\xed\xa0\x80e"),
        NOTE.encode().replace("— alice".encode(), b"- alice"),
        NOTE.encode().replace(b"alice.example ", b"alice.example  "),
        NOTE.encode().replace(b"alice.example ", b"alice+example "),
        NOTE.encode().replace(b"alice.example ", "alice\u00a0example ".encode()),
        NOTE.encode().replace(b"alice.example ", b" "),
        NOTE.encode().replace(b"==\n", b"\n").replace(b"=\n", b"\n"),
        "text\n\n— alice.example AAAAAA==\n".encode(),
        "text\n\n— alice.example \n".encode(),
        "text\n\n— alice.example\n".encode(),
        b"text\n\n" + NOTE.signatures[0].text.encode() * (SIGNATURES_MAX + 1),
        b"a" * 1_000_001,
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedProblem):
        parse_note(data)


def test_as_many_signatures_as_the_limit_are_read() -> None:
    data = b"text\n\n" + NOTE.signatures[0].text.encode() * SIGNATURES_MAX
    assert len(parse_note(data).signatures) == SIGNATURES_MAX


@pytest.mark.parametrize("text", ["no newline", "", "tab\t\n"])
def test_a_text_that_no_note_can_hold_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedProblem):
        sign_note(text, [ALICE])


def test_keys_survive_their_text() -> None:
    assert parse_vkey(ALICE.verifier.text) == ALICE.verifier
    read = parse_signer_key(ALICE.private_text)
    assert (read.private_text, read.verifier) == (ALICE.private_text, ALICE.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice.example",
        ALICE.verifier.text.upper(),
        ALICE.verifier.text.replace("alice", "alic"),
        ALICE.verifier.text[:-1],
        ALICE.verifier.text + "\n",
        "a b" + ALICE.verifier.text.removeprefix("alice.example"),
        "alice.example+00000000+Ag==",
        "alice.example+00000000+",
        "alice.example+00000000+AQ==",
    ],
)
def test_other_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises((MalformedProblem, InvalidProblem)):
        parse_vkey(text)


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, bytes(31)])
def test_points_that_no_honest_key_has_are_refused(point: bytes) -> None:
    with pytest.raises(InvalidProblem):
        VerifierKey(name="alice.example", kind=KeyKind.ED25519, public_key=point)


def test_a_refused_signer_key_is_not_shown() -> None:
    secret_part = ALICE.private_text.split("+", 4)[4]
    with pytest.raises(MalformedProblem) as caught:
        parse_signer_key(ALICE.private_text[:-1])
    assert secret_part[:20] not in caught.value.detail
    assert secret_part[:20] not in repr(ALICE)
    with pytest.raises(MalformedProblem):
        parse_signer_key(ALICE.verifier.text)


def test_each_kind_of_key_signs_only_its_own_kind_of_message() -> None:
    witness = SignerKey(name="w.example", kind=KeyKind.COSIGNATURE, secret=SecretKey(bytes([3]) * 32))
    with pytest.raises(InvalidProblem):
        witness.sign(TEXT)
    with pytest.raises(InvalidProblem):
        ALICE.cosign(TEXT, 1)
    for time in (0, -1, 2**63):
        with pytest.raises(InvalidProblem):
            witness.cosign(TEXT, time)
    assert witness.verifier.verifies(TEXT, witness.cosign(TEXT, 2**63 - 1))
    assert not witness.verifier.verifies(TEXT, ALICE.sign(TEXT))
