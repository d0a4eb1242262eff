"""`python -m tests.bench [section…]`: measures the limits of this machine and the services, in the same run.

A section whose service is not there yet says so; one that fails says why, and the others still run. Nothing here is a
gate: the exit status is 0 unless something did not work at all.
"""

import argparse
import contextlib
import importlib
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from tests.bench.figures import Row
from tests.bench.results import Results, say
from tests.bench.size import FULL, QUICK, Size
from tests.bench.stopping import run_until_signal

SECTIONS = ("ledger", "groups", "growth", "verifier", "projection", "gateway", "statuses", "chain")
"""What a run measures unless told what: the others are asked for by name, take as long as their credentials do,
and so many minutes more."""
BY_NAME = {"scale": 0.5, "tenancy": 6.0}
BY_VERSION_2 = ("gateway", "statuses", "chain")
"""Sections whose events are a gateway's, which speaks rules version 2 on a log that begins with it."""
MINUTES = {
    "ledger": 4.0,
    "groups": 3.0,
    "growth": 1.5,
    "verifier": 4.0,
    "projection": 1.0,
    "gateway": 3.5,
    "statuses": 1.5,
    "chain": 0.5,
}
"""What each section takes in full on two cores that do nothing else, about."""
MINUTES_PER_MILLION = 2.5
"""What a section that is asked for by name takes for each million credentials, about."""
RESULTS = Path(__file__).parents[2] / "bench-results"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    names = f"of {', '.join(SECTIONS)} (all of them by default), {', '.join(BY_NAME)}"
    parser.add_argument("sections", nargs="*", metavar="section", help=names)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="short rounds of everything, a few minutes; five, or fewer on a busy machine",
    )
    parser.add_argument(
        "--credentials",
        type=int,
        metavar="N",
        help="credentials of the sections projection, scale and tenancy; 10000000 take the better part of an hour",
    )
    parser.add_argument("--entries", type=int, metavar="N", help="entries of the section growth; 1000000 takes minutes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON and the plot")
    chosen = parser.parse_args()
    if unknown := set(chosen.sections) - {*SECTIONS, *BY_NAME}:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join((*SECTIONS, *BY_NAME))}")
    return chosen


def _minutes(names: list[str], size: Size) -> float:
    """Return about how long the sections take; a quick round of one takes a few seconds."""
    return sum(
        (size.scale_credentials if name == "scale" else size.tenancy_credentials) / 1_000_000 * MINUTES_PER_MILLION
        + BY_NAME[name]
        if name in BY_NAME
        else 0.3
        if size.is_quick
        else MINUTES[name]
        for name in names
    )


async def _measure(names: list[str], size: Size, results: Results) -> int:
    """Measure section after section; whatever ends this, what was measured is shown and written."""
    started = time.monotonic()
    say(f"{len(names)} sections, about {_minutes(names, size):.0f} minutes on two cores that do nothing else")
    try:
        async with _opened(size, results) as measure:
            for name in names:
                say(f"\n{time.monotonic() - started:5.0f} s  measuring {name}")
                try:
                    results.measured(await measure(name))
                except ModuleNotFoundError as error:
                    results.failed(name, f"not available: {error}")
                except Exception as error:  # noqa: BLE001 - the other sections are still worth measuring
                    traceback.print_exc()
                    results.failed(name, f"failed: {type(error).__name__}: {error}")
        results.complete()
    finally:
        results.show()
    return 1 if results.has_failed else 0


@contextlib.asynccontextmanager
async def _opened(size: Size, results: Results) -> AsyncIterator[Callable[[str], Awaitable[list[Row]]]]:
    """Open what all sections share; yield what measures one of them."""
    from tests.bench import crew, run, stand  # noqa: PLC0415 - `--help` and workers need none of it
    from tests.bench.limits.database import database_limits  # noqa: PLC0415 - the same
    from tests.bench.limits.http import http_limits  # noqa: PLC0415 - the same

    with crew.Crew() as workers:
        async with (
            stand.open_stand() as services,
            http_limits(workers, seconds=size.seconds) as http,
            database_limits(services.limits_url, seconds=size.seconds) as database,
        ):
            shared = run.Run(
                size=size,
                crew=workers,
                stand=services,
                http_limits=http,
                database_limits=database,
                results=results,
            )

            async def measure(name: str) -> list[Row]:
                section = importlib.import_module(f"tests.bench.sections.{name}")
                async with contextlib.AsyncExitStack() as stack:
                    needs_newer = name in BY_VERSION_2
                    newer = await stack.enter_async_context(stand.open_stand(rules_version=2)) if needs_newer else None
                    rows: list[Row] = await section.measure(shared.on(newer) if newer else shared)
                return rows

            yield measure


def main() -> int:
    """Run the benchmark and return the exit status: 1 where a section failed, 130 or 143 where a signal ended it."""
    arguments = _arguments()
    size = QUICK if arguments.quick else FULL
    size = msgspec.structs.replace(
        size,
        credentials=arguments.credentials or size.credentials,
        scale_credentials=arguments.credentials or size.scale_credentials,
        tenancy_credentials=arguments.credentials or size.tenancy_credentials,
        entries=arguments.entries or size.entries,
    )
    results = Results(arguments.results, is_quick=arguments.quick)
    return run_until_signal(_measure(arguments.sections or list(SECTIONS), size, results))


if __name__ == "__main__":
    sys.exit(main())
