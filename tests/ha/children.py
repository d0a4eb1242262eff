"""One program of somebody else as a child of ours, started again by whoever keeps it. Knows no etcd and no Patroni."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.embedded.child import LAUNCH

STOP_SECONDS = 30.0


class Program:
    """A program that runs in a folder, ends when we do (Linux), and writes into a log file."""

    def __init__(
        self, name: str, command: Sequence[str], *, folder: Path, log_file: Path, settings: Mapping[str, str] = {}
    ) -> None:
        self.name, self.log_file = name, log_file
        self._command, self._folder, self._settings = list(command), folder, dict(settings)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process as it is now."""
        assert self._process is not None, "the program was never started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it; what it says is appended to the log file."""
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(signal.SIGTERM)), ""),
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"} | self._settings,
                start_new_session=True,
            )

    async def wait_dead(self) -> int:
        """Return the status with which it ends."""
        assert self._process is not None, "the program was never started"
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, and kill it where it does not."""
        if not self.is_running:
            return
        assert self._process is not None
        for number in (signal.SIGCONT, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
