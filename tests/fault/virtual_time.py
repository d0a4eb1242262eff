"""An event loop whose time passes only when nobody has anything to do: hours take milliseconds, in the same order."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StuckError(Exception):
    """Everybody waits, and nothing will ever happen."""


class _NeverWaits(selectors.DefaultSelector):
    """Hands the time that the loop would wait for to `passed`, and returns at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout is None:
            raise StuckError
        if not found and timeout is not None and timeout > 0:
            self.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that begins at time 0 and jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self._virtual = _NeverWaits()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the seconds that have passed in here."""
        return self._virtual.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time; tasks that are left over are cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
