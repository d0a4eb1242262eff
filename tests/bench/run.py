"""What every section of the benchmark gets: how long to measure, the workers, the limits and the services."""

from tests.bench.crew import Crew
from tests.bench.figures import Curve
from tests.bench.limits.database import DatabaseLimits
from tests.bench.limits.http import HttpLimits
from tests.bench.results import Results
from tests.bench.size import Size
from tests.bench.stand import Stand


class Run:
    """One run of the benchmark; whoever made the parts closes them."""

    def __init__(
        self,
        *,
        size: Size,
        crew: Crew,
        stand: Stand,
        http_limits: HttpLimits,
        database_limits: DatabaseLimits,
        results: Results,
    ) -> None:
        self.size = size
        self.crew = crew
        self.stand = stand
        self.http_limits = http_limits
        self.database_limits = database_limits
        self.results = results
        self.curves: list[Curve] = results.curves
        """What sections found that is no single figure."""

    def on(self, stand: Stand) -> "Run":
        """Return the same run with the services of another stand, whose log is judged by other rules."""
        return Run(
            size=self.size,
            crew=self.crew,
            stand=stand,
            http_limits=self.http_limits,
            database_limits=self.database_limits,
            results=self.results,
        )
