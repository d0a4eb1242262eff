"""Who waits for an event to arrive on the log. Knows no database."""

import asyncio
import contextlib
from typing import Any

import msgspec

from proto.ids import EventId
from proto.wire.ledger import Appended


class Arrival(msgspec.Struct, frozen=True):
    """What became of an event: its place on the log, or the log's final refusal."""

    appended: Appended | None = None
    problem: dict[str, Any] | None = None
    is_published: bool = False


class Expected:
    """Somebody's wait for one event."""

    def __init__(self, event_id: EventId) -> None:
        self.event_id = event_id
        self.future: asyncio.Future[Arrival] = asyncio.get_running_loop().create_future()

    async def within(self, seconds: float) -> Arrival | None:
        """Return the arrival, or None where it does not come in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self.future)
        return None


class Arrivals:
    """Requests that wait for their event; told by the relay. One per process: other processes' requests ask again."""

    def __init__(self) -> None:
        self._waiting: dict[EventId, list[Expected]] = {}

    def expect(self, event_id: EventId) -> Expected:
        """Begin to wait; before the event is committed, so that it is not missed. To be ended with `forget`."""
        expected = Expected(event_id)
        self._waiting.setdefault(event_id, []).append(expected)
        return expected

    def forget(self, expected: Expected | None) -> None:
        """End a wait, whatever came of it."""
        if expected is None:
            return
        waiting = self._waiting.get(expected.event_id, [])
        if expected in waiting:
            waiting.remove(expected)
        if not waiting:
            self._waiting.pop(expected.event_id, None)

    def arrived(self, event_id: EventId, arrival: Arrival) -> None:
        """Tell everybody who waits for this event."""
        for expected in self._waiting.get(event_id, ()):
            if not expected.future.done():
                expected.future.set_result(arrival)
