"""A verifier over a served log, as its users see it."""

import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from proto.wire.verifier import Answer
from services.edge import Log, listening
from services.verifier.app import make_app
from services.verifier.config import Config
from tests.support import ledgers
from tests.support.awarded import Awarded
from tests.support.served_logs import ServedLog, served
from tests.support.worlds import World, lately


class Verifier:
    """A running verifier as its users see it."""

    def __init__(self, url: str, session: aiohttp.ClientSession, log: ServedLog, lines: io.BytesIO) -> None:
        self.url, self.session, self.log, self.world, self.lines = url, session, log, log.world, lines

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.session.get(self.url + path, allow_redirects=False) as response:
            assert response.status == status, await response.text()
            return await (response.json(content_type=None) if status != 303 else response.text())

    async def page(self, path: str, status: int = 200) -> str:
        async with self.session.get(self.url + path) as response:
            assert response.status == status
            return await response.text()

    async def post(self, body: bytes, status: int = 200, query: str = "") -> Any:
        headers = {"Content-Type": "application/json"}
        async with self.session.post(
            f"{self.url}/v1/verifications{query}", data=io.BytesIO(body), headers=headers
        ) as response:
            assert response.status == status, await response.text()
            return await response.json(content_type=None)

    async def verdict(self, awarded: Awarded) -> str:
        answer = await self.post(awarded.data)
        msgspec.convert(answer, Answer)
        return str(answer["verdict"])

    async def catches_up(self) -> None:
        """Wait until what is on the log is known here, and known to be all of it."""
        await until(self.shows(f"credentify_verifier_position {float(self.world.size)}"))
        await until(self.shows("credentify_verifier_age_seconds +Inf", is_shown=False))

    def shows(self, line: str, *, is_shown: bool = True) -> Callable[[], Awaitable[bool]]:
        """Return the question whether the metrics show this, or do not."""

        async def ask() -> bool:
            return (line in await self.page("/metrics")) == is_shown

        return ask

    def says(self, awarded: Awarded, verdict: str) -> Callable[[], Awaitable[bool]]:
        """Return the question whether this is the verdict."""

        async def ask() -> bool:
            return await self.verdict(awarded) == verdict

        return ask


async def until(ask: Callable[[], Awaitable[bool]], *, seconds: float = 120.0) -> None:
    """Wait until the answer is yes; fails after so many seconds."""

    async def is_so() -> bool | None:
        return await ask() or None

    await ledgers.until(is_so, "what a test waits for", seconds=seconds)


def codes(answer: dict[str, Any]) -> dict[str, str]:
    return {check["check"]: check["code"] for check in answer["checks"]}


@contextlib.asynccontextmanager
async def running(log: ServedLog, file: Path, **settings: Any) -> AsyncIterator[Verifier]:
    """Run a verifier over a served log while the block runs."""
    config = Config(
        ledger_url=log.url,
        log_verifier_key=log.world.log_key.verifier.text,
        database_file=file,
        backoff_seconds_max=0.1,
        poll_seconds=1,
        **settings,
    )
    lines = io.BytesIO()
    app = make_app(config, log=Log("verifier", lines), end_process=lambda _: None)
    async with listening(app, host="127.0.0.1", port=0) as address, aiohttp.ClientSession() as session:
        yield Verifier(address.url, session, log, lines)


@pytest.fixture
async def verifier(tmp_path: Path, unhurried: None) -> AsyncIterator[Verifier]:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as found:
        yield found
