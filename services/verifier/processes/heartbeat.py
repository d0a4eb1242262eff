"""Whether a process that answers still has its turns: it says so each second through a pipe. Ends none, knows no HTTP.

A process that hangs (stopped, in an endless loop, waiting for what never comes) says nothing, while the kernel goes on
dealing connections out to it. One that is merely slow waits for a processor or a disk, and that time is not counted.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

BEAT_SECONDS = 1.0
LOOK_SECONDS = 1.0
ELAPSED_SECONDS_MAX = 2.0
"""So much of the time between two looks counts at most: whoever looks late was held up, not the process."""
START_SECONDS_MAX = 120.0
"""Until it has spoken for the first time a process may take longer: it reads its program from a disk that is busy."""
UNHEARD_SECONDS = 10.0
"""Who has said nothing for so long is not counted among those that answer, whatever keeps it."""
_WAITING = frozenset("RD")
"""States of a thread (proc(5)) that runs or would, or waits for a disk."""
_STATE, _USER, _SYSTEM = 0, 11, 12
_READ_BYTES = 4096


class Activity(NamedTuple):
    """What a process has done: seconds of processor time, and whether it waits for a processor or a disk."""

    processor_seconds: float
    is_waiting: bool


def activity_of(pid: int) -> Activity:
    """Return what all threads of a process have done together; of one that has ended, nothing."""
    seconds, is_waiting = 0.0, False
    with contextlib.suppress(OSError):
        process = Path(f"/proc/{pid}")
        fields = _fields(process)
        seconds = (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")
        for thread in (process / "task").iterdir():
            with contextlib.suppress(OSError):  # threads end
                is_waiting |= _fields(thread)[_STATE] in _WAITING
    return Activity(seconds, is_waiting)


def _fields(folder: Path) -> list[str]:
    """Return the fields of proc_pid_stat(5) behind the name, which may hold anything."""
    return (folder / "stat").read_text().rpartition(") ")[2].split()


async def keep_beating(descriptor: int) -> None:
    """Say that the loop has its turns, again and again until cancelled; no process that is started here can say it."""
    os.set_inheritable(descriptor, False)
    os.set_blocking(descriptor, False)
    while True:
        with contextlib.suppress(OSError):  # full: whoever reads hangs itself, and finds enough when it goes on
            os.write(descriptor, b".")
        await asyncio.sleep(BEAT_SECONDS)


class Pipe(NamedTuple):
    """Two descriptors."""

    reading: int
    writing: int


@contextlib.contextmanager
def beats() -> Iterator[Pipe]:
    """Have the pipe through which one process is heard, while the block runs; raises `OSError`."""
    pipe = Pipe(*os.pipe())
    try:
        os.set_blocking(pipe.reading, False)
        yield pipe
    finally:
        os.close(pipe.reading)
        os.close(pipe.writing)


class Silence:
    """For how long one process has said nothing; belongs to whoever looks every `LOOK_SECONDS`.

    Where a thread waits for a processor or a disk, only the processor time that was used counts: an endless loop is
    found by it, after longer on a busy machine, and who gets no processor is never taken for hung.
    """

    def __init__(
        self,
        pid: int,
        descriptor: int,
        *,
        seconds_max: float,
        clock: Callable[[], float] = time.monotonic,
        activity: Callable[[int], Activity] = activity_of,
    ) -> None:
        """Take whom to look at, where it is heard, and how long it may be silent."""
        self.seconds = 0.0
        self._unheard_seconds = 0.0
        self._has_spoken = False
        self._pid, self._descriptor = pid, descriptor
        self._seconds_max = seconds_max
        self._clock, self._activity_of = clock, activity
        self._looked_at, self._activity = clock(), activity(pid)

    @property
    def is_unheard(self) -> bool:
        """Whether it is not known to answer now: it was never heard yet, or not for `UNHEARD_SECONDS`."""
        return not self._has_spoken or self._unheard_seconds > UNHEARD_SECONDS

    def is_hung(self) -> bool:
        """Look again; tell whether it has been silent for longer than it may."""
        now, activity = self._clock(), self._activity_of(self._pid)
        elapsed = min(now - self._looked_at, ELAPSED_SECONDS_MAX)
        used = max(0.0, activity.processor_seconds - self._activity.processor_seconds)
        self._looked_at, self._activity = now, activity
        if self._was_heard():
            self.seconds, self._unheard_seconds, self._has_spoken = 0.0, 0.0, True
            return False
        self._unheard_seconds += elapsed
        self.seconds += min(used, elapsed) if activity.is_waiting else elapsed
        return self.seconds > (self._seconds_max if self._has_spoken else max(self._seconds_max, START_SECONDS_MAX))

    def _was_heard(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self._descriptor, _READ_BYTES))
        return False
