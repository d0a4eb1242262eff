"""Where a standby is required and the server waits for none, no log begins or ends, and nothing is brought back."""

from pathlib import Path

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace

from proto import events
from proto.ids import Origin
from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from services.command.speaker import now
from services.command.tile_source import open_source
from services.follow import PredecessorLog
from services.ledger import store
from services.ledger.config import Config
from services.ledger.publishing.freezing import freeze
from services.ledger.signer import LAST_SIGNED
from services.ledger.succession.opening import init_log
from services.ledger.succession.recovery import recover
from services.persistence import postgres
from services.persistence.postgres_errors import NoStandbyProblem
from tests.support.database_copies import copied, on
from tests.support.databases import MakeDatabase
from tests.support.ledgers import WAIT_SECONDS, Registrar, RunningLedger, ledger_config, new_database, running_ledger

LOST = 40


def with_standby(config: Config) -> Config:
    """Return settings that ask for a standby."""
    return replace(config, database_standby_required=True)


async def test_a_log_neither_begins_nor_ends_on_a_server_that_waits_for_no_standby(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session:
        database = await new_database(make_database)
        alone = ledger_config(database, tmp_path)
        ledger = RunningLedger(with_standby(alone), database, Registrar(), session)
        with pytest.raises(NoStandbyProblem):
            await ledger.init()
        required, ledger.config = ledger.config, alone
        assert (await ledger.init()).is_new, "nothing of the log was there before"
        await ledger.start()
        try:
            with pytest.raises(NoStandbyProblem):
                await freeze(required, successor=None, wait_seconds=0)
            college = await ledger.admit("college")
            await ledger.issued(college, "the log goes on")
        finally:
            await ledger.stop()


async def test_a_log_is_continued_by_no_other_on_a_server_that_waits_for_no_standby(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger
) -> None:
    await ledger.admit("college")
    last = await freeze(ledger.config, successor=None, wait_seconds=WAIT_SECONDS)
    end = open_checkpoint(last.note, parse_vkey(ledger.verifier_key)).checkpoint
    registrar = Registrar(Origin("log.example/next"), rules_version=ledger.registrar.rules_version)
    predecessor = events.Predecessor(origin=end.origin, size=end.size, root_hash=end.root_hash.hex())
    said = registrar.opening(predecessor=predecessor, rules_version=registrar.rules_version)
    opening = msgspec.json.encode(registrar.seal(said))
    before = PredecessorLog(client=ledger.client, verifier_key=ledger.verifier_key)
    alone = ledger_config(await new_database(make_database), tmp_path / "next")
    with pytest.raises(NoStandbyProblem):
        await init_log(with_standby(alone), opening, [before])
    assert (await init_log(alone, opening, [before])).is_new, "nothing of it was there before"


async def test_nothing_is_brought_back_to_a_server_that_waits_for_no_standby(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    async with running_ledger(make_database, tmp_path / "ledger", Registrar(), mirror_folder=mirror) as ledger:
        college = await ledger.admit("college")
        await ledger.published(2)
        await ledger.stop()
        current = ledger.database
        async with copied(ledger) as older:
            await ledger.start()
            await ledger.submit(ledger.registrar.issues(college, LOST))
            await ledger.mirrored(2 + LOST)
            await ledger.stop()
            on(ledger, older)
            memory = tmp_path / "ledger" / LAST_SIGNED
            memory.unlink()  # which it sets once the entries are there for good
            async with open_source(str(mirror)) as source:
                with pytest.raises(NoStandbyProblem, match="synchronous replication on again"):
                    await recover(with_standby(ledger.config), source, now=now())
                async with postgres.connected(older.running_url, application_name="test") as connection:
                    head = await store.head(connection)
                assert head is not None
                assert (head.size, memory.exists()) == (2, False), "nothing was written, and nothing is remembered"
                done = await recover(ledger.config, source, now=now())
            assert (done.size_before, done.size, memory.exists()) == (2, 2 + LOST, True)
            assert (await ledger.fsck()).damages == ()
        on(ledger, current)
