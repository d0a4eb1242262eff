"""The release before and this one follow one log over the activation of rules version 2, each as a process of its own.

The release before stands in deploy/PREVIOUS_RELEASE and is taken from the history; where that is not at hand (a shallow
clone, no git), the test skips and says so.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
PREVIOUS = (ROOT / "deploy" / "PREVIOUS_RELEASE").read_text().split()


@pytest.fixture
def registrar() -> Registrar:
    """Who opened its log when there were rules of version 1 alone."""
    return Registrar(rules_version=1)


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The folder with the code of the release before."""
    version, commit = PREVIOUS
    archived = subprocess.run(
        ["git", "archive", commit, "proto", "services"], cwd=ROOT, capture_output=True, check=False
    )
    if archived.returncode != 0:
        pytest.skip(f"release {version} ({commit[:12]}) is not in this clone: fetch the whole history")
    folder = tmp_path / "previous"
    with tarfile.open(fileobj=BytesIO(archived.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


class Follower:
    """A verifier's process, asked over HTTP; `answer` is None while it does not answer, or not so."""

    def __init__(self, ledger: RunningLedger, url: str) -> None:
        self.ledger, self.url = ledger, url

    async def asked(self, path: str) -> tuple[int, Any]:
        """Return status and body of an answer; 0 where there is none."""
        with contextlib.suppress(OSError):
            async with self.ledger.session.get(self.url + path) as response:
                return response.status, await response.json(content_type=None)
        return 0, None

    async def verdict(self, credential_id: str) -> tuple[str, str] | None:
        """Return verdict and code of the check `freshness`; None where the credential is not known there."""
        status, body = await self.asked(f"/v1/credentials/{credential_id}")
        if status != 200:
            return None
        (fresh,) = (check for check in body["checks"] if check["check"] == "freshness")
        return body["verdict"], fresh["code"]


@contextlib.asynccontextmanager
async def verifier(code: Path, ledger: RunningLedger, folder: Path, port: int) -> AsyncIterator[Follower]:
    """Run the verifier of that code while the block runs."""
    settings = {
        "LEDGER_URL": ledger.url,
        "LOG_VERIFIER_KEY": ledger.verifier_key,
        "DATABASE_FILE": str(folder / "projection.sqlite"),
        "POLL_SECONDS": "1",
        "PORT": str(port),
    }
    own = {name: value for name, value in os.environ.items() if not name.startswith("CREDENTIFY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", "verifier"),
        cwd=code,
        env={**own, "PYTHONPATH": str(code)} | {f"CREDENTIFY_VERIFIER_{each}": settings[each] for each in settings},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Follower(ledger, f"http://127.0.0.1:{port}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def test_the_release_before_stops_at_the_activation_and_this_one_goes_on_from_its_file(
    make_database: MakeDatabase, tmp_path: Path, registrar: Registrar, previous: Path
) -> None:
    async with running_ledger(make_database, tmp_path / "ledger", registrar) as ledger:
        school = await ledger.admit("school")
        await ledger.say(registrar.activation(2, 4))
        old, port = await ledger.issued(school, "old"), free_port()
        async with verifier(previous, ledger, tmp_path / "follower", port) as before:

            async def knows() -> bool | None:
                return await before.verdict(old) == ("valid", "fresh-log") or None

            await until(knows, "the release before follows version 1")
            await ledger.say(registrar.committed(school, "new"))
            new = registrar.committed_id(school, "new")

            async def stopped() -> str | None:
                status, body = await before.asked("/readyz")
                words = str(body)
                return words if status == 503 and "newer version of this software" in words else None

            words = await until(stopped, "the release before stops and says what to do")
            assert "credential-issued.v2" in words
            verdict = await before.verdict(old)
            assert verdict is not None
            assert verdict[0] == "indeterminate", "it answers nothing by records that it cannot bring up to date"
            assert await before.verdict(new) is None
        async with verifier(ROOT, ledger, tmp_path / "follower", port) as after:

            async def goes_on() -> bool | None:
                found = [await after.verdict(name) for name in (old, new)]
                return found == [("valid", "fresh-log")] * 2 or None

            await until(goes_on, "this release goes on where that one stopped")
