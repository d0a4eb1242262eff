"""What every section of the benchmark gets: how long to measure, the workers, the limits and the services."""

import msgspec

from tests.bench.crew import Crew
from tests.bench.limits.database import DatabaseLimits
from tests.bench.limits.http import HttpLimits
from tests.bench.stand import Stand


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much a section does: rounds that count, and the seconds that one measure takes in each."""

    rounds: int
    seconds: float

    def prepare(self, per_second: int) -> int:
        """Return how many to make ready for one measure, where nobody will manage more than so many per second."""
        return max(MEASURED_MIN, round(per_second * self.seconds))


MEASURED_MIN = 64
"""Below this a single slow answer would be the figure."""
QUICK = Size(rounds=5, seconds=0.2)
FULL = Size(rounds=7, seconds=1.5)


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
