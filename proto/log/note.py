"""Signed notes (C2SP signed-note v1.0.0): text and signature lines, parsed and checked. Knows nothing of the text."""

import re
from collections.abc import Iterable, Sequence

import msgspec

from proto.base64_strict import decode_base64, encode_base64
from proto.log.note_key import KEY_ID_BYTES, SignerKey, VerifierKey, check_key_name
from proto.problem import InvalidProblem, MalformedProblem, Problem

NOTE_BYTES_MAX = 1_000_000
SIGNATURES_MAX = 100

_DASH = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class SignatureProblem(Problem):
    """A signed note whose signatures do not show what is required of them."""

    slug = "note-signature-wrong"
    title = "The signatures do not verify"
    status = 422


class SignatureLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One signature: the key's name, its 4-byte id, and the payload, whose form depends on the kind of key."""

    name: str
    key_id: bytes
    payload: bytes

    @property
    def text(self) -> str:
        """The line with its newline, `— <name> <base64>`."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.payload)}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """Tell whether the line claims to be made by `key`; nothing is verified."""
        return self.name == key.name and self.key_id == key.key_id


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text that ends in a newline, and its signature lines. Nothing of it is verified by being here."""

    text: str
    signatures: tuple[SignatureLine, ...]

    def encode(self) -> bytes:
        """Return the note as it is sent and stored, UTF-8."""
        return f"{self.text}\n{''.join(line.text for line in self.signatures)}".encode()


class OpenedNote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A note with the signatures that verified, by key; at least one."""

    note: Note
    verified: dict[VerifierKey, SignatureLine]


def parse_note(data: bytes) -> Note:
    """Return the note in `data`, split at its last blank line.

    Raises `MalformedProblem` for bytes that are not UTF-8, control characters, no blank line, and no, more than 100 or
    malformed signature lines.
    """
    text = _decode(data)
    end = text.rfind("\n\n")
    if end < 0:
        raise MalformedProblem("A signed note has a blank line before its signatures")
    return Note(text=text[: end + 1], signatures=parse_signature_lines(text[end + 2 :]))


def _decode(data: bytes) -> str:
    if len(data) > NOTE_BYTES_MAX:
        raise MalformedProblem(f"The note has {len(data)} bytes; at most {NOTE_BYTES_MAX} are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedProblem(f"The note is not UTF-8: byte {error.start}") from error
    if _CONTROL.search(text):
        raise MalformedProblem("The note holds a control character other than newline")
    return text


def parse_signature_lines(text: str) -> tuple[SignatureLine, ...]:
    """Return 1 to 100 signature lines, each ended by a newline; raises `MalformedProblem` for anything else."""
    if not text.endswith("\n"):
        raise MalformedProblem("Signature lines end in a newline, and there is at least one")
    lines = text[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise MalformedProblem(f"At most {SIGNATURES_MAX} signatures are read, not {len(lines)}")
    return tuple(_parse_signature_line(line) for line in lines)


def _parse_signature_line(line: str) -> SignatureLine:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise MalformedProblem(f"{line[:60]!r} is not a signature line: — <name> <base64>")
    try:
        check_key_name(name)
    except InvalidProblem as problem:
        raise MalformedProblem(f"A signature line names no key: {problem.detail}") from problem
    signature = decode_base64(encoded)
    if len(signature) <= KEY_ID_BYTES:
        raise MalformedProblem(f"The signature of {name} is empty")
    return SignatureLine(name=name, key_id=signature[:KEY_ID_BYTES], payload=signature[KEY_ID_BYTES:])


def sign_note(text: str, signers: Iterable[SignerKey]) -> Note:
    """Return `text` signed by plain Ed25519 keys, one line each.

    Raises `MalformedProblem` for a text that no note can hold and `InvalidProblem` for a cosigner's key.
    """
    lines = tuple(
        SignatureLine(name=signer.name, key_id=signer.verifier.key_id, payload=signer.sign(text)) for signer in signers
    )
    note = Note(text=text, signatures=lines)
    if parse_note(note.encode()) != note:
        raise MalformedProblem("The text of a note ends in a newline")
    return note


def open_note(note: Note, verifiers: Sequence[VerifierKey]) -> OpenedNote:
    """Return the signatures made by `verifiers`, each verified.

    Signatures of unknown keys are ignored, and so is a repeated line of one key after its first. Raises
    `SignatureProblem` when a known key's signature does not verify, or when no known key signed, and `InvalidProblem`
    when two verifiers share a name and key id, so that it is not certain who is meant.
    """
    known = {(key.name, key.key_id): key for key in verifiers}
    if len(known) != len(verifiers):
        raise InvalidProblem("Two of the verifier keys have the same name and key id")
    verified: dict[VerifierKey, SignatureLine] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None or key in verified:
            continue
        if not key.verifies(note.text, line.payload):
            raise SignatureProblem(f"The signature of {line.name} does not verify")
        verified[key] = line
    if not verified:
        raise SignatureProblem("No known key signed this note")
    return OpenedNote(note=note, verified=verified)
