"""Section `projection`: what a verifier of many credentials takes on disk and in memory, and how it answers then.

The file is filled by the verifier's own code (`tests.bench.projection`) and served by a verifier process of its own,
which follows a log of which there is the last checkpoint and nothing more to fetch.
"""

import asyncio
import contextlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from services.command.child import ServiceProcess
from tests.bench.figures import Curve, Goal, Row, Series, percentile
from tests.bench.load import Burst, Outcome, fire, request
from tests.bench.projection import Filled, fill
from tests.bench.run import Run
from tests.bench.stand import HOST, resident_mb
from tests.support.loopback import on_loopback
from tests.support.ports import free_port

SECTION = "projection"
LOADS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Connections at once, of the curve of latency."""
STATUS_PER_SECOND_MAX = 30_000
OK, NO_CONTENT = 200, 204
VALID = b'"verdict":"valid"'
BYTES_MAX, RESIDENT_MB_MAX = 400, 200
WAIT_SECONDS_MAX = 30.0


async def measure(run: Run) -> list[Row]:
    """Return the rows of this section."""
    await run.stand.only()
    folder = Path(tempfile.mkdtemp(prefix="credentify-bench-"))
    try:
        filled = await run.crew.run(fill, folder / "verifier.sqlite", run.size.credentials)
        sizes, speeds = zip(*filled.speeds, strict=True)
        run.curves.append(
            Curve(name="replay without signatures", x="history", y="entries/s", xs=sizes, lines={"entries/s": speeds})
        )
        async with _checkpoint_served(filled) as log_url:
            verifier = _verifier(folder, log_url, filled)
            await verifier.start()
            try:
                await verifier.ready(run.stand.session)
                return await _rows(run, verifier, filled)
            finally:
                await verifier.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def _checkpoint_served(filled: Filled) -> AsyncIterator[str]:
    """Serve the checkpoint of a log that does not grow."""

    async def checkpoint(_: web.Request) -> web.Response:
        return web.Response(body=filled.checkpoint, content_type="text/plain")

    async def after(request: web.Request) -> web.Response:
        await asyncio.sleep(min(float(request.query["wait_seconds"]), WAIT_SECONDS_MAX))
        return web.Response(status=NO_CONTENT)

    app = web.Application()
    app.router.add_get("/checkpoint", checkpoint)
    app.router.add_get("/v1/checkpoint/after/{size}", after)
    async with on_loopback(app) as url:
        yield url


def _verifier(folder: Path, log_url: str, filled: Filled) -> ServiceProcess:
    port = free_port()
    settings = {
        "HOST": HOST,
        "PORT": str(port),
        "RATE_PER_SECOND": "0",  # everybody who asks is on this machine
        "LEDGER_URL": log_url,
        "LOG_VERIFIER_KEY": filled.log_key,
        "DATABASE_FILE": str(folder / "verifier.sqlite"),
    }
    named = {f"CREDENTIFY_VERIFIER_{key}": value for key, value in settings.items()}
    return ServiceProcess("verifier", settings=named, url=f"http://{HOST}:{port}", log_file=folder / "verifier.log")


async def _rows(run: Run, verifier: ServiceProcess, filled: Filled) -> list[Row]:
    count = f"{run.size.credentials:,} credentials"
    per_credential = filled.file_bytes / run.size.credentials
    rows = [_single("bytes on disk per credential", count, "B", per_credential, BYTES_MAX)]
    if (resident := resident_mb(verifier)) is not None:
        rows.append(_single("resident, started", count, "MB", resident, RESIDENT_MB_MAX))
    outcomes = {load: await _asked(run, verifier, filled, load) for load in LOADS}
    if (resident := resident_mb(verifier)) is not None:
        rows.append(_single("resident, after questions", count, "MB", resident, RESIDENT_MB_MAX))
    percents = {f"p{percent}, ms": percent for percent in (50, 99)}
    lines = {
        name: tuple(percentile(outcome.latencies_ms, percent) for outcome in outcomes.values())
        for name, percent in percents.items()
    }
    xs = tuple(float(load) for load in LOADS)
    run.curves.append(Curve(name=f"status by id, {count}", x="connections", y="latency", xs=xs, lines=lines))
    most = outcomes[64]
    rows.append(_single("status by id, 64 connections", count, "answers/s", most.per_second))
    rows.append(_single("the same, p99", count, "ms", percentile(most.latencies_ms, 99)))
    return rows


async def _asked(run: Run, verifier: ServiceProcess, filled: Filled, connections: int) -> Outcome:
    """Ask for credentials from everywhere in the file; every answer must be that it is valid."""
    chosen = random.choices(filled.ids, k=run.size.prepare(STATUS_PER_SECOND_MAX))
    requests = [request("GET", f"/v1/credentials/{credential_id}") for credential_id in chosen]
    port = int(verifier.url.rpartition(":")[2])
    burst = Burst(
        host=HOST, port=port, requests=requests, connections=connections, seconds=run.size.seconds, marker=VALID
    )
    outcome = await run.crew.run(fire, burst)
    outcome.check(status=OK, markers=outcome.count)
    return outcome


def _single(what: str, count: str, unit: str, value: float, most: float | None = None) -> Row:
    goals = (Goal(on="ours", at_most=most),) if most is not None else ()
    series = Series(name=what, unit=unit, samples=(value,))
    return Row(section=SECTION, what=f"{what}, {count}", ours=series, goals=goals)
