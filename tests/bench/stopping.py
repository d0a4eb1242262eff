"""Runs the benchmark so that Ctrl-C and SIGTERM end all that it started before it ends itself. Knows no section."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import uvloop

from tests.bench.results import say

SIGNALLED = 128
"""What shells add to a signal's number for the exit status of who ended by it."""


def run_until_signal(work: Coroutine[Any, Any, int]) -> int:
    """Run `work` and return its exit status; where a signal comes, cancel it, wait until it has cleaned up, say so."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_watched(work))


async def _watched(work: Coroutine[Any, Any, int]) -> int:
    task, signals = asyncio.ensure_future(work), list[signal.Signals]()

    def stop(number: signal.Signals) -> None:
        if signals:
            say(f"{number.name}: still stopping what was started")
            return
        signals.append(number)
        say(f"{number.name}: stopping what was started")
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not signals:
            raise
        return SIGNALLED + signals[0]
