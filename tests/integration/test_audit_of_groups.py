"""An auditor of a log whose entries are large (events about 256 credentials): chunks are parts of a bundle."""

import collections
from itertools import pairwise
from pathlib import Path

from proto.events import GROUP_MAX
from proto.log.tile import TILE_WIDTH, bundles_of
from services.clients.tile_client import TileClient
from services.follow import FollowBounds
from tests.support.audits import small_world, stage_of
from tests.support.worlds import World


def world_of_groups() -> World:
    """Return a log of which one bundle is three chunks of what a follower holds at once."""
    world = World(rules_version=2)
    school = world.admit("school")
    while sum(map(len, world.entries)) < 2.5 * FollowBounds().chunk_bytes_max:
        world.issued_together(school, [f"{world.size} {number}" for number in range(GROUP_MAX)])
    return world


async def test_a_bundle_of_several_chunks_is_fetched_once_and_proven(tmp_path: Path) -> None:
    world = world_of_groups()
    async with stage_of(world, tmp_path) as stage:
        seen = await stage.auditor.step()
        assert (seen.size, seen.root_hash) == (world.size, world.root_hash())
        fetched = collections.Counter(stage.log.paths)
        bundles = [each.path for each in bundles_of(world.size)]
        assert [fetched[path] for path in bundles] == [1] * len(bundles)


async def test_what_was_read_of_a_bundle_before_a_restart_is_checked_when_it_grows(tmp_path: Path) -> None:
    world = world_of_groups()
    async with stage_of(world, tmp_path) as stage:
        await stage.auditor.step()
        school = next(party for party in world.parties.values() if party.name == "school")
        world.issued_together(school, ["one", "more"])
        stage.new()
        assert (await stage.auditor.step()).entry_count == 1
        world.issued_together(school, ["another", "two"])
        old = world.entries[5]
        altered = old.replace(b'"payload":"e', b'"payload":"f')
        stage.log.tamper = lambda path, data: data.replace(old, altered) if "entries" in path else data
        assert (await stage.finds("altered", is_conclusive=False)).index == 5


async def test_readings_that_go_on_at_any_place_give_every_entry_once(tmp_path: Path) -> None:
    world = small_world(count=2 * TILE_WIDTH + 40)
    async with stage_of(world, tmp_path) as stage:
        client = TileClient(stage.session, stage.log.url)
        await client.refresh()
        for cuts in ((0, 256, 300, 512, 552), (0, 100, 255, 256, 257, 552), (0, 552), (250, 260, 552)):
            read = [entry for start, end in pairwise(cuts) async for entry in client.entries(start, end)]
            assert read == world.entries[cuts[0] :]
