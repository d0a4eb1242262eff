"""A backup is made while all runs, and restored elsewhere: rehearsed up to bringing back what was lost."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from proto.problem import ConflictProblem, InvalidProblem
from services.command import backup_folder as names
from services.command.backup import back_up
from services.command.backup_folder import BackupFolder
from services.command.fsck import GATEWAY_NOT_CHECKED, Targets, check, in_words, lines_of_unclean
from services.command.pg_tools import ToolProblem, dump
from services.command.rehearsal import rehearse
from services.command.restore import Destinations, put_back
from services.command.speaker import now
from services.command.tile_source import open_source
from services.issuer_gateway.keys.vault import Vault
from services.ledger.signer import InconsistentTreeError
from services.ledger.succession.recovery import recover
from services.persistence import postgres
from tests.support.backups import origins
from tests.support.commands import credentify
from tests.support.databases import Database, MakeDatabase
from tests.support.gateways import RunningGateway
from tests.support.ledgers import RunningLedger, ledger_config, until


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


async def backed_up(ledger: RunningLedger, folder: Path, gateway: RunningGateway | None = None) -> BackupFolder:
    made = BackupFolder(folder)
    await back_up(origins(ledger, gateway), made, with_master_key=False, with_registrar=False)
    return made


def destinations(database: Database, folder: Path) -> Destinations:
    return Destinations(
        ledger_database=database.owner_url, log_key_file=folder / "log.key", state_folder=folder / "state"
    )


@contextlib.asynccontextmanager
async def restored(ledger: RunningLedger, database: Database, folder: Path) -> AsyncIterator[RunningLedger]:
    """A ledger on what was restored; not started."""
    config = replace(ledger_config(database, folder), state_folder=folder / "state")
    made = RunningLedger(config, database, ledger.registrar, ledger.session)
    made.info = ledger.info
    try:
        yield made
    finally:
        await made.stop()
    report = await made.fsck()
    assert report.damages == ()


async def test_a_backup_of_a_running_ledger_and_gateway_is_restored_elsewhere(
    ledger: RunningLedger, gateway: RunningGateway, make_database: MakeDatabase, tmp_path: Path
) -> None:
    office = await gateway.institution("delta")
    described = await office.describe()
    await office.client.post("/v1/credentials", office.award(described.id), key=secrets.token_hex(8))
    size = (await ledger.client.log()).tree_size
    await ledger.published(size)
    backup = await backed_up(ledger, tmp_path / "backup", gateway)
    assert not backup.has(names.MASTER_KEY), "the key that opens the documents is not beside them"
    one, other = await make_database(), await make_database()
    to = msgspec.structs.replace(
        destinations(one, tmp_path / "new"),
        gateway_database=other.owner_url,
        master_key_file=gateway.config.master_key_file,
    )
    done = await put_back(backup, to, published=f"{ledger.url}", nothing_newer=False)
    assert (done.is_clean, done.tree_size, done.can_sign) == (True, size, True)
    assert set(done.damages) == {"ledger", "gateway"}
    async with restored(ledger, one, tmp_path / "new") as again:
        await again.start()
        await again.admit("college")
        await again.published(size + 1)


async def test_a_log_that_went_on_after_its_backup_does_not_sign_until_the_lost_entries_are_back(
    ledger: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    """The rehearsal: a backup, more entries, the machine is lost; the mirror is on another one."""
    await ledger.stop()
    ledger.config = replace(ledger.config, mirror_folder=tmp_path / "mirror")
    await ledger.start()
    await ledger.published(1)
    backup = await backed_up(ledger, tmp_path / "backup")
    college = await ledger.admit("college")
    await ledger.submit(ledger.registrar.issues(college, 20))
    note = await ledger.published(22)

    async def is_mirrored() -> bool | None:
        path = tmp_path / "mirror" / "checkpoint"
        return (path.exists() and path.read_bytes().splitlines()[1] == note.splitlines()[1]) or None

    await until(is_mirrored, "the mirror has all")
    await ledger.stop()

    database = await make_database()
    to = destinations(database, tmp_path / "new")
    with pytest.raises(InvalidProblem, match="Nobody knows here what the log has signed since"):
        await put_back(backup, to, published=None, nothing_newer=False)
    done = await put_back(backup, to, published=str(tmp_path / "mirror" / "checkpoint"), nothing_newer=False)
    assert (done.is_clean, done.tree_size, done.signed_size, done.can_sign) == (True, 1, 22, False)
    async with restored(ledger, database, tmp_path / "new") as again:
        with pytest.raises(InconsistentTreeError, match=r"RUNBOOK\.md: older-database"):
            await again.start()
        async with open_source(str(tmp_path / "mirror")) as source:
            assert (await recover(again.config, source, now=now())).size == 22
        await again.start()
        await again.issued(college, "after the loss")
        await again.published(23)
    await ledger.start()


async def test_a_newer_memory_of_the_signer_is_kept(
    ledger: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    backup = await backed_up(ledger, tmp_path / "backup")
    await ledger.admit("college")
    await ledger.published(2)
    database = await make_database()
    to = destinations(database, tmp_path / "new")
    state = tmp_path / "new" / "state" / names.LAST_SIGNED
    state.parent.mkdir(parents=True)
    assert ledger.config.state_folder is not None
    state.write_bytes((ledger.config.state_folder / names.LAST_SIGNED).read_bytes())
    done = await put_back(backup, to, published=None, nothing_newer=False)
    assert (done.tree_size, done.signed_size, done.can_sign) == (1, 2, False)


async def test_a_damaged_or_incomplete_backup_is_refused_before_anything_is_touched(
    ledger: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    backup = await backed_up(ledger, tmp_path / "backup")
    database = await make_database()
    to = destinations(database, tmp_path / "new")
    file = backup.path(names.LEDGER_DUMP)
    data = file.read_bytes()
    file.write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:])
    with pytest.raises(InvalidProblem, match=r"damaged: ledger\.dump"):
        await put_back(backup, to, published=None, nothing_newer=True)
    file.write_bytes(data)
    manifest = backup.path(names.MANIFEST)
    kept = manifest.read_bytes()
    manifest.unlink()
    with pytest.raises(InvalidProblem, match="no complete backup"):
        await put_back(backup, to, published=None, nothing_newer=True)
    manifest.write_bytes(kept)
    async with postgres.connected(database.owner_url, application_name="test") as connection:
        assert await connection.fetchval("SELECT to_regclass('entry') IS NULL")
    assert (await put_back(backup, to, published=None, nothing_newer=True)).can_sign
    with pytest.raises(ConflictProblem, match="not empty"):
        await put_back(backup, to, published=None, nothing_newer=True)


async def test_every_file_of_a_backup_can_be_read_by_nobody_else(ledger: RunningLedger, tmp_path: Path) -> None:
    backup = await backed_up(ledger, tmp_path / "backup")
    assert backup.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in backup.folder.rglob("*"))
    with pytest.raises(ConflictProblem, match="not empty"):
        await backed_up(ledger, tmp_path / "backup")


async def test_a_database_that_cannot_be_read_is_refused_in_words(database: Database, tmp_path: Path) -> None:
    missing = database.owner_url.replace(f"/{database.name}", "/no_such_database")
    with pytest.raises(ToolProblem, match="no_such_database"):
        await dump(missing, tmp_path / "file")


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_backup_that_fails_leaves_no_folder_and_what_was_there_before(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    missing = ledger.database.owner_url.replace(f"/{ledger.database.name}", "/no_such_database")
    broken = msgspec.structs.replace(origins(ledger), gateway_database=missing)
    (tmp_path / "there").mkdir()
    for name in ("new", "there", "deep/er"):
        with pytest.raises(ToolProblem, match="no_such_database"):
            await back_up(broken, BackupFolder(tmp_path / name), with_master_key=False, with_registrar=False)
    assert not {"new", "deep"} & _names(tmp_path)
    assert _names(tmp_path / "there") == set()


async def test_a_restore_is_rehearsed_into_a_new_folder_that_is_gone_afterwards(
    ledger: RunningLedger, gateway: RunningGateway, open_folder: Path
) -> None:
    office = await gateway.institution("delta")
    described = await office.describe()
    await office.client.post("/v1/credentials", office.award(described.id), key=secrets.token_hex(8))
    size = (await ledger.client.log()).tree_size
    backup = await backed_up(ledger, open_folder / "backup", gateway)
    before = _names(open_folder)
    new = open_folder / "rehearsal"
    done = await rehearse(backup, new, master_key_file=gateway.config.master_key_file, key_folder=None)
    assert (done.tree_size, done.is_clean, done.gateway_checked) == (size, True, True)
    assert set(done.damages) == {"ledger", "gateway"}
    assert done.lines == ()
    assert _names(open_folder) == before
    with pytest.raises(InvalidProblem, match="name a new folder"):
        await rehearse(backup, open_folder, master_key_file=None, key_folder=None)
    file = backup.path(names.LEDGER_DUMP)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InvalidProblem, match=r"damaged: ledger\.dump"):
        await rehearse(backup, new, master_key_file=None, key_folder=None)
    assert not new.exists()


async def test_a_rehearsal_says_which_keys_it_lacked_and_calls_nothing_damaged_or_clean_that_it_did_not_open(
    ledger: RunningLedger, gateway: RunningGateway, open_folder: Path
) -> None:
    office = await gateway.institution("delta")
    described = await office.describe()
    await office.client.post("/v1/credentials", office.award(described.id), key=secrets.token_hex(8))
    backup = await backed_up(ledger, open_folder / "backup", gateway)
    key = gateway.config.master_key_file
    elsewhere = open_folder / "keys elsewhere"
    done = await rehearse(backup, open_folder / "r", master_key_file=key, key_folder=elsewhere)
    assert (done.verdict, done.exit_status, done.damages["gateway"]) == ("NOT WHOLLY CHECKED", 3, 0)
    said = "\n".join(done.lines)
    assert "1 credentials not opened" in said
    assert f"(learner-keys.sqlite) are not in {elsewhere}" in said
    assert "--key-folder" in said
    assert not elsewhere.exists(), "a check makes no key folder"

    Vault(elsewhere).close()  # the folder of another database
    database = gateway.database.owner_url
    reports = await check(Targets(gateway_database=database, master_key_file=key, key_folder=elsewhere))
    assert in_words(reports) == "NOT WHOLLY CHECKED"
    assert reports["gateway"].damages == ()
    assert f"{elsewhere} holds no key of any learner" in reports["gateway"].incomplete
    assert in_words({"gateway": GATEWAY_NOT_CHECKED}) == "NOT WHOLLY CHECKED"
    assert "--master-key-file" in "\n".join(lines_of_unclean({"gateway": GATEWAY_NOT_CHECKED}))


async def run_backup(*options: str | Path, **environ: str) -> tuple[int, str, str]:
    return await credentify("backup", *options, environ=os.environ | environ)


async def test_a_schedule_makes_backups_of_what_the_environment_names_and_keeps_the_newest(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    owner = tmp_path / "owner-url"
    owner.write_text(ledger.database.owner_url)
    owner.chmod(0o400)
    environ = {
        "CREDENTIFY_LEDGER_DATABASE_URL": ledger.database.running_url,
        "CREDENTIFY_LEDGER_MIGRATION_DATABASE_URL_FILE": str(owner),
        "CREDENTIFY_LEDGER_LOG_KEY_FILE": str(ledger.config.log_key_file),
        "CREDENTIFY_LEDGER_STATE_FOLDER": str(ledger.config.state_folder),
    }
    backups = tmp_path / "backups"
    older = [await backed_up(ledger, backups / f"backup-2026010{day}T023000Z") for day in (1, 2, 3)]
    older[2].path(names.MANIFEST).unlink()
    (backups / "mine").mkdir()
    status, out, err = await run_backup("--in", backups, "--keep", "2", **environ)
    assert status == 0, err
    assert str(older[0].folder) in out
    (newest,) = _names(backups) - {"mine", older[1].folder.name, older[2].folder.name}
    assert BackupFolder(backups / newest).open().origin == ledger.registrar.origin
    assert ledger.config.state_folder is not None
    assert (ledger.config.state_folder / "last-backup").exists(), "the ledger shows how old it is"
    for wrong in (("--to", backups / "x", "--in", backups), ("--to", backups / "x", "--keep", "2"), ()):
        status, _, err = await run_backup(*wrong, **environ)
        assert (status, "Name a new folder with --to" in err) == (1, True)
