"""A PgBouncer before a test's database, in the mode that the test asks for; skips where the program is absent."""

import asyncio
import contextlib
import os
import shutil
import socket
import time
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.support.databases import Database
from tests.support.ports import free_port

START_SECONDS = 120.0
IGNORED = "lock_timeout,statement_timeout,idle_in_transaction_session_timeout,extra_float_digits"
"""What its own error message suggests to somebody whose client sends them."""


def pgbouncer_program() -> str:
    """Return where the program is; skips the test, and says how to get it, where it is nowhere."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("pgbouncer is not installed; on Debian: apt-get install pgbouncer")
    return found


@contextlib.asynccontextmanager
async def pooled(database: Database, folder: Path, mode: str, **settings: str) -> AsyncIterator[Database]:
    """Yield the database as it is behind a PgBouncer of that `pool_mode`; `settings` are further ones of its own."""
    program, port = pgbouncer_program(), free_port()
    configuration = _configuration(database, folder, port, {"pool_mode": mode} | settings)
    with (folder / "pgbouncer.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(program, str(configuration), stdout=log, stderr=log)
    try:
        await _listens(port, process, folder / "pgbouncer.log")
        yield msgspec.structs.replace(
            database,
            owner_url=_through(database.owner_url, port),
            running_url=_through(database.running_url, port),
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _configuration(database: Database, folder: Path, port: int, settings: dict[str, str]) -> Path:
    parts = urllib.parse.urlsplit(database.owner_url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    host, server_port = query.get("host") or parts.hostname, query.get("port") or parts.port or 5432
    accounts = (urllib.parse.urlsplit(url) for url in (database.owner_url, database.running_url))
    users = folder / "users.txt"
    users.write_text("".join(f'"{each.username}" "{each.password or ""}"\n' for each in accounts), encoding="utf-8")
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "trust",
        "auth_file": users,
        "default_pool_size": 30,
        **({"user": "nobody"} if os.geteuid() == 0 else {}),
        **settings,
    }
    file = folder / "pgbouncer.ini"
    said = "\n".join(f"{name} = {value}" for name, value in lines.items())
    file.write_text(f"[databases]\n* = host={host} port={server_port}\n[pgbouncer]\n{said}\n", encoding="utf-8")
    for each in (file, users):
        each.chmod(0o644)
    return file


def _through(url: str, port: int) -> str:
    parts = urllib.parse.urlsplit(url)
    account = f"{parts.username}:{parts.password}" if parts.password else parts.username
    return f"postgresql://{account}@127.0.0.1:{port}{parts.path}"


async def _listens(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.returncode is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        await asyncio.sleep(0.02)
    said = await asyncio.to_thread(log.read_text, encoding="utf-8")
    raise AssertionError(f"pgbouncer does not listen: {said}")
