"""Walked: clocks that disagree, a pooler that shares sessions, and a database that fails over."""

from pathlib import Path

import msgspec
import pytest

from tests.monitoring.stand import stand_in
from tests.runbook.page import ROOT, blocks
from tests.runbook.walk import Walk
from tests.support.database_copies import on
from tests.support.ledgers import until
from tests.support.poolers import pooled
from tests.support.standbys import pair

WRONG_CLOCK = ROOT / "tests" / "runbook" / "wrong_clock"


@pytest.mark.walk("clock", is_long=True)
async def test_a_clock_that_is_wrong_and_is_put_right(walk: Walk) -> None:
    ledger = await walk.ledger()
    college = await ledger.admit("college")
    await ledger.stop()
    off = walk.folder / "off"
    off.write_text("0")
    process = ledger.prepared()
    process.environ = {"PYTHONPATH": str(WRONG_CLOCK), "WRONG_CLOCK_FILE": str(off)}
    await process.start()
    await ledger.issued(college, "before")
    off.write_text("7")
    body = msgspec.json.encode(ledger.registrar.seal(ledger.registrar.issue(college, "during")))
    status, said = await ledger.post(body)
    assert (status, said["type"]) == (503, "urn:credentify:problem:clock")
    off.write_text("0")

    async def takes() -> bool | None:
        status, said = await ledger.post(body)
        assert status in {200, 201} or said["type"] == "urn:credentify:problem:clock", said
        return status != 503 or None

    await until(takes, "the ledger takes events again by itself")


@pytest.mark.walk("pooler", is_long=True)
async def test_a_pooler_that_shares_sessions_and_one_that_does_not(walk: Walk) -> None:
    ledger = await walk.ledger()
    await ledger.stop()
    own = ledger.database
    for mode, folder in (("transaction", walk.folder / "one"), ("session", walk.folder / "two")):
        folder.mkdir()
        settings = {"server_reset_query": "DISCARD ALL", "default_pool_size": "60"}
        async with pooled(own, folder, mode, **settings) as through:
            on(ledger, through)
            if mode == "transaction":
                assert "The database session is not our own" in await ledger.prepared().refuses()
            else:
                await ledger.start()
                await ledger.admit("college")
                await ledger.published(2)
                await ledger.stop()
    on(ledger, own)


@pytest.mark.walk("failover", is_long=True)
async def test_a_standby_that_has_all_and_is_promoted(open_folder: Path) -> None:
    async with (
        pair(open_folder, is_synchronous=True) as servers,
        stand_in(servers.make_database, open_folder) as stand,
    ):
        walk = Walk(stand)
        ledger = await walk.ledger()
        await ledger.admit("college")
        await ledger.published(2)
        await ledger.stop()
        await servers.primary_dies()
        on(ledger, servers.on_standby(ledger.database))
        assert "promote this one" in await ledger.prepared().refuses()
        walk.knows(ledger)
        (promote,) = blocks("failover")
        await walk.run(promote)
        await ledger.start()
        await ledger.admit("school")
        await ledger.published(3)
