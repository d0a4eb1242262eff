"""The next part of a batch, prepared while the one before it is committed and carried to the log. Stores nothing.

What is true if we crash here: nothing of a part that was prepared has happened, but for places on a status list, which
are never given again. It is used only where the part still lies there as it was: an erasure seals it anew without its
learner's rows, and then it is prepared anew.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from proto.ids import BatchId
from services.issuer_gateway.store.batches import BackgroundBatch

T = TypeVar("T")
AHEAD_MAX = 4
"""So many batches have a part prepared ahead; the one that began first gives way."""


class PartsAhead(Generic[T]):
    """At most one part ahead for each batch; `prepare` is given the batch, the part's number and its sealed rows."""

    def __init__(self, prepare: Callable[[BackgroundBatch, int, bytes], Awaitable[T]]) -> None:
        self._prepare = prepare
        self._begun: dict[BatchId, tuple[int, bytes, asyncio.Task[T]]] = {}

    async def taken(self, batch: BackgroundBatch, number: int, sealed: bytes) -> T:
        """Return a part prepared, ahead or now; raises what preparing it now raises."""
        begun = self._begun.pop(batch.batch_id, None)
        if begun is not None and begun[:2] == (number, sealed):
            done = await asyncio.gather(begun[2], return_exceptions=True)
            if not isinstance(done[0], BaseException):
                return done[0]
        elif begun is not None:
            await _cancelled(begun[2])
        return await self._prepare(batch, number, sealed)

    async def begin(self, batch: BackgroundBatch, number: int, sealed: bytes) -> None:
        """Begin to prepare a batch's next part; whoever takes the part waits for it."""
        while len(self._begun) >= AHEAD_MAX:
            await _cancelled(self._begun.pop(next(iter(self._begun)))[2])
        self._begun[batch.batch_id] = number, sealed, asyncio.create_task(self._run(batch, number, sealed))

    async def _run(self, batch: BackgroundBatch, number: int, sealed: bytes) -> T:
        return await self._prepare(batch, number, sealed)

    async def close(self) -> None:
        """Prepare nothing any more."""
        while self._begun:
            await _cancelled(self._begun.popitem()[1][2])


async def _cancelled(task: asyncio.Task[T]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(task, return_exceptions=True)
