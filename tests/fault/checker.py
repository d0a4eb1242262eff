"""Judges a log by what its clients wrote down, in the manner of Jepsen's log tests. Knows no service and no database.

Clients keep a record of every attempt: when it began and ended, and what they were told. Of a log that lost nothing
and made nothing up, five things are true: no lost acknowledgement, no duplicate, no gap, no reorder, no phantom.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from proto.ids import EventId
from proto.wire.ledger import Appended

Told = Literal["appended", "known", "unknown", "nothing"]
"""201, 200, no answer that says what happened, or an answer that says that nothing has happened."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One event sent once: when that began and ended on the clients' common clock, and what came of it."""

    event_id: EventId
    submission: int
    position: int
    began: float
    ended: float
    told: Told
    place: Appended | None = None


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as it stands on the log."""

    index: int
    event_id: EventId
    leaf_hash: str
    received_at: str


def faults_of(log: Sequence[Logged], attempts: Iterable[Attempt], *, before: int) -> list[str]:
    """Return what is wrong, a sentence each; nothing if the log is what the clients were told.

    `log` is read after all attempts; its first `before` entries were there before them.
    """
    tried = sorted(attempts, key=lambda attempt: attempt.began)
    by_event: dict[EventId, list[Attempt]] = {}
    for attempt in tried:
        by_event.setdefault(attempt.event_id, []).append(attempt)
    places = {entry.event_id: entry for entry in log}
    return [
        *_gaps(log),
        *_duplicates(log, by_event),
        *_lost(places, tried),
        *_phantoms(log[before:], by_event),
        *_reordered(places, tried),
    ]


def _gaps(log: Sequence[Logged]) -> list[str]:
    found = [f"gap: entry {at} says index {entry.index}" for at, entry in enumerate(log) if entry.index != at]
    times = [entry.received_at for entry in log]
    return found + [f"reorder: entry {at} was received before entry {at - 1}" for at in _descents(times)]


def _descents(values: Sequence[str]) -> list[int]:
    return [at for at in range(1, len(values)) if values[at] < values[at - 1]]


def _duplicates(log: Sequence[Logged], by_event: Mapping[EventId, Sequence[Attempt]]) -> list[str]:
    """One entry per event; one place and at most one 201 per event."""
    found, seen = [], set()
    for entry in log:
        if entry.event_id in seen:
            found.append(f"duplicate: entry {entry.index} holds {entry.event_id} again")
        seen.add(entry.event_id)
    for event_id, attempts in by_event.items():
        if len({attempt.place for attempt in attempts if attempt.place}) > 1:
            found.append(f"duplicate: {event_id} was acknowledged at two places")
        if sum(attempt.told == "appended" for attempt in attempts) > 1:
            found.append(f"duplicate: {event_id} was called new twice")
    return found


def _lost(places: Mapping[EventId, Logged], attempts: Iterable[Attempt]) -> list[str]:
    found = []
    for attempt in attempts:
        if (told := attempt.place) is None:
            continue
        entry = places.get(attempt.event_id)
        is_there = entry is not None and (entry.index, entry.leaf_hash, entry.received_at) == (
            told.index,
            told.leaf_hash,
            told.received_at,
        )
        if not is_there:
            found.append(f"lost: {attempt.event_id} was acknowledged at {told.index}, where the log has another")
    return found


def _phantoms(log: Iterable[Logged], by_event: Mapping[EventId, Sequence[Attempt]]) -> list[str]:
    """Whatever is on the log was sent, and not only with answers that nothing has happened."""
    found = []
    for entry in log:
        attempts = by_event.get(entry.event_id, ())
        if not attempts:
            found.append(f"phantom: nobody sent what entry {entry.index} holds")
            continue
        if all(attempt.told == "nothing" for attempt in attempts):
            found.append(f"phantom: entry {entry.index} is there, but its senders were told that nothing has happened")
        known = [attempt for attempt in attempts if attempt.told == "known"]
        makers = [attempt for attempt in attempts if attempt.told in {"appended", "unknown"}]
        if known and not any(maker.began <= known[0].ended for maker in makers):
            found.append(f"phantom: entry {entry.index} was known before any attempt that may have made it")
    return found


def _reordered(places: Mapping[EventId, Logged], attempts: Sequence[Attempt]) -> list[str]:
    """What was acknowledged before something else was first sent stands before it; so does what was sent together."""
    found = []
    first_sent: dict[EventId, float] = {}
    for attempt in attempts:
        first_sent.setdefault(attempt.event_id, attempt.began)
    acknowledged = sorted((each.ended, each.place.index) for each in attempts if each.place)
    highest, at = -1, 0
    for event_id, began in sorted(first_sent.items(), key=lambda item: item[1]):
        while at < len(acknowledged) and acknowledged[at][0] < began:
            highest, at = max(highest, acknowledged[at][1]), at + 1
        if (entry := places.get(event_id)) and entry.index < highest:
            found.append(f"reorder: entry {entry.index} was sent after entry {highest} was acknowledged")
    return found + _reordered_within(attempts)


def _reordered_within(attempts: Iterable[Attempt]) -> list[str]:
    """The events of one submission that were new get ascending indices."""
    found, last = [], dict[int, tuple[int, int]]()
    for attempt in sorted(attempts, key=lambda each: (each.submission, each.position)):
        if attempt.told != "appended" or attempt.place is None:
            continue
        before = last.get(attempt.submission)
        if before and attempt.place.index < before[1]:
            found.append(f"reorder: submission {attempt.submission} stands in another order than it was sent in")
        last[attempt.submission] = (attempt.position, attempt.place.index)
    return found
