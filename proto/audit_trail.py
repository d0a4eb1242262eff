"""The audit trail of an institution: what one record says, and how records hang together. Reads no store and no clock.

Each entry's hash is over its number, the hash before it and its record, so nothing inside is changed, left out or put
in unseen; whoever kept a hash also sees whether anything was cut off the end. No record names a learner.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proto.canonical import DECODE_ERRORS
from proto.ids import HEX_256_PATTERN, InstitutionId
from proto.moment import Moment
from proto.problem import InvalidProblem

_PREFIX = b"credentify/audit/v1\n"
BEGINNING = "0" * 64
"""Stands for the hash before the first entry."""
DONE = "done"
"""What is answered to what was carried out."""
ActorKind = Literal["api-key", "operator", "link", "retention"]
Hash = Annotated[str, Meta(pattern=HEX_256_PATTERN)]


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who did what, from where, answered what. The address of whoever came by a secret link is not recorded."""

    institution: InstitutionId
    at: Moment
    actor: ActorKind
    key: str | None = None
    """The API key by its id; of a link, what kind of link it was."""
    address: str | None = None
    operation: str
    """The operation's name in the description of the API."""
    subjects: dict[str, str] = {}
    """On what: ids of credentials, events, applications and the like, never a learner's."""
    answer: str = DONE
    """`done`, or the last part of the problem's type."""
    status: int | None = None
    """The HTTP status of a refusal."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record in its chain."""

    number: Annotated[int, Meta(ge=1)]
    previous: Hash
    hash: Hash
    record: AuditRecord


class BrokenTrailProblem(InvalidProblem):
    """An exported audit trail is not what was recorded: an entry was changed, left out or put in."""

    slug = "broken-audit-trail"
    title = "The audit trail does not hold together"


class CheckedTrail(msgspec.Struct, frozen=True, kw_only=True):
    """A trail that holds together: its first and last number, the hash before the first, and that of the last."""

    first: int
    last: int
    previous: str
    hash: str


_ENCODE = msgspec.json.Encoder(order="sorted").encode
_DECODE_RECORD = msgspec.json.Decoder(AuditRecord).decode
_DECODE_ENTRY = msgspec.json.Decoder(AuditEntry).decode


def record_bytes(record: AuditRecord) -> bytes:
    """Return what is stored of a record and goes into its hash: canonical JSON."""
    return _ENCODE(record)


def record_from(content: bytes) -> AuditRecord:
    """Return the record that was stored."""
    return _DECODE_RECORD(content)


def entry_hash(number: int, previous: str, record: bytes) -> str:
    """Return the hash (64 hex digits) of an entry."""
    return hashlib.sha256(_PREFIX + f"{number}\n{previous}\n".encode() + record).hexdigest()


def check_trail(lines: Iterable[bytes]) -> CheckedTrail:
    """Return what an exported trail (JSON lines) reaches from and to; raises `BrokenTrailProblem` where it is altered.

    It may begin anywhere, since old entries are taken away by retention.
    """
    first = last = None
    for place, line in enumerate(lines, 1):
        entry = _entry(place, line)
        expected = entry_hash(entry.number, entry.previous, record_bytes(entry.record))
        if entry.hash != expected:
            raise BrokenTrailProblem(f"Line {place} was altered: its hash does not follow from what it says")
        if last is not None and (entry.number, entry.previous) != (last.number + 1, last.hash):
            raise BrokenTrailProblem(
                f"Line {place} does not follow the line before it: entries between them are missing, or it belongs "
                "elsewhere. Export the trail again from there"
            )
        if last is None and (entry.number == 1) != (entry.previous == BEGINNING):
            raise BrokenTrailProblem("The first line says that it is the first entry, and its chain says otherwise")
        if last is not None and entry.record.institution != last.record.institution:
            raise BrokenTrailProblem(f"Line {place} is of another institution's trail")
        first, last = first or entry, entry
    if first is None or last is None:
        raise BrokenTrailProblem("There is no line in it: export the trail first")
    return CheckedTrail(first=first.number, last=last.number, previous=first.previous, hash=last.hash)


def _entry(place: int, line: bytes) -> AuditEntry:
    try:
        return _DECODE_ENTRY(line)
    except DECODE_ERRORS as error:
        raise BrokenTrailProblem(f"Line {place} is no entry of an audit trail as it is exported") from error
