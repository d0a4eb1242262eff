"""Commands of ours as processes that end with us, and the memory of processes with all that they started (Linux)."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from services.command.child import ServiceProcess
from services.embedded.child import LAUNCH
from tests.bench.stand import KIB_PER_MB

WATCH_SECONDS = 0.5


class CommandError(Exception):
    """A command of ours ended with something else than 0; the text is what it said."""


async def run_command(*arguments: str) -> bytes:
    """Run `credentify …` and return what it printed; it ends with us, and where we are cancelled."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(signal.SIGTERM)), ""),
        *(sys.executable, "-m", "services", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        printed, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise CommandError(
            f"credentify {arguments[0]} ended with {process.returncode}: {(said or printed).decode()[-1_000:]}"
        )
    return printed


class Memory(NamedTuple):
    """What a service holds, in MB: all that is resident, and of it what is no file that the system may drop."""

    resident: float
    own: float


def memory_of(process: ServiceProcess) -> Memory | None:
    """Return the memory of a service with the processes that it started; None where the system does not say."""
    if process.pid is None or not Path(f"/proc/{process.pid}/status").exists():
        return None
    found = [_memory(pid) for pid in _family(process.pid)]
    return Memory(sum(each.resident for each in found), sum(each.own for each in found))


def _family(pid: int) -> list[int]:
    """Return a process and its descendants; those that end meanwhile may be missing."""
    found = [pid]
    for each in found:
        try:
            found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
        except OSError:
            continue
    return found


def _memory(pid: int) -> Memory:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return Memory(0.0, 0.0)
    kib = {name: int(text.split()[0]) for name, _, text in (line.partition(":") for line in lines) if "kB" in text}
    own = kib.get("RssAnon", 0) + kib.get("RssShmem", 0)
    return Memory(kib.get("VmRSS", 0) / KIB_PER_MB, own / KIB_PER_MB)


class MemoryWatch:
    """The most memory of a service while it was watched; None where the system does not say."""

    def __init__(self) -> None:
        self.most: Memory | None = None

    @contextlib.asynccontextmanager
    async def of(self, process: ServiceProcess) -> AsyncIterator[None]:
        """Watch a service while the block runs."""
        watching = asyncio.create_task(self._watch(process), name="memory-watch")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, process: ServiceProcess) -> None:
        while True:
            now = memory_of(process)
            if now is not None:
                before = self.most or now
                self.most = Memory(max(before.resident, now.resident), max(before.own, now.own))
            await asyncio.sleep(WATCH_SECONDS)
