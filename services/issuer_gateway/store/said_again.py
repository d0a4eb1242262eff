"""SQL of events that were void and are said again: what they were, and which event has taken the place of which."""

from collections.abc import Sequence

import msgspec

from proto.envelope import Envelope
from proto.ids import EventId
from services.persistence.postgres import Connection

_DECODE = msgspec.json.Decoder(Envelope).decode


async def envelope(connection: Connection, event_id: EventId) -> Envelope:
    """Return an event of the outbox as it was signed; it is there."""
    found: bytes = await connection.fetchval("SELECT envelope FROM outbox WHERE event_id = $1", bytes.fromhex(event_id))
    return _DECODE(found)


async def again(connection: Connection, event_ids: Sequence[EventId]) -> dict[EventId, EventId]:
    """Return which of these events are said again, each with the event that says it now, however often that was."""
    rows = await connection.fetch(
        """WITH RECURSIVE line (asked, event_id) AS (
               SELECT event_id, again FROM said_again WHERE event_id = ANY($1::bytea[])
               UNION SELECT asked, said_again.again FROM line JOIN said_again USING (event_id)
           ) SELECT asked, event_id FROM line WHERE NOT EXISTS (
               SELECT FROM said_again WHERE said_again.event_id = line.event_id)""",
        [bytes.fromhex(each) for each in event_ids],
    )
    return {EventId(row["asked"].hex()): EventId(row["event_id"].hex()) for row in rows}


async def add(connection: Connection, event_id: EventId, now: EventId) -> None:
    """Note that an event is said again by this one, once."""
    await connection.execute(
        "INSERT INTO said_again (event_id, again) VALUES ($1, $2)", bytes.fromhex(event_id), bytes.fromhex(now)
    )
