"""In which order the rows of a file are worked on: by lot, so that who goes out together tells nothing of the file.

Rows of one learner, and changes of one credential, keep their order among themselves: what a row says may rest on what
one before it gave (prerequisites, the same award again, a suspension that is lifted). Pure but for the lot.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.tables.cells import cell_in
from proto.tables.records import FileRecord

T = TypeVar("T")
_KEY_BYTES = 16
_PLACE_BYTES = 8


class _Learner(msgspec.Struct):
    ref: str = ""


class _Row(msgspec.Struct):
    """What a line of NDJSON says of whose it is: an award's learner, or a change's credential."""

    learner: _Learner | None = None
    credential_id: str = ""


_DECODE = msgspec.json.Decoder(_Row).decode


def shuffled(items: Sequence[T], whose: Callable[[T], bytes]) -> list[T]:
    """Return items in an order by lot, in which those of the same name stay in the order that they have."""
    key = secrets.token_bytes(_KEY_BYTES)
    return sorted(items, key=lambda item: hashlib.blake2b(whose(item), key=key, digest_size=_PLACE_BYTES).digest())


def whose_row(header: Sequence[str], record: FileRecord) -> bytes:
    """Return whose a record of a table, or without a header of NDJSON, is: its learner's reference or its credential.

    What cannot be read is its own.
    """
    if header:
        column = "learner_ref" if "action" not in header else "credential_id"
        return (cell_in(header, record, column) or "").encode() or record.content
    try:
        row = _DECODE(record.content)
    except DECODE_ERRORS:
        return record.content
    return (row.credential_id or (row.learner.ref if row.learner else "")).strip().encode() or record.content
