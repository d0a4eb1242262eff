"""Peer: `@digitalbazaar/vc` with its status list, in one process of node, over a document of ours that it accepts."""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proto.documents.status_list import build_list_credential, empty_bits
from proto.moment import from_datetime
from tests.bench.crew import Measure
from tests.interop import shapes

NAME = "@digitalbazaar/vc with status, in process"
JUDGES = Path(__file__).parents[2] / "interop" / "judges"
START_TIMEOUT_S = 60.0


def missing() -> str | None:
    """Return why the peer cannot be measured here, or None."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (JUDGES / "node_modules" / "@digitalbazaar" / "vc").exists():
        return "its packages are not there; `make peers` fetches them"
    return None


def _world() -> dict[str, object]:
    now = datetime.now(UTC)
    listed = build_list_credential(
        list_url=shapes.STATUS_URL,
        issuer=shapes.WEB,
        bits=empty_bits(),
        valid_from=from_datetime(now - timedelta(minutes=1)),
        valid_until=from_datetime(now + timedelta(days=1)),
        ttl_ms=300_000,
    )
    return {
        "judge": (JUDGES / "digitalbazaar.mjs").as_uri(),
        "loads": shapes.loads(None) | {shapes.STATUS_URL: shapes.sign(listed, "eddsa-rdfc-2022")},
        "document": shapes.sign(shapes.document(), "eddsa-rdfc-2022"),
    }


@contextlib.asynccontextmanager
async def digitalbazaar(seconds: float) -> AsyncIterator[Measure]:
    """Run the peer while the block runs, and yield the measure of documents per second; it answers when asked only."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(_world(), file)
        file.flush()
        process = await asyncio.create_subprocess_exec(
            *("node", str(Path(__file__).with_suffix(".mjs")), file.name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; it ends when its input does
        )
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        async def measure(_round: int) -> float:
            stdin.write(f"{seconds}\n".encode())
            async with asyncio.timeout(START_TIMEOUT_S + seconds):
                return float(await stdout.readline())

        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                said = await stdout.readline()
            if said != b"ready\n":
                raise ChildProcessError(f"the peer did not start: {said!r}")
            yield measure
        finally:
            stdin.close()
            await process.wait()
