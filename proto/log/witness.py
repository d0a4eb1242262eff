"""What a witness is asked and how it decides (C2SP tlog-witness v1.0.0). Knows no HTTP, no clock and no database."""

import hashlib
from collections.abc import Collection

import msgspec

from proto.ids import Origin, TreeSize
from proto.log.checkpoint import Checkpoint, parse_checkpoint, parse_decimal
from proto.log.merkle import Hash, ProofProblem, check_consistency
from proto.log.note import Note, SignatureProblem, open_note, parse_note
from proto.log.note_key import VerifierKey
from proto.log.proof_lines import format_hashes, parse_hashes, split_head
from proto.problem import ConflictProblem, MalformedProblem, NotFoundProblem, Problem

REQUEST_BYTES_MAX = 16_384
SIZE_MEDIA_TYPE = "text/x.tlog.size"


def origin_hash(origin: Origin) -> bytes:
    """Return the SHA-256 of an origin (32 bytes), whose hex names the log at the monitoring endpoint."""
    return hashlib.sha256(origin.encode()).digest()


class UnknownLogProblem(NotFoundProblem):
    """The witness cosigns no log of this origin."""

    slug = "unknown-log"
    title = "This witness does not cosign this log"


class UntrustedCheckpointProblem(Problem):
    """No trusted key of the log signed the checkpoint, or the signature of one is bad."""

    slug = "checkpoint-untrusted"
    title = "The checkpoint is not signed by the log"
    status = 403


class OtherSizeProblem(ConflictProblem):
    """The request starts from another size than the one cosigned last, which `size` names."""

    slug = "other-size"
    title = "The witness cosigned another size last"

    def __init__(self, size: TreeSize) -> None:
        super().__init__(f"The size cosigned last is {size}: prove consistency from there", members={"size": size})
        self.size = size


class AddCheckpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to cosign: the size the witness last cosigned (0 if none), the proof from there, the signed note."""

    old_size: TreeSize
    proof: tuple[Hash, ...]
    note: Note

    def encode(self) -> bytes:
        """Return the request's body."""
        return f"old {self.old_size}\n{format_hashes(self.proof)}\n".encode() + self.note.encode()


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Return the request in a body.

    Raises `MalformedProblem` (HTTP 400) for another form and for an old size beyond the checkpoint's, and its subclass
    `EmptyTreeProblem` (422). Whether proof and signature are good is not looked at.
    """
    lines, rest = split_head(data)
    if not lines[0].startswith("old "):
        raise MalformedProblem("The first line of the request is `old <size>`")
    old_size = TreeSize(parse_decimal(lines[0].removeprefix("old ")))
    note = parse_note(rest)
    if old_size > parse_checkpoint(note.text).size:
        raise MalformedProblem(f"The old size {old_size} is larger than the checkpoint's")
    return AddCheckpoint(old_size=old_size, proof=parse_hashes(lines[1:]), note=note)


def check_signed(note: Note, logs: Collection[VerifierKey]) -> tuple[Checkpoint, Note]:
    """Return the checkpoint in a note, and the note with nothing but the signatures of the log's trusted keys.

    Raises `UnknownLogProblem` (404) for an origin that names none of the keys and `UntrustedCheckpointProblem` (403)
    where none of its keys signed, or one of them badly.
    """
    checkpoint = parse_checkpoint(note.text)
    trusted = [key for key in logs if key.name == checkpoint.origin]
    if not trusted:
        raise UnknownLogProblem("No log of this origin is cosigned here")
    try:
        verified = open_note(note, trusted).verified
    except SignatureProblem as problem:
        raise UntrustedCheckpointProblem(problem.detail) from problem
    return checkpoint, Note(text=note.text, signatures=tuple(verified.values()))


def check_growth(request: AddCheckpoint, new: Checkpoint, last: Checkpoint | None) -> None:
    """Raise unless `new`, the request's checkpoint, may be cosigned after `last` (None: none of this origin was).

    To be called, and its outcome stored, while nobody else can change what was cosigned last. Raises
    `OtherSizeProblem` (409) for a request that does not start there, and `ProofProblem` (422) for a wrong proof,
    another tree of the same size, and a proof from nothing.
    """
    last_size = last.size if last else TreeSize(0)
    if request.old_size != last_size:
        raise OtherSizeProblem(last_size)
    if last is None or last_size == 0:
        if request.proof:
            raise ProofProblem("From size 0 there is nothing to prove: send no proof")
        return
    check_consistency(last_size, new.size, last.root_hash, new.root_hash, request.proof)
