"""SQL of the outbox: signed events on their way to the log. What was inserted is sent as it is, however often."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from proto.envelope import Envelope, Opened
from proto.ids import CredentialId, EventId, InstitutionId, LeafIndex
from proto.moment import Moment
from proto.wire.gateway import EventAnswer, OutboxState
from proto.wire.ledger import Appended
from services.persistence.postgres import Connection, Pool

_ENCODE = msgspec.json.Encoder().encode
_DECODE_ENVELOPE = msgspec.json.Decoder(Envelope).decode
_DECODE_PROBLEM = msgspec.json.Decoder(dict[str, Any]).decode
_SELECT = """
    SELECT event_id, institution_id::text, stream, event_type, state, leaf_index, leaf_hash, received_at, problem
    FROM outbox"""
RELAY_LOCK = 0x72_65_6C_61
"""Key of the advisory lock of the one relay of a database ("rela")."""


class NewOutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event to be put into the outbox, with the credential that orders it."""

    institution_id: InstitutionId
    stream: CredentialId
    opened: Opened


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An event that waits to be sent."""

    outbox_id: int
    event_id: EventId
    stream: CredentialId
    event_type: str
    envelope: Envelope
    attempt_count: int


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where an event stands."""

    event_id: EventId
    institution_id: InstitutionId
    stream: CredentialId
    event_type: str
    state: OutboxState
    index: LeafIndex | None
    leaf_hash: str | None
    received_at: Moment | None
    problem: dict[str, Any] | None

    def answer(self, location: str | None = None) -> EventAnswer:
        """Return what an institution is shown of it."""
        return EventAnswer(
            event_id=self.event_id,
            event_type=self.event_type,
            state=self.state,
            credential_id=self.stream,
            index=self.index,
            leaf_hash=self.leaf_hash,
            received_at=self.received_at,
            problem=self.problem,
            location=location,
        )


def _row(row: asyncpg.Record) -> OutboxRow:
    return OutboxRow(
        event_id=EventId(row["event_id"].hex()),
        institution_id=row["institution_id"],
        stream=CredentialId(row["stream"].hex()),
        event_type=row["event_type"],
        state=row["state"],
        index=row["leaf_index"],
        leaf_hash=row["leaf_hash"].hex() if row["leaf_hash"] else None,
        received_at=row["received_at"],
        problem=_DECODE_PROBLEM(row["problem"]) if row["problem"] else None,
    )


async def lock_streams(connection: Connection, streams: Sequence[CredentialId]) -> None:
    """Let nobody else say anything about these credentials until the transaction ends; taken in order of their keys."""
    keys = sorted({int.from_bytes(bytes.fromhex(stream)[:8], signed=True) for stream in streams})
    await connection.execute(
        "SELECT pg_advisory_xact_lock(key) FROM (SELECT unnest($1::bigint[]) AS key ORDER BY 1) AS ordered", keys
    )


async def insert(connection: Connection, said: Sequence[NewOutboxRow]) -> None:
    """Put events into the outbox, in this order."""
    await connection.execute(
        """INSERT INTO outbox (event_id, institution_id, stream, event_type, envelope)
           SELECT event_id, institution_id, stream, event_type, envelope
           FROM unnest($1::bytea[], $2::uuid[], $3::bytea[], $4::text[], $5::bytea[]) WITH ORDINALITY
               AS said (event_id, institution_id, stream, event_type, envelope, place)
           ORDER BY place""",
        [bytes.fromhex(item.opened.event_id) for item in said],
        [item.institution_id for item in said],
        [bytes.fromhex(item.stream) for item in said],
        [str(item.opened.event.__struct_config__.tag) for item in said],
        [_ENCODE(item.opened.envelope) for item in said],
    )


async def unfollowed(connection: Connection, streams: Sequence[CredentialId]) -> list[Envelope]:
    """Return the events about these credentials that the projection has not met yet, in the order they were said."""
    rows = await connection.fetch(
        """SELECT envelope FROM outbox WHERE stream = ANY($1::bytea[]) AND state IN ('pending', 'sequenced')
           ORDER BY outbox_id""",
        [bytes.fromhex(stream) for stream in streams],
    )
    return [_DECODE_ENVELOPE(row["envelope"]) for row in rows]


async def get(connection: Connection | Pool, event_id: EventId) -> OutboxRow | None:
    """Return where an event of this gateway stands."""
    row = await connection.fetchrow(f"{_SELECT} WHERE event_id = $1", bytes.fromhex(event_id))
    return _row(row) if row else None


async def get_many(connection: Connection | Pool, event_ids: Sequence[EventId]) -> dict[EventId, OutboxRow]:
    """Return where these events stand, by event id."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE event_id = ANY($1::bytea[])", [bytes.fromhex(each) for each in event_ids]
    )
    found = [_row(row) for row in rows]
    return {row.event_id: row for row in found}


async def due(connection: Connection | Pool, *, limit: int) -> list[Pending]:
    """Return the next events to send, the oldest first: of each credential only its first that waits.

    So an event whose pause is not over holds back the later ones of its credential, and nobody else's.
    """
    rows = await connection.fetch(
        """SELECT outbox_id, event_id, stream, event_type, envelope, attempt_count FROM outbox AS waiting
           WHERE state = 'pending' AND next_attempt_at <= now() AND NOT EXISTS (
               SELECT FROM outbox AS earlier
               WHERE earlier.stream = waiting.stream AND earlier.outbox_id < waiting.outbox_id
                   AND earlier.state = 'pending')
           ORDER BY outbox_id LIMIT $1""",
        limit,
    )
    return [
        Pending(
            outbox_id=row["outbox_id"],
            event_id=EventId(row["event_id"].hex()),
            stream=CredentialId(row["stream"].hex()),
            event_type=row["event_type"],
            envelope=_DECODE_ENVELOPE(row["envelope"]),
            attempt_count=row["attempt_count"],
        )
        for row in rows
    ]


async def lock_rows(connection: Connection, event_ids: Sequence[EventId]) -> None:
    """Take these rows in one order, so that relay and projector cannot wait for each other."""
    await connection.execute(
        "SELECT FROM outbox WHERE event_id = ANY($1::bytea[]) ORDER BY outbox_id FOR UPDATE",
        [bytes.fromhex(each) for each in event_ids],
    )


async def mark_sequenced(connection: Connection, places: Sequence[Appended]) -> None:
    """Note where the ledger put events; one that is published already stays so."""
    await connection.execute(
        """UPDATE outbox SET state = 'sequenced', leaf_index = place.leaf_index, leaf_hash = place.leaf_hash,
               received_at = place.received_at, problem = NULL
           FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::text[])
               AS place (event_id, leaf_index, leaf_hash, received_at)
           WHERE outbox.event_id = place.event_id AND outbox.state = 'pending'""",
        [bytes.fromhex(place.event_id) for place in places],
        [place.index for place in places],
        [bytes.fromhex(place.leaf_hash) for place in places],
        [place.received_at for place in places],
    )


async def mark_refused(connection: Connection, event_id: EventId, problem: dict[str, Any]) -> None:
    """Keep the log's final refusal."""
    await connection.execute(
        "UPDATE outbox SET state = 'refused', problem = $2 WHERE event_id = $1 AND state = 'pending'",
        bytes.fromhex(event_id),
        _ENCODE(problem),
    )


async def refuse_followers(connection: Connection, stream: CredentialId, problem: dict[str, Any]) -> list[EventId]:
    """Refuse what waits to be said of a credential whose issue was refused; return the event ids."""
    rows = await connection.fetch(
        "UPDATE outbox SET state = 'refused', problem = $2 WHERE stream = $1 AND state = 'pending' RETURNING event_id",
        bytes.fromhex(stream),
        _ENCODE(problem),
    )
    return [EventId(row["event_id"].hex()) for row in rows]


async def postpone(
    connection: Connection, event_ids: Sequence[EventId], problems: Sequence[dict[str, Any]], pauses: Sequence[float]
) -> None:
    """Note why events were not taken yet, and for how many seconds not to send them again."""
    await connection.execute(
        """UPDATE outbox SET attempt_count = attempt_count + 1, problem = later.problem,
               next_attempt_at = now() + make_interval(secs => later.pause)
           FROM unnest($1::bytea[], $2::bytea[], $3::float8[]) AS later (event_id, problem, pause)
           WHERE outbox.event_id = later.event_id AND state = 'pending'""",
        [bytes.fromhex(each) for each in event_ids],
        [_ENCODE(problem) for problem in problems],
        list(pauses),
    )


async def mark_published(
    connection: Connection,
    event_ids: Sequence[EventId],
    indices: Sequence[int],
    hashes: Sequence[bytes],
    received_at: Sequence[Moment],
) -> list[EventId]:
    """Close the rows of events that were seen, proven, on the log; return those that are this gateway's."""
    rows = await connection.fetch(
        """UPDATE outbox SET state = 'published', leaf_index = seen.leaf_index, leaf_hash = seen.leaf_hash,
               received_at = seen.received_at, problem = NULL
           FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::text[])
               AS seen (event_id, leaf_index, leaf_hash, received_at)
           WHERE outbox.event_id = seen.event_id RETURNING outbox.event_id""",
        [bytes.fromhex(each) for each in event_ids],
        list(indices),
        list(hashes),
        list(received_at),
    )
    return [EventId(row["event_id"].hex()) for row in rows]


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """How full the outbox is, and how old its oldest pending event."""

    pending: int
    sequenced: int
    refused: int
    oldest_pending_at: datetime | None


async def depth(connection: Connection | Pool) -> Depth:
    """Count the outbox; sequenced rows are those that no published checkpoint has shown yet."""
    row = await connection.fetchrow(
        """SELECT count(*) FILTER (WHERE state = 'pending') AS pending,
               count(*) FILTER (WHERE state = 'sequenced') AS sequenced,
               min(created_at) FILTER (WHERE state = 'pending') AS oldest_pending_at
           FROM outbox WHERE state IN ('pending', 'sequenced')"""
    )
    refused = await connection.fetchval("SELECT count(*) FROM outbox WHERE state = 'refused'")
    assert row is not None, "an aggregate has one row"
    return Depth(**dict(row), refused=refused)
