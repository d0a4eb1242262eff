"""Walked: what a verifier says of a log, of its own file and of others, and how each is put right."""

import asyncio
import contextlib
import re
import sqlite3
from pathlib import Path

import msgspec
import pytest

from services.ledger.signer import load_key
from tests.runbook.page import blocks
from tests.runbook.walk import Walk
from tests.support.awarded import award
from tests.support.served_logs import force, served
from tests.support.witnesses import History
from tests.support.worlds import FirstWorld, lately

ANOTHER = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


@pytest.mark.walk("faulty-log", is_long=True)
async def test_a_log_that_breaks_its_own_chain_leaves_evidence_that_convinces_without_it(walk: Walk) -> None:
    world = FirstWorld(start=lately())
    async with served(world) as log:
        verifier = await walk.stand.verifier(log.url, world.log_key.verifier.text)
        await walk.ready(verifier)
        school = world.admit("school")
        force(world, world.seal(world.issue(school)), previous=bytes(32))
        await walk.says("verifier", '"event":"log_faulty"')
    walk.shell.variables["VERIFIER_FILE"] = str(verifier.config.database_file)
    (said,) = await walk.follow("faulty-log")
    assert "PROVEN: the log is faulty, by its own signature" in said


@pytest.mark.walk("other-registrar", is_long=True)
async def test_a_pin_that_is_wrong_and_corrected(walk: Walk) -> None:
    ledger = await walk.ledger()
    verifier = await walk.stand.verifier(ledger.url, ledger.verifier_key, registrar=(ANOTHER,))
    await walk.says("verifier", '"event":"log_faulty"', '"kind":"registrar"')
    (audit,) = blocks("other-registrar")
    walk.shell.variables["PIN"] = ANOTHER
    status, said = await asyncio.to_thread(walk.shell.tried, audit)
    assert status != 0
    assert (walk.folder / "shell" / "other-registrar.json").exists(), said
    await verifier.kill()
    verifier.config = msgspec.structs.replace(verifier.config, registrar=(ledger.registrar.registrar.did,))
    await verifier.start()
    await walk.ready(verifier)


@pytest.mark.walk("comparing", is_long=True)
async def test_another_verifier_that_is_away_and_comes_back(walk: Walk) -> None:
    ledger = await walk.ledger()
    other = await walk.stand.verifier(ledger.url, ledger.verifier_key, "other")
    await walk.ready(other)
    await other.kill()
    verifier = await walk.stand.verifier(
        ledger.url, ledger.verifier_key, compare_with=(other.url,), compare_seconds=1.0
    )
    await walk.says("verifier", '"event":"comparison_failed"')
    await walk.ready(verifier)
    await other.start()
    await walk.says("verifier", '"event":"compared"')


@pytest.mark.walk("projection", "projection-held", is_long=True)
async def test_a_file_that_somebody_holds_and_one_that_is_damaged(walk: Walk) -> None:
    ledger = await walk.ledger()
    verifier = await walk.stand.verifier(ledger.url, ledger.verifier_key)
    await walk.ready(verifier)
    file = verifier.config.database_file
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as held:
        held.execute("BEGIN IMMEDIATE")
        await ledger.admit("college")
        await walk.says("verifier", "locked by another process")
        held.execute("ROLLBACK")
    await walk.ready(verifier)
    await verifier.kill()
    spoil(file)
    said = await verifier.refuses()
    assert "projection" in said.lower(), said
    walk.shell.variables["VERIFIER_FILE"] = str(file)
    await walk.follow("projection")
    await verifier.start()
    await walk.ready(verifier)


@pytest.mark.walk("snapshot", is_long=True)
async def test_a_snapshot_that_the_log_does_not_bear_out(walk: Walk) -> None:
    world = FirstWorld(start=lately())
    school = world.admit("school")
    award(world, school)
    award(world, school)
    async with served(world) as log:
        verifier = await walk.stand.verifier(log.url, world.log_key.verifier.text)
        await walk.ready(verifier)
        file = verifier.config.database_file
        key = "credentify keygen --snapshot verifier.example/snapshots --out snapshot.key"
        (trusted,) = re.findall(r"verifier\.example/snapshots\+\S+", await walk.run(key))
        await walk.run(f'credentify snapshot export --verifier-file "{file}" --key snapshot.key --out copy')
        await verifier.kill()
        new = file.with_name("imported.sqlite")
        await walk.run(
            f"credentify snapshot import copy --trust '{trusted}' --log-verifier-key "
            f"'{world.log_key.verifier.text}' --verifier-file '{new}'"
        )
        _lie(new)
        verifier.config = msgspec.structs.replace(verifier.config, database_file=new)
        await verifier.refuses()
        assert await verifier.ends() == 70
        await walk.says("verifier", '"event":"snapshot_wrong"')
        await verifier.start()
        await walk.ready(verifier)


def spoil(file: Path) -> None:
    """Leave nothing of a SQLite file of a process that was killed, of what lies beside it neither."""
    for part in file.parent.glob(f"{file.name}-*"):
        part.unlink()
    file.write_bytes(b"nothing of ours" * 1_000)


def _lie(file: Path) -> None:
    """Give one credential the state of another, as a signer of snapshots could who lies."""
    with contextlib.closing(sqlite3.connect(file)) as opened, opened:
        states = opened.execute("SELECT credential_id, state FROM credential ORDER BY credential_id").fetchall()
        opened.execute("UPDATE credential SET state = ? WHERE credential_id = ?", (states[0][1], states[1][0]))


@pytest.mark.walk("witness-memory", is_long=True)
async def test_a_witness_that_has_lost_its_memory_begins_with_another_key(walk: Walk) -> None:
    ledger = await walk.ledger()
    key, memory = walk.folder / "witness.key", walk.folder / "witness.sqlite"
    walk.shell.variables |= {
        "WITNESS_NAME": "witness.example/w1",
        "WITNESS_KEY_FILE": str(key),
        "WITNESS_MEMORY_FILE": str(memory),
    }
    (begin,) = blocks("witness-memory")
    first = await walk.run(begin.splitlines()[-1])
    verifier = await walk.stand.verifier(
        ledger.url, ledger.verifier_key, witness_key_file=key, witness_memory_file=memory
    )
    await walk.says("verifier", '"event":"witness_memory_new"')
    await verifier.kill()
    spoil(memory)
    assert "The witness's memory cannot be used" in await verifier.refuses()
    second = await walk.run(begin)
    assert second != first
    await verifier.start()
    body = History().grow(5).request(0, key=load_key(walk.folder / "ledger" / "log.key")).encode()
    async with walk.stand.session.post(f"{verifier.url}/add-checkpoint", data=body) as response:
        assert response.status == 200


@pytest.mark.walk("connections", is_long=True)
async def test_a_process_that_may_open_too_little(walk: Walk) -> None:
    ledger = await walk.ledger()
    await ledger.stop()
    status, said = await asyncio.to_thread(walk.shell.tried, "ulimit -n 300\ncredentify ledger")
    assert status == 1, said
    assert "files and connections open, and needs 512" in said
    await walk.run("ulimit -n 8192\ncredentify ledger & sleep 0.1\nkill -TERM $!\nwait $! || true")
    await ledger.start()
