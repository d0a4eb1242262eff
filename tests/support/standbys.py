"""A primary and a standby that streams from it, both bundled servers: frozen, killed, promoted, made anew.

Knows no service. Where the bundled PostgreSQL has no `pg_basebackup`, a test that asks for a pair is skipped.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace

from services.embedded import EmbeddedPostgres, find_binaries
from services.persistence import postgres
from tests.conftest import TEST_SETTINGS
from tests.support.databases import OWNER_ROLE, RUNNING_ROLE, Database, Postgres, Prepare
from tests.support.ledgers import until

PROGRAM = "pg_basebackup"
_CANCEL_WAITS = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
_T = TypeVar("_T")
STANDBY = "the_standby"
"""The name by which the primary knows its standby, and may be told to wait for it."""


class Pair:
    """A primary and its standby; `leader` is whichever takes writes by what was done to them."""

    def __init__(self, primary: EmbeddedPostgres, standby: EmbeddedPostgres) -> None:
        self.primary, self.standby = primary, standby
        self.leader = primary
        self._databases = Postgres(primary.admin_url, password="")

    async def make_database(self, template: str | None = None, *, prepare: Prepare | None = None) -> Database:
        """Make a database on the primary (`MakeDatabase`)."""
        return await self._databases.create(template, prepare)

    async def is_streamed(self) -> None:
        """Wait until the standby has replayed all that the primary has written."""
        written = await value(self.primary, "SELECT pg_current_wal_flush_lsn()::text")

        async def is_replayed() -> bool | None:
            asked = f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn"
            return bool(await value(self.standby, asked)) or None

        await until(is_replayed, "the standby has replayed everything")

    async def wait_for(self, names: str) -> None:
        """Have the leader's commits wait for these standbys; for none with an empty text."""
        await value(self.leader, f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        await value(self.leader, "SELECT pg_reload_conf()")

        async def is_so() -> bool | None:
            return await value(self.leader, "SELECT current_setting('synchronous_standby_names')") == names or None

        await until(is_so, "the leader has read its settings")

    async def is_synchronous(self) -> None:
        """Wait until the standby confirms commits."""

        async def confirms() -> bool | None:
            asked = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))"
            return bool(await value(self.leader, asked)) or None

        await until(confirms, "the standby confirms commits")

    async def primary_dies(self) -> None:
        """Kill the primary as a power failure does; it does not come back by itself."""
        os.kill(self.primary.pid, signal.SIGKILL)
        await self.primary.wait_dead()

    async def promote(self) -> None:
        """Make a primary of the standby, on a timeline of its own."""
        assert await value(self.standby, "SELECT pg_promote(wait => true)")
        self.leader = self.standby

    def send(self, server: EmbeddedPostgres, number: signal.Signals) -> None:
        """Send a signal to every process of a server: SIGSTOP freezes it whole, as a paused machine is."""
        for pid in (server.pid, *_children(server.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def on_standby(self, database: Database) -> Database:
        """Return the same database as it is reached on the standby."""
        return _at(database, lambda role: self.standby.url(role=role, database=database.name))

    def on_leader(self, database: Database) -> Database:
        """Return the same database under a URL with both hosts, which finds whichever takes writes."""
        hosts = [_host(server) for server in (self.primary, self.standby)]

        def url(role: str) -> str:
            own = self.primary.url(role=role, database=database.name)
            return own.replace(f"host={hosts[0]}", f"host={','.join(hosts)}") + "&target_session_attrs=read-write"

        return _at(database, url)

    async def rejoin(self) -> None:
        """Make a standby of the old primary, from the one that was promoted: what only it had is gone."""
        if self.primary.is_running:
            await self.primary.stop()
        await asyncio.to_thread(_copy, self.standby, self.primary.cluster)
        await self.primary.start()


def _children(pid: int) -> list[int]:
    """Return the processes that a server's first process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(status.parent.name))
    return found


def _host(server: EmbeddedPostgres) -> str:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(server.admin_url).query))["host"]


def _conninfo(server: EmbeddedPostgres) -> str:
    return f"host={_host(server)} port=5432 user=postgres dbname=postgres"


def _at(database: Database, url: Callable[[str], str]) -> Database:
    return replace(database, owner_url=url(OWNER_ROLE), running_url=url(RUNNING_ROLE), admin_url=url("postgres"))


async def value(server: EmbeddedPostgres, query: str) -> object:
    """Return the one value that a query gives to a server's superuser."""
    async with postgres.connected(server.admin_url, application_name="test") as connection:
        return await connection.fetchval(query)


async def impatiently(admin_url: str, work: Awaitable[_T]) -> _T:
    """Return what comes of work while every wait for a standby is cancelled, as an operator does it."""
    asked = asyncio.ensure_future(work)
    async with postgres.connected(admin_url, application_name="operator") as connection:
        while not asked.done():
            await connection.execute(_CANCEL_WAITS)
            await asyncio.wait({asked}, timeout=0.05)
    return await asked


def _copy(source: EmbeddedPostgres, cluster: Path) -> None:
    """Make the files of a standby, as an operator does; they belong to whom the others belonged to."""
    program = find_binaries().folder / PROGRAM
    if not program.is_file():
        pytest.skip(f"the bundled PostgreSQL has no {PROGRAM}")
    owner = cluster.stat()
    shutil.rmtree(cluster)
    named = f"host={_host(source)} port=5432 user=postgres dbname=postgres application_name={STANDBY}"
    command: list[str | Path] = [program, "--dbname", named, "--pgdata", cluster, "--write-recovery-conf"]
    subprocess.run([*command, "--checkpoint=fast", "--wal-method=stream", "--no-password"], check=True)
    for path in (cluster, *cluster.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextlib.asynccontextmanager
async def pair(folder: Path, *, is_synchronous: bool) -> AsyncIterator[Pair]:
    """Run a primary with a standby that streams, while the block runs; commits wait for it if it is synchronous."""
    primary = EmbeddedPostgres(folder / "primary", settings=TEST_SETTINGS)
    standby = EmbeddedPostgres(folder / "standby", settings=TEST_SETTINGS)
    await standby.start()
    await standby.stop()  # its place is made now; what is in it comes from the primary
    async with primary, contextlib.AsyncExitStack() as stack:
        await asyncio.to_thread(_copy, primary, standby.cluster)
        await standby.start()
        stack.push_async_callback(standby.stop)
        made = Pair(primary, standby)
        if is_synchronous:
            await made.wait_for(STANDBY)
            await made.is_synchronous()
        yield made
