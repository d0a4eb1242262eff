"""The walk itself: services of either release on one data folder, changed one after the other under clients."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Self

import aiohttp
import msgspec

from services.clients.gateway import GatewayClient
from services.command.home import Addresses, read_addresses
from services.embedded import EmbeddedPostgres
from tests.support.ports import free_port
from tests.upgrade.clients import IssuingClient, ReadingClient
from tests.upgrade.releases import Release

START_S = 120.0
SETTLE_S = 3.0
AWAY_MAX_S = 30.0
"""How long one service may be away while it is exchanged; a time-out, and no measure."""
POLL_S = 0.05


class Walk:
    """Two ledgers (the first signs), a gateway and two verifiers, each of one release or the other."""

    def __init__(self, folder: Path, addresses: Addresses, postgres: EmbeddedPostgres) -> None:
        self._folder, self._addresses, self._postgres = folder, addresses, postgres
        self._data = Path(addresses.data)
        self._ports = {name: free_port() for name in ("ledger-2", "verifier-2")}
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self.reader: ReadingClient
        self.writer: IssuingClient

    @classmethod
    @contextlib.asynccontextmanager
    async def begun(cls, folder: Path, old: Release) -> AsyncIterator[Self]:
        """Have the old release make its data, start all of it by that release, and let clients begin."""
        data = folder / "data"
        valid = await _demo(old, data)
        addresses = read_addresses(data)
        keys = msgspec.json.decode((data / "demo" / "state.json").read_bytes())["api_keys"]
        async with EmbeddedPostgres(data / "postgres") as postgres, aiohttp.ClientSession() as session:
            walk = cls(folder, addresses, postgres)
            try:
                for name in ("ledger", "ledger-2", "gateway", "verifier-1", "verifier-2"):
                    await walk.start(name, old)
                walk.reader = ReadingClient(session, [walk.url("verifier-1"), walk.url("verifier-2")], valid)
                walk.writer = IssuingClient(
                    GatewayClient(session, walk.url("gateway"), token=keys["nadmorska"]), "data-literacy"
                )
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(walk.reader.run()), group.create_task(walk.writer.run())]
                    await walk.settled(f"all of {old.name}", 0.0)
                    yield walk
                    for task in tasks:
                        task.cancel()
            finally:
                for name in reversed(list(walk._running)):
                    await walk.stop(name)

    def url(self, name: str) -> str:
        """Return where a service is."""
        kept = {
            "ledger": self._addresses.ledger,
            "gateway": self._addresses.gateway,
            "verifier-1": self._addresses.verifier,
        }
        return kept.get(name) or f"http://127.0.0.1:{self._ports[name]}"

    async def start(self, name: str, release: Release) -> float:
        """Start a service of a release and return the seconds until it was ready."""
        began = time.monotonic()
        log = (self._folder / f"{name}.log").open("ab")
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CREDENTIFY_")}
        kind = name.partition("-")[0]
        process = self._running[name] = await asyncio.create_subprocess_exec(
            *release.command(kind), cwd=release.code, env=environ | self._settings(name), stdout=log, stderr=log
        )
        log.close()
        async with asyncio.timeout(START_S), aiohttp.ClientSession() as session:
            while not await _is_ready(session, self.url(name)):
                if process.returncode is not None:
                    said = (self._folder / f"{name}.log").read_text()[-2_000:]
                    raise SystemExit(f"{name} of {release.name} ended with {process.returncode}:\n{said}")
                await asyncio.sleep(POLL_S)
        return time.monotonic() - began

    async def stop(self, name: str) -> None:
        """Stop a service in order."""
        process = self._running.pop(name)
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()

    async def roll(self, release: Release, names: Sequence[str]) -> None:
        """Exchange services for those of a release, one after the other, under the clients."""
        for name in names:
            began = time.monotonic()
            await self.stop(name)
            await self.start(name, release)
            away = time.monotonic() - began
            await self.settled(f"{name}: {release.name}", away)
            if away > AWAY_MAX_S:
                raise SystemExit(f"{name} was away for {away:.1f} s")

    async def migrate(self, release: Release) -> None:
        """Bring the tables to a release while everything runs."""
        began = time.monotonic()
        said = await self._run(release, "migrate")
        await self.settled(
            f"tables brought to {release.name} under way: {' '.join(said.split())}", time.monotonic() - began
        )

    async def refuses_downgrade(self, release: Release) -> None:
        """See an older release refuse to touch newer tables, in words."""
        said = await self._run(release, "migrate", status=1)
        if "too old" not in said:
            raise SystemExit(f"a downgrade was refused without words: {said}")
        _say(0.0, f"a downgrade of the tables is refused: {' '.join(said.split())}")

    async def audit(self, release: Release) -> None:
        """Have the auditor of a release prove the log that this ledger serves."""
        began = time.monotonic()
        key = self._addresses.log_verifier_key
        await self._run(
            release, "audit", self.url("ledger"), "--key", key, "--registrar", self._addresses.registrar, "--once"
        )
        _say(time.monotonic() - began, f"the auditor of {release.name} proves the log")

    async def is_whole(self, when: str) -> None:
        """See every credential that was issued valid at both verifiers, and every record as it should be."""
        began = time.monotonic()
        async with aiohttp.ClientSession() as session:
            for credential_id in self.writer.issued:
                for name in ("verifier-1", "verifier-2"):
                    await self._is_valid(session, f"{self.url(name)}/v1/credentials/{credential_id}")
        _say(time.monotonic() - began, f"{when}: {len(self.writer.issued)} credentials are valid at both verifiers")

    async def fsck(self, release: Release) -> None:
        """Have a release recompute all that both databases hold."""
        began = time.monotonic()
        names = ("ledger", "gateway")
        urls = [(f"--{name}-database", self._postgres.url(role=f"{name}_owner", database=name)) for name in names]
        words = [word for pair in urls for word in pair]
        await self._run(release, "fsck", *words, "--master-key-file", self._addresses.master_key_file)
        _say(time.monotonic() - began, f"fsck of {release.name}: clean")

    async def _is_valid(self, session: aiohttp.ClientSession, url: str) -> None:
        async with asyncio.timeout(START_S):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(url) as response:
                        if response.status == 200 and (await response.json())["verdict"] == "valid":
                            return
                await asyncio.sleep(POLL_S)

    async def settled(self, what: str, seconds: float) -> None:
        """Let clients go on for a while, and say how they fared."""
        before = len(self.writer.issued)
        await asyncio.sleep(SETTLE_S)
        asked, longest_s, wrong = self.reader.since()
        slowest_s = self.writer.since()
        _say(seconds, what)
        _say(longest_s, f"   the longest without an answer, of {asked}")
        _say(slowest_s, f"   the slowest issue; {len(self.writer.issued) - before} in the last {SETTLE_S:g} s")
        issued = len(self.writer.issued) - before
        if wrong or not asked or not issued:
            raise SystemExit(f"{what}: verdicts {wrong[:3]} of {asked}, {issued} issued; {self.writer.refused}")

    async def _run(self, release: Release, *words: str, status: int = 0) -> str:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CREDENTIFY_")}
        process = await asyncio.create_subprocess_exec(
            *release.command(*words),
            cwd=release.code,
            env=environ | (self._owners() if words[0] == "migrate" else {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode != status:
            raise SystemExit(f"{words} of {release.name} ended with {process.returncode}:\n{said.decode()}")
        return said.decode()

    def _owners(self) -> dict[str, str]:
        return {
            f"CREDENTIFY_{name.upper()}_{setting}": self._postgres.url(role=f"{name}_{role}", database=name)
            for name in ("ledger", "gateway")
            for setting, role in (("DATABASE_URL", "running"), ("MIGRATION_DATABASE_URL", "owner"))
        }

    def _settings(self, name: str) -> dict[str, str]:
        """Return what a service runs with in production: no owner's URL, so that it never touches a table."""
        kind, data = name.partition("-")[0], self._data
        port = self.url(name).rpartition(":")[2]
        database = self._postgres.url(role=f"{kind}_running", database=kind)
        follows = {
            "LEDGER_URL": self.url("ledger"),
            "LOG_VERIFIER_KEY": self._addresses.log_verifier_key,
            "REGISTRAR": self._addresses.registrar,
        }
        signs = {"LOG_KEY_FILE": str(data / "ledger" / "log.key"), "STATE_FOLDER": str(data / "ledger")}
        settings = {
            "ledger": {"DATABASE_URL": database} | (signs if name == "ledger" else {}),
            "gateway": {
                "DATABASE_URL": database,
                "PUBLIC_URL": msgspec.json.decode((data / "settings.json").read_bytes())["public_url"],
                "MASTER_KEY_FILE": self._addresses.master_key_file,
                "OPERATOR_TOKEN_FILE": self._addresses.operator_token_file,
                **follows,
            },
            "verifier": {
                "RATE_PER_SECOND": "0",
                "DATABASE_FILE": str(data / "verifier.sqlite") if name == "verifier-1" else str(data / "second.sqlite"),
                **follows,
            },
        }[kind]
        return {f"CREDENTIFY_{kind.upper()}_{key}": value for key, value in (settings | {"PORT": port}).items()}


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with session.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as response:
            return response.status == 200
    return False


async def _demo(release: Release, data: Path) -> str:
    """Have a release make a data folder with its demo, and stop; return a credential that holds."""
    began = time.monotonic()
    await asyncio.to_thread(data.mkdir, mode=0o711)
    output = data.with_suffix(".log")
    ports = [word for name in ("ledger", "gateway", "verifier") for word in (f"--{name}-port", str(free_port()))]
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *release.command("up", "--demo", "--data", str(data), *ports), cwd=release.code, stdout=file, stderr=file
        )
    async with asyncio.timeout(START_S):
        while "\nvalid  " not in output.read_text():
            if process.returncode is not None:
                raise SystemExit(output.read_text())
            await asyncio.sleep(POLL_S)
    process.send_signal(signal.SIGINT)
    await process.wait()
    _say(time.monotonic() - began, f"{release.name} made its data and stopped")
    (line,) = (line for line in output.read_text().splitlines() if line.startswith("valid  "))
    return line.rpartition("/")[2]


def _say(seconds: float, what: str) -> None:
    print(f"{seconds:7.2f} s  {what}", flush=True)  # noqa: T201 - what it is for
