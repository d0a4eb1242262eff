"""What a log says it holds, beyond what it published or less: it is held to that, and may not keep it back for long."""

from collections.abc import Callable

from proto.log.checkpoint import OpenedCheckpoint
from proto.moment import Moment
from services.clients.log_client import LogClient
from services.follow.clocks import Clocks

ASK_SECONDS_MIN = 5.0
"""Between two questions."""


class HeldBack:
    """Belongs to one follower, and tells its clocks what was seen when."""

    def __init__(
        self, clocks: Clocks, clock: Callable[[], Moment], monotonic: Callable[[], float], delay_seconds: float
    ) -> None:
        self._clocks = clocks
        self._clock = clock
        self._monotonic = monotonic
        self._delay_seconds = delay_seconds
        self._asked: float | None = None
        self._since: tuple[int, float] | None = None
        self._lost_from: int | None = None
        self._unsaid_since: float | None = None

    async def ask(self, client: LogClient, opened: OpenedCheckpoint) -> None:
        """Ask how many entries the log holds, now and then: no entry beyond them may be dated before this."""
        at, monotonic, published = self._clock(), self._monotonic(), opened.checkpoint.size
        if self._asked is not None and monotonic - self._asked < ASK_SECONDS_MIN:
            return
        self._asked = monotonic
        held = await client.held_size(published)
        if held is None:
            if client.says_what_it_holds and self._unsaid_since is None:
                self._unsaid_since = monotonic
            return
        self._unsaid_since = None
        self._lost_from = held if held < published else None
        self._clocks.seen(max(held, published), opened.encoded, at, monotonic)
        self.holds(held, published)

    def holds(self, size: int, published: int) -> None:
        """Hold the log to so many entries from now on: it says that it has them, or has signed them for somebody."""
        if size > published and (self._since is None or published >= self._since[0]):
            self._since = (size, self._monotonic())

    def words(self, published: int) -> str | None:
        """Return that the log lost what it showed, or kept entries or their number to itself for too long; or None."""
        if self._lost_from is not None and self._lost_from < published:
            return (
                f"The log holds {self._lost_from} entries now, and has shown {published}: its database is an earlier "
                "state, from a backup or a failover that lost commits. What was signed is kept here; what the log says "
                "of now is not known until its operator has brought the entries back"
            )
        if self._since is None or published >= self._since[0]:
            self._since = None
            return self._unsaid()
        size, begun = self._since
        seconds = self._monotonic() - begun
        if seconds <= self._delay_seconds:
            return self._unsaid()
        return (
            f"The log said {seconds:.0f} s ago, or signed for others, that it holds {size} entries, and has not "
            "published them here since: what they say is not known here"
        )

    def _unsaid(self) -> str | None:
        """Return that the log has not said for too long how many entries it holds; or None."""
        if self._unsaid_since is None or (seconds := self._monotonic() - self._unsaid_since) <= self._delay_seconds:
            return None
        return (
            f"The log has not said for {seconds:.0f} s how many entries it holds, so it could date back what comes: "
            "what it says of now is not confirmed. Let its /v1/log through, or ask its operator"
        )
