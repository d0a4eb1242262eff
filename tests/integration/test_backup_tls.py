"""A database that is reached under TLS is copied by programs that have TLS, and never in the open instead."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.command.pg_tools import ToolProblem, dump, restore
from services.embedded import EmbeddedPostgres
from services.persistence import postgres
from tests.conftest import TEST_SETTINGS
from tests.support.ports import free_port

SERVERS = Path("/usr/lib/postgresql")
PASSWORD = "pass/word # with ?"
QUOTED = "pass%2Fword%20%23%20with%20%3F"


def server_with_tls() -> Path:
    """Return the newest installed server's programs; skips, and says how to get one, where there is none."""
    found = sorted(SERVERS.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found or shutil.which("pg_dump") is None or shutil.which("openssl") is None:
        pytest.skip("no PostgreSQL with TLS is installed; on Debian: apt-get install postgresql openssl")
    return found[-1].parent


@pytest.fixture
async def tls(open_folder: Path) -> AsyncIterator[str]:
    """Host, port and database, without an account, of a server that takes nothing but TLS and a password over TCP."""
    port, key, certificate = free_port(), open_folder / "server.key", open_folder / "server.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    programs = server_with_tls()
    await asyncio.to_thread(
        subprocess.run, [*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    settings = {"listen_addresses": "127.0.0.1", "port": str(port), "min_wal_size": TEST_SETTINGS["min_wal_size"]}
    server = EmbeddedPostgres(open_folder / "postgres", binaries=programs, settings=settings)
    await server.start()
    try:
        for file in (key, certificate):
            await asyncio.to_thread(shutil.copy, file, server.cluster / file.name)
        await asyncio.to_thread(_own, server.cluster, key.name, certificate.name)
        admin = server.admin_url.replace("port=5432", f"port={port}")
        async with postgres.connected(admin, application_name="test") as connection:
            await connection.execute("ALTER SYSTEM SET ssl_key_file = 'server.key'")
            await connection.execute("ALTER SYSTEM SET ssl_cert_file = 'server.pem'")
            await connection.execute("ALTER SYSTEM SET ssl = on")
            await connection.execute(f"CREATE ROLE owner LOGIN PASSWORD '{PASSWORD}'")
            for name in ("source", "target"):
                await connection.execute(f"CREATE DATABASE {name} OWNER owner TEMPLATE template0 ENCODING 'UTF8'")
            rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
            await asyncio.to_thread((server.cluster / "pg_hba.conf").write_text, rules, encoding="ascii")
            await connection.execute("SELECT pg_reload_conf()")
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop()


def _own(cluster: Path, *names: str) -> None:
    """Give the key and the certificate to whom the server runs as."""
    owner = cluster.stat()
    for name in names:
        shutil.chown(cluster / name, owner.st_uid, owner.st_gid)
        (cluster / name).chmod(0o600)


async def _fill(url: str) -> None:
    async with postgres.connected(url, application_name="test") as connection:
        await connection.execute("CREATE TABLE kept (words text)")
        await connection.execute("INSERT INTO kept VALUES ('Łódzka')")


async def _kept(url: str) -> object:
    async with postgres.connected(url, application_name="test") as connection:
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return await connection.fetchval("SELECT words FROM kept")


@pytest.mark.parametrize("mode", ["?sslmode=require", ""])
async def test_a_database_under_tls_is_copied_and_restored(tls: str, tmp_path: Path, mode: str) -> None:
    url = f"postgresql://owner:{QUOTED}@{tls}/source{mode}"
    programs = server_with_tls()  # one pg_restore must read what its pg_dump wrote
    await _fill(url)
    await dump(url, tmp_path / "copy")
    await restore(url.replace("/source", "/target"), tmp_path / "copy", programs)
    assert await _kept(url.replace("/source", "/target")) == "Łódzka"


async def test_the_password_may_be_in_the_environment_and_the_first_of_several_hosts_be_gone(
    tls: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    url = f"postgresql://owner@127.0.0.1:{free_port()},{tls}/source?target_session_attrs=any"
    await _fill(url)
    await dump(url, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_size


async def test_nothing_goes_in_the_open_where_no_program_with_tls_is_there(
    tls: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = server_with_tls()
    monkeypatch.setenv("PATH", str(tmp_path))
    for mode in ("", "?sslmode=verify-ca"):
        with pytest.raises(ToolProblem, match="--postgres-programs"):
            await dump(f"postgresql://owner:{QUOTED}@{tls}/source{mode}", tmp_path / "copy")
    with pytest.raises(ToolProblem, match=r"There is no pg_dump in"):
        await dump(f"postgresql://owner:{QUOTED}@{tls}/source", tmp_path / "copy", tmp_path)
    await dump(f"postgresql://owner:{QUOTED}@{tls}/source", tmp_path / "copy", programs)
