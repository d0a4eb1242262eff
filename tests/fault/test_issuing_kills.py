"""A large file is issued while gateway and ledger are killed in turn: each row once, each with its result.

The fast selection has 1,500 rows, the whole list 100,000 (a few minutes).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from proto.wire.batches import BatchAnswer, BatchRow
from services.persistence import postgres
from tests.support.databases import MakeDatabase
from tests.support.gateways import Office, RunningGateway, gateway_config, gateway_database
from tests.support.killed_services import KilledGateway, KilledLedger
from tests.support.ledgers import UNAVAILABLE, Registrar, ledger_config, new_database
from tests.support.ports import free_port

ROWS, ROWS_TORTURE = 1_500, 100_000
KILLS, KILLS_TORTURE = 4, 24
STALL_SECONDS = 120.0
"""So long nothing may move, before the test gives up."""
LOG_LINES = 40
SESSIONS = """
    SELECT application_name, state, wait_event_type, wait_event, now() - xact_start AS in_transaction,
        now() - state_change AS since, pg_blocking_pids(pid) AS waits_for, pid, left(query, 100) AS query
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""
HEADER = "learner_ref,given_name,family_name,achievement,valid_from"


@pytest.fixture(params=[1, 2])
async def both(
    request: pytest.FixtureRequest, make_database: MakeDatabase, tmp_path: Path
) -> AsyncIterator[tuple[KilledGateway, KilledLedger]]:
    """A gateway and a ledger to be killed, by either rules; at the end nothing may be damaged in either."""
    database = await new_database(make_database)
    async with aiohttp.ClientSession() as session:
        config = msgspec.structs.replace(ledger_config(database, tmp_path), port=free_port())
        registrar = Registrar(rules_version=request.param)
        config = msgspec.structs.replace(config, development_rules=registrar.rules_version > 1)
        ledger = KilledLedger(config, database, registrar, session)
        ledger.log_file = tmp_path / "ledger.log"
        await ledger.init()
        await ledger.start()
        folder = tmp_path / "gateway"
        own = await gateway_database(make_database, folder, ledger)
        gateway = KilledGateway(gateway_config(own, folder, ledger, port=free_port()), own, ledger)
        gateway.log_file = tmp_path / "gateway.log"
        await gateway.start()
        try:
            yield gateway, ledger
        finally:
            await gateway.stop()
            await ledger.stop()
        assert (await gateway.fsck()).damages == ()
        assert (await ledger.fsck()).damages == ()


async def test_each_row_is_issued_once_although_gateway_and_ledger_are_killed_in_turn(
    both: tuple[KilledGateway, KilledLedger], torture: bool
) -> None:
    gateway, ledger = both
    rows, kills = (ROWS_TORTURE, KILLS_TORTURE) if torture else (ROWS, KILLS)
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    lines = "".join(f"l-{number},Zoë,Nowak,hydrology,2026-01-01\n" for number in range(rows))
    body = f"{HEADER}\n{lines}".encode()
    sent = await office.client.send("POST", "/v1/batches", body, media_type="text/csv", key="everybody")
    assert sent.status == 202, sent
    path = f"/v1/batches/{sent.body['batch_id']}"
    for kill in range(kills):
        await progressed(office, path, accepted=rows * kill // (kills + 1) + 1)
        victim = ledger if kill % 2 else gateway
        await victim.stop()
        await victim.start()
    done = await progressed(office, path, accepted=rows, published=rows)
    assert (done.row_count, done.accepted_count, done.refused_count) == (rows, rows, 0)
    results = await results_of(office, path)
    assert [result.line for result in results] == list(range(2, rows + 2))
    assert {result.state for result in results} == {"accepted"}
    assert len({result.credential_id for result in results}) == rows
    size = (await ledger.client.log()).tree_size - 2  # the opening and the admission are no credentials
    if ledger.registrar.rules_version == 1:
        assert size == rows  # each credential once
    else:
        assert size < rows / 20  # each in one event of many, which fsck counts below


async def progressed(office: Office, path: str, *, accepted: int, published: int = 0) -> BatchAnswer:
    """Return how far the batch is once so many rows are done; fails where nothing moves for a minute, and says more."""
    last, moved_at, unavailable, state = (-1, -1), time.monotonic(), 0, "never shown"
    while time.monotonic() - moved_at < STALL_SECONDS:
        answered = await office.client.get(path)
        if answered.status == UNAVAILABLE:  # the database of a busy machine, or a service that begins
            unavailable += 1
            await asyncio.sleep(0.1)
            continue
        found = answered.as_(BatchAnswer)
        state = f"{found.state}, {found.refused_count} refused"
        if found.accepted_count >= accepted and found.published_count >= published:
            return found
        if (found.accepted_count, found.published_count) != last:
            last, moved_at = (found.accepted_count, found.published_count), time.monotonic()
        await asyncio.sleep(0.1)
    words = f"nothing moves: {last} of {accepted} accepted, {published} published; {state}; {unavailable} times 503"
    raise AssertionError("\n".join([words, *await standing(office.gateway)]))


async def standing(gateway: RunningGateway) -> list[str]:
    """Return what the databases' sessions do, and what the services said last."""
    lines = []
    for database in (gateway.database, gateway.ledger.database):
        async with postgres.connected(database.admin_url, application_name="test") as connection:
            lines += [str(dict(row)) for row in await connection.fetch(SESSIONS)]
    for service in (gateway, gateway.ledger):
        if isinstance(service, KilledGateway | KilledLedger) and service.log_file is not None:
            lines += service.log_file.read_text(encoding="utf-8").splitlines()[-LOG_LINES:]
    return lines


async def results_of(office: Office, path: str) -> list[BatchRow]:
    """Return the results of all rows, as an integrator streams them."""
    session, headers = office.gateway.ledger.session, {"Authorization": f"Bearer {office.created.api_key}"}
    async with session.get(f"{office.gateway.url}{path}/rows", headers=headers) as response:
        assert response.status == 200
        return [msgspec.json.decode(line, type=BatchRow) async for line in response.content]
