"""What the samples of a soak say: slopes, and whether each thing stays flat. Looks at nothing itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

import msgspec

from tests.soak.samples import Sample

WARM_UP_SHARE = 0.4
"""Of the longest life of a process: what it loads once, and caches that fill, are no leak."""
LIFE_SAMPLES_MIN = 4
GAIN_MB_MAX, GAIN_SHARE_MAX = 16.0, 0.12
"""What a process may gain in the rest of that life: this much, or this share of what it has."""
GAIN_DESCRIPTORS_MAX = 16.0
CONNECTIONS_MAX = 24.0
WAL_MB_MAX = 1_600.0
"""`max_wal_size` is a gigabyte; PostgreSQL may pass it for a while."""
BYTES_GROWTH_MAX = 1.35
"""Bytes for each new credential in the second half, beside the first half."""
BYTES_FIRST_MIN = 200.0
CREDENTIALS_MIN = 2_000
"""In each half: what a database grows by comes in steps, of pages and of files."""
DEAD_SHARE_MAX = 0.35
XID_AGE_MAX = 200_000_000
TRANSACTION_SECONDS_MAX = 60.0


class Line(msgspec.Struct, frozen=True):
    """One thing that was judged: its name, what was found in words, and whether that is well."""

    what: str
    found: str
    is_well: bool


Points = Sequence[tuple[float, float]]


def slope(points: Points) -> float:
    """Return the slope of the least squares through points, per unit of the first value; 0 where there is none."""
    if len(points) < LIFE_SAMPLES_MIN:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    under = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / under if under else 0.0


def longest_life(samples: Sequence[Sample], name: str, value: Callable[[Sample], float | None]) -> tuple[Points, int]:
    """Return a service's values in its longest life, without the warm-up, and how many lives it had."""
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
    longest = max(lives, key=_seconds, default=[])
    return longest[int(len(longest) * WARM_UP_SHARE) :], len(lives)


def _seconds(points: Points) -> float:
    return points[-1][0] - points[0][0] if points else 0.0


def judge(samples: Sequence[Sample]) -> Iterator[Line]:
    """Yield a line for each thing; needs samples from the beginning to the end of the load."""
    if len(samples) < 2 * LIFE_SAMPLES_MIN:
        yield Line("samples", f"{len(samples)}: too few to say anything", is_well=False)
        return
    seconds = samples[-1].at_seconds - samples[0].at_seconds
    yield Line("samples", f"{len(samples)}, at most {_gap(samples):.0f} s between two", is_well=True)
    for name in sorted(samples[-1].lives):
        yield _memory(samples, name)
        yield _descriptors(samples, name)
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
    yield Line("database connections", f"{last.connections} now, {drift:+.1f} over the run", drift <= CONNECTIONS_MAX)


def _gap(samples: Sequence[Sample]) -> float:
    return max(after.at_seconds - before.at_seconds for before, after in pairwise(samples))


def _descriptors(samples: Sequence[Sample], name: str) -> Line:
    points, lives = longest_life(samples, name, lambda each: float(each.descriptors[name]))
    gain = slope(points) * _seconds(points)
    found = f"{samples[-1].descriptors[name]} open, {gain:+.1f} in {_seconds(points) / 60:.0f} min, in {lives} lives"
    return Line(f"{name}: descriptors", found, gain <= GAIN_DESCRIPTORS_MAX)


def _memory(samples: Sequence[Sample], name: str) -> Line:
    """Judge the longest life alone: a short one is still filling its caches, and says nothing of an hour."""
    points, lives = longest_life(samples, name, lambda each: each.memory_mb.get(name))
    seconds, now = _seconds(points), samples[-1].memory_mb.get(name, 0.0)
    gain, allowed = slope(points) * seconds, max(GAIN_MB_MAX, GAIN_SHARE_MAX * now)
    unseen = allowed * 3600 / seconds if seconds else float("inf")
    found = (
        f"{now:.0f} MB, {gain:+.1f} in the last {seconds / 60:.0f} min of the longest of {lives} lives "
        f"(a leak of less than {unseen:.0f} MB/h would not be seen)"
    )
    return Line(f"{name}: memory of its own", found, gain <= allowed)


def _bytes(samples: Sequence[Sample], name: str) -> Line:
    """Bytes for each credential are a cost; that a credential costs ever more is a leak."""
    middle = len(samples) // 2
    points = [(float(sample.credentials), sample.database_mb[name] * 1e6) for sample in samples]
    first, second = slope(points[: middle + 1]), slope(points[middle:])
    now = f"{samples[-1].database_mb[name]:.1f} MB"
    if min(points[middle][0] - points[0][0], points[-1][0] - points[middle][0]) < CREDENTIALS_MIN:
        return Line(f"{name}: size", f"{now}; too few credentials to compare what the first and the last cost", True)
    found = f"{now}, {first:,.0f} then {second:,.0f} bytes a credential"
    return Line(f"{name}: size", found, second <= BYTES_GROWTH_MAX * max(first, BYTES_FIRST_MIN))


def recovered(recoveries: Mapping[str, Sequence[float]]) -> Iterator[Line]:
    """Yield how long services took to be ready again, which is told and never judged: machines differ."""
    kinds: dict[str, list[float]] = {}
    for what, each in recoveries.items():
        kinds.setdefault(what.partition(" ")[0], []).extend(each)
    for kind, taken in sorted(kinds.items()):
        found = f"{len(taken)} times ready again, after {median(taken):.1f} s (median), {max(taken):.1f} s at most"
        yield Line(f"recovery ({kind})", found, is_well=True)
