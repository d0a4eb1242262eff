"""What a verifier does beside following goes on after its disk was full, or its file locked, for a moment."""

import asyncio
import contextlib
import io
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from services.clients.catalogue_client import CatalogueClient
from services.clients.shown_checkpoint import shown_at
from services.edge import Log
from services.verifier.projection.described_tables import read_description
from services.verifier.replay.catalogues import Catalogues
from services.verifier.replay.compare import Comparison
from tests.support.documents import full_achievement
from tests.support.follow_stage import Stage
from tests.support.held_files import OnceFullStore, held
from tests.support.loopback import on_loopback
from tests.support.served_logs import served
from tests.support.verifiers import until
from tests.support.worlds import World

SOON_SECONDS = 0.01


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    world = World()
    school = world.admit("school")
    world.issued(school, "a", achievement=f"{school.url}achievements/1")
    store = OnceFullStore(tmp_path / "projection.sqlite")
    store._own.execute("PRAGMA busy_timeout = 50")
    async with served(world) as log, aiohttp.ClientSession() as session:
        found = Stage(log, store, session)
        await found.follower.step()
        yield found
    store.close()


def _full_at(stage: Stage, number: int) -> None:
    """Have the disk be full at the write of this number from now."""
    assert isinstance(stage.store, OnceFullStore)
    stage.store.count, stage.store.full_at = 0, number


@pytest.mark.parametrize("is_locked", [False, True])
async def test_a_comparison_that_could_not_be_kept_is_made_again_and_finds_a_fork_still(
    stage: Stage, tmp_path: Path, *, is_locked: bool
) -> None:
    said, source = io.BytesIO(), f"{stage.log.url}/checkpoint"
    others = [(source, shown_at(stage.session, source, timeout_seconds=5))]
    comparison = Comparison(
        stage.store,
        stage.follower,
        others,
        key=stage.world.log_key.verifier,
        clock=stage.clock.now,
        log=Log("verifier", said),
    )

    async def is_said() -> bool:
        return b"comparison_not_kept" in said.getvalue()

    async def is_kept() -> bool:
        return source in await stage.store.read(lambda records: records.comparisons())

    if is_locked:
        with held(tmp_path / "projection.sqlite"):
            comparing = asyncio.create_task(comparison.run(interval_seconds=SOON_SECONDS))
            await until(is_said)
    else:
        _full_at(stage, 0)
        comparing = asyncio.create_task(comparison.run(interval_seconds=SOON_SECONDS))
        await until(is_said)
    await until(is_kept)
    other = World()
    college = other.admit("college")
    while other.size < stage.world.size:
        other.issued(college)
    stage.log.checkpoint = other.checkpoint(int(stage.world.size))
    async with asyncio.timeout(120):
        await comparing
    assert stage.follower.health().state == "faulty"


@pytest.mark.parametrize("number", range(6))
async def test_a_catalogue_is_read_whole_whichever_write_of_it_found_the_disk_full(
    stage: Stage, tmp_path: Path, number: int
) -> None:
    school = stage.world.party("school")
    entry = {"issuer": school.did, "achievement": full_achievement(uri=f"{school.url}achievements/1")}

    async def catalogue(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode({"entries": [entry]}), content_type="application/json")

    app = web.Application()
    app.router.add_get("/v1/catalogue", catalogue)
    said = io.BytesIO()

    async def is_read() -> bool:
        assert isinstance(stage.store, OnceFullStore)
        with contextlib.closing(sqlite3.connect(tmp_path / "projection.sqlite")) as file:
            found = read_description(file, f"{school.url}achievements/1")
        lines, is_past = said.getvalue(), stage.store.count > number + 1
        is_said = lines.rfind(b'"catalogue_read"') > lines.rfind(b'"catalogue_not_read"')
        return found is not None and is_past and is_said

    async with on_loopback(app) as url:
        catalogues = Catalogues(
            stage.store,
            [CatalogueClient(stage.session, url, timeout_seconds=5)],
            is_caught_up=lambda: True,
            clock=stage.clock.now,
            log=Log("verifier", said),
        )
        _full_at(stage, number)
        reading = asyncio.create_task(catalogues.run(interval_seconds=SOON_SECONDS))
        await until(is_read)
        assert not reading.done()
        reading.cancel()
