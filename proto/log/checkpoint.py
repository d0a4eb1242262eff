"""Checkpoints (C2SP tlog-checkpoint v1.0.0) and their cosignatures. Knows no policy, no proof and no HTTP."""

import msgspec

from proto.base64_strict import decode_base64, encode_base64
from proto.ids import Origin, TreeSize
from proto.log.merkle import EMPTY_ROOT, HASH_BYTES, SIZE_MAX, Hash
from proto.log.note import (
    Note,
    SignatureLine,
    SignatureProblem,
    open_note,
    parse_note,
    parse_signature_lines,
    sign_note,
)
from proto.log.note_key import TIMESTAMP_BYTES, SignerKey, VerifierKey
from proto.problem import InvalidProblem, MalformedProblem

_LINES_MIN = 3
_DECIMAL_DIGITS_MAX = len(str(SIZE_MAX))


class EmptyTreeProblem(MalformedProblem):
    """A checkpoint of size 0 whose root is not that of the empty tree (tlog-witness v1.0.0 answers it with 422)."""

    slug = "empty-tree-root"
    title = "The empty tree has another root"
    status = 422


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a log commits to: its origin, the tree size and the 32-byte root hash, with any extension lines kept."""

    origin: Origin
    size: TreeSize
    root_hash: Hash
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text that is signed, with its final newline."""
        lines = [self.origin, str(self.size), encode_base64(self.root_hash), *self.extensions]
        return "".join(f"{line}\n" for line in lines)


class OpenedCheckpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A checkpoint whose log signature verified, with the POSIX time (seconds) of each cosignature that verified."""

    checkpoint: Checkpoint
    note: Note
    cosigned_at: dict[VerifierKey, int]

    @property
    def encoded(self) -> bytes:
        """The signed note's bytes, as they are served and stored."""
        return self.note.encode()


def parse_decimal(text: str, *, maximum: int = SIZE_MAX) -> int:
    """Return an ASCII decimal up to `maximum`; raises `MalformedProblem` for others, also signs and leading zeros."""
    is_decimal = text.isascii() and text.isdigit() and len(text) <= _DECIMAL_DIGITS_MAX
    if not is_decimal or str(int(text)) != text or int(text) > maximum:
        raise MalformedProblem(f"{text[:40]!r} is not a decimal number from 0 to {maximum} without leading zeros")
    return int(text)


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint in a note's text: origin, size, root hash and any extension lines, none of them empty.

    Raises `MalformedProblem`, and `EmptyTreeProblem` for a tree of size 0 whose root is not that of the empty tree.
    """
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < _LINES_MIN or "" in lines:
        raise MalformedProblem("A checkpoint has at least three lines, none empty: origin, size and root hash")
    size = TreeSize(parse_decimal(lines[1]))
    root_hash = Hash(decode_base64(lines[2], length=HASH_BYTES))
    if size == 0 and root_hash != EMPTY_ROOT:
        raise EmptyTreeProblem("The checkpoint of size 0 does not have the root of the empty tree")
    return Checkpoint(origin=Origin(lines[0]), size=size, root_hash=root_hash, extensions=tuple(lines[3:]))


def sign_checkpoint(checkpoint: Checkpoint, signer: SignerKey) -> Note:
    """Return the checkpoint signed by the log's key (0x01).

    Raises `InvalidProblem` when the key's name is not the origin, `MalformedProblem` for a checkpoint that could not be
    read back. That it is consistent with all signed before it is the caller's duty, and its gravest.
    """
    if signer.name != checkpoint.origin:
        raise InvalidProblem(f"The key is named {signer.name} and the origin is {checkpoint.origin}: they must agree")
    if parse_checkpoint(checkpoint.text) != checkpoint:
        raise MalformedProblem("This checkpoint would not be read back as it is")
    return sign_note(checkpoint.text, [signer])


def open_checkpoint(data: bytes, log: VerifierKey, witnesses: tuple[VerifierKey, ...] = ()) -> OpenedCheckpoint:
    """Return the checkpoint in a signed note, verified to be the log's, with the known witnesses' cosignatures.

    Raises `MalformedProblem` for what is no checkpoint and `SignatureProblem` when the log did not sign it, a known
    key's signature is bad, or its origin is not the name of the log's key. Whether enough witnesses cosigned is for
    `proto.log.policy` to say.
    """
    note = parse_note(data)
    verified = open_note(note, [log, *witnesses]).verified
    if log not in verified:
        raise SignatureProblem(f"The checkpoint is not signed by the log {log.name}")
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != log.name:
        raise SignatureProblem(f"The checkpoint is of {checkpoint.origin}, not of {log.name}")
    times = {key: cosigned_at(verified[key]) for key in witnesses if key in verified}
    return OpenedCheckpoint(checkpoint=checkpoint, note=note, cosigned_at=times)


def cosign(note: Note, signer: SignerKey, at_seconds: int) -> SignatureLine:
    """Return a witness's cosignature of a checkpoint, made at POSIX time `at_seconds` (tlog-cosignature v1.0.1, 0x04).

    It states that at that time this was the largest consistent tree of its origin that the witness had seen. Raises
    `MalformedProblem` if the note's text is no checkpoint, `InvalidProblem` for a key that is no cosigner's.
    """
    parse_checkpoint(note.text)
    payload = signer.cosign(note.text, at_seconds)
    return SignatureLine(name=signer.name, key_id=signer.verifier.key_id, payload=payload)


def cosigned_at(line: SignatureLine) -> int:
    """Return the POSIX time in seconds that a cosignature's line carries; true only if the line was verified."""
    return int.from_bytes(line.payload[:TIMESTAMP_BYTES], "big")


def with_cosignatures(note: Note, body: str, witness: VerifierKey) -> Note:
    """Return the note with the witness's cosignature out of the body of its answer, in place of an older one.

    Lines of other keys in the answer are ignored (tlog-witness v1.0.0, add-checkpoint). Raises `MalformedProblem` for
    a body that is no signature lines and `SignatureProblem` if the witness's line is missing, bad or without a time.
    """
    line = next((line for line in parse_signature_lines(body) if line.is_by(witness)), None)
    if line is None:
        raise SignatureProblem(f"The answer holds no cosignature by {witness.name}")
    if not witness.verifies(note.text, line.payload) or cosigned_at(line) == 0:
        raise SignatureProblem(f"The cosignature of {witness.name} does not verify")
    kept = tuple(other for other in note.signatures if not other.is_by(witness))
    return Note(text=note.text, signatures=(*kept, line))
