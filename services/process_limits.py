"""What a process that reads strangers' data takes away from itself before it begins. Knows no format."""

import contextlib
import logging
import math
import os
import resource
import sys
from types import TracebackType

_NICE = 5


def take_away(*, memory_bytes: int) -> None:
    """Bound memory, forbid files that grow and core dumps; where a bound cannot be set, the others hold."""
    limits = {resource.RLIMIT_AS: memory_bytes, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    for limit, value in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


def go_last() -> None:
    """Let others go first: nobody's status waits for somebody else's document."""
    with contextlib.suppress(OSError):
        os.nice(_NICE)


def confine(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Take all of it away from a process that does one thing and ends: its log too, for libraries quote strangers."""
    say_kind_of_faults()
    logging.disable()
    take_away(memory_bytes=memory_bytes)
    CpuAllowance(cpu_seconds)
    go_last()


def say_kind_of_faults() -> None:
    """Let whatever ends this process be said on standard error by the name of its kind alone; the status is 1.

    What strangers wrote may break a library anywhere, also with what is no `Exception` (a panic of compiled code), and
    the words of such a fault may quote them.
    """
    sys.excepthook = _say_kind


def _say_kind(kind: type[BaseException], _fault: BaseException, _place: TracebackType | None) -> None:
    sys.stderr.write(kind.__name__)


class CpuAllowance:
    """Seconds of processor time from now on, counted by the kernel, which ends the process (SIGXCPU) after them."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Have all of them again."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        ends_at = math.ceil(used.ru_utime + used.ru_stime) + self._seconds
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (ends_at, resource.RLIM_INFINITY))
