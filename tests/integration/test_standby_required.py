"""Where a standby is required and the server waits for none, a log neither begins nor ends."""

from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from services.ledger.publishing.freezing import freeze
from services.persistence.postgres_errors import NoStandbyProblem
from tests.support.databases import MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database


async def test_a_log_neither_begins_nor_ends_on_a_server_that_waits_for_no_standby(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session:
        database = await new_database(make_database)
        alone = ledger_config(database, tmp_path)
        ledger = RunningLedger(replace(alone, database_standby_required=True), database, Registrar(), session)
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
