"""`credentify recognition` and `credentify stacks` against a running gateway, as applicants and an office use them."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.command_shell import Shell
from tests.support.gateways import Office, RunningGateway
from tests.support.ledgers import until

_WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"""


@pytest.fixture
async def office(gateway: RunningGateway) -> Office:
    return await gateway.institution("waterland")


async def test_an_application_is_made_decided_appealed_and_withdrawn_by_command(
    gateway: RunningGateway, office: Office, tmp_path: Path
) -> None:
    shell = Shell(gateway, tmp_path, office)
    programme = f"{office.created.admission_request.uri_prefixes[0]}programmes/data"
    who = ("--institution", "waterland", "--programme", programme, "--given-name", "Mia", "--family-name", "Bo")
    prior = ("--prior-learning", "Sailing", "Years at sea.")
    made = json.loads(await shell.run("recognition", "apply", *who, *prior, "--json"))
    link, number = shell.link(made["link"]), made["application_id"]
    listed = await shell.run("recognition", "list", staff=True)
    assert "documents: 1  Mia Bo" in listed
    assert "1  Sailing: prior learning" in await shell.run("recognition", "show", number, staff=True)
    await shell.run("recognition", "decide", number, "1", "refused", staff=True, status=1)
    why = ("--reason", "other", "--text", "Nothing shows it.", "--assessor", "Dr Wind")
    await shell.run("recognition", "decide", number, "1", "refused", *why, staff=True)
    assert "Nothing shows it." in await shell.run("recognition", "status", link)
    await shell.run("recognition", "appeal", link, "1", "--text", "See the log book.")
    assert number in await shell.run("recognition", "appeals", staff=True)
    assert "waiting 1" in await shell.run("recognition", "report", staff=True)
    assert "withdrawn" in await shell.run("recognition", "withdraw", link)


async def test_what_a_learner_can_stack_is_said_by_command(
    gateway: RunningGateway, office: Office, tmp_path: Path
) -> None:
    shell = Shell(gateway, tmp_path, office)
    await office.describe("hydrology")
    issued = await office.issue("hydrology", "s1")
    await office.published(issued.credential_id)
    assert "recipes: 0; credentials: 1" in await shell.run("stacks", "of", "s1", staff=True)


async def test_what_an_office_sets_is_shown_and_changed_by_command(
    gateway: RunningGateway, office: Office, tmp_path: Path
) -> None:
    shell = Shell(gateway, tmp_path, office)
    prefix = office.created.admission_request.uri_prefixes[0]
    data, soil = f"{prefix}programmes/data", f"{prefix}programmes/soil"
    words = ("recognition", "settings")
    assert "decides within days: 60; reminded before: 7" in await shell.run(*words, staff=True)
    days = ("--decide-within", "30", "--remind-before", "0")
    both = ("--programme", data, "Data", "--programme", soil, "Soil")
    said = await shell.run(*words, *days, *both, staff=True)
    assert "decides within days: 30; reminded before: 0" in said
    assert f"Data  {data}" in said
    said = await shell.run(*words, "--no-programme", soil, "--programme", data, "Data and water", staff=True)
    assert (f"Data and water  {data}" in said, soil in said) == (True, False)
    twice = ("--programme", data, "Data", "--no-programme", data)
    assert "Each programme is stated once" in await shell.run(*words, *twice, staff=True, status=1)
    elsewhere = ("--programme", "https://elsewhere.example/p", "Not ours")
    assert "begins with" in await shell.run(*words, *elsewhere, staff=True, status=1)


async def test_of_two_people_who_name_programmes_at_once_neither_loses_one(
    gateway: RunningGateway, office: Office, tmp_path: Path
) -> None:
    shell = Shell(gateway, tmp_path, office)
    prefix = office.created.admission_request.uri_prefixes[0]
    old, data, soil = (f"{prefix}programmes/{name}" for name in ("old", "data", "soil"))
    words = ("recognition", "settings")
    await shell.run(*words, "--programme", old, "Old", staff=True)
    assert gateway.inside is not None
    async with gateway.inside.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM institution FOR UPDATE")  # both have read what is set before one writes
        changes = [
            asyncio.create_task(shell.run(*words, *change, staff=True))
            for change in (("--programme", data, "Data", "--no-programme", old), ("--programme", soil, "Soil"))
        ]

        async def both_wait() -> bool | None:
            return await connection.fetchval(_WAITING) == len(changes) or None

        await until(both_wait, "both wait for what is locked")
    await asyncio.gather(*changes)
    shown = await shell.run(*words, staff=True)
    assert (data in shown, soil in shown, old in shown) == (True, True, False)
