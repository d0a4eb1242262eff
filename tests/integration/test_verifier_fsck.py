"""A projection that is damaged in any place is found to be; one that is not, is not."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from proto.moment import Moment
from services.clients.log_client import LogClient
from services.follow import Follower
from services.verifier.config import Config
from services.verifier.fsck import check
from services.verifier.projection.store import Store
from tests.support.served_logs import ServedLog, served
from tests.support.worlds import World


class Projected:
    """A served log, and a projection of it that nobody has open."""

    def __init__(self, log: ServedLog, config: Config) -> None:
        self.log, self.config = log, config

    def damage(self, statement: str) -> None:
        with contextlib.closing(sqlite3.connect(self.config.database_file)) as connection, connection:
            assert connection.execute(statement).rowcount > 0


@pytest.fixture
async def projected(tmp_path: Path) -> AsyncIterator[Projected]:
    world = World(rules_version=2)
    school, college = world.admit("school"), world.admit("college")
    for number in range(256):
        world.say(world.committed(school, str(number)))
    parts = [world.committed_id(school, str(number)) for number in range(256)]
    world.say(world.committed_stack(school, parts[:2], "whole"))
    whole = world.committed_id(school, "whole")
    world.say(world.standing_decision(college, school))
    world.say(world.invitation(school, college))
    world.say(world.endorsement(college, whole))
    world.say(world.recognition(college, whole, ects_hundredths=700))
    world.say(world.revocation(school, parts[0]))
    file = tmp_path / "projection.sqlite"
    store = Store(file)
    key = world.log_key.verifier.text
    async with served(world) as log, aiohttp.ClientSession() as session:
        follower = Follower(
            LogClient(session, log.url), store, verifier_key=key, clock=lambda: Moment("2026-06-01T00:00:00.000Z")
        )
        await follower.step()
        store.close()
        yield Projected(log, Config(ledger_url=log.url, log_verifier_key=key, database_file=file))


async def test_a_sound_projection_is_clean(projected: Projected) -> None:
    report = await check(projected.config)
    assert report.is_clean, report.damages
    assert (report.counts["entries"], report.counts["credential"]) == (projected.log.world.size, 257)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM credential WHERE credential_id = (SELECT min(credential_id) FROM credential)",
        "DELETE FROM event WHERE leaf_index = 7",
        "DELETE FROM issuer WHERE did = 'did:web:school.example'",
        "DELETE FROM tile WHERE level = 1",
        "DELETE FROM recognition",
        "DELETE FROM statement",
        "UPDATE statement SET state = (SELECT max(state) FROM statement)",
        "DELETE FROM statement_group WHERE place = (SELECT min(place) FROM statement_group)",
        "UPDATE statement_group SET event_id = x'00' WHERE place = (SELECT min(place) FROM statement_group)",
        "DELETE FROM institution WHERE did = 'did:web:college.example'",
        "UPDATE award SET credentials = credentials + 1",
        "UPDATE recognised SET withdrawals = 1",
        "DELETE FROM newest_entry WHERE leaf_index = 200",
        "UPDATE growth SET entries = entries + 1 WHERE kind LIKE 'credential-issued%'",
        "UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND place = 1",
        "UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE level = 1",
        "UPDATE credential SET state = (SELECT max(state) FROM credential)",
        "UPDATE public_key SET key_id = 'did:web:thief.example#1'",
        "INSERT INTO event VALUES (x'00', 3)",
        "DELETE FROM meta WHERE name = 'position'",
        "UPDATE meta SET value = x'00' WHERE name = 'position'",
        "UPDATE meta SET value = (SELECT value FROM meta WHERE name = 'position') WHERE name = 'log'",
    ],
)
async def test_every_damage_is_named(projected: Projected, statement: str) -> None:
    projected.damage(statement)
    report = await check(projected.config)
    assert report.damage_count
    assert report.damages


async def test_a_file_that_is_no_database_is_one_damage(projected: Projected) -> None:
    projected.config.database_file.write_bytes(b"not a database, but long enough to look like one" * 100)
    assert (await check(projected.config)).damage_count == 1


async def test_without_the_log_the_check_is_incomplete(projected: Projected) -> None:
    projected.log.is_down = True
    report = await check(projected.config)
    assert (report.damage_count, report.is_clean) == (0, False)
    assert "not compared" in report.incomplete
