"""What the samples of a soak say: slopes, and whether each thing stays flat. Looks at nothing itself."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from tests.soak.samples import Sample

WARM_UP_SHARE = 0.25
"""Of each life of a process: what it loads once is no leak."""
LIFE_SAMPLES_MIN = 4
DRIFT_MB_MAX, DRIFT_SHARE_MAX = 24.0, 0.15
"""What a process may gain over the whole run, beyond its warm-up: this much, or this share of what it has."""
DRIFT_DESCRIPTORS_MAX = 24.0
WAL_MB_MAX = 1_600.0
"""`max_wal_size` is a gigabyte; PostgreSQL may pass it for a while."""
BYTES_GROWTH_MAX = 1.35
"""Bytes for each new credential in the second half, beside the first half."""
BYTES_FIRST_MIN = 200.0
DEAD_SHARE_MAX = 0.35
XID_AGE_MAX = 200_000_000
TRANSACTION_SECONDS_MAX = 60.0


class Line(msgspec.Struct, frozen=True):
    """One thing that was judged: its name, what was found in words, and whether that is well."""

    what: str
    found: str
    is_well: bool


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least squares through points, per unit of the first value; 0 where there is none."""
    return pooled_slope([points])


def pooled_slope(lives: Sequence[Sequence[tuple[float, float]]]) -> float:
    """Return the common slope of several lines that begin at heights of their own."""
    over = under = 0.0
    for points in lives:
        if len(points) < LIFE_SAMPLES_MIN:
            continue
        mean_x = sum(x for x, _ in points) / len(points)
        mean_y = sum(y for _, y in points) / len(points)
        over += sum((x - mean_x) * (y - mean_y) for x, y in points)
        under += sum((x - mean_x) ** 2 for x, _ in points)
    return over / under if under else 0.0


def lives_of(
    samples: Sequence[Sample], name: str, value: Callable[[Sample], float | None]
) -> list[list[tuple[float, float]]]:
    """Return a service's values by its lives, each without the warm-up."""
    lives: list[list[tuple[float, float]]] = []
    pid = None
    for sample in samples:
        found = value(sample)
        if found is None or name not in sample.lives:
            continue
        if sample.lives[name] != pid:
            pid = sample.lives[name]
            lives.append([])
        lives[-1].append((sample.at_seconds, found))
    return [points[int(len(points) * WARM_UP_SHARE) :] for points in lives]


def judge(samples: Sequence[Sample]) -> Iterator[Line]:
    """Yield a line for each thing; needs samples from the beginning to the end of the load."""
    if len(samples) < 2 * LIFE_SAMPLES_MIN:
        yield Line("samples", f"{len(samples)}: too few to say anything", is_well=False)
        return
    seconds = samples[-1].at_seconds - samples[0].at_seconds
    for name in sorted(samples[-1].lives):
        yield _memory(samples, name, seconds)
        yield _descriptors(samples, name, seconds)
    for name in sorted(samples[-1].database_mb):
        yield _bytes(samples, name)
    wal = max(sample.wal_mb for sample in samples)
    yield Line("WAL", f"at most {wal:.0f} MB, {samples[-1].wal_mb:.0f} at the end", wal <= WAL_MB_MAX)
    last = samples[-1]
    health = f"{last.dead_share:.0%} of rows dead, {len(last.unvacuumed)} tables overdue {' '.join(last.unvacuumed)}"
    yield Line("autovacuum", health.strip(), last.dead_share <= DEAD_SHARE_MAX and not last.unvacuumed)
    yield Line("transaction ids", f"oldest is {last.xid_age:,} old", last.xid_age <= XID_AGE_MAX)
    oldest = max(sample.transaction_seconds for sample in samples)
    yield Line("open transactions", f"at most {oldest:.1f} s", oldest <= TRANSACTION_SECONDS_MAX)
    drift = slope([(sample.at_seconds, float(sample.connections)) for sample in samples]) * seconds
    yield Line(
        "database connections", f"{last.connections} now, {drift:+.1f} over the run", drift <= DRIFT_DESCRIPTORS_MAX
    )


def _descriptors(samples: Sequence[Sample], name: str, seconds: float) -> Line:
    drift = pooled_slope(lives_of(samples, name, lambda each: float(each.descriptors[name]))) * seconds
    found = f"{samples[-1].descriptors[name]} open, {drift:+.1f} over the run"
    return Line(f"{name}: descriptors", found, drift <= DRIFT_DESCRIPTORS_MAX)


def _memory(samples: Sequence[Sample], name: str, seconds: float) -> Line:
    lives = lives_of(samples, name, lambda each: each.memory_mb.get(name))
    per_second = pooled_slope(lives)
    drift, now = per_second * seconds, samples[-1].memory_mb.get(name, 0.0)
    allowed = max(DRIFT_MB_MAX, DRIFT_SHARE_MAX * now)
    found = f"{now:.0f} MB, {per_second * 3600:+.1f} MB/h ({drift:+.1f} MB over the run) in {len(lives)} lives"
    return Line(f"{name}: memory of its own", found, drift <= allowed)


def _bytes(samples: Sequence[Sample], name: str) -> Line:
    """Bytes for each credential are a cost; that a credential costs ever more is a leak."""
    middle = len(samples) // 2
    points = [(float(sample.credentials), sample.database_mb[name] * 1e6) for sample in samples]
    first, second = slope(points[: middle + 1]), slope(points[middle:])
    found = f"{samples[-1].database_mb[name]:.1f} MB, {first:,.0f} then {second:,.0f} bytes a credential"
    return Line(f"{name}: size", found, second <= BYTES_GROWTH_MAX * max(first, BYTES_FIRST_MIN))
