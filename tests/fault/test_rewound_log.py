"""A ledger whose database loses what was published, by a failover without synchronous standbys, and goes on beside it.

It signs nothing (`test_standby`); here is what the others see: a ledger without the key, which had shown more, and a
verifier that follows it.
"""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.clients.log_client import LogProblem
from tests.fault.standby_pair import ENTRIES, ledger_on_pair, move
from tests.support.judged import Verifier, running_verifier
from tests.support.ledgers import RunningLedger, until

FRESHNESS_SECONDS = 10


@pytest.mark.torture
async def test_a_log_that_lost_what_it_showed_takes_nothing_and_no_verifier_calls_it_up_to_date(folder: Path) -> None:
    async with ledger_on_pair(folder, is_synchronous=False) as (made, ledger), contextlib.AsyncExitStack() as stack:
        former = ledger.database
        college = await ledger.admit("college")
        await ledger.published(2)
        keyless = RunningLedger(
            replace(ledger.config, port=0, log_key_file=None, state_folder=None),
            former,
            ledger.registrar,
            ledger.session,
        )
        keyless.info = ledger.info
        move(keyless, made.on_leader(former))
        await keyless.start()
        stack.push_async_callback(keyless.stop)
        await made.is_streamed()
        await made.standby.stop()  # what comes now does not reach it
        named = await ledger.issued(college, "shown")
        await ledger.submit(ledger.registrar.issues(college, ENTRIES))
        await keyless.published(3 + ENTRIES)
        async with running_verifier(keyless, folder, freshness_seconds_max=FRESHNESS_SECONDS) as verifier:
            await until(lambda: _verdict(verifier, named, "valid"), "the verifier has followed it")
            await ledger.stop()
            await made.primary_dies()
            await made.standby.start()
            await made.promote()

            refusal = await until(lambda: _refusal(keyless, ledger), "the ledger without a key reaches the new leader")
            assert f"holds 2 entries, and there were {3 + ENTRIES}" in refusal
            status, body, _ = await keyless.get("/readyz")
            assert (status, b"older-database" in body) == (503, True)
            await until(lambda: _says(verifier, "failover that lost commits"), "the verifier notices, and says it")
            await until(lambda: _verdict(verifier, named, "indeterminate"), "what is old is called by its name")
            answer = await verifier.by_id(named)
            assert answer["as_of"]["size"] == 3 + ENTRIES, "what was signed stays"
        move(ledger, made.on_standby(former))


async def _verdict(verifier: Verifier, credential_id: str, verdict: str) -> bool | None:
    return (await verifier.by_id(credential_id)).get("verdict") == verdict or None


async def _refusal(keyless: RunningLedger, ledger: RunningLedger) -> str | None:
    """Return why a ledger takes nothing, once it is its database's state."""
    college = ledger.registrar.party("college")
    try:
        line: Any = (await keyless.submit([ledger.registrar.seal(ledger.registrar.issue(college, "late"))]))[0]
    except LogProblem:
        return None
    detail = str(line.problem and line.problem["detail"])
    return detail if "earlier state" in detail else None


async def _says(verifier: Verifier, words: str) -> bool | None:
    async with verifier._session.get(f"{verifier.url}/readyz") as response:
        return words in await response.text() or None
