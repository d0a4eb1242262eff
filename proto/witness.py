"""The body of a witness's add-checkpoint request (C2SP tlog-witness v1.0.0). Knows neither witness state nor HTTP."""

import msgspec

from proto.checkpoint import parse_checkpoint, parse_decimal
from proto.ids import TreeSize
from proto.merkle import Hash
from proto.note import Note, parse_note
from proto.problem import MalformedProblem
from proto.proof_lines import format_hashes, parse_hashes, split_head


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

    Raises `MalformedProblem` (HTTP 400) for another form and for an old size beyond the checkpoint's. Whether proof and
    signature are good is not looked at.
    """
    lines, rest = split_head(data)
    if not lines[0].startswith("old "):
        raise MalformedProblem("The first line of the request is `old <size>`")
    old_size = TreeSize(parse_decimal(lines[0].removeprefix("old ")))
    note = parse_note(rest)
    if old_size > parse_checkpoint(note.text).size:
        raise MalformedProblem(f"The old size {old_size} is larger than the checkpoint's")
    return AddCheckpoint(old_size=old_size, proof=parse_hashes(lines[1:]), note=note)
