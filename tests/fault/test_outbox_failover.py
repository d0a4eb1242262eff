"""A gateway whose leader commits what no standby has: nothing of it is sent to the log, and nothing acknowledged.

Two real servers under the gateway. The wait for the standby is cancelled as an impatient operator does it
(`pg_cancel_backend`): the commit is then there for everybody to read, and the failover loses it.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.persistence import postgres
from tests.ha.check import findings_of, status_of
from tests.support.databases import MakeDatabase
from tests.support.gateways import Answered, Office, RunningGateway, gateway_config, gateway_database
from tests.support.ledgers import RunningLedger, running_ledger, until
from tests.support.standbys import Pair, impatiently, pair

PENDING = "SELECT count(*) FROM outbox WHERE state = 'pending'"


@contextlib.asynccontextmanager
async def gateway_on(made: Pair, folder: Path, ledger: RunningLedger) -> AsyncIterator[RunningGateway]:
    """Run a gateway that is given both servers; at its end nothing may be damaged."""
    database = made.on_leader(await gateway_database(made.make_database, folder, ledger))
    gateway = RunningGateway(gateway_config(database, folder, ledger), database, ledger)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()
    assert gateway.ended_with == []
    report = await gateway.fsck()
    assert report.damages == (), report.damages


async def asked_again(office: Office, uri: str) -> Answered:
    """Send one and the same request."""
    return await office.client.post("/v1/credentials", office.award(uri, "learner-2"), key="the-one-key")


async def size_of(ledger: RunningLedger) -> int:
    """Return how many entries the log has."""
    return (await ledger.client.log()).tree_size


@pytest.mark.torture
async def test_what_a_failover_loses_was_neither_sent_to_the_log_nor_acknowledged(
    folder: Path, make_database: MakeDatabase
) -> None:
    async with (
        running_ledger(make_database, folder / "ledger") as ledger,
        pair(folder, is_synchronous=True) as made,
        gateway_on(made, folder / "gateway", ledger) as gateway,
    ):
        office = await gateway.institution("highland")
        uri = (await office.describe()).achievement.uri
        await office.published((await office.issue(uri)).credential_id)
        before = await size_of(ledger)
        await made.standby.stop()

        for _ in range(2):  # the first time it is committed here alone; the second time it is found
            refused = await impatiently(gateway.database.admin_url, asked_again(office, uri))
            assert refused.status == 503, refused
        async with postgres.connected(gateway.database.admin_url, application_name="operator") as connection:
            assert await connection.fetchval(PENDING) == 1, "it is committed on the leader, and visible"
        check = [each async for each in findings_of(gateway.database.admin_url, is_standby_away=True)]
        assert status_of(check) == 0, check
        assert check[-1].found.startswith("without a standby nothing is confirmed")
        await impatiently(
            gateway.database.admin_url, until(lambda: _holds_back(gateway), "the relay says why it sends nothing")
        )
        assert await size_of(ledger) == before

        await made.primary_dies()
        await made.standby.start()
        await made.promote()
        taken = await until(lambda: _taken(office, uri), "the gateway goes on with the leader of now")
        await office.published(taken.body["credential_id"])
        assert await gateway.database_count("credential") == 2
        assert await size_of(ledger) == before + 1


async def _holds_back(gateway: RunningGateway) -> bool | None:
    return (b"relay_database" in gateway.log.getvalue() and b"did not confirm" in gateway.log.getvalue()) or None


async def _taken(office: Office, uri: str) -> Answered | None:
    answered = await asked_again(office, uri)
    return answered if answered.status in {201, 202} else None
