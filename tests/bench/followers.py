"""Who follows a log, each from nothing, and how long it takes: verifier, auditor, gateway, replica from a snapshot."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import msgspec

from proto.ids import CredentialId
from services.command.child import ServiceProcess
from services.persistence.postgres import connected
from tests.bench.processes import MemoryWatch, run_command
from tests.bench.stand import HOST, Stand
from tests.support.ports import free_port

POLL_S = 0.05
STEP_TIMEOUT_S = 4 * 3_600.0
_OK = 200
Tell = Callable[[str], None]


async def until_published(stand: Stand) -> None:
    """Return when all that the log holds is published."""
    async with asyncio.timeout(STEP_TIMEOUT_S):
        while (log := await stand.log()).published_size < log.tree_size:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(POLL_S)


async def until_ok(session: aiohttp.ClientSession, process: ServiceProcess, path: str) -> None:
    """Return once this path of a service answers 200; raises `ServiceStartProblem` where its process has ended."""
    async with asyncio.timeout(STEP_TIMEOUT_S):
        while True:
            try:
                async with session.get(process.url + path) as response:
                    if response.status == _OK:
                        return
            except aiohttp.ClientError:
                process.check_running()  # it does not listen yet
            await asyncio.sleep(POLL_S)


async def replayed(stand: Stand, last: CredentialId, watch: MemoryWatch | None = None) -> float:
    """Have a verifier replay the log into an empty file; return seconds from its first answer to the last credential.

    The verifier runs on afterwards. `watch` notes its memory meanwhile.
    """
    await stand.forget_verifier()
    await stand.launch("verifier")
    verifier = stand.running["verifier"]
    await until_ok(stand.session, verifier, "/livez")
    started = time.perf_counter()
    async with watch.of(verifier) if watch else contextlib.nullcontext():
        await until_ok(stand.session, verifier, f"/v1/credentials/{last}")
    return time.perf_counter() - started


def verifier_bytes(stand: Stand) -> int:
    """Return the bytes of the verifier's file and what belongs to it."""
    return sum(file.stat().st_size for file in stand.home.folder.glob("verifier.sqlite*"))


class _Audited(msgspec.Struct):
    size: int
    result: str


async def audited(stand: Stand) -> float:
    """Have `credentify audit --once` prove the whole log in an empty folder; return its seconds, start and end in."""
    folder = stand.home.path("audit")
    shutil.rmtree(folder, ignore_errors=True)
    size, addresses = (await stand.log()).published_size, stand.addresses
    started = time.perf_counter()
    printed = await run_command(
        "audit", addresses.ledger, "--key", addresses.log_verifier_key, "--registrar", addresses.registrar,
        "--once", "--json", "--state", str(folder),
    )  # fmt: skip  # an option and its value on a line
    seconds = time.perf_counter() - started
    found = msgspec.json.decode(printed, type=_Audited)
    assert (found.result, found.size >= size) == ("proven", True), printed
    shutil.rmtree(folder)
    return seconds


async def snapshot(stand: Stand) -> float:
    """Have the running verifier's file exported and signed; return the seconds. It lies in `snapshot` then."""
    key, out = stand.home.path("snapshot.key"), stand.home.path("snapshot")
    shutil.rmtree(out, ignore_errors=True)
    if not key.exists():
        made = await run_command("keygen", "--snapshot", "bench.example/snapshot", "--out", str(key), "--json")
        stand.home.path("snapshot.vkey").write_text(msgspec.json.decode(made)["verifier_key"])
    started = time.perf_counter()
    await run_command(
        "snapshot", "export", "--verifier-file", stand.addresses.verifier_file,
        "--key", str(key), "--out", str(out), "--json",
    )  # fmt: skip  # an option and its value on a line
    return time.perf_counter() - started


async def imported(stand: Stand, last: CredentialId) -> float:
    """Begin a replica with that snapshot; return seconds from the command to its first answer. Removes both."""
    folder = stand.home.path("replica")
    shutil.rmtree(folder, ignore_errors=True)
    file, port, addresses = folder / "verifier.sqlite", free_port(), stand.addresses
    settings = {
        "HOST": HOST,
        "PORT": str(port),
        "RATE_PER_SECOND": "0",
        "LEDGER_URL": addresses.ledger,
        "LOG_VERIFIER_KEY": addresses.log_verifier_key,
        "REGISTRAR": addresses.registrar,
        "DATABASE_FILE": str(file),
    }
    named = {f"CREDENTIFY_VERIFIER_{name}": value for name, value in settings.items()}
    replica = ServiceProcess("verifier", settings=named, url=f"http://{HOST}:{port}", log_file=folder / "replica.log")
    started = time.perf_counter()
    await run_command(
        "snapshot", "import", str(stand.home.path("snapshot")), "--verifier-file", str(file), "--json",
        "--trust", stand.home.path("snapshot.vkey").read_text(), "--log-verifier-key", addresses.log_verifier_key,
    )  # fmt: skip  # an option and its value on a line
    await replica.start()
    try:
        await until_ok(stand.session, replica, f"/v1/credentials/{last}")
        return time.perf_counter() - started
    finally:
        await replica.stop()
        for made in (folder, stand.home.path("snapshot")):
            shutil.rmtree(made, ignore_errors=True)


async def gateway_followed(stand: Stand) -> float:
    """Have the gateway follow the log to its end, from wherever its database is; return the seconds."""
    size = (await stand.log()).published_size
    started = time.perf_counter()
    await stand.launch("gateway")
    owner = stand.postgres.url(role="gateway_owner", database="gateway")
    gateway = stand.running["gateway"]
    await until_ok(stand.session, gateway, "/livez")
    async with connected(owner, application_name="bench") as connection, asyncio.timeout(STEP_TIMEOUT_S):
        while await connection.fetchval("SELECT count(*) FROM event") < size:
            gateway.check_running()
            await asyncio.sleep(POLL_S * 10)
    return time.perf_counter() - started


async def database_bytes(stand: Stand, name: str) -> int:
    """Return the bytes of a service's whole database, with indexes and states, after what waits is written."""
    async with connected(stand.postgres.url(role="postgres", database=name), application_name="bench") as connection:
        await connection.execute("CHECKPOINT")
        count: int = await connection.fetchval("SELECT pg_database_size(current_database())")
    return count


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
