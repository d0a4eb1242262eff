"""A run as it grows: each section's rows are shown and written when it is done, so that what follows loses none."""

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.bench.figures import Curve, Row, table
from tests.bench.plot import plot, plot_curve


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is written to disk; `is_complete` only where every section that was asked for had its turn."""

    measured_at: str
    python: str
    platform: str
    cpu_count: int
    is_quick: bool
    is_complete: bool
    rows: list[Row]
    curves: list[Curve]
    not_measured: dict[str, str]


def say(text: str) -> None:
    """Print a line at once; a terminal that was closed takes none, and hinders nobody who cleans up."""
    try:
        print(text, flush=True)  # noqa: T201 - a command prints
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Results:
    """The rows of a run and the file that they are in."""

    def __init__(self, folder: Path, *, is_quick: bool) -> None:
        self._is_quick = is_quick
        self.folder = folder
        self._measured_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._path = folder / f"{self._measured_at.replace(':', '').replace('+0000', 'Z')}.json"
        self._is_complete = False
        self.rows: list[Row] = []
        self.curves: list[Curve] = []
        self.not_measured: dict[str, str] = {}

    @property
    def has_failed(self) -> bool:
        """Tell whether a section failed, as opposed to not being available."""
        return any(words.startswith("failed") for words in self.not_measured.values())

    def measured(self, rows: list[Row]) -> None:
        """Show and write what a section found."""
        self.rows += rows
        say(table(rows) if rows else "nothing measured")
        self.write()

    def failed(self, name: str, words: str) -> None:
        """Note why a section has no rows."""
        self.not_measured[name] = words
        self.write()

    def complete(self) -> None:
        """Note that every section had its turn."""
        self._is_complete = True
        self.write()

    def write(self) -> None:
        """Replace the file by all that was found so far."""
        result = Result(
            measured_at=self._measured_at,
            python=platform.python_version(),
            platform=f"{platform.system()} {platform.machine()}",
            cpu_count=os.cpu_count() or 1,
            is_quick=self._is_quick,
            is_complete=self._is_complete,
            rows=self.rows,
            curves=self.curves,
            not_measured=self.not_measured,
        )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
        new.replace(self._path)

    def show(self) -> None:
        """Show the whole table, and draw it where the plotting library is there."""
        sections = {row.section for row in self.rows}
        if len(sections) > 1:  # else it was just shown
            say("")
            say(table(self.rows))
        for name, words in self.not_measured.items():
            say(f"{name}: {words}")
        say("")
        say(f"written: {self._path}")
        picture = self._path.with_suffix(".png")
        if self.rows:
            is_drawn = plot(self.rows, picture)
            say(f"written: {picture}" if is_drawn else "no plot: the library `pillow` is not installed")
        for number, curve in enumerate(self.curves, 1):
            if plot_curve(curve, drawn := self._path.with_suffix(f".{number}.png")):
                say(f"written: {drawn} ({curve.name})")
