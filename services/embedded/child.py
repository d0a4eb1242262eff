"""One child process whose end can be awaited from any event loop; knows nothing of PostgreSQL."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

from services.embedded.account import Account

LAUNCH = Path(__file__).with_name("launch.py")


def _environment() -> dict[str, str]:
    """Return what the server's processes see: no `PG…` variable of ours reaches them, and messages are English."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"} | kept


class Child:
    """A process in a session of its own (a Ctrl-C in the terminal is not for it) that ends when we do.

    On Linux the kernel sends it `death_signal` when the *thread* that started it dies, so start it from a thread that
    lives as long as it shall: the main thread. Both output streams are appended to `log_file`.
    """

    def __init__(self, command: list[str], *, account: Account, death_signal: signal.Signals, log_file: Path) -> None:
        launch = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(death_signal)), account.drops_to]
        with os.fdopen(os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is made of our own paths and settings
                [*launch, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd="/",
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._exit: Future[int] = Future()
        threading.Thread(target=self._reap, name=f"reap-{self.pid}", daemon=True).start()

    def _reap(self) -> None:
        self._exit.set_result(self._process.wait())

    @property
    def is_alive(self) -> bool:
        """Say whether the process has not ended yet."""
        return not self._exit.done()

    async def wait(self) -> int:
        """Return the exit status once the process has ended (minus the signal's number if one ended it)."""
        return await asyncio.shield(asyncio.wrap_future(self._exit))

    async def ends_within(self, seconds: float) -> bool:
        """Say whether the process ended before the time was over."""
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
        except TimeoutError:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process is still there."""
        if self.is_alive:
            self._process.send_signal(number)
