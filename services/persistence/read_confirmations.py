"""One commit confirms the reads of all who wait for it, so that who asks often costs no commit each. Knows no table."""

import asyncio

from services.persistence.postgres import Pool, confirm_reads


class ReadConfirmations:
    """Confirms what was read before, by one commit at a time: whoever comes while one runs waits for the next.

    One that is under way may have begun before its caller read, and so says nothing to that caller.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def confirmed(self) -> None:
        """Return once all that the caller has read is durable, on the synchronous standbys too, where there are any.

        Raises as `services.persistence.postgres.confirm_reads` does.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._confirm_after(self._running), name="read-confirmation")
            self._next.add_done_callback(_take_note)
        await asyncio.shield(self._next)

    async def _confirm_after(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None  # who comes from here on has read too late for this one
        async with self._pool.acquire() as connection:
            await confirm_reads(connection)


def _take_note(task: asyncio.Task[None]) -> None:
    """Whoever waited was told; if all of them went away, nobody is left to be told."""
    if not task.cancelled():
        task.exception()
