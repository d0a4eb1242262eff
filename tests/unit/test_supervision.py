"""A background task that ends before it was told to ends the process, whether it fails or only returns."""

import asyncio
import io
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from services.edge import Log
from services.supervision import TaskSupervision


async def returns() -> None:
    """End at once."""


async def fails() -> None:
    """Fail at once."""
    raise OSError("the disk is gone")


class Watched:
    """A task under supervision, and what came of it."""

    def __init__(self, stopping: asyncio.Event | None = None) -> None:
        self.lines = io.BytesIO()
        self.statuses: list[int] = []
        self.supervision = TaskSupervision(Log("ledger", self.lines), self.statuses.append, stopping)

    async def end(self, work: Coroutine[Any, Any, None], *, may_finish: bool = False) -> list[int]:
        """Let the task end; return the statuses that the process was ended with."""
        task = asyncio.create_task(work, name="follower")
        self.supervision.watch(task, may_finish=may_finish)
        await asyncio.wait({task})
        await asyncio.sleep(0)  # callbacks are called in the next turn of the loop
        return self.statuses


@pytest.mark.parametrize(("work", "error"), [(returns, "EndedTaskError"), (fails, "OSError")])
async def test_a_task_that_ends_by_itself_ends_the_process_and_the_log_says_which(work: Any, error: str) -> None:
    watched = Watched()
    assert await watched.end(work()) == [70]
    line = json.loads(watched.lines.getvalue().splitlines()[0])
    assert (line["event"], line["task"], line["error"]) == ("fatal", "follower", error)


async def test_a_task_with_an_end_of_its_own_may_return_and_not_fail() -> None:
    assert await Watched().end(returns(), may_finish=True) == []
    assert await Watched().end(fails(), may_finish=True) == [70]


async def test_a_service_that_stops_lets_its_tasks_return() -> None:
    stopping = asyncio.Event()
    stopping.set()
    assert await Watched(stopping).end(returns()) == []
    released = Watched()
    released.supervision.release()
    assert await released.end(returns()) == []


async def test_a_task_that_was_cancelled_ends_nothing() -> None:
    watched = Watched()
    task = asyncio.create_task(asyncio.Event().wait())
    watched.supervision.watch(task)  # type: ignore[arg-type] # it returns True, if ever
    task.cancel()
    await asyncio.wait({task})
    assert watched.statuses == []
