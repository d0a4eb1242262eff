"""A verifier of several processes, started as an operator starts it, asked as clients do whom the kernel deals out."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.awarded import Awarded
from tests.support.ports import free_port
from tests.support.served_logs import ServedLog
from tests.support.verifiers import until

WORKERS = 3


class Processes:
    """A running verifier, asked over a new connection each time, so that the kernel deals the questions out."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.url, self.lines = process, f"http://127.0.0.1:{port}", list[dict[str, Any]]()
        self.errors = b""
        """What it wrote to standard error, once it has ended."""

    async def ask(self, path: str, **headers: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if "json" in response.content_type else text

    async def verdicts(self, awarded: Awarded, count: int = 24) -> set[str]:
        found = [await self.ask(f"/v1/credentials/{awarded.credential_id}") for _ in range(count)]
        return {answer["verdict"] if status == 200 else str(status) for status, answer in found}

    async def all_say(self, awarded: Awarded, verdict: str) -> None:
        """Wait until every process gives this verdict."""

        async def ask() -> bool:
            return await self.verdicts(awarded) == {verdict}

        await until(ask)

    def pids(self) -> dict[str, int]:
        """Return the processes that answer, by name."""
        return {line["worker"]: line["pid"] for line in self.lines if line["event"] == "worker_started"}

    async def read(self) -> None:
        """Keep what it logs, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    async def logs(self, event: str, **values: Any) -> None:
        """Wait for a line of the log."""

        async def ask() -> bool:
            return any(line["event"] == event and values.items() <= line.items() for line in self.lines)

        await until(ask)


async def start(
    log: ServedLog, file: Path, port: int, *, modules: Path | None = None, **settings: str
) -> asyncio.subprocess.Process:
    """Start it with these settings."""
    names = {
        "ledger_url": log.url,
        "log_verifier_key": log.world.log_key.verifier.text,
        "database_file": str(file),
        "port": str(port),
        "workers": str(WORKERS),
        "poll_seconds": "1",
        "backoff_seconds_max": "0.1",
        **settings,
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", "verifier"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            **{f"CREDENTIFY_VERIFIER_{name.upper()}": value for name, value in names.items()},
            **({} if modules is None else {"PYTHONPATH": str(modules)}),
        },
    )


@contextlib.asynccontextmanager
async def running(
    log: ServedLog, file: Path, *, modules: Path | None = None, **settings: str
) -> AsyncIterator[Processes]:
    """Run it while the block runs; its interpreters also find the modules of that folder."""
    port = free_port()
    found = Processes(await start(log, file, port, modules=modules, **settings), port)
    reading = asyncio.create_task(found.read())
    try:
        await found.logs("started", workers=WORKERS)
        yield found
    finally:
        assert found.process.stderr is not None
        with contextlib.suppress(ProcessLookupError):
            found.process.send_signal(signal.SIGCONT)
            found.process.terminate()
        found.errors = await found.process.stderr.read()
        await found.process.wait()
        await reading
