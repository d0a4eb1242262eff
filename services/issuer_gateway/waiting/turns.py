"""Turns at work that only few may do at once, shared between those who ask. Knows nothing of the work."""

import contextlib
from collections.abc import AsyncIterator

from proto.problem import BusyProblem
from services.call_context import asker
from services.edge.places import Places

CLIENT_SHARE = 2
"""One client may have this fraction of the places where one waits."""


class WorkTurns:
    """`count` work at once; `waiting_max` more may wait, each for so many seconds. `busy` is what others are told.

    Of those who wait one of each client goes, then again one of each: many of one client delay nobody else.
    """

    def __init__(self, count: int, *, waiting_max: int, wait_seconds_max: float, busy: str) -> None:
        self._places = Places(
            count=count,
            per_address=count,
            waiting_max=max(1, waiting_max // CLIENT_SHARE),
            wait_seconds_max=wait_seconds_max,
        )
        self._waiting_max = waiting_max
        self._busy = busy
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a place while the block runs; raises `BusyProblem` where too many wait, or none gets free in time."""
        async with contextlib.AsyncExitStack() as held:
            await self._take(held)
            yield

    async def _take(self, held: contextlib.AsyncExitStack) -> None:
        if self._waiting >= self._waiting_max:
            raise BusyProblem(self._busy)
        self._waiting += 1
        try:
            await held.enter_async_context(self._places.place(asker()))
        except BusyProblem as error:
            raise BusyProblem(self._busy) from error
        finally:
            self._waiting -= 1
