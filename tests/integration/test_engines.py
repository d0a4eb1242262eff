"""Engines that only look like PostgreSQL are refused by name, before they are asked for what they do not have."""

import asyncio
import contextlib
import io
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.edge import Log
from services.edge.serve import listening
from services.ledger.app import make_app
from services.persistence import postgres
from services.persistence.engine_traits import assert_traits
from services.persistence.engines import EngineFault
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import ledger_config, new_database
from tests.support.other_engines import instead, pretend

VERSIONS = {
    "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27 01:53:43, go1.19.10)": "CockroachDB: its advisory",
    "PostgreSQL 15.2-YB-2.25.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17.0.6, 64-bit": "YugabyteDB",
    "PostgreSQL 16 (Aurora DSQL)": "Aurora DSQL",
    "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC, Redshift 1.0.12103": "Amazon Redshift",
    "PostgreSQL 13.14.0-RisingWave-2.1.0 (abc)": "RisingWave",
    "Something Else 1.0": "no PostgreSQL by its version",
}


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_engine_that_only_looks_alike_is_refused_by_name(database: Database, version: str) -> None:
    await pretend(database, version)
    with pytest.raises(EngineFault, match=VERSIONS[version]):
        await postgres.create_pool(database.running_url, application_name="test")
    with pytest.raises(EngineFault, match="Which engines fit"):
        async with postgres.connected(database.owner_url, application_name="test"):
            pass


async def test_a_ledger_does_not_start_on_one(make_database: MakeDatabase, tmp_path: Path) -> None:
    database = await new_database(make_database)
    await pretend(database, next(iter(VERSIONS)))
    config = replace(ledger_config(database, tmp_path), migration_database_url=None)
    with pytest.raises(EngineFault, match="two processes could sign one log"):
        async with listening(make_app(config, log=Log("ledger", io.BytesIO())), host="127.0.0.1", port=0):
            pass


async def test_an_engine_under_another_name_whose_locks_lock_nothing_is_refused(database: Database) -> None:
    await instead(database, "pg_try_advisory_lock(bigint) RETURNS boolean", "SELECT true")
    async with await postgres.create_pool(database.running_url, application_name="test") as pool:
        with pytest.raises(EngineFault, match="two processes could sign one log"):
            await assert_traits(pool)


async def test_a_role_that_may_not_ask_for_the_timeline_is_refused_with_what_to_grant(database: Database) -> None:
    await instead(database, "pg_walfile_name(pg_lsn) RETURNS text", "SELECT ''")
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        await connection.execute("REVOKE EXECUTE ON FUNCTION pretended.pg_walfile_name(pg_lsn) FROM PUBLIC")
    async with await postgres.create_pool(database.running_url, application_name="test") as pool:
        with pytest.raises(EngineFault, match=r"pg_walfile_name.*GRANT EXECUTE"):
            await assert_traits(pool)


async def test_postgresql_has_every_trait(database: Database) -> None:
    async with await postgres.create_pool(database.running_url, application_name="test") as pool:
        await assert_traits(pool)


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


_READY = _message(b"Z", b"I")
_REFUSAL = _message(b"E", b"SERROR\0VERROR\0C0A000\0Munsupported statement\0\0")
_GREETING = _message(b"R", struct.pack("!i", 0)) + _message(b"S", b"server_version\x0016.0\0") + _READY


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greet as a server of version 16 does, and refuse every statement as one that is not supported."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        length = struct.unpack("!i", await reader.readexactly(4))[0]
        await reader.readexactly(length - 4)
        writer.write(_GREETING)
        while True:
            kind, length = struct.unpack("!ci", await reader.readexactly(5))
            await reader.readexactly(length - 4)
            if kind in {b"P", b"Q"}:
                writer.write(_REFUSAL)
            if kind in {b"S", b"Q"}:
                writer.write(_READY)
            if kind == b"X":
                break
    writer.close()


@pytest.fixture
async def engine_url() -> AsyncIterator[str]:
    """An engine that speaks the protocol, and has nothing behind it."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://somebody@127.0.0.1:{port}/none?sslmode=disable"
    server.close()
    await server.wait_closed()


async def test_an_engine_that_lacks_what_is_asked_is_refused_in_words(engine_url: str) -> None:
    with pytest.raises(EngineFault, match="does not have what every PostgreSQL has"):
        async with postgres.connected(engine_url, application_name="test"):
            pass
