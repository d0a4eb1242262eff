"""Entries: the bytes that the log stores for one event, and the hash chain inside them. Knows no database and no tree.

The link to the previous entry lies inside the Merkle leaf: one structure, nothing left unbound (DESIGN 3.5).
"""

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from proto.canonical import DECODE_ERRORS, canonical_struct
from proto.envelope import Envelope
from proto.event_days import check_day
from proto.event_fields import INTEGER_MAX, HashField, MomentField
from proto.events import invalid
from proto.ids import LeafIndex, Origin
from proto.moment import Moment
from proto.problem import MalformedProblem

ENTRY_BYTES_MAX = 65_535


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry: the envelope as sent, its 0-based leaf index, the previous leaf hash, when it was received."""

    envelope: Envelope
    index: Annotated[LeafIndex, Meta(ge=0, le=INTEGER_MAX)]
    previous: HashField
    received_at: MomentField

    def __post_init__(self) -> None:
        """Raise `InvalidProblem` where the log says that it received the event on a day that no month has."""
        check_day(self.received_at, "/received_at")


_DECODER = msgspec.json.Decoder(Entry)


def first_previous(origin: Origin) -> bytes:
    """Return what the first entry names as its previous leaf hash: SHA-256 of the origin, 32 bytes."""
    return hashlib.sha256(origin.encode()).digest()


def encode(envelope: Envelope, index: LeafIndex, previous: bytes, received_at: Moment) -> bytes:
    """Return the canonical bytes of an entry; raises `MalformedProblem` where they exceed 65,535 (C2SP tlog-tiles)."""
    entry = Entry(envelope=envelope, index=index, previous=previous.hex(), received_at=received_at)
    data = canonical_struct(entry)
    if len(data) > ENTRY_BYTES_MAX:
        raise MalformedProblem(f"The entry would have {len(data)} bytes; at most {ENTRY_BYTES_MAX} fit")
    return data


def decode(data: bytes) -> Entry:
    """Return the entry in `data`; raises `MalformedProblem` or `InvalidProblem` for what is no canonical entry."""
    if len(data) > ENTRY_BYTES_MAX:
        raise MalformedProblem(f"An entry has at most {ENTRY_BYTES_MAX} bytes; this one has {len(data)}")
    try:
        entry = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(error, within="entry") from error
    except DECODE_ERRORS as error:
        raise MalformedProblem(f"The entry is not JSON: {error}") from error
    if canonical_struct(entry) != data:
        raise MalformedProblem("The entry is not canonical JSON (RFC 8785)")
    return entry
