"""Runs a bench, a soak or a stand so that a signal ends all that it started before it ends itself. Knows none."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.results import say

SIGNALLED = 128
"""What shells add to a signal's number for the exit status of who ended by it."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 10.0
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_POLL_SECONDS = 0.02


def run_until_signal(work: Coroutine[Any, Any, int], *, grace_seconds: float = GRACE_SECONDS) -> int:
    """Run `work` and return its exit status; where a signal comes, cancel it, wait until it has cleaned up, say so.

    What still runs of all that was started is then asked to end, and killed where it does not in time (Linux). A
    signal that was ignored when this began (`nohup`) stays ignored.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_watched(work))
    finally:
        end_descendants(grace_seconds)


async def _watched(work: Coroutine[Any, Any, int]) -> int:
    task, signals = asyncio.ensure_future(work), list[signal.Signals]()

    def stop(number: signal.Signals) -> None:
        if signals:
            say(f"{number.name}: still stopping what was started")
            return
        signals.append(number)
        _adopt_orphans()
        task.cancel()
        say(f"{number.name}: stopping what was started")

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        if number is signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not signals:
            raise
        return SIGNALLED + signals[0]


def end_descendants(grace_seconds: float) -> None:
    """End every process that we, or what we started, have started: asked first, killed after the time is over."""
    _adopt_orphans()
    asked, deadline = set[int](), time.monotonic() + grace_seconds
    while _reap() and (left := _descendants()):
        is_over = time.monotonic() > deadline
        for pid in left:
            if is_over or pid not in asked:
                asked.add(pid)
                for number in (signal.SIGKILL,) if is_over else (signal.SIGTERM, signal.SIGCONT):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, number)
        time.sleep(_POLL_SECONDS)


def _adopt_orphans() -> None:
    """Have the kernel give us what our descendants leave behind, so that it is found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap() -> bool:
    """Take note of all children that have ended; say whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return False
    return True


def _descendants() -> list[int]:
    found = [os.getpid()]
    for pid in found:
        for thread in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, thread.read_text().split())
    return found[1:]
