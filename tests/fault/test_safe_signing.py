"""Nothing is signed that contradicts what was signed: restored, swapped and altered databases, and the way back.

An earlier state of a database is made as a restore from a backup makes one: a whole copy from before.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.command.speaker import now
from services.command.tile_source import open_source
from services.ledger.signer import LAST_SIGNED, InconsistentTreeError
from services.ledger.succession.recovery import NotRecoverableProblem, recover
from tests.support.database_copies import copied, ended, execute, on, renamed
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, running_ledger

ENTRIES = 300


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RunningLedger]:
    """A running ledger that keeps a mirror; `fsck` finds no damage when the test is over."""
    async with running_ledger(make_database, tmp_path / "ledger", Registrar()) as running:
        await running.stop()
        running.config = replace(running.config, mirror_folder=tmp_path / "mirror")
        await running.start()
        yield running


def mirror_of(ledger: RunningLedger) -> Path:
    assert ledger.config.mirror_folder is not None
    return ledger.config.mirror_folder


async def test_a_restored_backup_refuses_to_sign_and_the_mirror_brings_back_what_was_lost(
    ledger: RunningLedger,
) -> None:
    college = await ledger.admit("college")
    await ledger.published(2)
    await ledger.stop()
    current = ledger.database
    async with copied(ledger) as older:
        await ledger.start()
        answers = await ledger.submit(ledger.registrar.issues(college, ENTRIES))
        await ledger.mirrored(2 + ENTRIES)
        await ledger.stop()
        on(ledger, older)
        with pytest.raises(InconsistentTreeError, match=r"holds 2 entries, but .* 302 was signed.*RUNBOOK\.md: older"):
            await ledger.start()
        async with open_source(str(mirror_of(ledger))) as source:
            done = await recover(ledger.config, source, now=now())
        assert (done.size_before, done.size) == (2, 302)
        await ledger.start()
        again = await ledger.submit(ledger.registrar.issues(college, 1, "after"))
        assert again[0].appended is not None
        assert again[0].appended.index == 302
        found = await ledger.client.event(answers[-1].appended.event_id)  # type: ignore[union-attr] # all were appended
        assert found is not None
        assert found.index == 301
        await ledger.mirrored(303)
        await ledger.stop()
        report = await ledger.fsck()
        assert report.damages == ()
    on(ledger, current)


async def test_without_the_signer_s_memory_recovery_sets_it_to_what_was_published(ledger: RunningLedger) -> None:
    await ledger.admit("college")
    await ledger.mirrored(2)
    await ledger.stop()
    assert ledger.config.state_folder is not None
    memory = ledger.config.state_folder / LAST_SIGNED
    memory.unlink()
    async with open_source(str(mirror_of(ledger))) as source:
        done = await recover(ledger.config, source, now=now())
    assert done.size_before == done.size == 2
    assert memory.read_bytes() == (mirror_of(ledger) / "checkpoint").read_bytes()
    await ledger.start()


async def test_entries_that_were_not_signed_are_not_brought_back(ledger: RunningLedger) -> None:
    await ledger.stop()
    current = ledger.database
    async with copied(ledger) as older:
        await ledger.start()
        await ledger.admit("college")
        await ledger.mirrored(2)
        await ledger.stop()
        on(ledger, older)
        bundle = mirror_of(ledger) / "tile/entries/000.p/2"
        data = bundle.read_bytes()
        for place in (len(data) - 40, data.rindex(b'"payload"') + 60):
            bundle.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            async with open_source(str(mirror_of(ledger))) as source:
                with pytest.raises(NotRecoverableProblem):
                    await recover(ledger.config, source, now=now())
        assert (await ledger.fsck()).tree_size == 1
    on(ledger, current)


async def test_recovery_keeps_away_from_a_running_ledger(ledger: RunningLedger) -> None:
    await ledger.mirrored(1)
    async with open_source(str(mirror_of(ledger))) as source:
        with pytest.raises(NotRecoverableProblem, match="stop it first"):
            await recover(ledger.config, source, now=now())


async def cut(database: Database, application: str) -> None:
    await execute(
        renamed(database, "postgres"),
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{database.name}' AND application_name LIKE '{application}'",
    )


async def test_after_a_reconnect_to_an_earlier_state_nothing_is_signed(ledger: RunningLedger) -> None:
    await ledger.stop()
    server = renamed(ledger.database, "postgres")
    name = ledger.database.name
    async with copied(ledger) as older:
        await ledger.start()
        await ledger.admit("college")
        await ledger.published(2)
        signed = (ledger.config.state_folder or Path()) / LAST_SIGNED
        before = signed.read_bytes()
        await execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await cut(ledger.database, "%")
        await execute(server, f"ALTER DATABASE {name} RENAME TO {name}_away")
        await execute(server, f"ALTER DATABASE {older.name} RENAME TO {name}")
        await ended(ledger)
        assert b"database_changed" in ledger.log.getvalue()
        assert b"RUNBOOK.md: older-database" in ledger.log.getvalue()
        assert signed.read_bytes() == before
        await ledger.stop()
        await execute(server, f"ALTER DATABASE {name} RENAME TO {older.name}")
        await execute(server, f"ALTER DATABASE {name}_away RENAME TO {name}")
        await execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_after_a_reconnect_durability_is_asserted_again(ledger: RunningLedger) -> None:
    name, role = ledger.database.name, ledger.database.running_role
    await execute(ledger.database, f"ALTER ROLE {role} IN DATABASE {name} SET synchronous_commit = off")
    await cut(ledger.database, "credentify-publisher")
    await ended(ledger)
    assert b"synchronous_commit is off" in ledger.log.getvalue()
    await ledger.stop()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE entry SET entry = set_byte(entry, 100, 65) WHERE leaf_index = 1", "as stored are not those"),
        ("UPDATE edge SET partials = ARRAY[partials[1] || partials[1]], size = size * 2", "not that of its head"),
    ],
)
async def test_a_right_edge_that_was_altered_is_not_signed_again(
    ledger: RunningLedger, damage: str, words: str
) -> None:
    await ledger.admit("college")
    await ledger.published(2)
    await ledger.stop()
    off = [f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in ("entry", "edge")]
    back = [f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only" for table in ("entry",)]
    current = ledger.database
    async with copied(ledger) as spare:
        await execute(ledger.database, *off, damage, *back)
        with pytest.raises(InconsistentTreeError, match=words):
            await ledger.start()
        on(ledger, spare)
        assert (await ledger.fsck()).damages == ()
        await execute(renamed(current, "postgres"), f"DROP DATABASE {current.name} WITH (FORCE)")
        await execute(renamed(current, "postgres"), f"CREATE DATABASE {current.name} TEMPLATE {spare.name}")
    on(ledger, current)


async def test_the_mirror_holds_what_the_log_serves(ledger: RunningLedger) -> None:
    college = await ledger.admit("college")
    for part in range(3):
        await ledger.submit(ledger.registrar.issues(college, ENTRIES, f"part {part}"))
    await ledger.published(2 + 3 * ENTRIES)
    await ledger.mirrored(2 + 3 * ENTRIES)
    folder = mirror_of(ledger)
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix() for path in files}
    assert {"checkpoint", "tile/0/002", "tile/entries/002", "tile/0/003.p/134", "tile/1/000.p/3"} <= names
    assert not any(name.startswith(("tile/0/000.p", "tile/entries/001.p")) for name in names)
    for path in files:
        status, body, _ = await ledger.get(f"/{path.relative_to(folder).as_posix()}")
        assert (status, body) == (200, path.read_bytes())


async def test_a_mirror_that_contradicts_the_log_ends_the_process(ledger: RunningLedger) -> None:
    await ledger.mirrored(1)
    planted = mirror_of(ledger) / "tile/0/000.p/2"
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_bytes(b"\0" * 64)
    await ledger.admit("college")
    await ended(ledger)
    assert b"mirror-conflict" in ledger.log.getvalue()
    await ledger.stop()


async def test_a_mirror_of_more_than_was_published_ends_the_process(ledger: RunningLedger) -> None:
    """The signer's memory was restored together with the database: only the mirror still knows better."""
    await ledger.mirrored(1)
    await ledger.stop()
    current, memory = ledger.database, (ledger.config.state_folder or Path()) / LAST_SIGNED
    first = memory.read_bytes()
    async with copied(ledger) as older:
        await ledger.start()
        await ledger.admit("college")
        await ledger.mirrored(2)
        await ledger.stop()
        last = memory.read_bytes()
        on(ledger, older)
        memory.write_bytes(first)
        await ledger.start()
        await ended(ledger)
        assert b"earlier state" in ledger.log.getvalue()
        await ledger.stop()
        memory.write_bytes(last)
    on(ledger, current)
