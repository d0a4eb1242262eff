"""A witness process that is killed at any moment still knows every cosignature that anybody got from it."""

import asyncio
import contextlib
import io
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec

from tests.support.witnesses import LOG, History, witness_key

START_SECONDS = 120.0
ROUNDS, TORTURE_ROUNDS = 4, 60


@contextlib.asynccontextmanager
async def witness_process(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `credentify verifier` as a witness while the block runs, and yield the process and its address."""
    prefix = "CREDENTIFY_VERIFIER_"
    settings = {
        "PORT": "0",
        "LEDGER_URL": "http://127.0.0.1:9",
        "LOG_VERIFIER_KEY": LOG.verifier.text,
        "DATABASE_FILE": str(folder / "projection.sqlite"),
        "WITNESS_KEY_FILE": str(folder / "witness.key"),
        "WITNESS_MEMORY_FILE": str(folder / "witness.sqlite"),
    }
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CREDENTIFY_")}
    environ |= {prefix + name: value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "verifier", env=environ, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    drain = None
    try:
        async with asyncio.timeout(START_SECONDS):
            url = ""
            while not url:
                line = msgspec.json.decode(await process.stdout.readline())
                url = f"http://127.0.0.1:{line['port']}" if line["event"] == "started" else ""
        drain = asyncio.create_task(process.stdout.read())
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if drain is not None:
            await drain


async def send(session: aiohttp.ClientSession, url: str, history: History, old: int, size: int) -> tuple[int, str]:
    """Return status and body; status 0 where no answer came."""
    try:
        data = io.BytesIO(history.request(old, size).encode())
        async with session.post(f"{url}/add-checkpoint", data=data) as response:
            return response.status, await response.text()
    except aiohttp.ClientError:
        return 0, ""


async def test_no_cosignature_is_forgotten_when_the_process_is_killed(
    tmp_path: Path, seed: int, *, torture: bool
) -> None:
    """Each round begins with another history of one size more: it must meet the size that was answered last."""
    chance = random.Random(seed)
    (tmp_path / "witness.key").touch(mode=0o600)
    (tmp_path / "witness.key").write_text(witness_key("w").private_text)
    history = History().grow(15_000)
    answered = sent = 0
    async with aiohttp.ClientSession() as session:
        for number in range(TORTURE_ROUNDS if torture else ROUNDS):
            async with witness_process(tmp_path) as (process, url):
                if number:
                    status, body = await send(session, url, history.fork(0, 15_000, "another"), 0, 15_000)
                    assert (status, answered <= int(body) <= sent) == (409, True), (answered, sent, body)
                    answered = int(body)
                    other = history.fork(answered - 1, 9, "another")
                    assert (await send(session, url, other, answered, answered + 8))[0] == 422
                for _ in range(chance.randrange(1, 20)):
                    sent = answered + chance.randrange(1, 10)
                    status, body = await send(session, url, history, answered, sent)
                    assert status == 200, body
                    answered = sent
                sent = answered + chance.randrange(1, 10)
                flying = asyncio.create_task(send(session, url, history, answered, sent))
                await asyncio.sleep(chance.random() * 0.004)  # a moment anywhere in the life of the request
                process.kill()
                status, _ = await flying
                answered = sent if status == 200 else answered
