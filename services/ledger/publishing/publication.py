"""The published checkpoint as this process knows it, and who waits for the next. Signs nothing and asks no database."""

import asyncio
import contextlib
import time

import msgspec

from proto.ids import TreeSize
from proto.log.checkpoint import open_checkpoint
from proto.log.merkle import Hash
from proto.log.note_key import VerifierKey
from services.ledger.metrics import PublishingMetrics


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What readers may see: nothing beyond `size`."""

    size: TreeSize
    root_hash: Hash
    note: bytes


class Publication:
    """Holds the newest published checkpoint and wakes those who wait for a larger one."""

    def __init__(self, verifier: VerifierKey, metrics: PublishingMetrics) -> None:
        self._verifier = verifier
        self._metrics = metrics
        self._now: Published | None = None
        self._moved = asyncio.Event()
        self.waiting_count = 0

    @property
    def now(self) -> Published:
        """The newest published checkpoint; there is one once the service has started."""
        assert self._now is not None, "start-up sets the published checkpoint before the first request"
        return self._now

    @property
    def size(self) -> TreeSize:
        """The published tree size, 0 before the first checkpoint."""
        return self._now.size if self._now else TreeSize(0)

    def set(self, note: bytes) -> None:
        """Publish a checkpoint; an older one than the newest is passed over. Raises what `open_checkpoint` raises."""
        checkpoint = open_checkpoint(note, self._verifier).checkpoint
        if checkpoint.size < self.size:
            return
        is_larger = checkpoint.size > self.size
        self._now = Published(size=checkpoint.size, root_hash=checkpoint.root_hash, note=note)
        self._metrics.published_size.set(checkpoint.size)
        self._metrics.published_at.set(time.time())
        if is_larger:
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()

    async def larger_than(self, size: int, *, wait_seconds: float, stopping: asyncio.Event) -> Published | None:
        """Return the published checkpoint once it is larger than `size`; None after `wait_seconds` or when stopping."""
        if self.size > size:
            return self.now
        self.waiting_count += 1
        stop, moved = asyncio.create_task(stopping.wait()), asyncio.create_task(self._moved_beyond(size))
        try:
            await asyncio.wait({stop, moved}, timeout=wait_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.waiting_count -= 1
            for task in (stop, moved):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        return self.now if self.size > size else None

    async def _moved_beyond(self, size: int) -> None:
        while self.size <= size:
            await self._moved.wait()
