"""What many logs cost and bring, reckoned and simulated from measured figures: the tables and plot of SCALING.md.

`simulate.py` prints the tables, `simulate.py --write` puts them into SCALING.md and draws scaling.svg, `--small` tries
everything in a second. Needs nothing but Python's own library. Speaks to no service.
"""

import argparse
import bisect
import functools
import math
import random
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
PAGE, PLOT = FOLDER.parent / "SCALING.md", FOLDER / "scaling.svg"
SEED = 20_261_129

# Measured on two cores that were shared with others (SCALING.md says what and when).
SIGNATURES_PER_SECOND = 17_000.0
GROUPED_APPENDS_PER_SECOND = 3.2 * SIGNATURES_PER_SECOND
SINGLE_APPENDS_PER_SECOND = 2_500.0
FILE_ROWS_PER_SECOND = 657.0
REPLAY_PER_SECOND = 2.2 * SIGNATURES_PER_SECOND
REPLAY_OLDER_PER_SECOND = 1e7 / 1_772
LEDGER_BYTES = 263.0
VERIFIER_BYTES = 400.0
"""What the benchmark allows at most."""
GATEWAY_BYTES = 3_500.0

# Assumed, and said so.
PEAK_SHARE = 0.3
"""Of a year's credentials, those of the twenty working days of eight hours after exams."""
PEAK_SECONDS = 20 * 8 * 3_600
BURST = 5.0
"""The busiest hour beside the mean of those days."""
SINGLE_SHARE = 0.3
"""Of credentials said one by one; the rest comes in files and goes out in events of 256."""
FILE_ROWS = (10, 10_000)
COUNTRIES = 27
UP_DAYS, DOWN_MINUTES = 30.0, 10.0
"""Of one log: the mean time between two outages longer than the freshness limit, and how long one lasts."""
POISSON_MEAN_MAX = 50.0
PARTS = 6
"""Credentials in a stack."""
ABROAD = 0.25
"""Chance that a part of a stack is another country's than its first."""


class Size(NamedTuple):
    """How much is simulated."""

    seconds: int
    days: int
    stacks: int


FULL, SMALL = Size(3_600, 3_650, 40_000), Size(300, 200, 2_000)


def shares(logs: int) -> list[float]:
    """Return which share of all credentials each log takes: countries of unequal size, dealt to the emptiest log."""
    sizes = [1 / (rank + 1) ** 0.8 for rank in range(COUNTRIES)]
    found = [0.0] * logs
    for size in sizes:
        found[found.index(min(found))] += size / sum(sizes)
    return sorted(found, reverse=True)


def peak_per_second(year: float) -> float:
    """Return credentials a second in the busiest hour of a year with so many."""
    return year * PEAK_SHARE / PEAK_SECONDS * BURST


def poisson(rng: random.Random, mean: float) -> int:
    """Return a Poisson number; a rounded normal one where the mean is large."""
    if mean > POISSON_MEAN_MAX:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count, product = count + 1, product * rng.random()
    return count


def delays(year: float, logs: int, single_share: float, size: Size) -> tuple[float, float]:
    """Return the seconds that the median and the 99th of 100 appends wait in the busiest hour, at the largest log.

    Its one sequencer works off seconds of work: a single append costs its share of a second, a row of a file its own.
    A wait that grows until the hour ends says that the log takes less than it is given.
    """
    rng = random.Random(f"{SEED} {year:g} {logs} {single_share:g}")
    rate = peak_per_second(year) * shares(logs)[0]
    mean_file = (FILE_ROWS[1] - FILE_ROWS[0]) / math.log(FILE_ROWS[1] / FILE_ROWS[0])
    backlog, waits = 0.0, []
    for _ in range(size.seconds):
        work = poisson(rng, rate * single_share) / SINGLE_APPENDS_PER_SECOND
        for _ in range(poisson(rng, rate * (1 - single_share) / mean_file)):
            work += FILE_ROWS[0] * (FILE_ROWS[1] / FILE_ROWS[0]) ** rng.random() / GROUPED_APPENDS_PER_SECOND
        waits.append(backlog + work / 2)
        backlog = max(0.0, backlog + work - 1.0)
    waits.sort()
    return waits[len(waits) // 2], waits[int(len(waits) * 0.99)]


def outages(rng: random.Random, days: int) -> list[tuple[float, float]]:
    """Return when one log is away, in days: times of being well and of outages are both exponential."""
    found, now = [], 0.0
    while True:
        now += rng.expovariate(1 / UP_DAYS)
        if now > days:
            return found
        length = rng.expovariate(24 * 60 / DOWN_MINUTES)
        found.append((now, now + length))
        now += length


def is_away(one: Sequence[tuple[float, float]], now: float) -> bool:
    """Return whether a moment lies in one of these times, which follow each other."""
    place = bisect.bisect(one, (now, math.inf)) - 1
    return place >= 0 and now < one[place][1]


@functools.cache
def unanswered(logs: int, size: Size) -> tuple[float, float, float]:
    """Return the shares of questions that end indeterminate because a log is away, simulated over so many days.

    Of a single credential; of a stack with parts from other logs; of a verifier that would call nothing valid while
    any log is away, which is the wrong rule.
    """
    rng = random.Random(f"{SEED} outages {logs}")
    away = [outages(rng, size.days) for _ in range(logs)]
    weights = shares(logs)
    single = stack = every = 0
    # outages are rare: questions are asked of each outage's time and weighted, not of random times
    moments = [(begin, end) for one in away for begin, end in one]
    if not moments:
        return 0.0, 0.0, 0.0
    total = sum(end - begin for begin, end in moments)
    ends = [end - begin for begin, end in moments]
    for begin, end in rng.choices(moments, ends, k=size.stacks):
        now = rng.uniform(begin, end)
        gone = {log for log in range(logs) if is_away(away[log], now)}
        first = rng.choices(range(logs), weights)[0]
        parts = {first} | {rng.choices(range(logs), weights)[0] for _ in range(PARTS - 1) if rng.random() < ABROAD}
        overlap = len(gone)  # a moment in two outages is drawn twice as often
        single += (first in gone) / overlap
        stack += bool(parts & gone) / overlap
        every += 1 / overlap
    scale = total / size.days / size.stacks
    return single * scale, stack * scale, every * scale


def numbers(value: float) -> str:
    """Return a number as a person reads it: two figures that count, or whole."""
    whole, tenths = 100, 10
    if value >= whole:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= tenths else f"{value:.2g}"


def power(year: float) -> str:
    """Return a power of ten in words."""
    return f"10^{round(math.log10(year))}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def needs() -> Iterator[list[str]]:
    """Yield what each number of credentials a year asks of all services together."""
    for year in (1e5, 1e6, 1e7, 1e8, 1e9):
        peak = peak_per_second(year)
        one_log = peak * (SINGLE_SHARE / SINGLE_APPENDS_PER_SECOND + (1 - SINGLE_SHARE) / GROUPED_APPENDS_PER_SECOND)
        yield [
            power(year),
            numbers(peak),
            f"{one_log:.1%}",
            str(math.ceil(peak / FILE_ROWS_PER_SECOND)),
            numbers(year * LEDGER_BYTES / 1e9),
            numbers(year * GATEWAY_BYTES / 1e9),
            numbers(year / REPLAY_PER_SECOND / 3_600),
            numbers(year / REPLAY_OLDER_PER_SECOND / 3_600),
            numbers(year * VERIFIER_BYTES / 1e9),
        ]


LOGS = (1, 2, 3, 5, 9, 27)


@functools.cache
def waits(size: Size) -> list[tuple[int, float, float, float, float]]:
    """Return for each number of logs its largest share, and the 99th of 100 waits at 10^9 a year, mixed and single."""
    return [
        (
            logs,
            shares(logs)[0],
            delays(1e8, logs, 1.0, size)[1],
            delays(1e9, logs, SINGLE_SHARE, size)[1],
            delays(1e9, logs, 1.0, size)[1],
        )
        for logs in LOGS
    ]


def tables(size: Size) -> str:
    """Return all tables of the page."""
    asked = table(
        (
            "credentials a year",
            "a second in the busiest hour",
            "of one log's time",
            "gateways of two cores",
            "GB a year in the ledger",
            "GB a year in all gateways",
            "hours to replay a year",
            "the same, older code",
            "GB a year in a verifier, at most",
        ),
        needs(),
    )
    waited = table(
        ("logs", "largest takes", "10^8, all single: p99 s", "10^9, mixed: p99 s", "10^9, all single: p99 s"),
        (
            [str(logs), f"{share:.0%}", numbers(first), numbers(mixed), numbers(single)]
            for logs, share, first, mixed, single in waits(size)
        ),
    )
    away = table(
        ("logs", "a credential", "a stack over logs", "if any log away made all indeterminate"),
        ([str(logs), *(f"{each * 1e6:,.0f}" for each in unanswered(logs, size))] for logs in LOGS),
    )
    return f"{asked}\n\n{waited}\n\nQuestions in a million that are indeterminate because a log is away:\n\n{away}"


def plot(size: Size) -> str:
    """Return the picture: waits by the number of logs on the left, indeterminate answers on the right."""
    found = waits(size)
    answered = [unanswered(logs, size) for logs in LOGS]
    left = [
        ("10^9 a year, all single", "#b3261e", [row[4] for row in found]),
        ("10^9 a year, 30 % single", "#1a56a0", [row[3] for row in found]),
        ("10^8 a year, all single", "#2e7d32", [row[2] for row in found]),
    ]
    right = [
        ("any log away", "#b3261e", [each[2] * 1e6 for each in answered]),
        ("a stack over logs", "#1a56a0", [each[1] * 1e6 for each in answered]),
        ("a single credential", "#2e7d32", [each[0] * 1e6 for each in answered]),
    ]
    panels = panel(70, "99th of 100 waits in the busiest hour, seconds", left, (-2, 4)) + panel(
        530, "indeterminate answers in a million", right, (1, 4)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 400" font-family="sans-serif" font-size="13">\n'
        "<title>Waits and indeterminate answers by the number of logs</title>\n"
        f'<rect width="920" height="400" fill="#fff"/>\n{panels}</svg>\n'
    )


def panel(left: int, title: str, lines: Sequence[tuple[str, str, list[float]]], decades: tuple[int, int]) -> str:
    """Return one diagram with a logarithmic scale; values below its foot lie on it."""
    width, top, height = 360, 110, 230
    low, high = decades

    def place(index: int, value: float) -> tuple[float, float]:
        level = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return left + width * index / (len(LOGS) - 1), top + height * (1 - min(1.0, level))

    parts = [f'<text x="{left}" y="24" font-size="15" font-weight="bold">{title}</text>']
    for number, (name, colour, _) in enumerate(lines):
        y = 46 + 18 * number
        parts.append(
            f'<line x1="{left}" x2="{left + 26}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="3"/>'
        )
        parts.append(f'<text x="{left + 34}" y="{y}">{name}</text>')
    for decade in range(low, high + 1):
        _, y = place(0, 10.0**decade)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:,g}</text>')
    for index, logs in enumerate(LOGS):
        x, _ = place(index, 1)
        parts.append(f'<text x="{x:.1f}" y="{top + height + 20}" text-anchor="middle">{logs}</text>')
    parts.append(f'<text x="{left + width / 2}" y="{top + height + 42}" text-anchor="middle">logs</text>')
    for _, colour, values in lines:
        points = [place(index, value) for index, value in enumerate(values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points]
    return "\n".join(parts) + "\n"


BETWEEN = re.compile(r"(<!-- begin: simulate\.py -->\n).*?(\n<!-- end: simulate\.py -->)", re.DOTALL)


def with_tables(page: str, found: str) -> str:
    """Return the page with these tables in their place."""
    return BETWEEN.sub(lambda match: f"{match[1]}\n{found}\n{match[2]}", page)


def main() -> None:
    """Print the tables, or write them and the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into SCALING.md and draw scaling.svg")
    parser.add_argument("--small", action="store_true", help="simulate little, to try it")
    options = parser.parse_args()
    size = SMALL if options.small else FULL
    found = tables(size)
    if options.write:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
        PLOT.write_text(plot(size), encoding="utf-8")
    else:
        sys.stdout.write(found + "\n")


if __name__ == "__main__":
    main()
