"""A real Prometheus with the shipped settings and rules, which asks services of a test each second."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

from tests.monitoring.conftest import program
from tests.support.alert_rules import MONITORING, shortened
from tests.support.ports import free_port

WAIT_SECONDS = 90.0
LOOK_SECONDS = 0.2
Samples = list[tuple[dict[str, str], float]]


class Watch:
    """Prometheus, as it runs."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(self, query: str) -> Samples:
        """Return what a query finds now; fails where Prometheus refuses it."""
        async with self._session.get(f"{self._url}/api/v1/query", params={"query": query}) as response:
            body: Any = msgspec.json.decode(await response.read())
        assert body["status"] == "success", (query, body)
        result = body["data"]["result"]
        if body["data"]["resultType"] == "scalar":
            return [({}, float(result[1]))]
        return [(each["metric"], float(each["value"][1])) for each in result]

    async def firing(self) -> set[str]:
        """Return the alarms that fire now, without their prefix."""
        found = await self.ask('ALERTS{alertstate="firing"}')
        return {labels["alertname"].removeprefix("Credentify") for labels, _ in found}

    async def until(self, query: str) -> Samples:
        """Return what a query finds, once it finds anything."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if found := await self.ask(query):
                return found
            await asyncio.sleep(LOOK_SECONDS)
        raise AssertionError(f"nothing was found within {WAIT_SECONDS:g} s by {query}; {await self._seen()}")

    async def fires(self, *names: str) -> None:
        """Return once all these alarms fire."""
        await self._until_fires(set(names), are_firing=True)

    async def ends(self, *names: str) -> None:
        """Return once none of these alarms fires."""
        await self._until_fires(set(names), are_firing=False)

    async def _until_fires(self, names: set[str], *, are_firing: bool) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        seen: set[str] = set()
        while time.monotonic() < deadline:
            firing = await self.firing()
            seen |= firing & names
            if seen == names if are_firing else not firing & names:
                return
            await asyncio.sleep(LOOK_SECONDS)
        what = f"did not fire: {names - seen}" if are_firing else f"did not end: {await self.firing() & names}"
        raise AssertionError(f"within {WAIT_SECONDS:g} s these {what}; {await self._seen()}")

    async def _seen(self) -> str:
        return f"services that answer: {await self.ask('up')}; alarms: {await self.ask('ALERTS')}"


@contextlib.asynccontextmanager
async def watching(
    session: aiohttp.ClientSession,
    folder: Path,
    targets: Mapping[str, list[str]],
    *,
    for_seconds: int = 1,
    every_seconds: int = 1,
) -> AsyncIterator[Watch]:
    """Run Prometheus on these addresses of each job while the block runs, with `for:` shortened."""
    prometheus = program("prometheus")
    await asyncio.to_thread(_write, folder, targets, for_seconds, every_seconds)
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            prometheus,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'figures'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        watch = Watch(session, f"http://127.0.0.1:{port}")
        await _ready(session, f"http://127.0.0.1:{port}/-/ready")
        await watch.until("up == 1")
        yield watch
    finally:
        process.kill()
        await process.wait()


def _write(folder: Path, targets: Mapping[str, list[str]], for_seconds: int, every_seconds: int) -> None:
    """Write the shipped settings with these addresses and short times."""
    settings = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    every = f"{every_seconds}s"
    settings["global"] = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": "1s"}
    shipped = {job["job_name"]: job for job in settings["scrape_configs"]}
    settings["scrape_configs"] = [
        shipped[f"credentify-{name}"] | {"static_configs": [{"targets": addresses}]}
        for name, addresses in targets.items()
    ]
    folder.mkdir(exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    (folder / "rules.yaml").write_text(shortened(for_seconds))


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(url) as response:
                if response.status == 200:
                    return
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError("Prometheus was not ready")
