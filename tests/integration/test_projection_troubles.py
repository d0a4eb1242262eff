"""The projection's file when it is locked, full, not ours, somebody else's, or rotten: each is said as it is."""

import asyncio
import contextlib
import io
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from services.edge import Log
from services.follow import FaultyLogProblem, SinkUnavailableProblem
from services.follow.findings import finding_of
from services.verifier.projection import troubles
from services.verifier.projection.reader import ProjectionReader
from services.verifier.projection.store import Store
from services.verifier.projection.tables import SCHEMA_VERSION
from services.verifier.projection.troubles import (
    DamagedProjectionProblem,
    FullDiskProblem,
    LockedProjectionProblem,
    StoreProblem,
)
from services.verifier.replay.follow_log import ProjectionObserver
from tests.support.awarded import award, stack
from tests.support.follow_stage import Stage
from tests.support.held_files import held
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running, until
from tests.support.worlds import World, lately

FLIPS = 200


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr("services.verifier.projection.reader.BUSY_TIMEOUT_SECONDS", 0.05)
    world = World()
    world.issued(world.admit("school"), "a")
    store = Store(tmp_path / "projection.sqlite")
    store._own.execute("PRAGMA busy_timeout = 50")
    async with served(world) as log, aiohttp.ClientSession() as session:
        yield Stage(log, store, session)
    store.close()


async def test_a_lock_that_lasts_is_a_lock_and_passes(stage: Stage, tmp_path: Path) -> None:
    with held(tmp_path / "projection.sqlite"):
        with pytest.raises(LockedProjectionProblem, match="nothing is wrong with the file"):
            await stage.follower.step()
        health = stage.follower.health()
        assert (health.state, health.evidence) == ("stale", None)
        assert "locked by another process" in health.detail
    assert await stage.follower.step() == stage.world.size
    assert stage.follower.health().state == "healthy"


async def test_a_follower_waits_for_room_and_goes_on(stage: Stage) -> None:
    pages = stage.store._own.execute("PRAGMA page_count").fetchone()[0]
    stage.store._own.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(200):
        stage.world.issued(stage.world.party("school"), f"{number}")
    stage.clock.now_ms = stage.world.now_ms
    task = asyncio.create_task(stage.follower.run())
    await until(lambda: _true("no room" in stage.follower.health().detail))
    assert not task.done()
    stage.store._own.execute("PRAGMA max_page_count = 100000")
    await until(lambda: _true(stage.follower.health().state == "healthy"))
    task.cancel()


async def test_a_full_disk_is_said_as_such(stage: Stage) -> None:
    pages = stage.store._own.execute("PRAGMA page_count").fetchone()[0]
    stage.store._own.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(200):
        stage.world.issued(stage.world.party("school"), f"{number}")
    stage.clock.now_ms = stage.world.now_ms
    with pytest.raises(FullDiskProblem, match="make room on the disk; nothing is wrong with the file"):
        await stage.follower.step()


def test_two_verifiers_do_not_fill_one_file(tmp_path: Path) -> None:
    file = tmp_path / "projection.sqlite"
    with contextlib.closing(Store(file)):
        with pytest.raises(StoreProblem, match="Another verifier fills") as caught:
            Store(file)
        assert "move it away" not in caught.value.detail.lower()
        with contextlib.closing(ProjectionReader(file)):
            pass  # reading is for all
    Store(file).close()


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_BUSY, troubles.LockedProjectionProblem, "locked"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, troubles.LockedProjectionProblem, "locked"),
        (sqlite3.SQLITE_LOCKED, troubles.LockedProjectionProblem, "locked"),
        (sqlite3.SQLITE_FULL, troubles.FullDiskProblem, "room"),
        (sqlite3.SQLITE_READONLY, troubles.UnusableProjectionProblem, "rights"),
        (sqlite3.SQLITE_CANTOPEN, troubles.UnusableProjectionProblem, "rights"),
        (sqlite3.SQLITE_IOERR_READ, troubles.UnusableProjectionProblem, "disk"),
        (sqlite3.SQLITE_CORRUPT, troubles.DamagedProjectionProblem, "removes the file"),
        (sqlite3.SQLITE_NOTADB, troubles.DamagedProjectionProblem, "removes the file"),
    ],
)
def test_only_damage_tells_the_operator_to_remove_the_file(code: int, kind: type[Exception], words: str) -> None:
    error = sqlite3.OperationalError("as the library says it")
    error.sqlite_errorcode = code
    found = troubles.problem_of(error)
    assert type(found) is kind
    assert words in found.detail
    assert ("removes" in found.detail) == (kind is DamagedProjectionProblem)
    assert isinstance(found, SinkUnavailableProblem) == (kind is not DamagedProjectionProblem)
    assert ("begin anew" in troubles.store_problem_of(error, Path("x")).detail) == (kind is DamagedProjectionProblem)


async def test_a_locked_file_is_not_told_to_be_damaged_when_a_verifier_starts(tmp_path: Path) -> None:
    file = tmp_path / "projection.sqlite"
    Store(file).close()
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreProblem, match="locked by another process"):
            await asyncio.to_thread(Store, file)


async def test_rot_anywhere_in_the_file_is_never_a_fault_of_ours(tmp_path: Path) -> None:
    """One byte of one cell at a time: the answer is one of a record, of a damage, or that nothing is known."""
    world, file = World(start=lately()), tmp_path / "projection.sqlite"
    school = world.admit("school")
    parts = [award(world, school), award(world, school)]
    whole = stack(world, school, parts)
    world.say(world.recognition(world.admit("college"), whole.credential_id))
    world.say(world.revocation(school, parts[0].credential_id))
    async with served(world) as log:
        async with running(log, file) as verifier:
            await verifier.catches_up()
        log.size = int(world.size)
        asked = [
            f"/v1/credentials/{parts[0].credential_id}",
            f"/v1/stacks/{whole.credential_id}",
            f"/v1/issuers/{school.did}",
            "/v1/statistics?by=issuer,month,eqf_level",
        ]
        async with running(log, file, answers_max=0, rate_per_second=0) as verifier:
            with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as rotten:
                chance = random.Random(14)
                cells = _cells(rotten)
                for _ in range(FLIPS):
                    await _flipped(rotten, chance.choice(cells), chance, verifier, asked)


async def _flipped(
    rotten: sqlite3.Connection, cell: tuple[str, str, int], chance: random.Random, verifier: Verifier, asked: list[str]
) -> None:
    table, column, place = cell
    rows = rotten.execute(f"SELECT * FROM {table}").fetchall()
    columns = [name for _, name, *_ in rotten.execute(f"PRAGMA table_info({table})")]
    row = rows[place]
    value = row[columns.index(column)]
    data = bytearray(value if isinstance(value, bytes) else str(value).encode())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    key = " AND ".join(f"{name} IS ?" for name in columns)
    changed = f"UPDATE {table} SET {column} = CAST(? AS {'BLOB' if isinstance(value, bytes) else 'TEXT'}) WHERE {key}"
    with contextlib.suppress(sqlite3.IntegrityError):
        rotten.execute(changed, (bytes(data), *row))
        for path in asked:
            async with verifier.session.get(verifier.url + path) as response:
                text = await response.text()
                assert response.status in {200, 404, 503}, (table, column, bytes(data), path, response.status, text)
                if response.status == 503:
                    assert "projection-damaged" in text
    rotten.execute(f"DELETE FROM {table}")
    marks = ",".join("?" * len(columns))
    rotten.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _cells(connection: sqlite3.Connection) -> list[tuple[str, str, int]]:
    found = []
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = [(name, kind) for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")]
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
        found += [
            (table, name, place)
            for place, row in enumerate(rows)
            for (name, kind), value in zip(columns, row, strict=True)
            if kind in {"TEXT", "BLOB"} and value not in {"", b""}  # nothing has no byte to change
        ]
    return found


async def _true(found: bool) -> bool:
    return found


async def test_evidence_against_the_log_that_could_not_be_kept_is_kept_once_that_is_possible(
    stage: Stage, tmp_path: Path
) -> None:
    file, said = tmp_path / "later" / "evidence.json", io.BytesIO()
    file.parent.write_text("a file where its folder is to be")
    stage.observer = ProjectionObserver(
        stage.store,
        Log("verifier", said),
        evidence_file=file,
        finding=lambda evidence: finding_of(evidence, stage.world.log_key.verifier, witnesses=()),
    )
    follower = stage.new()
    await follower.step()
    other = World()
    other.issued(other.admit("college"), "a")
    stage.log.checkpoint = other.checkpoint()
    with held(tmp_path / "projection.sqlite"):
        with pytest.raises(FaultyLogProblem):
            await follower.step()
        running = asyncio.create_task(follower.run())
        await until(lambda: _true(not running.done()))
    stage.log.checkpoint = None  # it shows that history to nobody any more
    await until(lambda: _is_kept(stage))
    assert not file.exists(), "there can be no folder for it yet"
    file.parent.unlink()
    await until(lambda: _true(file.exists()))
    assert said.getvalue().count(b"evidence_not_written") == 1
    assert said.getvalue().count(b"log_faulty") == 1
    running.cancel()


async def _is_kept(stage: Stage) -> bool:
    return await stage.store.fault() is not None


def _open_count() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_who_asks_while_the_file_is_locked_takes_no_descriptors(tmp_path: Path) -> None:
    path = tmp_path / "projection.sqlite"
    Store(path).close()
    reader = ProjectionReader(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        before = _open_count()
        assert [reader.read_at_once(lambda read: read.position) for _ in range(50)] == [None] * 50
        assert _open_count() - before <= 1
        other.execute("ROLLBACK")
    assert reader.read_at_once(lambda read: read.position) is not None
    reader.close()


async def test_a_file_of_an_earlier_version_is_filled_anew_and_evidence_against_the_log_stays(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.follower.step()
    other = World()
    other.issued(other.admit("college"), "a")
    stage.log.checkpoint = other.checkpoint()
    evidence = await stage.finds("fork", is_conclusive=True)
    path, suspects = tmp_path / "earlier.sqlite", (other.checkpoint(),)
    for version, fault, notes in ((SCHEMA_VERSION - 1, evidence, suspects), (0, None, ())):
        with contextlib.closing(Store(path)) as store:
            await store.keep_fault(evidence)
            await store.keep_suspects(suspects)
            store._own.execute(f"PRAGMA user_version = {version}")  # 0: what was imported and did not bear out
        with contextlib.closing(Store(path)) as store:
            assert (await store.fault(), await store.suspects(), await store.position()) == (fault, notes, None)
