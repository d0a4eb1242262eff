"""Receipts: self-contained proofs that an entry is in a log (C2SP tlog-proof). Trusts only a policy."""

import msgspec

from proto.base64_strict import decode_base64, encode_base64
from proto.ids import LeafIndex
from proto.log.checkpoint import OpenedCheckpoint, parse_checkpoint, parse_decimal
from proto.log.merkle import Hash, check_inclusion, leaf_hash
from proto.log.note import NOTE_BYTES_MAX, Note, parse_note
from proto.log.policy import Policy, open_under_policy
from proto.log.proof_lines import format_hashes, parse_hashes, split_head
from proto.problem import MalformedProblem

RECEIPT_HEADER = "c2sp.org/tlog-proof@v1"
RECEIPT_BYTES_MAX = NOTE_BYTES_MAX


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tlog-proof: leaf index, inclusion proof (the sibling first) and the checkpoint as a signed note.

    `extra` is opaque and authenticated by nothing. Nothing here is verified; `check_receipt` does that.
    """

    index: LeafIndex
    proof: tuple[Hash, ...]
    note: Note
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the receipt as a file with the extension `.tlog-proof` holds it."""
        extra = "" if self.extra is None else f"extra {encode_base64(self.extra)}\n"
        head = f"{RECEIPT_HEADER}\n{extra}index {self.index}\n{format_hashes(self.proof)}\n"
        return head.encode() + self.note.encode()


def parse_receipt(data: bytes) -> Receipt:
    """Return the receipt in `data`; raises `MalformedProblem` for every other form, also of the checkpoint in it."""
    if len(data) > RECEIPT_BYTES_MAX:
        raise MalformedProblem(f"The receipt has {len(data)} bytes; at most {RECEIPT_BYTES_MAX} are read")
    lines, rest = split_head(data)
    if lines.pop(0) != RECEIPT_HEADER:
        raise MalformedProblem(f"A receipt begins with the line {RECEIPT_HEADER}")
    extra = decode_base64(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise MalformedProblem("A receipt has a line `index <number>` before its proof")
    index = LeafIndex(parse_decimal(lines.pop(0).removeprefix("index ")))
    note = parse_note(rest)
    parse_checkpoint(note.text)
    return Receipt(index=index, proof=parse_hashes(lines), note=note, extra=extra)


def check_receipt(receipt: Receipt, entry: bytes, policy: Policy) -> OpenedCheckpoint:
    """Return the verified checkpoint under which `entry` is proven to be in a log of the policy.

    The steps of tlog-proof: (1) the leaf hash is computed here from the entry's bytes, (2) a log of the policy signed
    the checkpoint, (3) its quorum cosigned it, (4) the inclusion proof leads to its root. Raises `SignatureProblem`,
    `QuorumProblem` or `ProofProblem` by what fails. Times of cosignatures are in the answer, judged by nobody yet.
    """
    leaf = leaf_hash(entry)  # (1)
    opened = open_under_policy(receipt.note.encode(), policy)  # (2) (3)
    checkpoint = opened.checkpoint
    check_inclusion(receipt.index, checkpoint.size, leaf, receipt.proof, checkpoint.root_hash)  # (4)
    return opened
