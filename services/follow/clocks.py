"""How the times that a log states stand to the clocks that saw it: a follower's own, and its witnesses'. Asks nobody.

An entry cannot be received later than now, nor before a time at which the log was known to lack it. Either may be a
fault of the log, or of a clock: an entry that is wrong by one clock is not applied. Evidence for others is an entry
that its witnesses had cosigned an hour or more before its time. One that is dated back is none: a cosignature says when
a witness was shown a tree, by whomever, and not that the log held no more; that is the log's word to those who ask it.
"""

from collections.abc import Callable, Sequence

import msgspec

from proto.ids import LeafIndex, TreeSize
from proto.log.checkpoint import OpenedCheckpoint
from proto.log.policy import NO_QUORUM, Policy
from proto.moment import SECONDS_MAX, Moment, from_ms, to_ms
from services.follow.chunk import Candidate, Stop
from services.follow.interface import ClockBehindProblem, FaultyLogProblem, LogEvidence, Position

AHEAD_SECONDS_MAX = 10.0
"""How far a time may lie ahead of our clock before one of the two must be wrong; twice what a ledger lets pass."""
WITNESS_AHEAD_SECONDS_MAX = 60
"""How far the clock of a witness may be ahead of ours for its time to count."""
EVIDENCE_SECONDS_MIN = 3_600
"""How far an entry's time must lie from what a witness saw to convict the log: clocks that drift do not get so far."""
SIGHTINGS_MAX = 64
_SECOND_MS = 1000
_LATEST_MS = SECONDS_MAX * _SECOND_MS - 3_600_000  # a check that judges no times has a clock beyond all of them


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """At this time the log had no entry at `size` or beyond, by its own word: by our clock, or the witnesses' quorum's.

    `monotonic` is there for what this very process saw; `note` is the checkpoint that was shown.
    """

    size: int
    at: Moment
    note: bytes
    monotonic: float | None = None
    is_witnessed: bool = False


class Clocks:
    """Belongs to one follower: what was seen when, and what that says about the time of an entry."""

    def __init__(
        self,
        *,
        policy: Policy,
        clock: Callable[[], Moment],
        monotonic: Callable[[], float],
        publish_delay_seconds: float,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._monotonic = monotonic
        self._delay_ms = round(publish_delay_seconds * _SECOND_MS)
        self._own: list[Sighting] = []
        self._witnessed: Sighting | None = None

    def restored(self, position: Position) -> None:
        """Take up what an earlier run saw; called again, it changes nothing.

        What the checkpoint's cosignatures say is left out: nobody knows any more what the log held beside it then.
        """
        if position.seen_at is not None and not self._own:
            self._own.append(Sighting(size=position.seen_size, at=position.seen_at, note=position.checkpoint))

    def seen(self, size: TreeSize, note: bytes, at: Moment, monotonic: float) -> None:
        """Remember that the log said at that time that it held so many entries."""
        kept = [each for each in self._own if each.size < size][-SIGHTINGS_MAX:]
        self._own = [*kept, Sighting(size=size, at=at, note=note, monotonic=monotonic)]

    def witnessed(self, opened: OpenedCheckpoint) -> None:
        """Remember when the witnesses' quorum saw this tree, where the log held no more by its own word.

        What was signed before an outage is cosigned after it, when the log holds much that it could not publish.
        """
        is_all = bool(self._own) and self._own[-1].size <= opened.checkpoint.size
        found = self._sighting(opened) if is_all else None
        if found is not None and (self._witnessed is None or found.at > self._witnessed.at):
            self._witnessed = found

    def last(self, size: int) -> Sighting | None:
        """Return our newest sighting of a log that had no entry at `size` or beyond, or None."""
        return max((each for each in self._own if each.size <= size), key=lambda each: each.size, default=None)

    def newest_witnessed(self, opened: OpenedCheckpoint) -> Moment | None:
        """Return the newest time by which the quorum had cosigned, even if it is still to come."""
        return _moment(self._policy.quorum_at(opened.cosigned_at))

    def witnessed_at(self, opened: OpenedCheckpoint, now: Moment) -> Moment | None:
        """Return the newest time by which the quorum had cosigned; times that are still to come vouch for nothing."""
        latest = to_ms(now) // _SECOND_MS + WITNESS_AHEAD_SECONDS_MAX
        return _moment(self._policy.quorum_at(opened.cosigned_at, latest=latest))

    def first_wrong(self, candidates: Sequence[Candidate], opened: OpenedCheckpoint) -> tuple[int, Stop] | None:
        """Return the place of the first entry whose time cannot be right, and why; None where all may be."""
        now = self._clock()
        latest = from_ms(min(to_ms(now), _LATEST_MS) + round(AHEAD_SECONDS_MAX * _SECOND_MS))
        floors = self._floors(now)
        for place, candidate in enumerate(candidates):
            entry = candidate.entry
            if entry.received_at > latest:
                return place, self._ahead(candidate, opened, now)
            for floor, sighting in floors:
                if entry.index >= sighting.size and entry.received_at < floor:
                    return place, self._back(candidate, sighting, opened, now)
        return None

    def _floors(self, now: Moment) -> list[tuple[Moment, Sighting]]:
        """Return what no entry beyond a sighting may be dated before; a sighting that is still to come says nothing.

        What this process saw itself is reckoned back from now, so that a clock that was put right accuses nobody.
        """
        found: list[tuple[Moment, Sighting]] = []
        for sighting in (*([self._witnessed] if self._witnessed else []), *self._own):
            at_ms = to_ms(sighting.at)
            if sighting.monotonic is not None:
                at_ms = min(at_ms, to_ms(now) - round((self._monotonic() - sighting.monotonic) * _SECOND_MS))
            if at_ms <= to_ms(now) + WITNESS_AHEAD_SECONDS_MAX * _SECOND_MS and at_ms > self._delay_ms:
                found.append((from_ms(at_ms - self._delay_ms), sighting))
        return found

    def _ahead(self, candidate: Candidate, opened: OpenedCheckpoint, now: Moment) -> Stop:
        entry = candidate.entry
        cosigned_at = _moment(max(opened.cosigned_at.values(), default=None))
        words = (
            f"Entry {entry.index} says that the log received it at {entry.received_at}, and this machine's clock says "
            f"{now}"
        )
        if cosigned_at is not None and self._policy.quorum != NO_QUORUM and _apart(cosigned_at, entry.received_at):
            return _fault(
                candidate,
                now,
                f"{words}; its witnesses had seen it by {cosigned_at}, so it is dated ahead",
                is_conclusive=True,
                checkpoints=(opened.encoded,),
            )
        return ClockBehindProblem(
            f"{words}: either that clock is behind, or the log dates its entries ahead. Nothing from there on is "
            "applied. Set this machine's clock (NTP); if it is right, ask the log's operator",
            shown_at=entry.received_at,
        )

    def _back(self, candidate: Candidate, sighting: Sighting, opened: OpenedCheckpoint, now: Moment) -> Stop:
        entry = candidate.entry
        who = "its witnesses had seen" if sighting.is_witnessed else "this follower had seen"
        words = (
            f"Entry {entry.index} says that the log received it at {entry.received_at}, but {who} the log without it "
            f"at {sighting.at}, when it said to hold {sighting.size} entries: it is dated back, or a clock was wrong. "
            "Nothing from there on is applied. If this machine's clock was ahead, or the log took longer to commit, "
            "set PUBLISH_DELAY_SECONDS_MAX higher; else ask the log's operator"
        )
        return _fault(candidate, now, words, is_conclusive=False, checkpoints=(sighting.note, opened.encoded))

    def _sighting(self, opened: OpenedCheckpoint) -> Sighting | None:
        at = self.witnessed_at(opened, self._clock())
        size = opened.checkpoint.size
        return None if at is None else Sighting(size=size, at=at, note=opened.encoded, is_witnessed=True)


def behind_seconds(latest: Moment | None, now: Moment) -> float:
    """Return how far a clock is behind the newest time that was shown; 0 where it is not."""
    return 0.0 if latest is None else max(0.0, (to_ms(latest) - to_ms(now)) / _SECOND_MS)


def newest(*moments: Moment | None) -> Moment | None:
    """Return the latest of those that there are."""
    return max((moment for moment in moments if moment is not None), default=None)


def _apart(earlier: Moment, later: Moment) -> bool:
    return to_ms(later) - to_ms(earlier) > EVIDENCE_SECONDS_MIN * _SECOND_MS


def _moment(seconds: int | None) -> Moment | None:
    return None if seconds is None else from_ms(min(seconds, SECONDS_MAX) * _SECOND_MS)


def _fault(
    candidate: Candidate, now: Moment, detail: str, *, is_conclusive: bool, checkpoints: tuple[bytes, ...]
) -> FaultyLogProblem:
    return FaultyLogProblem(
        LogEvidence(
            kind="time",
            detail=detail,
            found_at=now,
            is_conclusive=is_conclusive,
            index=LeafIndex(candidate.entry.index),
            entry=candidate.line,
            checkpoints=checkpoints,
        )
    )
