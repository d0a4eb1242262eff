"""What is read side by side is shown as of one moment: an issue that is published has its status, whoever was first."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from proto.ids import EventId
from services.issuer_gateway.store import followed_log, outbox
from services.persistence import postgres
from services.persistence.postgres_session import UNHURRIED
from tests.support.databases import MakeDatabase
from tests.support.gateways import running_gateway
from tests.support.heard_statements import HeardStatements, heard
from tests.support.ledgers import RunningLedger, until

__all__ = ["heard"]
STATES, KEYS = "FROM credential_state", "FROM issuer "


async def test_an_issue_that_is_published_while_the_log_is_read_has_its_status(
    heard: HeardStatements,
    make_database: MakeDatabase,
    tmp_path: Path,
    ledger: RunningLedger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stages, is_read, may_go_on = outbox.stages, asyncio.Event(), asyncio.Event()

    async def late(
        pool: postgres.Connection | postgres.Pool, event_ids: Collection[EventId]
    ) -> dict[EventId, outbox.EventStage]:
        is_read.set()
        await may_go_on.wait()

        async def published() -> dict[EventId, outbox.EventStage] | None:
            found = await stages(pool, event_ids)
            return found if {each.state for each in found.values()} == {"published"} else None

        return await until(published, "the issue is published")

    async with running_gateway(make_database, tmp_path / "gateway", ledger) as gateway:
        office = await gateway.institution("waterland")
        uri = (await office.describe()).achievement.uri
        async with postgres.connected(gateway.database.owner_url, application_name="test", limits=UNHURRIED) as session:
            async with session.transaction():
                await followed_log.keep_others_out(session)  # nobody follows the log meanwhile
                issued = await office.issue(uri)
                monkeypatch.setattr(outbox, "stages", late)
                before = heard.count(STATES)
                asked = asyncio.create_task(office.client.get(f"/v1/credentials/{issued.credential_id}"))
                await is_read.wait()

                async def without_the_issue() -> bool | None:
                    return heard.count(STATES) > before or None

                await until(without_the_issue, "what the log says is read")
            may_go_on.set()
            answer = await asked
    assert (answer.body["issue"]["state"], answer.body["status"]["state"]) == ("published", "active")


async def test_keys_are_read_after_what_was_said_with_them(
    heard: HeardStatements, make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger
) -> None:
    async with running_gateway(make_database, tmp_path / "gateway", ledger) as gateway:
        office = await gateway.institution("waterland")
        issued = await office.issue((await office.describe()).achievement.uri)
        await office.published(issued.credential_id)
        for path in ("/v1/credentials", f"/v1/credentials/{issued.credential_id}"):
            answer = await office.client.get(path)
            asked = heard.of(answer.headers["X-Request-ID"])
            said, keys = ([each for each in asked if text in each] for text in (STATES, KEYS))
            assert asked.index(said[-1]) < asked.index(keys[0]), asked
