"""What was found against a log, in a form that others can check: one JSON file. Knows no HTTP and no clock."""

from typing import Literal

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.ids import LeafIndex, Origin, TreeSize
from proto.moment import Moment
from proto.problem import MalformedProblem

FINDING_BYTES_MAX = 4 * 1024 * 1024

Kind = Literal[
    "fork",
    "altered",
    "checkpoint",
    "entry",
    "chain",
    "order",
    "signature",
    "rule",
    "time",
    "registrar",
    "tile",
    "rollback",
    "unserved",
    "succession",
]


class ProvenEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry with the proof that it is under the newest of the finding's checkpoints; all bytes in base64.

    `inclusion` leads from the entry at `index` to `root`, that of the first `size` entries, and `consistency` from
    there to the checkpoint's tree (RFC 9162 sections 2.1.3 and 2.1.4); it is empty where the two are one tree.
    """

    index: LeafIndex
    entry: str
    size: TreeSize
    root: str
    inclusion: tuple[str, ...]
    consistency: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Evidence against a log; texts as they were served, bytes in base64.

    `is_conclusive`: what is shown was signed by the log itself, so that anybody can check it with `verifier_key` alone:
    two checkpoints that contradict each other (of one size; or `proof` begins with the root that the smaller tree has
    inside the larger one, and goes on with the consistency proof from there), or an entry with its `receipt` or
    `proven`. For a log that begins where its predecessor did not end: the first checkpoint is that of the predecessor,
    `entry` the opening. Otherwise it is what the log served to whoever found it, again and again.
    """

    kind: Kind
    detail: str
    origin: Origin
    verifier_key: str
    found_at: Moment
    is_conclusive: bool
    checkpoints: tuple[str, ...] = ()
    """Signed notes, the smaller tree first."""
    index: LeafIndex | None = None
    entry: str | None = None
    receipt: str | None = None
    """The tlog-proof of `entry` under the newest of the checkpoints."""
    path: str | None = None
    """Of a tile or entry bundle under the log's address."""
    served: str | None = None
    expected: str | None = None
    """What stands there by the entries that the log served, or the leaf hash that it signed."""
    proof: tuple[str, ...] = ()
    proven: ProvenEntry | None = None
    """That the log signed `entry`."""
    previous: ProvenEntry | None = None
    """The entry before it, likewise."""
    public_key: str | None = None
    """Of a bad signature: the key that the log knew under the entry's key id, 32 bytes."""
    witnesses: tuple[str, ...] = ()
    """The vkeys whose cosignatures on the checkpoints were counted."""


def decode_finding(data: bytes) -> Finding:
    """Return the finding in a file; raises `MalformedProblem` for what is none."""
    if len(data) > FINDING_BYTES_MAX:
        raise MalformedProblem(f"The file has {len(data)} bytes; evidence has at most {FINDING_BYTES_MAX}")
    try:
        return msgspec.json.decode(data, type=Finding)
    except DECODE_ERRORS as error:
        raise MalformedProblem(f"The file holds no evidence as an audit or a verifier writes it: {error}") from error


def encode_finding(finding: Finding) -> bytes:
    """Return the finding as a file holds it: JSON for a reader."""
    return msgspec.json.format(msgspec.json.encode(finding), indent=2) + b"\n"
