"""A submission on its way through the ledger: its events, and the answers as they come in. Knows no step of the way."""

import asyncio

import msgspec

from proto.envelope import Opened
from proto.problem import Problem
from proto.wire.ledger import Appended


class SequencingAnswer(msgspec.Struct, frozen=True):
    """Where an event stands, and whether this submission put it there."""

    appended: Appended
    is_new: bool


Outcome = SequencingAnswer | Problem


class Submission:
    """Events that were sent together, in the order sent, and one outcome for each; `done` once all are there."""

    __slots__ = ("_missing", "done", "events", "outcomes")

    def __init__(self, events: list[Opened]) -> None:
        self.events = events
        self.outcomes: list[Outcome | None] = [None] * len(events)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = len(events)

    def settle(self, position: int, outcome: Outcome) -> None:
        """Set the outcome of one event; the first one stands."""
        if self.outcomes[position] is not None:
            return
        self.outcomes[position] = outcome
        self._missing -= 1
        if not self._missing and not self.done.done():
            self.done.set_result(None)

    def open_positions(self) -> list[int]:
        """Return the positions of the events that have no outcome yet."""
        return [position for position, outcome in enumerate(self.outcomes) if outcome is None]

    def fail(self, problem: Problem) -> None:
        """Refuse every event that has no outcome yet."""
        for position in self.open_positions():
            self.settle(position, problem)


class QueuedEvent:
    """One event of a submission that waits to be sequenced."""

    __slots__ = ("opened", "position", "submission")

    def __init__(self, submission: Submission, position: int) -> None:
        self.submission = submission
        self.position = position
        self.opened = submission.events[position]

    def settle(self, outcome: Outcome) -> None:
        """Answer the event."""
        self.submission.settle(self.position, outcome)
