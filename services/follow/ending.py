"""Tasks that are not needed any more. Knows no log."""

import asyncio
from typing import Any


async def ended(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait until it has ended, however it ends; raises nothing of it."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
