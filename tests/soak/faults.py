"""The faults of a soak: services killed or stopped, sessions of the database ended, the database server killed."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable

from services.persistence import postgres
from tests.bench.stand import Stand

STOPPED_SECONDS = 3.0
SERVICES = ("ledger", "gateway", "verifier")
_END_SESSIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class Faults:
    """Brings about one fault after the other, in an order by lot, and starts again what an operator would."""

    def __init__(self, stand: Stand, rng: random.Random, say: Callable[[str], None]) -> None:
        self._stand = stand
        self._rng = rng
        self._say = say
        self.counts: dict[str, int] = {}

    async def run(self, *, every_seconds: float) -> None:
        """Bring faults about for ever; ends by cancellation."""
        kinds = [
            *(("kill", name) for name in SERVICES),
            *(("stop", name) for name in SERVICES),
            ("sessions", "database"),
        ]
        while True:
            round_of = [*kinds]
            self._rng.shuffle(round_of)
            for kind, name in round_of:
                await asyncio.sleep(every_seconds * self._rng.uniform(0.7, 1.3))
                self._say(f"fault: {kind} {name}")
                self.counts[f"{kind} {name}"] = self.counts.get(f"{kind} {name}", 0) + 1
                await {"kill": self._kill, "stop": self._pause, "sessions": self._end_sessions}[kind](name)

    async def _kill(self, name: str) -> None:
        process = self._stand.running[name]
        self._signal(name, signal.SIGKILL)
        await process.wait_dead()
        await self.keep_running(name)

    async def _pause(self, name: str) -> None:
        self._signal(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(STOPPED_SECONDS)
        finally:
            self._signal(name, signal.SIGCONT)

    async def _end_sessions(self, _name: str) -> None:
        async with postgres.connected(self._stand.postgres.admin_url, application_name="soak") as connection:
            await connection.fetchval(_END_SESSIONS)

    async def keep_running(self, name: str) -> None:
        """Start a service again, as a supervisor does, until it is ready."""
        process = self._stand.running[name]
        await process.start()
        await process.ready(self._stand.session)

    async def watch(self) -> None:
        """Start again what ended by itself, for ever: a part that fails for good ends its process, by design."""
        while True:
            await asyncio.sleep(0.5)
            for name, process in self._stand.running.items():
                if process._process is not None and process._process.returncode not in {None, -signal.SIGKILL}:
                    self.counts[f"ended by itself {name}"] = self.counts.get(f"ended by itself {name}", 0) + 1
                    await self.keep_running(name)

    def _signal(self, name: str, number: signal.Signals) -> None:
        pid = self._stand.running[name].pid
        with contextlib.suppress(ProcessLookupError):
            if pid is not None:
                os.kill(pid, number)
