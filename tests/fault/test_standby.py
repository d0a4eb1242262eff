"""A real standby (pg_basebackup, streaming) is promoted after its primary died: nothing signed is ever contradicted."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.embedded import EmbeddedPostgres, find_binaries
from services.ledger.signer import InconsistentTreeError
from services.persistence import postgres
from services.persistence.postgres_errors import DatabaseUnavailableProblem
from tests.conftest import TEST_SETTINGS
from tests.support.databases import OWNER_ROLE, RUNNING_ROLE, Database, Postgres, Prepare
from tests.support.ledgers import RunningLedger, running_ledger, until

ENTRIES = 40
PROGRAM = "pg_basebackup"


class Pair:
    """A primary and its standby, and a ledger on whichever of them it is pointed at."""

    def __init__(self, primary: EmbeddedPostgres, standby: EmbeddedPostgres, ledger: RunningLedger) -> None:
        self.primary, self.standby, self.ledger = primary, standby, ledger

    async def is_streamed(self) -> None:
        """Wait until the standby has replayed all that the primary has written."""
        written = await _value(self.primary, "SELECT pg_current_wal_flush_lsn()::text")

        async def is_replayed() -> bool | None:
            asked = f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn"
            return bool(await _value(self.standby, asked)) or None

        await until(is_replayed, "the standby has replayed everything")

    async def primary_dies(self) -> None:
        """Kill the primary as a power failure does; it does not come back."""
        os.kill(self.primary.pid, signal.SIGKILL)
        await self.primary.wait_dead()

    async def promote(self) -> None:
        """Make a primary of the standby."""
        assert await _value(self.standby, "SELECT pg_promote(wait => true)")

    def move(self) -> None:
        """Point the stopped ledger at the standby."""
        name = self.ledger.database.name
        urls = {role: self.standby.url(role=role, database=name) for role in (OWNER_ROLE, RUNNING_ROLE)}
        self.ledger.database = Database(
            name=name,
            owner_url=urls[OWNER_ROLE],
            running_url=urls[RUNNING_ROLE],
            admin_url=self.standby.url(role="postgres", database=name),
        )
        self.ledger.config = replace(
            self.ledger.config, database_url=urls[RUNNING_ROLE], migration_database_url=urls[OWNER_ROLE]
        )


async def _value(server: EmbeddedPostgres, query: str) -> object:
    async with postgres.connected(server.admin_url, application_name="test") as connection:
        return await connection.fetchval(query)


def _copy(primary: EmbeddedPostgres, cluster: Path) -> None:
    """Make the files of a standby, as an operator does; they belong to whom the others belonged to."""
    program = find_binaries().folder / PROGRAM
    if not program.is_file():
        pytest.skip(f"the bundled PostgreSQL has no {PROGRAM}")
    owner = cluster.stat()
    shutil.rmtree(cluster)
    command: list[str | Path] = [program, "--dbname", primary.admin_url, "--pgdata", cluster, "--write-recovery-conf"]
    subprocess.run([*command, "--checkpoint=fast", "--wal-method=stream", "--no-password"], check=True)
    for path in (cluster, *cluster.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextlib.asynccontextmanager
async def pair(folder: Path, *, is_synchronous: bool) -> AsyncIterator[Pair]:
    """Run a ledger on a primary with a standby that streams, while the block runs."""
    primary = EmbeddedPostgres(folder / "primary", settings=TEST_SETTINGS)
    standby = EmbeddedPostgres(folder / "standby", settings=TEST_SETTINGS)
    await standby.start()
    await standby.stop()  # its place is made now; what is in it comes from the primary
    async with primary, contextlib.AsyncExitStack() as stack:
        await asyncio.to_thread(_copy, primary, standby.cluster)
        await standby.start()
        stack.push_async_callback(standby.stop)
        if is_synchronous:
            await _value(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
            await _value(primary, "SELECT pg_reload_conf()")
        databases = Postgres(primary.admin_url, password="")

        async def make(template: str | None = None, *, prepare: Prepare | None = None) -> Database:
            return await databases.create(template, prepare)

        yield Pair(primary, standby, await stack.enter_async_context(running_ledger(make, folder / "ledger")))


async def test_a_standby_that_lacks_what_was_published_signs_nothing(folder: Path) -> None:
    async with pair(folder, is_synchronous=False) as made:
        ledger = made.ledger
        college = await ledger.admit("college")
        await ledger.published(2)
        await made.is_streamed()
        await made.standby.stop()  # what comes now does not reach it
        await ledger.submit(ledger.registrar.issues(college, ENTRIES))
        await ledger.published(2 + ENTRIES)
        await ledger.stop()
        await made.primary_dies()
        await made.standby.start()
        made.move()
        with pytest.raises(DatabaseUnavailableProblem, match="promote this one"):
            await ledger.start()
        await made.promote()
        with pytest.raises(InconsistentTreeError, match=rf"holds 2 entries, but .* {2 + ENTRIES} was signed"):
            await ledger.start()


async def test_a_synchronous_standby_has_all_that_was_acknowledged_and_goes_on(folder: Path) -> None:
    async with pair(folder, is_synchronous=True) as made:
        ledger = made.ledger
        college = await ledger.admit("college")
        answers = await ledger.submit(ledger.registrar.issues(college, ENTRIES))
        await ledger.stop()
        await made.primary_dies()
        await made.promote()
        made.move()
        await ledger.start()
        for answer in answers:
            assert answer.appended is not None
            found = await ledger.client.event(answer.appended.event_id)
            assert found is not None
            assert found.index == answer.appended.index
        again = await ledger.submit(ledger.registrar.issues(college, 1, "after"))
        assert again[0].appended is not None
        assert again[0].appended.index == 2 + ENTRIES
        await ledger.published(3 + ENTRIES)
