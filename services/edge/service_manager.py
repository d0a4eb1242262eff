"""What systemd is told of a service: that it is ready, that it lives, that it stops (sd_notify(3)). Knows no HTTP.

Nothing is said where nobody has asked for it: the manager names its socket in NOTIFY_SOCKET, and in WATCHDOG_USEC after
how many microseconds of silence it takes the process for hung and starts it anew. The event loop itself has to say that
it lives, so one that hangs is found, whatever holds it up.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping

READY, LIVES, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"
_US = 1_000_000
_TIMES_EACH = 3
"""How often a process says that it lives while the manager waits for it once."""


class ServiceManager:
    """The one who started this process, if it wants to be told; `pid` is this process."""

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        microseconds = environ.get("WATCHDOG_USEC", "")
        is_for_us = environ.get("WATCHDOG_PID") in {None, "", str(pid)}
        self._silence_seconds = int(microseconds) / _US if microseconds.isdecimal() and is_for_us else 0.0

    def tell(self, said: str) -> None:
        """Send one word; where nobody listens, it is lost: a service serves whether its manager hears it or not."""
        if self._address[:1] not in {"/", "@"}:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
            opened.setblocking(False)
            opened.connect("\0" + self._address[1:] if self._address[0] == "@" else self._address)
            opened.sendall(said.encode())

    @contextlib.asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Say that this process is ready, that it lives while the block runs, and that it stops after it."""
        self.tell(READY)
        living = asyncio.create_task(self._keep_telling()) if self._silence_seconds else None
        try:
            yield
        finally:
            self.tell(STOPPING)
            if living is not None:
                living.cancel()

    async def _keep_telling(self) -> None:
        while True:
            self.tell(LIVES)
            await asyncio.sleep(self._silence_seconds / _TIMES_EACH)


def service_manager() -> ServiceManager:
    """Return the one who started this process."""
    return ServiceManager(os.environ, os.getpid())
