"""A real standby (pg_basebackup, streaming), and what happens to its primary: nothing signed is ever contradicted."""

from pathlib import Path

import aiohttp
import pytest

from proto.ids import KeyId
from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from services.clients.log_client import LogUnreachableProblem
from services.command.key_file import write_key
from services.ledger.publishing.freezing import FreezeNotConfirmedProblem, freeze
from services.ledger.signer import LAST_SIGNED, InconsistentTreeError
from services.persistence import postgres
from services.persistence.postgres_errors import DatabaseUnavailableProblem, NotConfirmedProblem
from tests.fault.standby_pair import ENTRIES, IMPATIENT, ledger_on_pair, move, said, signed_by
from tests.support.commands import Ran, credentify
from tests.support.database_copies import ended
from tests.support.databases import RUNNING_ROLE
from tests.support.ledgers import (
    WAIT_SECONDS,
    Registrar,
    RunningLedger,
    ledger_config,
    new_database,
    opened,
    until,
)
from tests.support.standbys import STANDBY, Pair, impatiently, pair
from tests.support.statements import secret_key


async def test_a_standby_that_lacks_what_was_published_signs_nothing(folder: Path) -> None:
    async with ledger_on_pair(folder, is_synchronous=False) as (made, ledger):
        college = await ledger.admit("college")
        await ledger.published(2)
        await made.is_streamed()
        await made.standby.stop()  # what comes now does not reach it
        await ledger.submit(ledger.registrar.issues(college, ENTRIES))
        await ledger.published(2 + ENTRIES)
        await ledger.stop()
        await made.primary_dies()
        await made.standby.start()
        move(ledger, made.on_standby(ledger.database))
        with pytest.raises(DatabaseUnavailableProblem, match="promote this one"):
            await ledger.start()
        await made.promote()
        with pytest.raises(InconsistentTreeError, match=rf"holds 2 entries, but .* {2 + ENTRIES} was signed"):
            await ledger.start()


async def test_a_synchronous_standby_has_all_that_was_acknowledged_and_goes_on(folder: Path) -> None:
    async with ledger_on_pair(folder, is_synchronous=True) as (made, ledger):
        college = await ledger.admit("college")
        answers = await ledger.submit(ledger.registrar.issues(college, ENTRIES))
        await ledger.stop()
        await made.primary_dies()
        await made.promote()
        move(ledger, made.on_standby(ledger.database))
        await ledger.start()
        for answer in answers:
            assert answer.appended is not None
            found = await ledger.client.event(answer.appended.event_id)
            assert found is not None
            assert found.index == answer.appended.index
        again = await ledger.submit(ledger.registrar.issues(college, 1, "after"))
        assert again[0].appended is not None
        assert again[0].appended.index == 2 + ENTRIES
        await ledger.published(3 + ENTRIES)


async def test_what_no_standby_has_is_neither_acknowledged_nor_signed_nor_called_known(folder: Path) -> None:
    """The cancelled wait commits on the primary alone, and everybody can read it there (PostgreSQL, syncrep.c)."""
    async with ledger_on_pair(folder, is_synchronous=True, **IMPATIENT) as (made, ledger):
        college = await ledger.admit("college")
        await ledger.published(2)
        await made.standby.stop()
        before, events = signed_by(ledger), ledger.registrar.issues(college, ENTRIES)
        with pytest.raises(LogUnreachableProblem):
            await ledger.submit(events)
        await ended(ledger)
        await ledger.stop()
        ledger.ended_with.clear()
        await ledger.start()  # it serves what was published
        assert open_checkpoint(await ledger.client.checkpoint(), parse_vkey(ledger.verifier_key)).checkpoint.size == 2
        with pytest.raises(LogUnreachableProblem):  # they are committed, and visible, and promised to nobody
            await ledger.client.log()
        again = await ledger.submit(events)
        assert {line.problem and line.problem["type"] for line in again} == {"urn:credentify:problem:outcome-unknown"}
        with pytest.raises(LogUnreachableProblem):
            await ledger.client.event(opened(events[0]).event_id)
        await until(lambda: said(ledger, b"did not confirm in time"), "the signer says why it does not sign")
        assert signed_by(ledger) == before
        await made.standby.start()
        await made.is_synchronous()
        await ledger.published(2 + ENTRIES)
        assert (await ledger.client.log()).tree_size == 2 + ENTRIES
        known = await ledger.submit(events)
        assert {line.status for line in known} == {200}


async def test_where_a_standby_is_required_a_server_that_stops_waiting_for_it_loses_nothing(folder: Path) -> None:
    """Somebody turns synchronous replication off while all runs: from then on nothing is acknowledged or signed."""
    async with ledger_on_pair(folder, is_synchronous=True, database_standby_required=True) as (made, ledger):
        college = await ledger.admit("college")
        await ledger.published(2)
        await made.wait_for("")
        before = signed_by(ledger)
        (refused,) = await ledger.submit(ledger.registrar.issues(college, 1))
        assert refused.problem is not None
        with pytest.raises(LogUnreachableProblem):
            await ledger.client.log()
        assert signed_by(ledger) == before
        condemned = await _condemned(ledger, college.event.key_id, folder)
        assert (condemned.status, condemned.out) == (1, ""), "who condemns a stolen key is not told that it is"
        assert "Turn synchronous replication on again" in condemned.err
        await made.wait_for(STANDBY)
        await made.is_synchronous()
        (taken,) = await ledger.submit(ledger.registrar.issues(college, 1))
        assert taken.appended is not None
        assert taken.appended.index == 2, "what was refused was not committed"
        condemned = await _condemned(ledger, college.event.key_id, folder)
        assert (condemned.status, "entry 3" in condemned.out) == (0, True), "and the same command again condemns it"
        await ledger.published(4)


async def _condemned(ledger: RunningLedger, key_id: KeyId, folder: Path) -> Ran:
    """Have the registrar condemn a key, as an operator does, and return how that went."""
    key = folder / "registrar.key"
    if not key.exists():
        write_key(key, secret_key("registrar", "event", 0))
    since = ("--reason", "compromised", "--invalid-from", ledger.registrar.now)
    said = ("--key", key, "--ledger", ledger.url, "--yes")
    return await credentify("registrar", "retire-key", key_id, *since, *said)


async def _waits_for_nobody(made: Pair) -> None:
    """Have commits of the ledger's role succeed without a standby, from its next session on."""
    async with postgres.connected(made.primary.admin_url, application_name="test") as connection:
        await connection.execute("SET synchronous_commit = 'local'")
        await connection.execute(f"ALTER ROLE {RUNNING_ROLE} SET synchronous_commit = 'local'")


async def _is_frozen(ledger: RunningLedger) -> bool | None:
    async with postgres.connected(ledger.database.admin_url, application_name="test") as connection:
        return await connection.fetchval("SELECT true FROM frozen") or None


async def test_an_end_of_the_log_that_no_standby_has_is_not_called_one(folder: Path) -> None:
    """Else a successor would begin there, and after a failover the old log would grow on beside it."""
    async with ledger_on_pair(folder, is_synchronous=True, **IMPATIENT) as (made, ledger):
        college = await ledger.admit("college")
        await ledger.published(2)
        await made.standby.stop()
        await _waits_for_nobody(made)  # so that its own COMMIT succeeds at once
        with pytest.raises(FreezeNotConfirmedProblem, match="Open no successor yet; run this again"):
            await freeze(ledger.config, successor=None, wait_seconds=0)
        await until(lambda: _is_frozen(ledger), "it is committed on the primary, and visible there")
        await ledger.stop()
        await made.primary_dies()
        await made.standby.start()
        await made.promote()
        move(ledger, made.on_standby(ledger.database))
        await ledger.start()
        await ledger.submit(ledger.registrar.issues(college, 1))
        await ledger.published(3)
        assert (await freeze(ledger.config, successor=None, wait_seconds=WAIT_SECONDS)).size == 3


@pytest.mark.torture
async def test_a_log_does_not_begin_with_what_no_standby_has(folder: Path, session: aiohttp.ClientSession) -> None:
    """Entry 0 is committed on the primary alone, where whoever waits is cancelled; nothing is signed over it."""
    async with pair(folder, is_synchronous=True) as made:
        database = await new_database(made.make_database)
        ledger = RunningLedger(ledger_config(database, folder / "ledger"), database, Registrar(), session)
        await made.standby.stop()
        with pytest.raises(NotConfirmedProblem):
            await impatiently(database.admin_url, ledger.init())
        assert ledger.config.state_folder is not None
        assert not (ledger.config.state_folder / LAST_SIGNED).exists()
        await made.standby.start()
        await made.is_synchronous()
        assert (await ledger.init()).is_new, "what was begun is finished"
