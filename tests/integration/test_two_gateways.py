"""Two gateways on one database follow the same log side by side, and neither takes the other's work for a fault."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from proto.lifecycle import Book
from services.follow import SinkMovedProblem
from services.issuer_gateway.log.arrivals import Arrivals
from services.issuer_gateway.log.projector import Projector
from services.issuer_gateway.waiting.signals import Signal
from tests.support.databases import MakeDatabase
from tests.support.gateways import Office, RunningGateway, running_gateway
from tests.support.ledgers import running_ledger, until

CREDENTIALS = 12


async def test_what_either_gateway_issues_is_published_and_the_log_is_faulty_to_neither(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    async with (
        running_ledger(make_database, tmp_path / "ledger") as ledger,
        running_gateway(make_database, tmp_path / "gateway", ledger) as first,
    ):
        second = RunningGateway(replace(first.config, port=0), first.database, ledger)
        await second.start()
        try:
            office = await first.institution("waterland")
            there = Office(second, office.created)
            uri = (await office.describe()).achievement.uri
            made = await asyncio.gather(
                *(
                    each.issue(uri, f"l-{n}-{each.gateway.url[-5:].strip(chr(58))}")
                    for n in range(CREDENTIALS)
                    for each in (office, there)
                )
            )
            for credential in made:
                for each in (office, there):
                    assert (await each.published(credential.credential_id)).issue.index is not None
            for gateway in (first, second):
                assert gateway.commands is not None
                assert gateway.commands.log_state.health().state not in {"faulty", "unknown_rules", "clock_behind"}
                assert b"log_faulty" not in gateway.log.getvalue()

                async def is_ready(gateway: RunningGateway = gateway) -> bool | None:
                    return True if (await gateway.client().get("/readyz")).status == 200 else None

                await until(is_ready, "the gateway is ready")
        finally:
            await second.stop()


async def test_whoever_comes_second_stores_nothing_and_goes_on_where_the_first_is(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    async with (
        running_ledger(make_database, tmp_path / "ledger") as ledger,
        running_gateway(make_database, tmp_path / "gateway", ledger) as gateway,
    ):
        await gateway.institution("waterland")
        assert gateway.inside is not None
        own = gateway.inside
        slow = Projector(own.pool, signing_keys=own.signing_keys, arrivals=Arrivals(), advanced=Signal())
        before = await slow.position()
        assert before is not None
        await gateway.institution("highland")  # the running gateway follows the log further

        with pytest.raises(SinkMovedProblem):
            await slow.load(Book(), [])
        with pytest.raises(SinkMovedProblem):
            await slow.apply(Book(), [], before)

        assert (await slow.position() or before).size > before.size
        await slow.load(Book(), [])
