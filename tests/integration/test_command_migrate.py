"""`credentify migrate` makes the tables as their owner and ends; `healthcheck` finds what an environment configures."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from services.command.healthcheck import addresses
from services.persistence.postgres import connected
from tests.support.databases import MakeDatabase

USAGE = 64


async def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services", *words],
        capture_output=True,
        text=True,
        env=os.environ | variables,
        check=False,
        timeout=240,
    )


async def test_tables_are_made_once_by_their_owner_whose_url_lies_in_a_file(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    database = await make_database()
    owner = tmp_path / "owner"
    owner.write_text(database.owner_url + "\n")
    owner.chmod(0o600)
    names = {
        "CREDENTIFY_GATEWAY_DATABASE_URL": database.running_url,
        "CREDENTIFY_GATEWAY_MIGRATION_DATABASE_URL_FILE": str(owner),
        "CREDENTIFY_GATEWAY_PORT": "not looked at",
    }
    first = await run("migrate", **names)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("gateway   applied 1, 2, ")
    again = await run("migrate", "gateway", **names)
    assert again.stdout == "gateway   is of this version\n"
    async with connected(database.running_url, application_name="test") as connection:
        assert await connection.fetchval("SELECT count(*) FROM batch") == 0


async def test_who_names_no_owner_is_told_which_setting_to_set() -> None:
    for words, setting in ((["ledger"], "LEDGER"), ([], "GATEWAY")):
        refused = await run("migrate", *words)
        assert refused.returncode == 1
        assert f"CREDENTIFY_{setting}_MIGRATION_DATABASE_URL" in refused.stderr


def test_what_an_environment_configures_is_asked_where_it_listens() -> None:
    environ = {
        "CREDENTIFY_LEDGER_DATABASE_URL_FILE": "/x",
        "CREDENTIFY_LEDGER_HOST": "0.0.0.0",
        "CREDENTIFY_LEDGER_PORT": "9000",
        "CREDENTIFY_VERIFIER_LEDGER_URL": "x",
        "CREDENTIFY_VERIFIER_HOST": "::1,127.0.0.1",
        "CREDENTIFY_GATEWAY_PORT": "tcp://10.0.0.1:8102",
    }
    assert addresses(environ) == {"ledger": "http://127.0.0.1:9000/livez", "verifier": "http://[::1]:8103/livez"}


async def test_a_service_that_does_not_answer_is_named_and_no_service_at_all_is_a_fault_of_the_call() -> None:
    asked = await run("healthcheck", CREDENTIFY_VERIFIER_LEDGER_URL="x", CREDENTIFY_VERIFIER_PORT="1")
    assert asked.returncode == 1
    assert asked.stdout.startswith("verifier  ")
    assert (await run("healthcheck")).returncode == USAGE
