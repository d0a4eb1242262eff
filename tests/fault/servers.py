"""A PostgreSQL of a test's own, which may be killed, starved of disk and set wrong without harm to other tests."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from services.embedded import EmbeddedPostgres
from services.persistence import postgres
from tests.conftest import TEST_SETTINGS
from tests.support.databases import Database, Postgres
from tests.support.ledgers import with_tables

STOP_SECONDS = 20.0


class OwnServer:
    """A running server and one database in it with the ledger's tables."""

    def __init__(self, server: EmbeddedPostgres, database: Database) -> None:
        self.server = server
        self.database = database

    async def kill(self) -> None:
        """Kill the server as a power failure does, and start it again."""
        os.kill(self.server.pid, signal.SIGKILL)
        await self.server.wait_dead()
        await self.restart()

    async def restart(self) -> None:
        """Start the server again after its death."""
        await self.server.restart()

    async def execute(self, *statements: str) -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        async with postgres.connected(self.database.admin_url, application_name="test") as connection:
            for statement in statements:
                await connection.execute(statement)


@contextlib.asynccontextmanager
async def own_server(folder: Path) -> AsyncIterator[OwnServer]:
    """Run a server in a folder while the block runs."""
    server = EmbeddedPostgres(folder / "postgres", settings=TEST_SETTINGS)
    await server.start()
    try:
        database = await Postgres(server.admin_url, password="").create("ledger_tables", with_tables)
        yield OwnServer(server, database)
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def small_disk(folder: Path, *, megabytes: int) -> AsyncIterator[Path]:
    """Mount a file system of that size while the block runs; raises `PermissionError` where that is not allowed."""
    await asyncio.to_thread(folder.mkdir)
    options = f"size={megabytes}m,mode=0711"
    mounted = await asyncio.to_thread(
        subprocess.run, ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        raise PermissionError(mounted.stderr.decode().strip())
    try:
        yield folder
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", str(folder)], check=True)
