"""Walked: a log is frozen and another continues it, by the commands of the runbook alone."""

import asyncio
import re

import msgspec
import pytest

from services.clients.log_client import LogProblem
from services.command.key_file import write_key
from tests.monitoring.stand import WatchedLedger
from tests.runbook.page import blocks
from tests.runbook.walk import Walk
from tests.support.databases import MakeDatabase
from tests.support.ledgers import ledger_config, new_database
from tests.support.ports import free_port
from tests.support.statements import secret_key

NEXT = "log.example/credentify-next"


@pytest.mark.walk("frozen", "unknown-rules", is_long=True)
async def test_a_log_that_is_frozen_and_continued(walk: Walk, make_database: MakeDatabase) -> None:
    freeze, opening, init, name_it, audit = blocks("frozen")
    old = await walk.ledger()
    college = await old.admit("college")
    write_key(walk.folder / "shell" / "registrar.key", secret_key("registrar", "event", 0))
    walk.shell.variables |= {
        "NEW_ORIGIN": NEXT,
        "RECOVERY_PUBLIC_KEY": old.registrar.registrar.recovery.public_key,
        "OLD_LEDGER": old.url,
        "OLD_LOG_VERIFIER_KEY": old.verifier_key,
    }
    assert "frozen at 2 entries" in await walk.run(freeze, typed="y\n")
    with pytest.raises(LogProblem, match="not said yet"):
        await old.issued(college, "too late")
    await walk.run(opening)
    new = await _next_ledger(walk, old, make_database)
    walk.knows(new)
    (key,) = re.findall(rf"{NEXT}\S+", (await walk.run(init)).replace("log opened      " + NEXT, ""))
    walk.shell.variables |= {"NEW_LEDGER": new.url, "NEW_LOG_VERIFIER_KEY": key}
    await new.start()
    walk.knows(old)
    await walk.run(name_it)
    with pytest.raises(LogProblem, match=f"continued by {new.url}"):
        await old.issued(college, "too late")
    await walk.run(audit)
    await _verifiers_begin_with_the_old_log(walk, old, new, key)
    await new.stop()


async def _next_ledger(walk: Walk, old: WatchedLedger, make_database: MakeDatabase) -> WatchedLedger:
    folder = walk.folder / "next"
    folder.mkdir()
    database = await new_database(make_database)
    config = msgspec.structs.replace(ledger_config(database, folder), port=free_port())
    made = WatchedLedger(config, database, old.registrar, old.session)
    made.info, made.output, made.url = old.info, walk.folder / "next.log", f"http://127.0.0.1:{config.port}"
    return made


async def _verifiers_begin_with_the_old_log(walk: Walk, old: WatchedLedger, new: WatchedLedger, key: str) -> None:
    verifier = await walk.stand.verifier(new.url, key)
    await walk.says("verifier", '"problem":"unknown-rules"')
    await verifier.kill()
    await asyncio.to_thread(verifier.config.database_file.unlink)
    verifier.config = msgspec.structs.replace(verifier.config, predecessors=(f"{old.url} {old.verifier_key}",))
    await verifier.start()
    await walk.ready(verifier)
