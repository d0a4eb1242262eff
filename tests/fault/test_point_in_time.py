"""A database is brought to an earlier moment by its WAL archive, as OPERATIONS.md says; the log loses nothing by it.

The settings are read from that page.
"""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.command.speaker import now
from services.command.tile_source import open_source
from services.embedded import EmbeddedPostgres, find_binaries
from services.ledger.signer import InconsistentTreeError
from services.ledger.succession.recovery import recover
from services.persistence import postgres
from tests.conftest import TEST_SETTINGS
from tests.support.databases import OWNER_ROLE, RUNNING_ROLE, Database, Postgres, Prepare
from tests.support.ledgers import running_ledger, until

PAGE = (Path(__file__).parents[2] / "deploy" / "OPERATIONS.md").read_text()


def settings_of(page: str, heading: str, values: Mapping[str, object]) -> list[dict[str, str]]:
    """Return the blocks of PostgreSQL's settings under a heading of the page, with folders of the test in them."""
    (text,) = re.findall(rf"^### {heading}\n(.*?)(?=^### )", page, re.MULTILINE | re.DOTALL)
    for name, value in values.items():
        text = text.replace(name, str(value))
    blocks = re.findall(r"```ini\n(.*?)```", text, re.DOTALL)
    return [dict(re.findall(r"^(\w+) = '?(.*?)'?(?: +#.*)?$", block, re.MULTILINE)) for block in blocks]


def base_backup(primary: EmbeddedPostgres, cluster: Path) -> None:
    """Copy the running cluster as an operator does; the files belong to whom the server runs as."""
    program = find_binaries().folder / "pg_basebackup"
    if not program.is_file():
        pytest.skip("the bundled PostgreSQL has no pg_basebackup")
    owner = cluster.stat()
    shutil.rmtree(cluster)
    command: list[str | Path] = [program, "--dbname", primary.admin_url, "--pgdata", cluster, "--wal-method=none"]
    subprocess.run([*command, "--checkpoint=fast", "--no-password"], check=True, capture_output=True)
    (cluster / "recovery.signal").touch()
    for path in (cluster, *cluster.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


async def _value(server: EmbeddedPostgres, query: str) -> object:
    async with postgres.connected(server.admin_url, application_name="test") as connection:
        return await connection.fetchval(query)


async def test_what_was_said_after_the_moment_comes_back_from_the_mirror(folder: Path) -> None:
    archive = folder / "archive"
    archiving, _ = settings_of(PAGE, "Back to a moment: the WAL archive", {"/archive": archive})
    restored = EmbeddedPostgres(folder / "restored", settings=TEST_SETTINGS)
    await restored.start()
    await restored.stop()  # its place is made now; what is in it comes from the base backup
    archive.mkdir(mode=0o700)
    owner = restored.cluster.stat()
    os.chown(archive, owner.st_uid, owner.st_gid)
    async with EmbeddedPostgres(folder / "primary", settings=TEST_SETTINGS | archiving) as primary:
        databases = Postgres(primary.admin_url, password="")

        async def make(template: str | None = None, *, prepare: Prepare | None = None) -> Database:
            return await databases.create(template, prepare)

        async with running_ledger(make, folder / "ledger", mirror_folder=folder / "mirror") as ledger:
            await asyncio.to_thread(base_backup, primary, restored.cluster)
            college = await ledger.admit("college")
            await ledger.published(2)
            moment = await _value(primary, "SELECT clock_timestamp()::text")
            await ledger.submit(ledger.registrar.issues(college, 20))
            note = await ledger.published(22)

            async def is_mirrored() -> bool | None:
                path = folder / "mirror" / "checkpoint"
                return (path.exists() and path.read_bytes().splitlines()[1] == note.splitlines()[1]) or None

            await until(is_mirrored, "the mirror has all")
            await ledger.stop()
            segment = await _value(primary, "SELECT pg_walfile_name(pg_switch_wal())")

            async def is_archived() -> bool | None:
                return (archive / str(segment)).exists() or None

            await until(is_archived, "the last of the log of writes is archived")

            _, going_back = settings_of(
                PAGE, "Back to a moment: the WAL archive", {"/archive": archive, "2026-11-29 06:50:00+00": moment}
            )
            name = ledger.database.name
            async with EmbeddedPostgres(folder / "restored", settings=TEST_SETTINGS | going_back) as back:
                urls = {role: back.url(role=role, database=name) for role in (OWNER_ROLE, RUNNING_ROLE)}
                before = ledger.config

                async def takes_writes() -> bool | None:
                    return (not await _value(back, "SELECT pg_is_in_recovery()")) or None

                await until(takes_writes, "the server has gone back to the moment")
                ledger.config = replace(
                    before, database_url=urls[RUNNING_ROLE], migration_database_url=urls[OWNER_ROLE]
                )
                with pytest.raises(InconsistentTreeError, match=r"holds 2 entries, but .* 22 was signed"):
                    await ledger.start()
                async with open_source(str(folder / "mirror")) as source:
                    done = await recover(ledger.config, source, now=now())
                assert (done.size_before, done.size) == (2, 22)
                await ledger.start()
                await ledger.issued(college, "after")
                await ledger.published(23)
                await ledger.stop()
            ledger.config = before
