"""What gets signed is protected beyond all else: one signer, who remembers, and refuses what contradicts its memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace

from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import SignerKey, parse_vkey
from proto.problem import ConflictProblem, Problem
from services.ledger.publishing.publisher import SecondSignerFault
from services.ledger.signer import LAST_SIGNED, InconsistentTreeError, Signer, SignerMemoryFault, load_key
from services.ledger.succession.opening import NotInitialisedFault, init_log, is_initialised
from services.persistence import postgres
from services.settings import SettingsFault
from tests.support.databases import MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database, until
from tests.support.statements import secret_key


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


@pytest.fixture
async def idle(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A ledger whose log exists, and which does not run."""
    database = await new_database(make_database)
    async with aiohttp.ClientSession() as session:
        ledger = RunningLedger(ledger_config(database, tmp_path), database, registrar, session)
        await ledger.init()
        yield ledger
        await ledger.stop()


def memory(ledger: RunningLedger) -> Path:
    assert ledger.config.state_folder is not None
    return ledger.config.state_folder / LAST_SIGNED


async def test_the_service_does_not_start_without_a_log(
    make_database: MakeDatabase, tmp_path: Path, registrar: Registrar
) -> None:
    database = await make_database()
    async with aiohttp.ClientSession() as session:
        ledger = RunningLedger(ledger_config(database, tmp_path), database, registrar, session)
        assert not await is_initialised(ledger.config)
        with pytest.raises(NotInitialisedFault, match="credentify ledger init --opening FILE"):
            await ledger.start()


async def test_creating_the_log_again_with_the_same_opening_changes_nothing(idle: RunningLedger) -> None:
    first = idle.info
    assert first is not None
    again = await idle.init()
    assert (first.is_new, again.is_new) == (True, False)
    assert replace(again, is_new=True) == first
    assert await is_initialised(idle.config)
    assert (await idle.fsck()).tree_size == 1


async def test_another_opening_of_the_same_database_is_refused(idle: RunningLedger) -> None:
    with pytest.raises(ConflictProblem, match="another opening"):
        await init_log(idle.config, idle.registrar.opening_file())
    assert (await idle.fsck()).is_clean


async def test_a_creation_that_was_cut_off_is_finished(idle: RunningLedger) -> None:
    """A crash after entry 0 and before the first checkpoint: neither signer's memory nor checkpoint are there."""
    memory(idle).unlink()
    async with postgres.connected(idle.database.admin_url, application_name="test") as connection:
        await connection.execute("ALTER TABLE checkpoint DISABLE TRIGGER append_only")
        await connection.execute("DELETE FROM checkpoint")
        await connection.execute("ALTER TABLE checkpoint ENABLE ALWAYS TRIGGER append_only")
    assert not await is_initialised(idle.config)
    with pytest.raises(NotInitialisedFault):
        await idle.start()
    assert (await idle.init()).is_new
    await idle.start()
    await idle.published(1)


async def test_an_opening_that_is_not_one_is_refused(
    make_database: MakeDatabase, tmp_path: Path, registrar: Registrar
) -> None:
    config = ledger_config(await new_database(make_database), tmp_path)
    good = registrar.opening_file()
    at = good.index(b'"sig":"') + 10
    other_signature = good[:at] + (b"A" if good[at : at + 1] != b"A" else b"B") + good[at + 1 :]
    another_event = msgspec.json.encode(registrar.seal(registrar.admission(registrar.party("college"))))
    for wrong in (b"", b"{}", other_signature, another_event):
        with pytest.raises(Problem):
            await init_log(config, wrong)
    assert not await is_initialised(config)
    assert (await init_log(config, good)).is_new


async def test_a_second_signer_is_refused(idle: RunningLedger) -> None:
    await idle.start()
    second = RunningLedger(
        replace(idle.config, port=0, signer_lock_wait_ms=0), idle.database, idle.registrar, idle.session
    )
    with pytest.raises(SecondSignerFault):
        await second.start()


async def test_a_replica_without_the_key_sequences_and_the_signer_publishes(idle: RunningLedger) -> None:
    await idle.start()
    config = replace(idle.config, port=0, log_key_file=None, state_folder=None)
    replica = RunningLedger(config, idle.database, idle.registrar, idle.session)
    await replica.start()
    try:
        college = await replica.admit("college")
        for number in range(5):
            for ledger in (idle, replica):
                await ledger.issued(college, f"{number} through {ledger.url}")
        assert await replica.published(12) == await idle.published(12)
    finally:
        await replica.stop()
    await idle.stop()
    assert (await idle.fsck()).is_clean


async def test_nothing_is_signed_without_the_memory_of_what_was_signed(idle: RunningLedger) -> None:
    memory(idle).unlink()
    with pytest.raises(SignerMemoryFault, match="is missing"):
        await idle.start()


async def test_a_damaged_memory_is_refused(idle: RunningLedger) -> None:
    memory(idle).write_bytes(b"\0" * 300)
    with pytest.raises(SignerMemoryFault, match="is not a checkpoint signed by this log"):
        await idle.start()


async def test_a_memory_that_is_behind_what_was_published_is_refused(idle: RunningLedger) -> None:
    earlier = memory(idle).read_bytes()
    await idle.start()
    await idle.admit("college")
    await idle.published(2)
    await idle.stop()
    memory(idle).write_bytes(earlier)
    with pytest.raises(SignerMemoryFault, match="earlier state"):
        await idle.start()


async def test_a_database_that_is_behind_what_was_signed_is_refused(idle: RunningLedger) -> None:
    assert idle.config.log_key_file is not None
    assert idle.config.state_folder is not None
    signer = Signer(load_key(idle.config.log_key_file), idle.config.state_folder)
    last = signer.last()
    assert last is not None
    signer.sign(last.checkpoint.size + 1, last.checkpoint.root_hash, last)  # type: ignore[arg-type] # a size is a number
    with pytest.raises(InconsistentTreeError, match="would fork the log"):
        await idle.start()


async def test_what_was_signed_before_a_crash_is_published_after_it(idle: RunningLedger) -> None:
    await idle.start()
    await idle.admit("college")
    await idle.published(2)
    await idle.stop()
    async with postgres.connected(idle.database.admin_url, application_name="test") as connection:
        await connection.execute("ALTER TABLE checkpoint DISABLE TRIGGER append_only")
        await connection.execute("DELETE FROM checkpoint WHERE size > 1")
        await connection.execute("ALTER TABLE checkpoint ENABLE ALWAYS TRIGGER append_only")
    await idle.start()
    assert open_checkpoint(await idle.client.checkpoint(), parse_vkey(idle.verifier_key)).checkpoint.size == 2
    await idle.stop()
    assert (await idle.fsck()).is_clean


async def test_an_altered_entry_is_never_signed_and_the_process_ends(idle: RunningLedger) -> None:
    await idle.stop()
    idle.config = replace(idle.config, publish_interval_ms=60_000)
    await idle.start()
    await idle.admit("college")
    await idle.stop()
    async with postgres.connected(idle.database.admin_url, application_name="test") as connection:
        await connection.execute("ALTER TABLE entry DISABLE TRIGGER append_only")
        await connection.execute("UPDATE entry SET entry = set_byte(entry, 100, 65) WHERE leaf_index = 1")
        await connection.execute("ALTER TABLE entry ENABLE ALWAYS TRIGGER append_only")
    await idle.start()

    async def ended() -> bool | None:
        return True if idle.ended_with else None

    await until(ended, "the process ends")
    assert idle.ended_with == [70]
    assert b"does not have its leaf hash" in idle.log.getvalue()
    assert open_checkpoint(memory(idle).read_bytes(), parse_vkey(idle.verifier_key)).checkpoint.size == 1


async def test_another_key_is_refused(idle: RunningLedger) -> None:
    assert idle.config.log_key_file is not None
    other = SignerKey(name=idle.registrar.origin, secret=secret_key("another"))
    idle.config.log_key_file.write_text(other.private_text)
    with pytest.raises(SettingsFault, match="another key"):
        await idle.start()
