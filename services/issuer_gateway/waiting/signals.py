"""What happens again and again and can be waited for. Knows no database and nothing of what happened."""

import asyncio
import contextlib


class Signal:
    """Something that happens again and again, and can be waited for."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def fire(self) -> None:
        """It happened: wake all who wait."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Return True at the next time it happens, False where that takes longer than so many seconds."""
        awaited = self._next
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await awaited.wait()
        return awaited.is_set()
