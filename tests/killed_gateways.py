"""A gateway in a process of its own that ends only by SIGKILL, with the ledger that it talks to."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.databases import MakeDatabase
from tests.gateways import RunningGateway, gateway_config, gateway_database
from tests.ledgers import Registrar, RunningLedger, running_ledger, until


class KilledGateway(RunningGateway):
    """A gateway in a process of its own, which ends only by SIGKILL."""

    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process and wait until it answers."""
        values = {name: getattr(self.config, name) for name in _SETTINGS}
        settings = {f"CREDENTIFY_GATEWAY_{name.upper()}": str(value) for name, value in values.items()}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDENTIFY_")}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services", "gateway"),
            env=environment | settings,
            stdout=asyncio.subprocess.DEVNULL,
        )
        self.url = f"http://{self.config.host}:{self.config.port}"
        await until(self._answers, "the gateway answers")

    async def _answers(self) -> bool | None:
        try:
            return True if (await self.client().get("/readyz")).status == 200 else None
        except aiohttp.ClientError:
            return None

    async def stop(self) -> None:
        """Kill the process without a word."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


_SETTINGS = (
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
