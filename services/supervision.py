"""Watches the background tasks of a service: one that ends before it was told to ends the process. Starts none itself.

A part that stands still while the others go on answers with what it knew last, for ever; a process that has ended is
started again, and begins from what is stored.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from services.edge import Log

FATAL_STATUS = 70
EndProcess = Callable[[int], Any]


class EndedTaskError(Exception):
    """A task that should last as long as its service has returned."""


class TaskSupervision:
    """Ends the process, by `end_process`, where a watched task fails, or returns before `stopping` or `release`."""

    def __init__(self, log: Log, end_process: EndProcess, stopping: asyncio.Event | None = None) -> None:
        self._log = log
        self._end_process = end_process
        self._stopping = stopping
        self._is_released = False

    def watch(self, task: asyncio.Task[None], *, may_finish: bool = False) -> None:
        """Watch a task from now on; one that `may_finish` has an end of its own, and only fails."""
        task.add_done_callback(lambda ended: self._ended(ended, may_finish=may_finish))

    def release(self) -> None:
        """Let tasks return from now on: the service ends them."""
        self._is_released = True

    def _is_stopping(self) -> bool:
        return self._is_released or (self._stopping is not None and self._stopping.is_set())

    def _ended(self, task: asyncio.Task[None], *, may_finish: bool) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None and (may_finish or self._is_stopping()):
            return
        self._log.failure("fatal", error or EndedTaskError("It ended by itself"), task=task.get_name())
        self._log.flush()
        self._end_process(FATAL_STATUS)
