"""What is known now of the log that is followed: whether it can be relied on, how fresh it is, its time.

Reads what follower and projector have found. Asks nobody and changes nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from proto.ids import Origin
from proto.moment import Moment, from_datetime
from proto.problem import UnavailableProblem
from services.follow import Beginning, Follower, Health
from services.issuer_gateway.log.projector import Projector


class LogNotFollowedProblem(UnavailableProblem):
    """The gateway does not know the log's state yet, or cannot rely on it."""

    slug = "log-not-followed"
    title = "The log's state is not known here now"
    retry_after_seconds = 2


def now_after(projector: Projector, clock: Callable[[], Moment]) -> Moment:
    """Return the clock's time, never before what the log said last."""
    last = projector.latest.last_received_at if projector.latest else None
    return max(clock(), last) if last else clock()


def wall_clock() -> Moment:
    """Return the time now, in UTC."""
    return from_datetime(datetime.now(UTC))


class FollowedLogState:
    """The log as it is followed. Whoever depends on what it says asks here first."""

    def __init__(
        self,
        follower: Follower,
        beginning: Beginning,
        projector: Projector,
        *,
        clock: Callable[[], Moment] = wall_clock,
    ) -> None:
        self._follower = follower
        self._beginning = beginning
        self._projector = projector
        self._clock = clock

    @property
    def origin(self) -> Origin:
        """The log's name, which every event carries."""
        return self._follower.origin

    @property
    def rules_version(self) -> int:
        """The version of the rules that judges the log's next entry, as far as it is followed."""
        return self._projector.rules_version

    def now(self) -> Moment:
        """Return the time, never before what the log said last."""
        return now_after(self._projector, self._clock)

    def health(self) -> Health:
        """Return how the log is followed."""
        return self._follower.health()

    def check_followed(self) -> None:
        """Raise `LogNotFollowedProblem` where the log is faulty or speaks of rules that are not known here."""
        health = self._follower.health()
        if health.state in {"faulty", "unknown_rules"}:
            raise LogNotFollowedProblem(f"Nothing is said to a log that cannot be relied on: {health.detail}")
        if not self._beginning.is_reached:
            raise LogNotFollowedProblem(
                "The log before this one is still being followed to its end; ask again in a moment"
            )

    def check_fresh(self, what: str) -> None:
        """Raise `LogNotFollowedProblem` where the log was not followed lately: a revocation may have been missed.

        `what` is what depends on it, in words.
        """
        health = self._follower.health()
        if health.state != "healthy":
            raise LogNotFollowedProblem(f"{what} cannot be checked now: {health.detail}")
