"""The faults of a soak: services killed or stopped, sessions of the database ended; and how long each recovery took."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable

from services.command.child import ServiceProcess, ServiceStartProblem
from services.persistence import postgres
from tests.bench.stand import READY_SECONDS_MAX, Stand

STOPPED_SECONDS = 3.0
SERVICES = ("ledger", "gateway", "verifier")
CALM_SHARE = 0.4
"""Of the time, at its end, nothing is killed: what grows is seen in a process that lives long."""
STARTS_MAX = 5
_ALIVE = "stop"
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
        self._ended = asyncio.Event()
        self.stopped_seconds = STOPPED_SECONDS
        self._locks = {name: asyncio.Lock() for name in SERVICES}
        self.counts: dict[str, int] = {}
        self.recoveries: dict[str, list[float]] = {}
        """Seconds from each fault to the moment when all that it struck is ready, by the kind of fault."""

    def end(self) -> None:
        """Bring no more faults about; `run` returns once what the last one struck is ready."""
        self._ended.set()

    async def run(self, *, seconds: float, every_seconds: float) -> None:
        """Bring faults about until `end`; in the last part of `seconds`, only such as end no process."""
        kinds = [
            *(("kill", name) for name in SERVICES),
            *(("stop", name) for name in SERVICES),
            ("sessions", "database"),
        ]
        calm_at = time.monotonic() + seconds * (1 - CALM_SHARE)
        while True:
            round_of = [*kinds]
            self._rng.shuffle(round_of)
            for kind, name in round_of:
                if kind != _ALIVE and time.monotonic() > calm_at:
                    continue
                if await self._ends_within(every_seconds * self._rng.uniform(0.7, 1.3)):
                    return
                await self._bring_about(kind, name)

    async def _ends_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._ended.wait()
        return False

    async def _bring_about(self, kind: str, name: str) -> None:
        """Bring one fault about, and note how long it took until all that it struck is ready."""
        self._say(f"fault: {kind} {name}")
        what = f"{kind} {name}"
        self.counts[what] = self.counts.get(what, 0) + 1
        await {"kill": self._kill, "stop": self._pause, "sessions": self._end_sessions}[kind](name)
        began = time.monotonic()
        await asyncio.gather(*(self.keep_running(each) for each in ([name] if name in SERVICES else SERVICES)))
        self._recovered(what, began)

    def _recovered(self, what: str, began: float) -> None:
        taken = time.monotonic() - began
        self.recoveries.setdefault(what, []).append(taken)
        self._say(f"       ready after {taken:.1f} s")

    async def _kill(self, name: str) -> None:
        self._signal(name, signal.SIGKILL)
        await self._stand.running[name].wait_dead()

    async def _pause(self, name: str) -> None:
        self._signal(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(self.stopped_seconds)
        finally:
            self._signal(name, signal.SIGCONT)

    async def _end_sessions(self, _name: str) -> None:
        async with postgres.connected(self._stand.postgres.admin_url, application_name="soak") as connection:
            await connection.fetchval(_END_SESSIONS)

    async def keep_running(self, name: str) -> None:
        """Return once a service is ready; it is started again, as a supervisor does, whenever it has ended."""
        process = self._stand.running[name]
        async with self._locks[name]:
            for start in range(STARTS_MAX):
                if _status(process) is not None:
                    await process.start()
                try:
                    await process.ready(self._stand.session, seconds=READY_SECONDS_MAX)
                except ServiceStartProblem:
                    if _status(process) is None or start == STARTS_MAX - 1:
                        raise
                else:
                    return

    async def watch(self) -> None:
        """Start again what ended by itself, for ever: a part that fails for good ends its process, by design."""
        while True:
            await asyncio.sleep(0.5)
            for name, process in self._stand.running.items():
                if _status(process) not in {None, -signal.SIGKILL}:
                    what, began = f"ended by itself {name}", time.monotonic()
                    self.counts[what] = self.counts.get(what, 0) + 1
                    await self.keep_running(name)
                    self._recovered(what, began)

    def _signal(self, name: str, number: signal.Signals) -> None:
        pid = self._stand.running[name].pid
        with contextlib.suppress(ProcessLookupError):
            if pid is not None:
                os.kill(pid, number)


def _status(process: ServiceProcess) -> int | None:
    """Return with which status a service has ended; None while it runs."""
    return process._process.returncode if process._process is not None else None
