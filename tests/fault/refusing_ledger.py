"""A ledger in memory that gives each event one place, and refuses: some for good, some until a while has passed."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec

from proto.envelope import Envelope, Opened, open_envelope
from proto.events import CredentialIssued
from proto.ids import CredentialId, EventId, LeafIndex
from proto.wire.ledger import Appended, AppendLine

Problem = dict[str, Any]
_WAIT_SECONDS_MAX = 2.0


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How many of all events are refused for good, and how many at first."""

    for_good: float = 0.0
    at_first: float = 0.0


class Ledger:
    """What is on the log. The same event is always answered the same, but one that was refused at first."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self.places: dict[EventId, Appended] = {}
        self.faults: list[str] = []
        self.refused: set[EventId] = set()
        self.later_count = 0
        self._seed = seed
        self._rates = rates
        self._first_sent_at: dict[EventId, float] = {}
        self._issued: set[CredentialId] = set()
        self._expected: set[CredentialId] = set()

    def expect(self, stream: CredentialId) -> None:
        """Know that a credential is to be issued before anything else is said about it."""
        self._expected.add(stream)

    def take(self, envelopes: Sequence[Envelope]) -> list[AppendLine]:
        """Return the answer to each."""
        return [self._answer(line, open_envelope(envelope)) for line, envelope in enumerate(envelopes, start=1)]

    def _answer(self, line: int, opened: Opened) -> AppendLine:
        event, event_id = opened.event, opened.event_id
        problem = None if event_id in self.places else self._refusal(event_id)
        if problem is not None:
            return AppendLine(line=line, status=422, problem=problem)
        stream = getattr(event, "credential_id", None)
        if isinstance(event, CredentialIssued):
            self._issued.add(event.credential_id)
        elif stream in self._expected - self._issued:
            self.faults.append("something was said about a credential that was not issued")
        place = Appended(
            index=LeafIndex(len(self.places)), leaf_hash="00" * 32, received_at=event.at, event_id=event_id
        )
        return AppendLine(line=line, status=201, appended=self.places.setdefault(event_id, place))

    def _refusal(self, event_id: EventId) -> Problem | None:
        dice = Random(f"{self._seed} {event_id}")
        fate = dice.random()
        if fate < self._rates.for_good:
            self.refused.add(event_id)
            return {"type": "urn:problem:not-active", "title": "Refused", "final": True}
        now = asyncio.get_running_loop().time()
        first_sent_at = self._first_sent_at.setdefault(event_id, now)
        is_early = now < first_sent_at + dice.uniform(0.0, _WAIT_SECONDS_MAX)
        if is_early and fate < self._rates.for_good + self._rates.at_first:
            self.later_count += 1
            return {"type": "urn:problem:key-not-active-yet", "title": "Not yet", "final": False}
        return None
