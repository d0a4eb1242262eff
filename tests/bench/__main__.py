"""`python -m tests.bench [section…]`: measures the limits of this machine and the services, in the same run.

A section whose service is not there yet says so; one that fails says why, and the others still run. Nothing here is a
gate: the exit status is 0 unless something did not work at all.
"""

import argparse
import contextlib
import importlib
import os
import platform
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uvloop

from tests.bench.figures import Curve, Row, table
from tests.bench.plot import plot, plot_curve
from tests.bench.size import FULL, QUICK, Size

SECTIONS = ("ledger", "growth", "verifier", "projection", "gateway", "statuses", "chain")
RESULTS = Path(__file__).parents[2] / "bench-results"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is written to disk."""

    measured_at: str
    python: str
    platform: str
    cpu_count: int
    is_quick: bool
    rows: list[Row]
    curves: list[Curve]
    not_measured: dict[str, str]


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command prints


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; all by default")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="short rounds of everything, about a minute; five, or fewer on a busy machine",
    )
    parser.add_argument(
        "--credentials", type=int, metavar="N", help="credentials of the section projection; 1000000 takes minutes"
    )
    parser.add_argument("--entries", type=int, metavar="N", help="entries of the section growth; 1000000 takes minutes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON and the plot")
    chosen = parser.parse_args()
    if unknown := set(chosen.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return chosen


async def _measure(names: list[str], size: Size) -> Result:
    rows: list[Row] = []
    not_measured: dict[str, str] = {}
    started = time.monotonic()
    async with _opened(size) as (measure, curves):
        for name in names:
            _say(f"{time.monotonic() - started:5.0f} s  measuring {name}")
            try:
                rows += await measure(name)
            except ModuleNotFoundError as error:
                not_measured[name] = f"not available: {error}"
            except Exception as error:  # noqa: BLE001 - the other sections are still worth measuring
                traceback.print_exc()
                not_measured[name] = f"failed: {type(error).__name__}: {error}"
    return Result(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        cpu_count=os.cpu_count() or 1,
        is_quick=size.seconds == QUICK.seconds,
        rows=rows,
        curves=curves,
        not_measured=not_measured,
    )


@contextlib.asynccontextmanager
async def _opened(size: Size) -> AsyncIterator[tuple[Callable[[str], Awaitable[list[Row]]], list[Curve]]]:
    """Open what all sections share; yield what measures one of them, and the curves that they find."""
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
            )

            async def measure(name: str) -> list[Row]:
                section = importlib.import_module(f"tests.bench.sections.{name}")
                rows: list[Row] = await section.measure(shared)
                return rows

            yield measure, shared.curves


def _write(result: Result, folder: Path) -> None:
    """Write the run as JSON and, where the plotting library is there, as a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    name = result.measured_at.replace(":", "").replace("+0000", "Z")
    path = folder / f"{name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    _say(f"written: {path}")
    picture = path.with_suffix(".png")
    if result.rows:
        _say(f"written: {picture}" if plot(result.rows, picture) else "no plot: the library `pillow` is not installed")
    for number, curve in enumerate(result.curves, 1):
        if plot_curve(curve, drawn := path.with_suffix(f".{number}.png")):
            _say(f"written: {drawn} ({curve.name})")


def main() -> int:
    """Run the benchmark and return the exit status."""
    arguments = _arguments()
    size = QUICK if arguments.quick else FULL
    size = msgspec.structs.replace(
        size,
        credentials=arguments.credentials or size.credentials,
        entries=arguments.entries or size.entries,
    )
    result = uvloop.run(_measure(arguments.sections or list(SECTIONS), size))
    _say("")
    _say(table(result.rows))
    for name, words in result.not_measured.items():
        _say(f"{name}: {words}")
    _say("")
    _write(result, arguments.results)
    return 1 if any(words.startswith("failed") for words in result.not_measured.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
