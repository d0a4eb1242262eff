"""What `/metrics` answers: the figures as they are now, or, where somebody asks without end, as they were lately."""

import asyncio
import time
from collections.abc import Callable

from services.edge.address import RateLimit

WRITING_MS_PER_SECOND, WRITING_MS_AT_ONCE = 100, 300
"""Of the loop's processor time, and how much at once before that counts. Whoever watches a service asks every few
seconds; to write thousands of lines takes fifty milliseconds, and whoever reaches the port may ask."""


class RationedExposition:
    """Writes the figures, one after the other, so that others have their turn in between."""

    def __init__(self, write: Callable[[], bytes]) -> None:
        self._write = write
        self._share = RateLimit(per_second=WRITING_MS_PER_SECOND, burst=WRITING_MS_AT_ONCE, keys_max=1)
        self._writing = asyncio.Lock()
        self._written: bytes | None = None
        self._cost_ms = 0.0

    async def text(self) -> bytes:
        """Return the figures; where they were written too often, those that were written last."""
        async with self._writing:
            await asyncio.sleep(0)
            loop = asyncio.get_running_loop()
            if self._written is None or not self._share.charge("", loop.time(), self._cost_ms):
                begun = time.thread_time()
                self._written = self._write()
                self._cost_ms = (time.thread_time() - begun) * 1_000
            return self._written
