"""Statements of one transaction that run while whoever begins them works on, so that both have something to do.

A session does one thing at a time: the next statement is begun when the one before it is done.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class Behind:
    """A block within a transaction; all that was begun in it is done when it is left, or the transaction is lost.

    Nobody else uses the connection meanwhile. What a statement raises is raised where the next one is begun, or on
    leaving; where the block raises, what runs is cancelled, and its transaction is to be rolled back.
    """

    def __init__(self) -> None:
        self._running: asyncio.Task[object] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def begin(self, statement: Coroutine[Any, Any, object]) -> None:
        """Begin a statement when the one before it is done."""
        try:
            await self._done()
        except BaseException:
            statement.close()
            raise
        self._running = asyncio.create_task(statement, name="behind")
        await asyncio.sleep(0)

    async def _done(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self._done()
        elif self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
