"""Turns at work that only few may do at once. Knows nothing of the work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from proto.problem import BusyProblem


class WorkTurns:
    """`count` work at once; `waiting_max` more may wait, each for so many seconds. `busy` is what others are told."""

    def __init__(self, count: int, *, waiting_max: int, wait_seconds_max: float, busy: str) -> None:
        self._places = asyncio.Semaphore(count)
        self._waiting_max = waiting_max
        self._wait_seconds_max = wait_seconds_max
        self._busy = busy
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a place while the block runs; raises `BusyProblem` where too many wait, or none gets free in time."""
        if self._waiting >= self._waiting_max:
            raise BusyProblem(self._busy)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await self._places.acquire()
        except TimeoutError as error:
            raise BusyProblem(self._busy) from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()
