"""What every section of the benchmark gets: how long to measure, the workers, the limits and the services."""

import msgspec

from tests.bench.crew import Crew
from tests.bench.limits.database import DatabaseLimits
from tests.bench.limits.http import HttpLimits
from tests.bench.stand import Stand


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much a section does: rounds that count, and a factor on everything that is sent in one round."""

    rounds: int
    factor: int

    def count(self, quick: int) -> int:
        """Return how many to send, from how many a quick run sends."""
        return quick * self.factor


QUICK = Size(rounds=5, factor=1)
FULL = Size(rounds=7, factor=6)


class Run:
    """One run of the benchmark; whoever made the parts closes them."""

    def __init__(
        self, *, size: Size, crew: Crew, stand: Stand, http_limits: HttpLimits, database_limits: DatabaseLimits
    ) -> None:
        self.size = size
        self.crew = crew
        self.stand = stand
        self.http_limits = http_limits
        self.database_limits = database_limits
