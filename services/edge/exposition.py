"""What `/metrics` answers: the figures as they are now, or, where somebody asks without end, as they were lately."""

import asyncio
from collections.abc import Callable

from services.edge.address import RateLimit

FRESH_PER_SECOND, FRESH_BURST = 3.0, 60
"""Whoever watches a service asks every few seconds. To write some thousand lines takes fifty milliseconds of the loop,
and whoever reaches the port may ask."""


class Exposition:
    """Makes the text of the figures, one after the other, so that others have their turn in between."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._fresh = RateLimit(per_second=FRESH_PER_SECOND, burst=FRESH_BURST, keys_max=1)
        self._making = asyncio.Lock()
        self._made: bytes | None = None

    async def text(self) -> bytes:
        """Return the figures; those of a third of a second ago at most, where more are asked for than made."""
        async with self._making:
            await asyncio.sleep(0)
            if self._made is None or not self._fresh.charge("", asyncio.get_running_loop().time()):
                self._made = self._make()
            return self._made
