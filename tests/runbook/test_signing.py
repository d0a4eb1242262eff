"""Walked: why a ledger does not sign, and the way back. Its memory, a second signer, earlier and altered databases."""

import asyncio
import functools
import re
from pathlib import Path

import msgspec
import pytest

from services.ledger.signer import LAST_SIGNED
from tests.monitoring.stand import WatchedLedger
from tests.runbook.page import blocks
from tests.runbook.walk import Walk
from tests.support.database_copies import copied, execute, on
from tests.support.databases import MakeDatabase
from tests.support.ledgers import until
from tests.support.ports import free_port


def sized(note: str) -> int:
    """Return the size that a checkpoint is of."""
    return int(note.splitlines()[1])


async def mirrored(ledger: WatchedLedger, size: int) -> Path:
    """Return the mirror, once it shows so many entries."""
    assert ledger.config.mirror_folder is not None
    path = ledger.config.mirror_folder / "checkpoint"

    async def shows() -> bool | None:
        return (path.exists() and sized(path.read_text()) >= size) or None

    await until(shows, f"the mirror shows {size} entries")
    return path.parent


async def goes_on(ledger: WatchedLedger, name: str) -> None:
    """See that a ledger takes and publishes again."""
    before = (await ledger.client.log()).tree_size
    await ledger.admit(name)
    await ledger.published(before + 1)


@pytest.mark.walk("signer-memory", "second-signer", "not-durable")
async def test_a_lost_memory_a_second_signer_and_a_database_that_may_forget(walk: Walk) -> None:
    ledger = await walk.ledger(mirror_folder=walk.folder / "mirror")
    await ledger.admit("college")
    await mirrored(ledger, 2)
    verifier = await walk.stand.verifier(ledger.url, ledger.verifier_key)
    await walk.ready(verifier)
    await _memory_is_put_back(walk, ledger, verifier.url)
    await _second_signer_is_ended(walk, ledger)
    await _durability_is_put_back(walk, ledger)


async def _memory_is_put_back(walk: Walk, ledger: WatchedLedger, verifier_url: str) -> None:
    await ledger.stop()
    assert ledger.config.state_folder is not None
    (ledger.config.state_folder / LAST_SIGNED).unlink()
    said = await ledger.prepared().refuses()
    assert "The signer's memory is missing or damaged" in said
    assert "RUNBOOK.md: signer-memory" in said
    collect, put = blocks("signer-memory")
    walk.shell.variables |= {"VERIFIER": verifier_url, "NEWEST": "of-database"}
    found = await walk.run(collect)
    assert [sized(part) for part in re.split("==> of-.*\n", found)[1:]] == [2, 2, 2]
    notes = [(walk.folder / "shell" / f"of-{name}").read_bytes() for name in ("database", "mirror", "follower")]
    assert notes[0] == notes[1], "each is byte for byte what was signed"
    await walk.run(put)
    await ledger.start()
    await goes_on(ledger, "with-memory")


async def _second_signer_is_ended(walk: Walk, ledger: WatchedLedger) -> None:
    second = WatchedLedger(ledger.config, ledger.database, ledger.registrar, ledger.session)
    second.config = msgspec.structs.replace(ledger.config, port=free_port(), signer_lock_wait_ms=500)
    second.output = walk.folder / "second.log"
    assert "Another process signs this log" in await second.prepared().refuses()
    find, end = blocks("second-signer")

    async def only_one() -> str | None:
        pids = re.findall(r"^ *(\d+) \|", await walk.run(find), re.MULTILINE)
        return pids[0] if len(pids) == 1 else None  # the refused one's session may not be gone yet

    walk.shell.variables["PID"] = await until(only_one, "the signer's session is found")
    await ledger.stop()
    await walk.run(end)
    await ledger.start()
    await goes_on(ledger, "alone")


async def _durability_is_put_back(walk: Walk, ledger: WatchedLedger) -> None:
    await ledger.stop()
    name = ledger.database.name
    await execute(ledger.database, f"ALTER DATABASE {name} SET synchronous_commit = 'off'")
    assert "may lose what it has acknowledged" in await ledger.prepared().refuses()
    walk.shell.variables |= {"ROLE": ledger.database.running_role, "DATABASE": name}
    (found,) = await walk.follow("not-durable")
    assert "synchronous_commit=off" in found
    await ledger.start()
    await goes_on(ledger, "durable")


@pytest.mark.walk("older-database", is_long=True)
async def test_a_database_that_is_an_earlier_state(walk: Walk) -> None:
    ledger = await walk.ledger(mirror_folder=walk.folder / "mirror")
    college = await ledger.admit("college")
    await ledger.published(2)
    await ledger.stop()
    current = ledger.database
    async with copied(ledger) as older:
        await ledger.start()
        await ledger.issued(college, "lost")
        await mirrored(ledger, 3)
        await ledger.stop()
        on(ledger, older)
        assert "RUNBOOK.md: older-database" in await ledger.prepared().refuses()
        walk.knows(ledger)
        assert await walk.follow("older-database") == ["the database had 2 entries and has 3; start the ledger now\n"]
        await ledger.start()
        await goes_on(ledger, "whole")
        assert (await ledger.client.log()).tree_size == 4
        await ledger.stop()
    on(ledger, current)


@pytest.mark.walk("altered", "restore", is_long=True)
async def test_entries_that_somebody_altered_are_restored_from_a_backup_and_a_mirror(
    walk: Walk, make_database: MakeDatabase
) -> None:
    ledger = await walk.ledger(mirror_folder=walk.folder / "mirror")
    await ledger.admit("college")
    backup = walk.folder / "backup"
    await walk.run(f'credentify backup --to "{backup}" {WHOSE}')
    await ledger.admit("school")
    mirror = await mirrored(ledger, 3)
    await execute(
        ledger.database,
        "ALTER TABLE entry_0 DISABLE TRIGGER ALL",
        "UPDATE entry_0 SET entry = set_byte(entry, 100, 65) WHERE leaf_index = 1",
    )
    await ledger.stop()
    (look,) = blocks("altered")
    status, said = await asyncio.to_thread(walk.shell.tried, look)
    assert status == 1, said
    assert "entry 1" in said.lower()
    new, folder = await make_database(), walk.folder / "new"
    folder.mkdir()
    walk.shell.variables |= {
        "BACKUP": str(backup),
        "NEW_LEDGER_URL": new.owner_url,
        "NEW_LOG_KEY_FILE": str(folder / "log.key"),
        "NEW_STATE_FOLDER": str(folder),
        "PUBLISHED": str(mirror / "checkpoint"),
    }
    restore = next(block for block in blocks("restore") if "NEW_LEDGER_URL" in block)
    assert "will not start to sign" in await walk.run(GATEWAY_WORDS.sub("", restore))
    on(ledger, new)
    ledger.config = msgspec.structs.replace(
        ledger.config, log_key_file=folder / "log.key", state_folder=folder, migration_database_url=new.owner_url
    )
    walk.knows(ledger)
    await walk.follow("older-database")
    await walk.run(look)
    await ledger.start()
    await goes_on(ledger, "restored")


WHOSE = '--ledger-database "$LEDGER_OWNER_URL" --log-key-file "$LOG_KEY_FILE" --state-folder "$STATE_FOLDER"'
GATEWAY_WORDS = re.compile(r"^ *--gateway-database .*\n", re.MULTILINE)
"""What the command says of a gateway, which this walk has not."""


@pytest.mark.walk("mirror-conflict", is_long=True)
async def test_a_mirror_that_holds_other_bytes(walk: Walk) -> None:
    ledger = await walk.ledger(mirror_folder=walk.folder / "mirror")
    await ledger.admit("college")
    mirror = await mirrored(ledger, 2)
    await ledger.stop()
    (mirror / "tile" / "entries" / "000.p").mkdir(parents=True, exist_ok=True)
    (mirror / "tile" / "entries" / "000.p" / "3").write_bytes(b"not the log's")
    await ledger.start()
    await ledger.admit("school")
    assert await ledger.process.ends() == 70
    await walk.says("ledger", "RUNBOOK.md: mirror-conflict")
    ledger.config = msgspec.structs.replace(ledger.config, mirror_folder=None)
    await ledger.start()
    walk.shell.variables |= {"FILE": "tile/entries/000.p/3", "OTHER": ""}
    (sums,) = await walk.follow("mirror-conflict")
    assert len({line.split()[0] for line in sums.splitlines()}) == 2, "the mirror's bytes are not the log's"
    await ledger.stop()
    ledger.config = msgspec.structs.replace(ledger.config, mirror_folder=walk.folder / "new mirror")
    await ledger.start()
    await mirrored(ledger, 3)


@pytest.mark.walk("not-appended", "pool", "backup", is_long=True)
async def test_room_that_was_not_made_sessions_that_hold_it_up_and_a_backup_that_nobody_knows_of(walk: Walk) -> None:
    ledger = await walk.ledger()
    college = await ledger.admit("college")
    await ledger.stop()
    await execute(
        ledger.database,
        "CREATE OR REPLACE FUNCTION entries_per_partition() RETURNS bigint IMMUTABLE RETURN 4::bigint",
        "ALTER TABLE entry DETACH PARTITION entry_0",
        "ALTER TABLE entry ATTACH PARTITION entry_0 FOR VALUES FROM (0) TO (4)",
    )
    await ledger.start()
    role = ledger.database.running_role
    await execute(ledger.database, f"REVOKE EXECUTE ON FUNCTION make_room FROM {role}")
    for name in ("one", "two"):
        await ledger.issued(college, name)
    body = msgspec.json.encode(ledger.registrar.seal(ledger.registrar.issue(college, "three")))
    status, said = await ledger.post(body)
    assert (status, said["type"]) == (503, "urn:credentify:problem:not-appended")
    await walk.says("ledger", "no_room_made", "batch_failed", "no partition of relation")
    await walk.follow("not-appended")
    assert (await ledger.post(body))[0] in {200, 201}
    await ledger.published(5)
    activity, _ = (await walk.follow("pool"))[0].split("waits_for")
    assert "credentify-ledger" not in activity
    walk.shell.variables["BACKUP"] = str(walk.folder / "backup")
    assert await backup_at(ledger) == 0
    for block in blocks("backup"):
        before = await backup_at(ledger)
        await walk.run(block)
        await until(functools.partial(_later, ledger, before), "the ledger shows the backup")


async def _later(ledger: WatchedLedger, before: float) -> bool | None:
    return await backup_at(ledger) > before or None


async def backup_at(ledger: WatchedLedger) -> float:
    """Return when the ledger was backed up last, in seconds since 1970."""
    _, figures, _ = await ledger.get("/metrics")
    (line,) = re.findall(r"^credentify_ledger_backup_timestamp_seconds (.*)$", figures.decode(), re.MULTILINE)
    return float(line)
