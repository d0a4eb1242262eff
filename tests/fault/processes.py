"""Ledgers in processes of their own, each with its own wire to the database: frozen, killed and started anew."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import msgspec
from msgspec.structs import replace

from services.clients.log_client import LogClient
from services.ledger.config import SETTINGS_PREFIX, Config
from tests.fault.crew import CLIENT_TIMEOUT_SECONDS
from tests.fault.proxy import Proxy
from tests.support.ports import free_port

PROGRAM = f"""
import os
from services.ledger.app import run
from services.ledger.config import Config
from services.settings import load_settings
run(load_settings(Config, {SETTINGS_PREFIX!r}, os.environ))
"""
ROOT = Path(__file__).parents[2]
READY_SECONDS = 120.0
LINES_MAX, LINE_MAX = 20, 1_000


def environment_of(config: Config) -> dict[str, str]:
    """Return this process's environment with the settings of `config` that differ from the defaults."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_PREFIX)}
    plain = Config(database_url=config.database_url)
    changed = {
        field.name: getattr(config, field.name)
        for field in msgspec.structs.fields(Config)
        if field.name == "database_url" or getattr(config, field.name) != getattr(plain, field.name)
    }
    return kept | {SETTINGS_PREFIX + name.upper(): str(value) for name, value in changed.items() if value is not None}


class LedgerProcess:
    """One ledger; a supervisor starts it again whenever it ends by itself."""

    def __init__(
        self, name: str, config: Config, proxy: Proxy, session: aiohttp.ClientSession, *, log_file: Path
    ) -> None:
        self.name = name
        self.log_file = log_file
        self.proxy = proxy
        self.config = replace(config, port=free_port(), database_url=proxy.url, migration_database_url=None)
        self.url = f"http://127.0.0.1:{self.config.port}"
        self.session = session
        self.statuses: list[int] = []
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def client(self) -> LogClient:
        """A client of this ledger."""
        return LogClient(self.session, self.url, timeout_seconds=CLIENT_TIMEOUT_SECONDS)

    @property
    def pid(self) -> int:
        """The process as it is now."""
        assert self._process is not None
        return self._process.pid

    async def _spawn(self) -> asyncio.subprocess.Process:
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, env=environment_of(self.config), cwd=ROOT, stdout=log, stderr=log
            )
        return self._process

    def failures(self) -> list[str]:
        """Return the last of what the process wrote of failures, a line each, cut short."""
        lines = [line[:LINE_MAX] for line in self.log_file.read_text().splitlines() if '"level":"error"' in line]
        return lines[-LINES_MAX:]

    async def _supervise(self, process: asyncio.subprocess.Process) -> None:
        while True:
            self.statuses.append(await process.wait())
            await asyncio.sleep(0.1)
            process = await self._spawn()

    async def ready(self) -> None:
        """Return when it answers that it is ready."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                timeout = aiohttp.ClientTimeout(total=2)
                async with self.session.get(f"{self.url}/readyz", timeout=timeout) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)
        raise AssertionError(f"ledger {self.name} was not ready within {READY_SECONDS} s; it ended {self.statuses}")

    async def ends_by_itself(self) -> int:
        """Start it once, without a supervisor; return the status with which it ends."""
        async with asyncio.timeout(READY_SECONDS):
            return await (await self._spawn()).wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["LedgerProcess"]:
        """Run it while the block runs; it is killed at the end."""
        self._supervisor = asyncio.create_task(self._supervise(await self._spawn()))
        try:
            yield self
        finally:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
            assert self._process is not None
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()


@contextlib.asynccontextmanager
async def replicas(
    config: Config, folder: Path, session: aiohttp.ClientSession, count: int = 2, settings: Mapping[str, object] = {}
) -> AsyncIterator[list[LedgerProcess]]:
    """Run several ledgers on one database; the first has the log's key and signs, the others only sequence."""
    async with contextlib.AsyncExitStack() as stack:
        made: list[LedgerProcess] = []
        for number in range(count):
            own = folder / f"wire{number}"
            own.mkdir()
            proxy = await stack.enter_async_context(Proxy(own, config.database_url).listening())
            keyless = {} if number == 0 else {"log_key_file": None, "state_folder": None}
            own_config = replace(config, **keyless, **settings)
            log_file = folder / f"replica{number}.log"
            process = LedgerProcess(f"replica {number}", own_config, proxy, session, log_file=log_file)
            made.append(await stack.enter_async_context(process.running()))
        await asyncio.gather(*(each.ready() for each in made))
        yield made
