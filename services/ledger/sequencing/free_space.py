"""Whether the disk under the database has room for more entries. Knows a folder of this machine and no database."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from proto.problem import UnavailableProblem
from services.edge.log import Log

LOOK_SECONDS = 5.0


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

    def __init__(
        self,
        folder: Path | None,
        *,
        bytes_min: int,
        measure: Callable[[Path], int] = free_bytes,
        log: Log | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        """`log` is told when the floor is reached and left, `registry` shows whether it is."""
        self._folder = folder
        self._bytes_min = bytes_min
        self._measure = measure
        self._log = log
        self._was_reached = False
        self._reached = Gauge(
            "credentify_ledger_disk_floor_reached",
            "1 while nothing is appended because the database's disk is nearly full, or cannot be looked at.",
            registry=registry,
        )

    async def run(self) -> None:
        """Look every few seconds, for ever: who watches the log learns of it although nobody sends anything."""
        while True:
            await asyncio.to_thread(self.problem)
            await asyncio.sleep(LOOK_SECONDS)

    async def why_not_ready(self) -> str | None:
        """Return why nothing is appended, in words, or None."""
        problem = await asyncio.to_thread(self.problem)
        return problem.detail if problem else None

    def problem(self) -> NoSpaceProblem | None:
        """Return why nothing may be appended now, or None. A folder that cannot be looked at counts as full."""
        problem = self._found()
        is_reached = problem is not None
        self._reached.set(is_reached)
        if is_reached != self._was_reached and self._log is not None:
            if problem is not None:
                self._log.warning("disk_floor_reached", detail=problem.detail)
            else:
                self._log.event("disk_floor_left")
        self._was_reached = is_reached
        return problem

    def _found(self) -> NoSpaceProblem | None:
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
