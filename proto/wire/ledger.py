"""Bodies of the ledger's HTTP (DESIGN 4). Hashes are lower-case hex, indices are integers, times are moments."""

from typing import Any

import msgspec

from proto.ids import Did, EventId, LeafIndex, Origin, TreeSize
from proto.moment import Moment


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an HTTP body is: immutable and strict."""


class Appended(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Where an event stands on the log: the answer to `POST /v1/events`, the first time and every time after.

    `receipt` is the C2SP tlog-proof, where the request preferred to wait for it (`Prefer: wait=N`, RFC 7240).
    """

    index: LeafIndex
    leaf_hash: str
    received_at: Moment
    event_id: EventId
    receipt: str | None = None


class AppendLine(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the answer to NDJSON: `line` counts from 1 in the order sent; `appended` or `problem` is there.

    `status` is what the line would have got alone: 201, 200 (known already) or that of the RFC 9457 problem document.
    """

    line: int
    status: int
    appended: Appended | None = None
    problem: dict[str, Any] | None = None


class EventPlace(Body, frozen=True, kw_only=True):
    """Where an event id stands: `GET /v1/events/{event_id}`."""

    event_id: EventId
    index: LeafIndex
    leaf_hash: str
    received_at: Moment
    is_published: bool


class ConsistencyProof(Body, frozen=True, kw_only=True):
    """`GET /v1/consistency/{a}/{b}`: the RFC 6962 proof, hashes in base64."""

    first: TreeSize
    second: TreeSize
    proof: tuple[str, ...]


class LogInfo(Body, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/log`: what a client configures: a C2SP vkey and a C2SP tlog-policy text, and how far it is.

    `registrar` and `opening` (the event id of entry 0) are what a client pins, after it compared them with what the
    registrar has published itself. A frozen log takes no event any more; `successor` is what its operator says of
    where it goes on.
    """

    origin: Origin
    verifier_key: str
    witness_policy: str
    tree_size: TreeSize
    published_size: TreeSize
    rules_version: int
    publish_interval_ms: int
    registrar: Did | None = None
    opening: EventId | None = None
    is_frozen: bool = False
    successor: str | None = None
