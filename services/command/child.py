"""One service as a child process of `credentify up`: started, watched, started again, stopped. Knows no database."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from proto.problem import UnavailableProblem
from services.clients.http_session import HTTP_ERRORS
from services.embedded.child import LAUNCH

READY_TIMEOUT_S = 180.0
"""What ends is told at once; so long only a service is waited for that hangs, or a machine that has much else to do."""
STOP_TIMEOUT_S = 15.0
POLL_INTERVAL_S = 0.05
LOG_TAIL_BYTES = 1_500
_OK = 200


class ServiceStartProblem(UnavailableProblem):
    """A service did not become ready; the detail carries the end of its log."""

    slug = "service-start"
    title = "A service did not start"


class ServiceProcess:
    """A service: its name, its settings as environment variables, its address and the file that takes its log.

    On Linux the kernel ends it when we end, however we end.
    """

    def __init__(
        self, name: str, *, settings: Mapping[str, str], url: str, log_file: Path, folder: Path | None = None
    ) -> None:
        """Take what it is told by its environment; `folder` is where it runs, ours unless it is given."""
        self.name = name
        self.folder = folder
        self.url = url
        self.log_file = log_file
        self.settings = dict(settings)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process's id, or None before the first start."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process; its output is appended to the log file."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(signal.SIGTERM)), ""),
                *(sys.executable, "-m", "services", self.name),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(os.environ) | self.settings,
                cwd=self.folder,
                start_new_session=True,
            )

    async def ready(self, session: aiohttp.ClientSession, *, seconds: float = READY_TIMEOUT_S) -> None:
        """Return once the service says that it is ready; raises `ServiceStartProblem` if it ends or hangs before."""
        assert self._process is not None, "the service was never started"
        try:
            async with asyncio.timeout(seconds):
                while not await self._says_ready(session):
                    self.check_running()
                    await asyncio.sleep(POLL_INTERVAL_S)
        except TimeoutError as error:
            raise self._problem(f"it was not ready after {seconds:g} s") from error

    def check_running(self) -> None:
        """Raise `ServiceStartProblem` where the process was started and has ended."""
        if self._process is not None and self._process.returncode is not None:
            raise self._problem(f"it ended with status {self._process.returncode}")

    async def _says_ready(self, session: aiohttp.ClientSession) -> bool:
        with contextlib.suppress(*HTTP_ERRORS):
            async with session.get(self.url + "/readyz", timeout=aiohttp.ClientTimeout(total=2)) as response:
                return response.status == _OK
        return False

    def _problem(self, what: str) -> ServiceStartProblem:
        tail = self.log_file.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace").strip()
        return ServiceStartProblem(f"{self.name}: {what}. The end of {self.log_file}:\n{tail}")

    async def wait_dead(self) -> int:
        """Return the exit status once the process has ended."""
        assert self._process is not None, "the service was never started"
        return await self._process.wait()

    async def stop(self, *, seconds: float = STOP_TIMEOUT_S) -> bool:
        """Ask the process to end, and kill it and all that it started if it does not; say whether it had to be killed.

        A service that hangs hears no signal, and what it started may hold its port or its files.
        """
        if self._process is None or self._process.returncode is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        if await self._ends_within(seconds):
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # it leads a session of its own
        await self._ends_within(seconds)
        return True

    async def _ends_within(self, seconds: float) -> bool:
        assert self._process is not None, "the service was never started"
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True
