"""SQL of the outbox: signed events on their way to the log. What was inserted is sent as it is, however often."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from proto.envelope import Envelope, Opened
from proto.ids import CredentialId, EventId, InstitutionId, LeafIndex
from proto.moment import Moment
from proto.wire.gateway import EventAnswer, OutboxState
from proto.wire.ledger import Appended
from services.issuer_gateway.domain.statements import credential_of
from services.issuer_gateway.store import locks
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_rows import add_rows

_ENCODE = msgspec.json.Encoder().encode
_DECODE_ENVELOPE = msgspec.json.Decoder(Envelope).decode
_DECODE_PROBLEM = msgspec.json.Decoder(dict[str, Any]).decode
_STAGE = "SELECT event_id, event_type, state, leaf_index, leaf_hash, received_at, problem"
_STREAMS = """
    CASE WHEN stream IS NULL
        THEN ARRAY(SELECT stream FROM outbox_stream WHERE outbox_stream.outbox_id = outbox.outbox_id ORDER BY 1)
        ELSE ARRAY[stream] END AS streams"""
_SELECT = f"{_STAGE}, institution_id::text, {_STREAMS} FROM outbox"
_PENDING = """
    SELECT waiting.outbox_id, event_id, institution_id::text, event_type, envelope, attempt_count,
        ARRAY(SELECT own.stream FROM outbox_stream AS own WHERE own.outbox_id = waiting.outbox_id ORDER BY 1) AS streams
    FROM outbox AS waiting"""
RELAY_LOCK = 0x72_65_6C_61
"""Key of the advisory lock of the one relay of a database ("rela")."""


class NewOutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event to be put into the outbox, with the credentials that order it.

    `in_place_of` is the event that was refused and that this one says again of other credentials.
    """

    institution_id: InstitutionId
    streams: tuple[CredentialId, ...]
    opened: Opened
    in_place_of: EventId | None = None


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An event that waits to be sent."""

    outbox_id: int
    event_id: EventId
    institution_id: InstitutionId
    streams: tuple[CredentialId, ...]
    event_type: str
    envelope: Envelope
    attempt_count: int


class EventStage(msgspec.Struct, frozen=True, kw_only=True):
    """How far an event has come, whatever credentials it is about."""

    event_id: EventId
    event_type: str
    state: OutboxState
    index: LeafIndex | None
    leaf_hash: str | None
    received_at: Moment | None
    problem: dict[str, Any] | None

    def answer_of(
        self, credential_id: CredentialId | None, location: str | None, *, others: tuple[CredentialId, ...] = ()
    ) -> EventAnswer:
        """Return what an institution is shown of it where it asks about one credential, or about `others` together."""
        return EventAnswer(
            event_id=self.event_id,
            event_type=self.event_type,
            state=self.state,
            credential_id=credential_id,
            credential_ids=others,
            index=self.index,
            leaf_hash=self.leaf_hash,
            received_at=self.received_at,
            problem=self.problem,
            location=location,
        )


class OutboxRow(EventStage, frozen=True, kw_only=True):
    """Where an event stands, and the credentials that it is about."""

    institution_id: InstitutionId
    streams: tuple[CredentialId, ...]

    def answer(self, location: str | None = None) -> EventAnswer:
        """Return what an institution is shown of it."""
        if len(self.streams) > 1:
            return self.answer_of(None, location, others=self.streams)
        return self.answer_of(credential_of(self.event_type, self.streams[0]), location)


def streams_of(opened: Opened, stream: CredentialId) -> tuple[CredentialId, ...]:
    """Return what orders an event: the credentials that it is about; of a withdrawal, which names none, `stream`."""
    return opened.credential_ids or (stream,)


def _ids(found: Sequence[bytes]) -> tuple[CredentialId, ...]:
    return tuple(CredentialId(each.hex()) for each in found)


def _stage(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "event_id": EventId(row["event_id"].hex()),
        "event_type": row["event_type"],
        "state": row["state"],
        "index": row["leaf_index"],
        "leaf_hash": row["leaf_hash"].hex() if row["leaf_hash"] else None,
        "received_at": row["received_at"],
        "problem": _DECODE_PROBLEM(row["problem"]) if row["problem"] else None,
    }


def _row(row: asyncpg.Record) -> OutboxRow:
    return OutboxRow(institution_id=row["institution_id"], streams=_ids(row["streams"]), **_stage(row))


def _pending(row: asyncpg.Record) -> Pending:
    return Pending(
        outbox_id=row["outbox_id"],
        event_id=EventId(row["event_id"].hex()),
        institution_id=row["institution_id"],
        streams=_ids(row["streams"]),
        event_type=row["event_type"],
        envelope=_DECODE_ENVELOPE(row["envelope"]),
        attempt_count=row["attempt_count"],
    )


async def lock_streams(connection: Connection, streams: Sequence[CredentialId]) -> None:
    """Let nobody else say anything about these credentials until the transaction ends; taken in order of their keys."""
    await locks.lock(connection, map(bytes.fromhex, streams))


async def insert(connection: Connection, said: Sequence[NewOutboxRow]) -> None:
    """Put events into the outbox, in this order, each into the streams of its credentials."""
    rows = await connection.fetch(
        """INSERT INTO outbox (event_id, institution_id, stream, event_type, envelope)
           SELECT event_id, institution_id, stream, event_type, envelope
           FROM unnest($1::bytea[], $2::uuid[], $3::bytea[], $4::text[], $5::bytea[]) WITH ORDINALITY
               AS said (event_id, institution_id, stream, event_type, envelope, place)
           ORDER BY place RETURNING event_id, outbox_id""",
        [bytes.fromhex(item.opened.event_id) for item in said],
        [item.institution_id for item in said],
        [bytes.fromhex(item.streams[0]) if len(item.streams) == 1 else None for item in said],
        [str(item.opened.event.__struct_config__.tag) for item in said],
        [_ENCODE(item.opened.envelope) for item in said],
    )
    outbox_ids = {EventId(row["event_id"].hex()): row["outbox_id"] for row in rows}
    places = await _places_of(connection, [item.in_place_of for item in said if item.in_place_of])
    ordered = []
    for item in said:
        outbox_id = outbox_ids[item.opened.event_id]
        place = places.get(item.in_place_of, outbox_id) if item.in_place_of else outbox_id
        ordered += [(bytes.fromhex(stream), place, outbox_id) for stream in item.streams]
    await add_rows(connection, "outbox_stream", ("stream", "place", "outbox_id"), ordered)


async def _places_of(connection: Connection, event_ids: Sequence[EventId]) -> dict[EventId, int]:
    """Return at which place of their credentials' streams events stand."""
    if not event_ids:
        return {}
    rows = await connection.fetch(
        """SELECT event_id, min(place) AS place FROM outbox JOIN outbox_stream USING (outbox_id)
           WHERE event_id = ANY($1::bytea[]) GROUP BY event_id""",
        [bytes.fromhex(each) for each in event_ids],
    )
    return {EventId(row["event_id"].hex()): row["place"] for row in rows}


async def insert_published(
    connection: Connection, said: NewOutboxRow, *, index: LeafIndex, leaf_hash: bytes, received_at: Moment
) -> None:
    """Put an event into the outbox that somebody else brought to the log; it stands there already."""
    await insert(connection, [said])
    await mark_published(connection, [said.opened.event_id], [index], [leaf_hash], [received_at])


async def unfollowed(connection: Connection, streams: Sequence[CredentialId]) -> list[Envelope]:
    """Return the events about these credentials that the projection has not met yet, in the order they were said."""
    rows = await connection.fetch(
        """SELECT envelope FROM outbox JOIN (
               SELECT outbox_id, min(place) AS place FROM outbox_stream WHERE stream = ANY($1::bytea[]) GROUP BY 1
           ) AS about USING (outbox_id)
           WHERE state IN ('pending', 'sequenced') ORDER BY place, outbox_id""",
        [bytes.fromhex(stream) for stream in streams],
    )
    return [_DECODE_ENVELOPE(row["envelope"]) for row in rows]


async def get(connection: Connection | Pool, event_id: EventId) -> OutboxRow | None:
    """Return where an event of this gateway stands."""
    row = await connection.fetchrow(f"{_SELECT} WHERE event_id = $1", bytes.fromhex(event_id))
    return _row(row) if row else None


async def stages(connection: Connection | Pool, event_ids: Collection[EventId]) -> dict[EventId, EventStage]:
    """Return how far these events have come, by event id, without the credentials that they are about."""
    rows = await connection.fetch(
        f"{_STAGE} FROM outbox WHERE event_id = ANY($1::bytea[])", [bytes.fromhex(each) for each in event_ids]
    )
    found = [EventStage(**_stage(row)) for row in rows]
    return {each.event_id: each for each in found}


async def due(connection: Connection | Pool, *, limit: int, ids_max: int) -> list[Pending]:
    """Return the next events to send, the oldest first: of each credential only its first that waits.

    So an event whose pause is not over holds back the later ones of its credentials, and nobody else's. They are about
    at most `ids_max` credentials, which is what the ledger takes at once.
    """
    rows = await connection.fetch(
        _PENDING
        + """ WHERE state = 'pending' AND next_attempt_at <= now() AND NOT EXISTS (
               SELECT FROM outbox_stream AS mine
               JOIN outbox_stream AS theirs ON theirs.stream = mine.stream AND theirs.place < mine.place
               JOIN outbox AS earlier ON earlier.outbox_id = theirs.outbox_id AND earlier.state = 'pending'
               WHERE mine.outbox_id = waiting.outbox_id)
           ORDER BY waiting.outbox_id LIMIT $1""",
        limit,
    )
    found: list[Pending] = []
    id_count = 0
    for row in rows:
        id_count += len(row["streams"])
        if found and id_count > ids_max:
            break
        found.append(_pending(row))
    return found


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


async def refuse_followers(
    connection: Connection, streams: Sequence[CredentialId], problem: dict[str, Any]
) -> list[EventId]:
    """Refuse what waits to be said of one of these credentials alone, whose issue was refused; return the event ids.

    What waits to be said of others as well is left: the ledger names those of which it cannot be said.
    """
    rows = await connection.fetch(
        """UPDATE outbox SET state = 'refused', problem = $2
           WHERE stream = ANY($1::bytea[]) AND state = 'pending' RETURNING event_id""",
        [bytes.fromhex(stream) for stream in streams],
        _ENCODE(problem),
    )
    return [EventId(row["event_id"].hex()) for row in rows]


async def about_several(connection: Connection, streams: Sequence[CredentialId]) -> list[Pending]:
    """Return the events that wait to be said of one of these credentials and of others as well, in their order."""
    rows = await connection.fetch(
        f"""{_PENDING} JOIN outbox_stream AS about ON about.outbox_id = waiting.outbox_id
            WHERE waiting.state = 'pending' AND waiting.stream IS NULL AND about.stream = ANY($1::bytea[])
            ORDER BY waiting.outbox_id""",
        [bytes.fromhex(stream) for stream in streams],
    )
    return list({row["outbox_id"]: _pending(row) for row in rows}.values())


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
