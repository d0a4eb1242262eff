"""Whether the disk under the database has room for more entries. Knows a folder of this machine and no database."""

import os
from collections.abc import Callable
from pathlib import Path

from proto.problem import UnavailableProblem


class NoSpaceProblem(UnavailableProblem):
    """The disk is nearly full, so nothing new is appended; what is on the log stays readable."""

    slug = "no-space"
    title = "The ledger's disk is nearly full"
    retry_after_seconds = 30


def free_bytes(folder: Path) -> int:
    """Return the bytes that an ordinary user may still write to the file system that holds the folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class FreeSpace:
    """The floor below which nothing is appended: a database that fills its disk may not come up again by itself.

    Without a folder there is no floor: the database is on another machine, and its own monitoring watches it.
    """

    def __init__(self, folder: Path | None, *, bytes_min: int, measure: Callable[[Path], int] = free_bytes) -> None:
        self._folder = folder
        self._bytes_min = bytes_min
        self._measure = measure

    def problem(self) -> NoSpaceProblem | None:
        """Return why nothing may be appended now, or None. A folder that cannot be looked at counts as full."""
        if self._folder is None:
            return None
        try:
            free = self._measure(self._folder)
        except OSError as error:
            return NoSpaceProblem(f"Nothing is appended: the free space is unknown ({error.strerror})")
        if free >= self._bytes_min:
            return None
        return NoSpaceProblem(
            f"Nothing is appended while only {free // 1_000_000} MB are free on the ledger's disk; it takes events "
            f"again from {self._bytes_min // 1_000_000} MB on. Make room, then send the same events again"
        )
