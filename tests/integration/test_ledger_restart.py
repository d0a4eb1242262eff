"""Stopping, killing and starting again: nothing that was acknowledged is lost, nothing is doubled."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from proto.ids import EventId
from proto.wire.ledger import Appended
from services.clients.log_client import LogClient, LogUnreachableProblem
from services.ledger.config import SETTINGS_PREFIX
from tests.support.databases import MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database, until
from tests.support.ports import free_port

PROGRAM = f"""
import os
from services.ledger.app import run
from services.ledger.config import Config
from services.settings import load_settings
run(load_settings(Config, {SETTINGS_PREFIX!r}, os.environ))
"""
KILLS = 3
BATCH = 40


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


async def test_a_restart_continues_the_log(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    sent = registrar.issues(college, 300)
    before = await ledger.submit(sent)
    await ledger.stop()
    await ledger.start()
    again = await ledger.submit(sent)
    assert [line.appended for line in again] == [line.appended for line in before]
    assert {line.status for line in again} == {200}
    assert (await ledger.say(registrar.issue(college, "after"))).index == 302
    await ledger.published(303)


async def test_what_was_appended_but_not_published_is_published_after_a_restart(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    registrar, database = Registrar(), await new_database(make_database)
    slow = replace(ledger_config(database, tmp_path), publish_interval_ms=60_000)
    async with aiohttp.ClientSession() as session:
        ledger = RunningLedger(slow, database, registrar, session)
        await ledger.init()
        await ledger.start()
        await ledger.admit("college")
        await ledger.admit("academy")
        await ledger.stop()
        await ledger.start()
        assert b"\n3\n" in await ledger.published(3)
        await ledger.stop()
        assert (await ledger.fsck()).is_clean


class Process:
    """A ledger in a process of its own, which may be killed."""

    def __init__(self, ledger: RunningLedger) -> None:
        self.ledger = ledger
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        config = self.ledger.config
        settings = {
            "PORT": str(config.port),
            "DATABASE_URL": config.database_url,
            "LOG_KEY_FILE": str(config.log_key_file),
            "STATE_FOLDER": str(config.state_folder),
            "PUBLISH_INTERVAL_MS": "20",
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_PREFIX)}
        environment |= {SETTINGS_PREFIX + name: value for name, value in settings.items()}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        self.ledger.url = f"http://127.0.0.1:{config.port}"
        await until(self._ready, "the ledger is ready")

    async def _ready(self) -> bool | None:
        assert self._process is not None
        assert self._process.returncode is None, f"the ledger ended with {self._process.returncode}"
        with contextlib.suppress(aiohttp.ClientError):
            async with self.ledger.session.get(f"{self.ledger.url}/readyz") as response:
                return True if response.status == 200 else None
        return None

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and return the status with which the process ends."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        return await self._process.wait()


@pytest.fixture
async def process(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[Process]:
    """A ledger in a process of its own, with a fresh log."""
    database = await new_database(make_database)
    async with aiohttp.ClientSession() as session:
        config = replace(ledger_config(database, tmp_path), port=free_port())
        made = Process(RunningLedger(config, database, registrar, session))
        await made.ledger.init()
        await made.start()
        try:
            yield made
        finally:
            await made.end(signal.SIGKILL)
        report = await made.ledger.fsck()
        assert report.is_clean, report.damages


class Load:
    """Clients that append without pause and remember every answer that they were given."""

    def __init__(self, ledger: RunningLedger, registrar: Registrar) -> None:
        self.acknowledged: dict[EventId, Appended] = {}
        self._client: LogClient = ledger.client
        self._registrar = registrar
        self._college = registrar.party("college")
        self._numbers = iter(range(1_000_000))
        self._stopping = False

    async def run(self) -> None:
        """Send batch after batch; a batch without an answer is sent again until it has one."""
        while not self._stopping:
            envelopes = self._registrar.issues(self._college, BATCH, f"load {next(self._numbers)}")
            while True:
                try:
                    lines = await self._client.submit(envelopes)
                    break
                except LogUnreachableProblem:
                    await asyncio.sleep(0.02)
            for line in lines:
                assert line.appended is not None, line.problem
                self.acknowledged[line.appended.event_id] = line.appended

    def stop(self) -> None:
        """Let each client finish what it is sending."""
        self._stopping = True


async def test_kill_9_under_load_loses_and_doubles_nothing(process: Process, registrar: Registrar) -> None:
    ledger = process.ledger
    await ledger.admit("college")
    load = Load(ledger, registrar)
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(load.run())
        for _ in range(KILLS):
            goal = len(load.acknowledged) + 5 * BATCH

            async def reached(goal: int = goal) -> bool | None:
                return len(load.acknowledged) >= goal or None

            await until(reached, "more is acknowledged")
            await process.end(signal.SIGKILL)
            await process.start()
        load.stop()
    size = max(place.index for place in load.acknowledged.values()) + 1
    await ledger.published(size)
    places = {place.index: place for place in load.acknowledged.values()}
    assert len(places) == len(load.acknowledged), "two events have one index"
    assert sorted(places) == list(range(2, size)), "an entry that nobody sent, or one that is missing"
    for place in list(load.acknowledged.values())[:: 5 * BATCH]:
        found = await ledger.client.event(place.event_id)
        assert found is not None
        assert (found.index, found.leaf_hash) == (place.index, place.leaf_hash)


async def test_sigterm_ends_it_cleanly(process: Process) -> None:
    await process.ledger.admit("college")
    assert await process.end(signal.SIGTERM) == 0
    await process.start()
    await process.ledger.published(2)
