"""Services in processes of their own for a drill: with any settings, frozen, killed, started again, and watched."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from services.verifier.config import Config as VerifierConfig
from tests.monitoring.watch import Watch, watching
from tests.support.databases import MakeDatabase
from tests.support.gateways import RunningGateway, gateway_config, gateway_database
from tests.support.ledgers import WAIT_SECONDS, Registrar, RunningLedger, ledger_config, new_database, until
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 240.0
"""A time-out, and no measure: on a busy machine several processes that start at once take their time."""


def settings_of(service: str, config: Any) -> dict[str, str]:
    """Return the environment that gives a service these settings."""
    prefix = f"CREDENTIFY_{service.upper()}_"
    given = {}
    for field in msgspec.structs.fields(config):
        value = getattr(config, field.name)
        if value is not None and value != field.default:
            given[prefix + field.name.upper()] = ",".join(value) if isinstance(value, tuple) else str(value)
    return given


class WatchedProcess:
    """One service: its settings, its address, its process."""

    def __init__(self, service: str, config: Any, session: aiohttp.ClientSession, output: Path) -> None:
        self.service = service
        self.config = config
        self.url = f"http://127.0.0.1:{self.config.port}"
        self.output = output
        """Where the lines of its log go."""
        self.environ: dict[str, str] = {}
        """What its environment has beside its settings."""
        self._session = session
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process as it is now."""
        assert self._process is not None
        return self._process.pid

    async def start(self, stdout: int | None = None) -> None:
        """Start the process and return when it answers."""
        await self._begin(stdout)
        await until(self.answers, f"the {self.service} answers", seconds=START_SECONDS)

    async def refuses(self) -> str:
        """Start the process, which is to end by itself, and return what it said this time."""
        said_before = len(self.output.read_text()) if self.output.exists() else 0
        await self._begin(None)
        assert self._process is not None
        async with asyncio.timeout(START_SECONDS):
            assert await self._process.wait() != 0
        return self.output.read_text()[said_before:]

    async def ends(self) -> int:
        """Return the status with which the process has ended by itself."""
        assert self._process is not None
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._process.wait()

    async def _begin(self, stdout: int | None) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDENTIFY_")}
        with self.output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services", self.service),
                env=environment | settings_of(self.service, self.config) | self.environ,
                stdout=output if stdout is None else stdout,
                stderr=output,
                cwd=ROOT,
            )

    async def answers(self) -> bool | None:
        """Say whether the service answers."""
        if self._process is not None and self._process.returncode is not None:
            said = self.output.read_text()[-2_000:]
            raise AssertionError(f"the {self.service} ended with {self._process.returncode}: {said}")
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.get(f"{self.url}/livez", timeout=aiohttp.ClientTimeout(total=2)) as response:
                return response.status == 200 or None
        return None

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """Kill the process, if it runs; one that was frozen too."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


class WatchedLedger(RunningLedger):
    """A ledger in a process of its own."""

    process: WatchedProcess
    output: Path

    def prepared(self) -> WatchedProcess:
        """Return the process, with the settings as they are now, before it is started."""
        self.process = WatchedProcess("ledger", self.config, self.session, self.output)
        self.url = self.process.url
        return self.process

    async def start(self) -> None:
        """Start it; `process` is what runs."""
        await self.prepared().start()

    async def stop(self) -> None:
        """Kill it."""
        await self.process.kill()


class WatchedGateway(RunningGateway):
    """A gateway in a process of its own."""

    process: WatchedProcess
    output: Path

    def prepared(self) -> WatchedProcess:
        """Return the process, with the settings as they are now, before it is started."""
        self.process = WatchedProcess("gateway", self.config, self.ledger.session, self.output)
        self.url = self.process.url
        return self.process

    async def start(self) -> None:
        """Start it; `process` is what runs."""
        await self.prepared().start()

    async def stop(self) -> None:
        """Kill it."""
        await self.process.kill()


class Stand:
    """What a drill puts up; everything is taken down with it."""

    def __init__(
        self,
        make_database: MakeDatabase,
        folder: Path,
        session: aiohttp.ClientSession,
        stack: contextlib.AsyncExitStack,
    ) -> None:
        self.folder = folder
        self.session = session
        self.targets: dict[str, list[str]] = {}
        self._make_database = make_database
        self._stack = stack

    async def ledger(self, **settings: Any) -> WatchedLedger:
        """Run a ledger with a fresh log."""
        database = await new_database(self._make_database)
        folder = self.folder / "ledger"
        folder.mkdir()
        plain = ledger_config(database, folder)
        config = msgspec.structs.replace(plain, port=free_port(), **settings)
        made = WatchedLedger(config, database, Registrar(), self.session)
        made.output = self.folder / "ledger.log"
        await made.init()
        await made.start()
        self._stack.push_async_callback(made.stop)
        self.watch_also("ledger", made.url)
        return made

    async def gateway(self, ledger: WatchedLedger, **settings: Any) -> WatchedGateway:
        """Run a gateway of that ledger."""
        folder = self.folder / "gateway"
        database = await gateway_database(self._make_database, folder, ledger)
        made = WatchedGateway(gateway_config(database, folder, ledger, port=free_port(), **settings), database, ledger)
        made.output = self.folder / "gateway.log"
        await made.start()
        self._stack.push_async_callback(made.stop)
        self.watch_also("gateway", made.url)
        return made

    async def verifier(self, ledger_url: str, key: str, name: str = "verifier", **settings: Any) -> WatchedProcess:
        """Run a verifier of a log."""
        values: dict[str, Any] = {"rate_per_second": 0.0, "poll_seconds": 1.0, "form_processes": 2} | settings
        config = VerifierConfig(
            port=free_port(),
            ledger_url=ledger_url,
            log_verifier_key=key,
            database_file=self.folder / f"{name}.sqlite",
            **values,
        )
        made = WatchedProcess("verifier", config, self.session, self.folder / f"{name}.log")
        self._stack.push_async_callback(made.kill)
        await made.start()
        self.watch_also("verifier", made.url)
        return made

    def watch_also(self, job: str, url: str) -> None:
        """Have Prometheus ask this service."""
        self.targets.setdefault(job, []).append(url.removeprefix("http://"))

    async def watch(self, *, every_seconds: int = 1) -> Watch:
        """Run Prometheus on all that runs; it asks each so often, and waits as long for an answer."""
        folder = self.folder / "prometheus"
        running = watching(self.session, folder, self.targets, every_seconds=every_seconds)
        return await self._stack.enter_async_context(running)


@contextlib.asynccontextmanager
async def stand_in(make_database: MakeDatabase, folder: Path) -> AsyncIterator[Stand]:
    """Give a stand for the block; at its end everything of it is stopped."""
    async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as stack:
        yield Stand(make_database, folder, session, stack)
