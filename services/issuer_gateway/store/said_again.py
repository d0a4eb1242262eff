"""SQL of events that were void and are said again: what they were, and which event has taken the place of which."""

from collections.abc import Sequence

import msgspec

from proto.envelope import Envelope
from proto.ids import EventId
from services.persistence.postgres import Connection, Pool

_DECODE = msgspec.json.Decoder(Envelope).decode


async def envelope(connection: Connection | Pool, event_id: EventId) -> Envelope:
    """Return an event of the outbox as it was signed; it is there."""
    found: bytes = await connection.fetchval("SELECT envelope FROM outbox WHERE event_id = $1", bytes.fromhex(event_id))
    return _DECODE(found)


async def again(connection: Connection, event_ids: Sequence[EventId]) -> dict[EventId, EventId]:
    """Return which of these events are said again, each with the event that says it now, however often that was."""
    found: dict[EventId, EventId] = {}
    asked = {each: each for each in event_ids}
    while asked:
        rows = await connection.fetch(
            "SELECT event_id, again FROM said_again WHERE event_id = ANY($1::bytea[])",
            [bytes.fromhex(each) for each in asked.values()],
        )
        now = {EventId(row["event_id"].hex()): EventId(row["again"].hex()) for row in rows}
        asked = {name: now[last] for name, last in asked.items() if last in now}
        found |= asked
    return found


async def add(connection: Connection, event_id: EventId, now: EventId) -> None:
    """Note that an event is said again by this one, once."""
    await connection.execute(
        "INSERT INTO said_again (event_id, again) VALUES ($1, $2)", bytes.fromhex(event_id), bytes.fromhex(now)
    )
