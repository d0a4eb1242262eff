"""Receipts: what one proves, and every step that can fail."""

import msgspec
import pytest

from proto.ids import LeafIndex, Origin, TreeSize
from proto.keys import SecretKey
from proto.log.checkpoint import Checkpoint, cosign, sign_checkpoint
from proto.log.merkle import Frontier, ProofProblem, inclusion_proof, leaf_hash, reader_of
from proto.log.note import Note, SignatureProblem
from proto.log.note_key import KeyKind, SignerKey
from proto.log.policy import Policy, PolicyLog, PolicyWitness, QuorumProblem
from proto.log.receipt import Receipt, check_receipt, parse_receipt
from proto.problem import MalformedProblem

ENTRIES = [f"entry {i}".encode() for i in range(7)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
LOG = SignerKey(name="log.example", kind=KeyKind.ED25519, secret=SecretKey(bytes([1]) * 32))
WITNESS = SignerKey(name="w.example", kind=KeyKind.COSIGNATURE, secret=SecretKey(bytes([2]) * 32))
POLICY = Policy(
    logs=(PolicyLog(key=LOG.verifier),),
    witnesses=(PolicyWitness(name="w", key=WITNESS.verifier),),
    quorum="w",
)
CHECKPOINT = Checkpoint(origin=Origin(LOG.name), size=TreeSize(7), root_hash=Frontier().extend(LEAVES).root())
SIGNED = sign_checkpoint(CHECKPOINT, LOG)
COSIGNED = Note(text=SIGNED.text, signatures=(*SIGNED.signatures, cosign(SIGNED, WITNESS, 1_700_000_000)))


def receipt(index: int, note: Note = COSIGNED, extra: bytes | None = None) -> Receipt:
    proof = tuple(inclusion_proof(LeafIndex(index), TreeSize(7), reader_of(LEAVES)))
    return Receipt(index=LeafIndex(index), proof=proof, note=note, extra=extra)


@pytest.mark.parametrize("index", range(7))
def test_a_receipt_proves_its_entry(index: int) -> None:
    read = parse_receipt(receipt(index).encode())
    opened = check_receipt(read, ENTRIES[index], POLICY)
    assert opened.checkpoint == CHECKPOINT
    assert opened.cosigned_at == {WITNESS.verifier: 1_700_000_000}


def test_extra_data_is_carried_and_changes_nothing() -> None:
    for extra in (b"", b"opaque"):
        read = parse_receipt(receipt(3, extra=extra).encode())
        assert read.extra == extra
        check_receipt(read, ENTRIES[3], POLICY)


def test_a_receipt_proves_no_other_entry_and_no_other_index() -> None:
    with pytest.raises(ProofProblem):
        check_receipt(receipt(3), ENTRIES[4], POLICY)
    with pytest.raises(ProofProblem):
        check_receipt(msgspec.structs.replace(receipt(3), index=LeafIndex(4)), ENTRIES[3], POLICY)
    with pytest.raises(ProofProblem):
        check_receipt(msgspec.structs.replace(receipt(3), index=LeafIndex(7)), ENTRIES[3], POLICY)


def test_a_receipt_without_the_quorum_is_refused() -> None:
    with pytest.raises(QuorumProblem):
        check_receipt(receipt(3, note=SIGNED), ENTRIES[3], POLICY)
    check_receipt(receipt(3, note=SIGNED), ENTRIES[3], Policy(logs=POLICY.logs))


def test_a_receipt_of_a_log_that_the_policy_does_not_know_is_refused() -> None:
    other = SignerKey(name=LOG.name, secret=SecretKey(bytes([9]) * 32))
    with pytest.raises(QuorumProblem):
        check_receipt(receipt(3), ENTRIES[3], Policy(logs=(PolicyLog(key=other.verifier),)))
    with pytest.raises(QuorumProblem):
        check_receipt(receipt(3), ENTRIES[3], Policy())


def test_a_receipt_whose_log_signature_is_of_another_checkpoint_is_refused() -> None:
    forged = Note(text=COSIGNED.text.replace("\n7\n", "\n8\n"), signatures=COSIGNED.signatures)
    with pytest.raises(SignatureProblem):
        check_receipt(receipt(3, note=forged), ENTRIES[3], POLICY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"c2sp.org", b" c2sp.org"),
        (b"index 3", b"index 03"),
        (b"index 3", b"index -3"),
        (b"index 3", b"index  3"),
        (b"index 3\n", b""),
        (b"index 3", b"index 3\nextra AAAA"),
        (b"index 3", b"extra AAAA\nextra AAAA\nindex 3"),
        (b"index 3", b"extra AAA\nindex 3"),
        (b"index 3", b"index 3\nAAAA"),
        (b"index 3", b"index 3\r"),
        (b"index 3", b"index 3\n" + b"A" * 43 + b"="),
        (b"index 3", b"\xc3\xa9\nindex 3"),
        (b"\n\n", b"\n"),
        (b"\n7\n", b"\n07\n"),
    ],
)
def test_every_other_form_is_refused(old: bytes, new: bytes) -> None:
    data = receipt(3).encode()
    assert old in data
    changed = data.replace(old, new * (64 if len(new) > 50 else 1))
    with pytest.raises(MalformedProblem):
        parse_receipt(changed)


def test_an_oversized_receipt_is_not_read() -> None:
    with pytest.raises(MalformedProblem):
        parse_receipt(receipt(3, extra=bytes(1_000_000)).encode())
