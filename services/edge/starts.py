"""Who begins next where many ask at once: requests begin in rounds, those of each address in turn. Knows no request."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

STARTS_PER_ROUND = 32
"""Requests that begin in one turn of the event loop. All that thousands of one client begin together would be one turn,
and whoever asks then waits for the whole of it."""


class Starts:
    """Lets so many requests begin in each turn of the loop, and at once while there are fewer; belongs to one loop."""

    def __init__(self, *, per_round: int = STARTS_PER_ROUND) -> None:
        self._per_round = per_round
        self._left = per_round
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._is_round_begun = False

    async def turn(self, address_of: Callable[[], str]) -> None:
        """Return when a request may begin; the address is asked for only where it has to wait."""
        loop = asyncio.get_running_loop()
        if not self._is_round_begun:
            self._is_round_begun = True
            loop.call_soon(self._next_round, loop)
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(address_of(), deque()).append(turn)
        await turn

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the next ones begin: one of each address, then again one of each; who went away takes no place."""
        self._left = self._per_round
        while self._left and self._waiting:
            address, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[address] = queue
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        self._is_round_begun = self._left < self._per_round or bool(self._waiting)
        if self._is_round_begun:
            loop.call_soon(self._next_round, loop)
