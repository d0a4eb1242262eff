"""Standing decisions, invitations and endorsements on a running ledger: kept, limited, checked, inherited."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proto.ids import CredentialId, EventId
from services.clients.log_client import LogProblem
from services.persistence import postgres
from tests.support.databases import MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, running_ledger
from tests.support.statements import Party
from tests.support.successions import end_of, next_log


@pytest.fixture
def registrar() -> Registrar:
    """Who opened its log when there were rules of version 1 alone."""
    return Registrar(rules_version=1)


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A running ledger of a log that begins with version 1."""
    async with running_ledger(make_database, tmp_path / "ledger", registrar) as running:
        yield running


async def _begun(ledger: RunningLedger) -> tuple[Party, Party, CredentialId]:
    """Admit a school and a college, put version 2 in force, and issue a credential."""
    school, college = await ledger.admit("school"), await ledger.admit("college")
    await ledger.say(ledger.registrar.activation(2, 4))
    await ledger.say(ledger.registrar.committed(school, "one"))
    return school, college, ledger.registrar.committed_id(school, "one")


async def _said(ledger: RunningLedger, event: Any) -> EventId:
    return (await ledger.say(event)).event_id


async def _all_said(ledger: RunningLedger, school: Party, college: Party, credential: CredentialId) -> EventId:
    """Say one of each kind, and return the name of the standing decision."""
    registrar = ledger.registrar
    decision = await _said(ledger, registrar.standing_decision(college, school))
    await _said(ledger, registrar.recognition(college, credential, under=decision))
    await _said(ledger, registrar.invitation(school, college))
    await _said(ledger, registrar.endorsement(college, credential))
    return decision


async def test_what_stands_is_remembered_across_batches(ledger: RunningLedger) -> None:
    school, college, credential = await _begun(ledger)
    registrar = ledger.registrar
    decision = await _all_said(ledger, school, college, credential)
    for again in (
        registrar.standing_decision(college, school),
        registrar.invitation(school, college),
        registrar.endorsement(college, credential),
        registrar.recognition(college, credential, under=decision),
    ):
        with pytest.raises(LogProblem) as refused:
            await ledger.say(again)
        assert refused.value.log_slug == "already-exists"


async def test_limits_hold_within_one_batch_and_across_them(ledger: RunningLedger) -> None:
    school, college, _ = await _begun(ledger)
    uris = [f"{school.url}achievements/{number}" for number in range(70)]
    made = [ledger.registrar.seal(ledger.registrar.invitation(school, college, achievement=uri)) for uri in uris]
    results = await ledger.client.submit(made)
    admitted = [each.appended for each in results if each.appended is not None]
    assert len(admitted) == 64
    with pytest.raises(LogProblem) as refused:
        await ledger.say(ledger.registrar.invitation(school, college, achievement=uris[69]))
    assert refused.value.log_slug == "limit"
    await ledger.say(ledger.registrar.uninvitation(school, admitted[0].event_id))
    await ledger.say(ledger.registrar.invitation(school, college, achievement=uris[69]))


DAMAGES = (
    "DELETE FROM statement",
    "UPDATE statement SET state = (SELECT max(state) FROM statement)",
    "DELETE FROM statement_group WHERE place = (SELECT min(place) FROM statement_group)",
    "UPDATE statement_group SET place = place + 1",
    "INSERT INTO statement_group SELECT sha256('x'), 1, event_id FROM statement LIMIT 1",
)
KEEP = "CREATE TABLE kept AS TABLE statement; CREATE TABLE kept_group AS TABLE statement_group"
RESTORE = """
    DELETE FROM statement; DELETE FROM statement_group;
    INSERT INTO statement TABLE kept; INSERT INTO statement_group TABLE kept_group"""


async def test_fsck_names_what_is_damaged(ledger: RunningLedger) -> None:
    school, college, credential = await _begun(ledger)
    await _all_said(ledger, school, college, credential)
    await ledger.published(9)
    report = await ledger.fsck()
    assert report.is_clean, report.damages
    assert (report.counts["statement"], report.counts["statement_group"]) == (3, 7)
    async with postgres.connected(ledger.database.admin_url, application_name="test") as connection:
        await connection.execute(KEEP)
        for statement in DAMAGES:
            await connection.execute(statement)
            assert any(each.place.startswith("statement") for each in (await ledger.fsck()).damages), statement
            await connection.execute(RESTORE)


async def test_a_log_that_continues_another_begins_with_what_stands(
    ledger: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    school, college, credential = await _begun(ledger)
    decision = await _said(ledger, ledger.registrar.standing_decision(college, school))
    await _said(ledger, ledger.registrar.invitation(school, college))
    predecessor = await end_of(ledger, "https://next.example/")
    new = await next_log(ledger, predecessor, make_database, tmp_path / "next", rules_version=2)
    await new.start()
    try:
        say = new.registrar
        with pytest.raises(LogProblem) as refused:
            await new.say(say.standing_decision(college, school))
        assert refused.value.log_slug == "already-exists"
        await new.say(say.endorsement(college, credential))
        await new.say(say.decision_withdrawal(college, decision))
        await new.say(say.standing_decision(college, school))
        await new.published(4)
    finally:
        await new.stop()
    assert (await new.fsck()).damages == ()
