"""What `/metrics` answers: the figures as they are now, or, where somebody asks without end, as they were lately."""

import asyncio
import time
from collections.abc import Callable

WRITING_SHARE = 0.1
"""Of the loop's processor time. Whoever watches a service asks every few seconds; to write thousands of lines takes
fifty milliseconds, and whoever reaches the port may ask."""
UNCOUNTED_MS, COUNTED_MS_MAX = 300.0, 1_000.0
"""How much is written at once before the share counts, and how much of a single writing counts at most: a collection
of garbage may fall into one, and the next comes within seven seconds all the same."""


class RationedExposition:
    """Writes the figures, one after the other, so that others have their turn in between."""

    def __init__(
        self,
        write: Callable[[], bytes],
        *,
        clock: Callable[[], float] = time.monotonic,
        processor: Callable[[], float] = time.thread_time,
    ) -> None:
        """Take what writes the figures; both clocks give seconds, the second of this thread's processor time."""
        self._write = write
        self._clock, self._processor = clock, processor
        self._writing = asyncio.Lock()
        self._written = b""
        self._owed_until = float("-inf")
        """When the processor time of all writings so far is within the share."""

    async def text(self) -> bytes:
        """Return the figures; where they were written too often, those that were written last."""
        async with self._writing:
            await asyncio.sleep(0)
            now = self._clock()
            if self._owed_until - now <= UNCOUNTED_MS / 1_000 / WRITING_SHARE:
                begun = self._processor()
                self._written = self._write()
                cost_seconds = min(self._processor() - begun, COUNTED_MS_MAX / 1_000)
                self._owed_until = max(self._owed_until, now) + cost_seconds / WRITING_SHARE
            return self._written
