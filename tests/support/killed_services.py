"""Services in processes of their own, over a database and keys of the test, that end only by SIGKILL."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.databases import MakeDatabase
from tests.support.gateways import RunningGateway, gateway_config, gateway_database
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until

_GATEWAY_SETTINGS = (
    "host",
    "port",
    "public_url",
    "database_url",
    "migration_database_url",
    "ledger_url",
    "log_verifier_key",
    "master_key_file",
    "operator_token_file",
    "relay_backoff_ms_min",
    "relay_backoff_ms_max",
    "relay_poll_ms",
    "requests_burst",
)
_LEDGER_SETTINGS = (
    "host",
    "port",
    "database_url",
    "migration_database_url",
    "log_key_file",
    "state_folder",
    "publish_interval_ms",
)


class KilledProcess:
    """One service that runs; `kill` ends it without a word."""

    def __init__(self, session: aiohttp.ClientSession, log: Path | None = None) -> None:
        """`log` is the file behind which the process writes its log; without one it goes nowhere."""
        self._session = session
        self._log = log or Path(os.devnull)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, service: str, config: Any, names: tuple[str, ...]) -> str:
        """Start `service` with these settings of `config`; return its address once it is ready."""
        prefix = f"CREDENTIFY_{service.upper()}_"
        settings = {f"{prefix}{name.upper()}": str(getattr(config, name)) for name in names}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDENTIFY_")}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services", service), env=environment | settings, stdout=log
            )
        url = f"http://{config.host}:{config.port}"

        async def answers() -> bool | None:
            try:
                async with self._session.get(f"{url}/readyz") as response:
                    return True if response.status == 200 else None
            except aiohttp.ClientError:
                return None

        await until(answers, f"the {service} answers")
        return url

    async def kill(self) -> None:
        """Kill the process, if it runs."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


class KilledGateway(RunningGateway):
    """A gateway in a process of its own."""

    log_file: Path | None = None
    _child: KilledProcess | None = None

    async def start(self) -> None:
        """Start the process and wait until it answers."""
        self._child = KilledProcess(self.ledger.session, self.log_file)
        self.url = await self._child.start("gateway", self.config, _GATEWAY_SETTINGS)

    async def stop(self) -> None:
        """Kill the process without a word."""
        if self._child is not None:
            await self._child.kill()


class KilledLedger(RunningLedger):
    """A ledger in a process of its own."""

    log_file: Path | None = None
    _child: KilledProcess | None = None

    async def start(self) -> None:
        """Start the process and wait until it answers."""
        self._child = KilledProcess(self.session, self.log_file)
        self.url = await self._child.start("ledger", self.config, _LEDGER_SETTINGS)

    async def stop(self) -> None:
        """Kill the process without a word."""
        if self._child is not None:
            await self._child.kill()


@contextlib.asynccontextmanager
async def killed_gateway(
    make_database: MakeDatabase, tmp_path: Path, port: int
) -> AsyncIterator[tuple[KilledGateway, RunningLedger]]:
    """Run a gateway to be killed and its ledger while the block runs; at its end nothing may be damaged."""
    async with running_ledger(make_database, tmp_path / "ledger", Registrar()) as ledger:
        folder = tmp_path / "gateway"
        database = await gateway_database(make_database, folder, ledger)
        config = gateway_config(database, folder, ledger, port=port, requests_burst=1_000)
        gateway = KilledGateway(config, database, ledger)
        await gateway.start()
        try:
            yield gateway, ledger
        finally:
            await gateway.stop()
        report = await gateway.fsck()
        assert report.damages == (), report.damages
