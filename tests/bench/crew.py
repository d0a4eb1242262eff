"""Worker processes that stay for the whole run: they sign, send load and probe limits, so that the parent does not."""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, Self, TypeVar

from tests.bench.size import Size

WORKERS = 2
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
Measure = Callable[[int], Awaitable[float]]

P = ParamSpec("P")
T = TypeVar("T")


def _end_with(parent: int) -> None:
    """In a worker: leave Ctrl-C to the parent, who ends us; and on Linux be ended when it is, however that is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


class Crew:
    """Two worker processes, started fresh (not forked). Use it as a context manager."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(
            WORKERS, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with, initargs=(os.getpid(),)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers, in the middle of their work if need be: nobody waits for it any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a module's function in one worker; its arguments and its result are pickled."""
        assert not kwargs, "workers take positional arguments"
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    async def all(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """Run the same in every worker at the same time (each call must take longer than handing it over)."""
        return await asyncio.gather(*(self.run(function, *args, **kwargs) for _ in range(WORKERS)))


async def interleaved(
    measures: dict[str, Measure], size: Size, *, is_warm: bool = False
) -> dict[str, tuple[float, ...]]:
    """Take every measure once per round, so that a slow minute of the machine falls on all of them alike.

    Unless it is warm, one round (number 0) is run before and not counted: the first of anything is slow. There are
    fewer rounds than asked for, but at least one, where the machine is so busy that they would take too long.
    """
    samples: dict[str, list[float]] = {name: [] for name in measures}
    give_up_at = time.monotonic() + size.rounds_seconds_max
    for number in range(1 if is_warm else 0, size.rounds + 1):
        for name, measure in measures.items():
            value = await measure(number)
            if number:
                samples[name].append(value)
        if number and time.monotonic() > give_up_at:
            break
    return {name: tuple(values) for name, values in samples.items()}
