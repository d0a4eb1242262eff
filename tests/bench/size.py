"""How much a run of the benchmark does: a quick one and a full one. Measures nothing."""

import msgspec


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much a section does: rounds that count, and the seconds that one measure takes in each.

    After `rounds_seconds_max` no further round of the same measures begins.
    """

    rounds: int
    seconds: float
    rounds_seconds_max: float
    credentials: int
    """In the projection that is measured for its size."""
    scale_credentials: int
    """On the log of the section `scale`."""
    tenancy_credentials: int
    """Of all institutions of the section `tenancy` together."""
    entries: int
    """To which the log is grown, tenfold at a time."""
    file_rows: int
    """In the file that is issued in the background."""

    @property
    def is_quick(self) -> bool:
        """Tell whether the rounds are too short for figures to be quoted."""
        return self.seconds < 1

    def prepare(self, per_second: int) -> int:
        """Return how many to make ready for one measure, where nobody will manage more than so many per second."""
        return max(MEASURED_MIN, round(per_second * self.seconds))


MEASURED_MIN = 64
"""Below this a single slow answer would be the figure."""
QUICK = Size(
    rounds=5,
    seconds=0.2,
    rounds_seconds_max=5,
    credentials=10_000,
    scale_credentials=10_000,
    tenancy_credentials=4_000,
    entries=10_000,
    file_rows=5_000,
)
FULL = Size(
    rounds=5,
    seconds=1.5,
    rounds_seconds_max=180,
    credentials=200_000,
    scale_credentials=100_000,
    tenancy_credentials=1_000_000,
    entries=100_000,
    file_rows=100_000,
)
