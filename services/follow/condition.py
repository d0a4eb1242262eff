"""How far a follower can be relied on: what stopped it, what troubles it, how old its knowledge is. Knows no HTTP."""

from collections.abc import Callable

from proto.moment import Moment, to_ms
from services.follow.interface import (
    FaultyLogProblem,
    FollowerState,
    Health,
    Position,
    UnknownRulesProblem,
)

_SECOND_MS = 1000


class Condition:
    """Belongs to one follower, which writes it; `health` is read by anyone on the same loop."""

    def __init__(
        self,
        *,
        is_witnessed: bool,
        freshness_seconds_max: float,
        clock: Callable[[], Moment],
        monotonic: Callable[[], float],
        stop: FaultyLogProblem | UnknownRulesProblem | None,
    ) -> None:
        self.stop = stop
        self.trouble: str | None = None
        self._is_witnessed = is_witnessed
        self._limit_seconds = freshness_seconds_max
        self._clock = clock
        self._monotonic = monotonic
        self._fetched_at: Moment | None = None
        self._fetched_monotonic: float | None = None
        self._witnessed_at: Moment | None = None

    @property
    def is_halted(self) -> bool:
        """Whether nothing more may be applied: conclusive evidence against the log, or rules that are not known."""
        if isinstance(self.stop, FaultyLogProblem):
            return self.stop.evidence.is_conclusive
        return self.stop is not None

    def restored(self, position: Position) -> None:
        """The position comes from an earlier run: its times count, by the wall clock alone."""
        if self._fetched_at is None:
            self._fetched_at, self._witnessed_at = position.fetched_at, position.witnessed_at

    def caught_up(self, *, fetched_at: Moment, fetched_monotonic: float, witnessed_at: Moment | None) -> None:
        """The projection held all that the log showed at that time; whatever troubled before is over."""
        self.stop = self.trouble = None
        self._fetched_at, self._fetched_monotonic, self._witnessed_at = fetched_at, fetched_monotonic, witnessed_at

    def health(self) -> Health:
        """Return how far the projection can be relied on now."""
        time = self._witnessed_at if self._is_witnessed else self._fetched_at
        age_seconds = self._age_seconds(time)
        state, detail = self._state(age_seconds)
        return Health(
            state=state,
            detail=detail,
            age_seconds=age_seconds,
            time=time,
            time_source="witnesses" if self._is_witnessed else "log",
            evidence=self.stop.evidence if isinstance(self.stop, FaultyLogProblem) else None,
        )

    def _state(self, age_seconds: float | None) -> tuple[FollowerState, str]:
        if self.stop is not None:
            return "faulty" if isinstance(self.stop, FaultyLogProblem) else "unknown_rules", self.stop.detail
        if age_seconds is None:
            return "stale", self.trouble or "The projection has not caught up with the log yet"
        if age_seconds > self._limit_seconds:
            return "stale", self.trouble or f"The log was last known {age_seconds:.0f} s ago"
        return "healthy", "The projection holds all that the log shows"

    def _age_seconds(self, time: Moment | None) -> float | None:
        """Return the age of a time; a wall clock that was set back makes nothing younger."""
        if time is None:
            return None
        age = (to_ms(self._clock()) - to_ms(time)) / _SECOND_MS
        if self._fetched_monotonic is not None:
            age = max(age, self._monotonic() - self._fetched_monotonic)
        return max(0.0, age)
