"""Places for work on what strangers send: so many in all, so many for one address, and turns between addresses."""

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator

from proto.problem import BusyProblem

_Waiting = asyncio.Future[None]


class Places:
    """Who holds a place works; the others wait, address by address in turns, so that many of one delay nobody else."""

    def __init__(self, *, count: int, per_address: int, waiting_max: int, wait_seconds_max: float) -> None:
        """Have `count` places, `per_address` of them for one address; `waiting_max` of one address may wait."""
        self._count = count
        self._per_address = per_address
        self._waiting_max = waiting_max
        self._wait_seconds_max = wait_seconds_max
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    @contextlib.asynccontextmanager
    async def place(self, address: str) -> AsyncIterator[None]:
        """Hold a place while the block runs; raises `BusyProblem` where none gets free in time."""
        await self._take(address)
        try:
            yield
        finally:
            self._free(address)

    async def _take(self, address: str) -> None:
        queue = self._waiting.get(address)
        if not queue and self._is_free_for(address):
            self._held[address] += 1
            return
        if queue is not None and len(queue) >= self._waiting_max:
            raise BusyProblem("Your address waits for many answers already; send it again in a moment")
        turn: _Waiting = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await turn
        except BaseException as error:
            self._leave(address, turn)
            if isinstance(error, TimeoutError):
                raise BusyProblem("Others' documents are being worked on; send it again in a moment") from error
            raise

    def _leave(self, address: str, turn: _Waiting) -> None:
        """Take who waits no longer out of the queue, or give back the place that came too late."""
        if turn.done() and not turn.cancelled():
            self._free(address)
            return
        queue = self._waiting.get(address, deque())
        with contextlib.suppress(ValueError):
            queue.remove(turn)
        if not queue:
            self._waiting.pop(address, None)

    def _is_free_for(self, address: str) -> bool:
        return self._held.total() < self._count and self._held[address] < self._per_address

    def _free(self, address: str) -> None:
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
        for next_address in tuple(self._waiting):
            if self._is_free_for(next_address) and (turn := self._next_of(next_address)) is not None:
                self._held[next_address] += 1
                turn.set_result(None)
                return

    def _next_of(self, address: str) -> _Waiting | None:
        """Return who of this address waited longest, and let the other addresses go before its next."""
        queue = self._waiting.pop(address)
        found = None
        while queue and found is None:
            turn = queue.popleft()
            found = None if turn.done() else turn
        if queue:
            self._waiting[address] = queue
        return found
