"""How far a follower can be relied on: what stopped it, what troubles it, how old its knowledge is. Knows no HTTP."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from proto.lifecycle import UnknownRulesProblem
from proto.moment import Moment, to_ms
from services.follow.clocks import AHEAD_SECONDS_MAX, WITNESS_AHEAD_SECONDS_MAX, behind_seconds, newest
from services.follow.interface import (
    ClockBehindProblem,
    FaultyLogProblem,
    FollowerState,
    Health,
    LogEvidence,
    Position,
)

_SECOND_MS = 1000
Stop = FaultyLogProblem | UnknownRulesProblem | ClockBehindProblem


class FollowerKnowledge(msgspec.Struct, frozen=True, kw_only=True):
    """What a follower knows at a moment, as other processes may read it too: monotonic times are the machine's.

    `position` is where the projection stood when it had last caught up; `halt` is the state that `stop` brought about.
    """

    halt: FollowerState | None = None
    words: str | None = None
    evidence: LogEvidence | None = None
    position: Position | None = None
    fetched_at: Moment | None = None
    fetched_monotonic: float | None = None
    witnessed_at: Moment | None = None
    shown_at: Moment | None = None
    """The newest time beyond the position's that was shown: of an entry that is held, or of witnesses ahead of us."""
    is_imported: bool = False

    def newest_shown(self) -> Moment | None:
        """Return the newest time that was shown, but for a witnesses' time that counts."""
        return newest(self.shown_at, self.position.last_received_at if self.position else None)


class HealthPolicy:
    """Says how far what is known can be relied on, by the clocks of this process."""

    def __init__(
        self,
        *,
        is_witnessed: bool,
        is_pinned: bool = False,
        freshness_seconds_max: float,
        clock: Callable[[], Moment],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_witnessed = is_witnessed
        self._is_pinned = is_pinned
        self._limit_seconds = freshness_seconds_max
        self._clock = clock
        self._monotonic = monotonic

    def health(self, known: FollowerKnowledge) -> Health:
        """Return how far what is known can be relied on now."""
        now = self._clock()
        time = known.witnessed_at if self._is_witnessed else known.fetched_at
        age_seconds = self._age_seconds(time, known.fetched_monotonic, now)
        shown_at = newest(known.witnessed_at, known.newest_shown())
        behind = behind_seconds(shown_at, now)
        state, detail = self._state(known, age_seconds, behind, now)
        return Health(
            state=state,
            detail=detail,
            age_seconds=age_seconds,
            time=time,
            time_source="witnesses" if self._is_witnessed else "log",
            evidence=known.evidence,
            shown_at=shown_at,
            behind_seconds=behind,
            is_pinned=self._is_pinned,
            is_imported=known.is_imported,
        )

    def _state(
        self, known: FollowerKnowledge, age_seconds: float | None, behind: float, now: Moment
    ) -> tuple[FollowerState, str]:
        if known.halt is not None:
            return known.halt, known.words or ""
        if behind > self._ahead_seconds_max(known):
            return "clock_behind", (
                f"This machine's clock says {now}, which is {behind:.0f} s before the newest time that the log or its "
                "witnesses have shown: set the clock (NTP); if it is right, ask the log's operator"
            )
        if age_seconds is None:
            return "stale", known.words or "The projection has not caught up with the log yet"
        if age_seconds > self._limit_seconds:
            return "stale", known.words or f"The log was last known {age_seconds:.0f} s ago{self._ahead_perhaps(known)}"
        return "healthy", "The projection holds all that the log shows"

    def _ahead_seconds_max(self, known: FollowerKnowledge) -> float:
        """Witnesses may be further ahead of us than the log: their times count only where a quorum has them."""
        is_log = behind_seconds(known.newest_shown(), self._clock()) > AHEAD_SECONDS_MAX
        return AHEAD_SECONDS_MAX if is_log else WITNESS_AHEAD_SECONDS_MAX

    def _ahead_perhaps(self, known: FollowerKnowledge) -> str:
        """Name the other cause where witnesses' times are old although they were fetched just now."""
        fetched = known.fetched_monotonic
        if not self._is_witnessed or fetched is None or self._monotonic() - fetched > self._limit_seconds:
            return ""
        return ", by its witnesses' clocks: they stand still, or this machine's clock is ahead"

    def _age_seconds(self, time: Moment | None, fetched_monotonic: float | None, now: Moment) -> float | None:
        """Return the age of a time; a wall clock that was set back makes nothing younger.

        A time from an earlier run that is still to come has no age: it was taken by a clock that was wrong, or ours is.
        """
        if time is None:
            return None
        age = (to_ms(now) - to_ms(time)) / _SECOND_MS
        if fetched_monotonic is not None:
            age = max(age, self._monotonic() - fetched_monotonic)
        elif age < -AHEAD_SECONDS_MAX:
            return None
        return max(0.0, age)


class Condition:
    """Belongs to one follower, which writes it; anyone on the same loop reads `known`, and `tell` has each new one."""

    def __init__(self, *, stop: Stop | None, tell: Callable[[FollowerKnowledge], None] | None = None) -> None:
        self.stop: Stop | None = None
        self.known = FollowerKnowledge()
        self._tell = tell
        if stop is not None:
            self.stopped(stop)

    @property
    def is_halted(self) -> bool:
        """Whether nothing more may be applied: conclusive evidence against the log, or rules that are not known."""
        if isinstance(self.stop, FaultyLogProblem):
            return self.stop.evidence.is_conclusive
        return isinstance(self.stop, UnknownRulesProblem)

    def stopped(self, stop: Stop) -> None:
        """The log is faulty, ahead of us or not understood: nothing is answered from it before it shows otherwise."""
        self.stop = stop
        halts: dict[type[Stop], FollowerState] = {FaultyLogProblem: "faulty", UnknownRulesProblem: "unknown_rules"}
        self._say(
            halt=halts.get(type(stop), "clock_behind"),
            words=stop.detail,
            evidence=stop.evidence if isinstance(stop, FaultyLogProblem) else None,
            shown_at=stop.shown_at if isinstance(stop, ClockBehindProblem) else self.known.shown_at,
        )

    def troubled(self, words: str) -> None:
        """A step failed; what was known only grows older. The words of what stopped it stay."""
        if self.stop is None:
            self._say(words=words)

    def restored(self, position: Position) -> None:
        """The position comes from an earlier run: its times count, by the wall clock alone."""
        if self.known.fetched_at is None:
            self._say(position=position, fetched_at=position.fetched_at, witnessed_at=position.witnessed_at)

    def caught_up(
        self,
        position: Position,
        *,
        fetched_at: Moment,
        fetched_monotonic: float,
        witnessed_at: Moment | None,
        shown_at: Moment | None = None,
    ) -> None:
        """The projection held all that the log showed at that time; whatever troubled before is over.

        `shown_at` is a time of the witnesses that is still to come, where no earlier one counts. Conclusive evidence
        stays, also where it was found elsewhere while a step was under way.
        """
        if self.is_halted:
            return
        self.stop = None
        self._say(
            halt=None,
            words=None,
            evidence=None,
            position=position,
            fetched_at=fetched_at,
            fetched_monotonic=fetched_monotonic,
            witnessed_at=witnessed_at,
            shown_at=shown_at,
        )

    def imported(self, *, is_imported: bool) -> None:
        """The projection rests on somebody's snapshot, or does no longer."""
        self._say(is_imported=is_imported)

    def _say(self, **changes: Any) -> None:
        self.known = replace(self.known, **changes)
        if self._tell is not None:
            self._tell(self.known)
