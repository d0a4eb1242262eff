"""Checkpoints, cosignatures and requests to witnesses: the strict forms and who must have signed."""

import pytest

from proto.ids import Origin, TreeSize
from proto.keys import SecretKey
from proto.log.checkpoint import (
    Checkpoint,
    cosign,
    open_checkpoint,
    parse_checkpoint,
    parse_decimal,
    sign_checkpoint,
    with_cosignatures,
)
from proto.log.merkle import EMPTY_ROOT, leaf_hash
from proto.log.note import Note, SignatureProblem, sign_note
from proto.log.note_key import KeyKind, SignerKey
from proto.log.witness import AddCheckpoint, parse_add_checkpoint
from proto.problem import InvalidProblem, MalformedProblem

LOG = SignerKey(name="log.example/2026", kind=KeyKind.ED25519, secret=SecretKey(bytes([1]) * 32))
W1 = SignerKey(name="w1.example", kind=KeyKind.COSIGNATURE, secret=SecretKey(bytes([2]) * 32))
W2 = SignerKey(name="w2.example", kind=KeyKind.COSIGNATURE, secret=SecretKey(bytes([3]) * 32))
ROOT = leaf_hash(b"entry")
CHECKPOINT = Checkpoint(origin=Origin(LOG.name), size=TreeSize(1), root_hash=ROOT)
NOTE = sign_checkpoint(CHECKPOINT, LOG)


def cosigned(note: Note, *times: int) -> Note:
    return Note(
        text=note.text,
        signatures=(*note.signatures, *(cosign(note, w, t) for w, t in zip((W1, W2), times, strict=False))),
    )


def test_a_signed_checkpoint_opens_with_the_times_of_its_known_witnesses() -> None:
    opened = open_checkpoint(cosigned(NOTE, 1000, 2000).encode(), LOG.verifier, (W2.verifier,))
    assert opened.checkpoint == CHECKPOINT
    assert opened.cosigned_at == {W2.verifier: 2000}
    assert opened.encoded == cosigned(NOTE, 1000, 2000).encode()


def test_a_checkpoint_that_only_witnesses_signed_is_refused() -> None:
    lines = cosigned(NOTE, 1000).signatures[1:]
    with pytest.raises(SignatureProblem, match="not signed by the log"):
        open_checkpoint(Note(text=NOTE.text, signatures=lines).encode(), LOG.verifier, (W1.verifier,))


def test_a_checkpoint_of_another_origin_is_refused_though_the_key_signed_it() -> None:
    text = NOTE.text.replace("2026", "2027")
    with pytest.raises(SignatureProblem, match="2027"):
        open_checkpoint(sign_note(text, [LOG]).encode(), LOG.verifier)
    with pytest.raises(InvalidProblem):
        sign_checkpoint(parse_checkpoint(text), LOG)


def test_a_known_witness_whose_cosignature_is_of_another_checkpoint_sinks_it() -> None:
    other = sign_checkpoint(Checkpoint(origin=Origin(LOG.name), size=TreeSize(2), root_hash=ROOT), LOG)
    mixed = Note(text=NOTE.text, signatures=(*NOTE.signatures, cosign(other, W1, 5)))
    with pytest.raises(SignatureProblem):
        open_checkpoint(mixed.encode(), LOG.verifier, (W1.verifier,))
    assert open_checkpoint(mixed.encode(), LOG.verifier).cosigned_at == {}


def test_extension_lines_are_kept_and_signed() -> None:
    extended = Checkpoint(origin=Origin(LOG.name), size=TreeSize(1), root_hash=ROOT, extensions=("a", "b c"))
    opened = open_checkpoint(sign_checkpoint(extended, LOG).encode(), LOG.verifier)
    assert opened.checkpoint.extensions == ("a", "b c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        NOTE.text[:-1],
        NOTE.text + "\n",
        NOTE.text + "\nmore\n",
        NOTE.text.replace("\n1\n", "\n01\n"),
        NOTE.text.replace("\n1\n", "\n+1\n"),
        NOTE.text.replace("\n1\n", "\n-1\n"),
        NOTE.text.replace("\n1\n", "\n1 \n"),
        NOTE.text.replace("\n1\n", "\n\u0661\n"),
        NOTE.text.replace("\n1\n", f"\n{2**63}\n"),
        NOTE.text.replace("\n1\n", "\n0\n"),
        NOTE.text.replace("\n1\n", "\n" + "9" * 5000 + "\n"),
        NOTE.text.replace("=\n", "\n"),
        "\n1\n" + NOTE.text.split("\n")[2] + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedProblem):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint(origin=Origin(LOG.name), size=TreeSize(1), root_hash=ROOT, extensions=("a\nb",)),
        Checkpoint(origin=Origin(LOG.name), size=TreeSize(1), root_hash=ROOT, extensions=("",)),
        Checkpoint(origin=Origin(LOG.name), size=TreeSize(-1), root_hash=ROOT),
        Checkpoint(origin=Origin(LOG.name), size=TreeSize(0), root_hash=ROOT),
    ],
)
def test_a_checkpoint_that_would_not_be_read_back_is_not_signed(checkpoint: Checkpoint) -> None:
    with pytest.raises(MalformedProblem):
        sign_checkpoint(checkpoint, LOG)


def test_the_empty_tree_has_a_checkpoint() -> None:
    empty = Checkpoint(origin=Origin(LOG.name), size=TreeSize(0), root_hash=EMPTY_ROOT)
    assert open_checkpoint(sign_checkpoint(empty, LOG).encode(), LOG.verifier).checkpoint == empty


def test_a_decimal_has_one_spelling() -> None:
    assert [parse_decimal(text) for text in ("0", "10", str(2**63 - 1))] == [0, 10, 2**63 - 1]
    for text in ("", "00", "1_0", "²", "9" * 20):
        with pytest.raises(MalformedProblem):
            parse_decimal(text)


def test_a_witness_answer_replaces_its_older_cosignature() -> None:
    first = with_cosignatures(NOTE, cosign(NOTE, W1, 10).text, W1.verifier)
    answer = cosign(NOTE, W2, 15).text + cosign(NOTE, W1, 20).text
    second = with_cosignatures(first, answer, W1.verifier)
    assert open_checkpoint(second.encode(), LOG.verifier, (W1.verifier, W2.verifier)).cosigned_at == {W1.verifier: 20}


def test_a_witness_answer_without_a_good_cosignature_is_refused() -> None:
    other = sign_checkpoint(Checkpoint(origin=Origin(LOG.name), size=TreeSize(2), root_hash=ROOT), LOG)
    for body in (cosign(NOTE, W2, 10).text, cosign(other, W1, 10).text, NOTE.signatures[0].text):
        with pytest.raises(SignatureProblem):
            with_cosignatures(NOTE, body, W1.verifier)
    for body in ("", "\n", "no\n", cosign(NOTE, W1, 10).text[:-1]):
        with pytest.raises(MalformedProblem):
            with_cosignatures(NOTE, body, W1.verifier)


def test_a_request_to_a_witness_survives_its_body() -> None:
    request = AddCheckpoint(old_size=TreeSize(1), proof=(ROOT, EMPTY_ROOT), note=NOTE)
    assert parse_add_checkpoint(request.encode()) == request


@pytest.mark.parametrize(
    "head", ["", "old\n", "old 2\n", "old 01\n", "Old 0\n", "old 0 \n", "old 0\nAAAA\n", "old 0\n" + "A" * 43 + "=\n"]
)
def test_a_malformed_request_is_refused(head: str) -> None:
    body = head.encode() * (1 if len(head) < 40 else 2) + b"\n" + NOTE.encode()
    with pytest.raises(MalformedProblem):
        parse_add_checkpoint(body)


def test_a_request_with_more_than_63_hashes_is_refused() -> None:
    for count, refused in ((63, False), (64, True)):
        body = AddCheckpoint(old_size=TreeSize(1), proof=(ROOT,) * count, note=NOTE).encode()
        if refused:
            with pytest.raises(MalformedProblem):
                parse_add_checkpoint(body)
        else:
            assert len(parse_add_checkpoint(body).proof) == count
