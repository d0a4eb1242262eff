"""A verifier's dated word on a credential, as a signed note: what it found, by which tree of the log, and when. Pure.

It proves nothing to those who do not trust that verifier; who does learns offline how the credential stood then.
"""

from typing import get_args

import msgspec

from proto.expected import in_words
from proto.ids import CredentialId, Origin, TreeSize, parse_credential_id
from proto.lifecycle import StateName
from proto.log.note import Note, open_note, parse_note, sign_note
from proto.log.note_key import SignerKey, VerifierKey
from proto.moment import Moment, normalise
from proto.problem import MalformedProblem, Problem

FORMAT = "credentify-status/v1"
_NAMES = ("credential", "verdict", "state", "at", "size", "root")
_VERDICTS = ("valid", "invalid")


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a verifier says: never that something could not be decided, for then it says nothing."""

    origin: Origin
    credential: CredentialId
    verdict: str
    state: StateName
    at: Moment
    size: TreeSize
    root: str

    def signed(self, key: SignerKey) -> Note:
        """Return the statement as a note of the verifier's key."""
        lines = [FORMAT, self.origin, *(f"{name} {getattr(self, name)}" for name in _NAMES)]
        return sign_note("\n".join(lines) + "\n", [key])


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with the name of the key under which it was found good."""

    statement: Statement
    by: str


def open_statement(data: bytes, verifiers: tuple[VerifierKey, ...]) -> Stated:
    """Return a statement that one of these keys signed; raises `MalformedProblem`, `SignatureProblem`."""
    note = parse_note(data)
    opened = open_note(note, verifiers)
    return Stated(statement=_read(note.text), by=next(iter(opened.verified)).name)


def _read(text: str) -> Statement:
    lines = text.split("\n")
    pairs = [line.partition(" ") for line in lines[2:-1]]
    if lines[0] != FORMAT or tuple(name for name, _, _ in pairs) != _NAMES:
        raise MalformedProblem(f"The note is no statement on a credential ({FORMAT})")
    values = {name: value for name, _, value in pairs}
    if values["verdict"] not in _VERDICTS or values["state"] not in get_args(StateName):
        raise MalformedProblem("The statement says a verdict or a state that there is not")
    try:
        return Statement(
            origin=Origin(lines[1]),
            credential=parse_credential_id(values["credential"]),
            verdict=values["verdict"],
            state=msgspec.convert(values["state"], StateName),
            at=normalise(values["at"]),
            size=msgspec.convert(values["size"], TreeSize, strict=False),
            root=values["root"],
        )
    except (Problem, msgspec.ValidationError) as error:
        raise MalformedProblem(f"The statement cannot be read: {in_words(str(error))}") from error
