"""As an operator tries it: `credentify up`, Prometheus with the shipped settings, and every query of every dashboard.

It belongs to the drills (`make drills`): it takes a minute.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.conftest import Up
from tests.monitoring.queries import EMPTY, MOVABLE, queries
from tests.monitoring.watch import Watch, watching
from tests.support.alert_rules import groups


@pytest.fixture
async def watch(open_folder: Path) -> AsyncIterator[Watch]:
    """Run everything, with the demo once and again while Prometheus looks on."""
    up = Up(open_folder / "data")
    try:
        addresses = await asyncio.to_thread(up.start, "--demo")
        urls = {"ledger": addresses.ledger, "gateway": addresses.gateway, "verifier": addresses.verifier}
        targets = {name: [url.removeprefix("http://")] for name, url in urls.items()}
        async with aiohttp.ClientSession() as session, watching(session, open_folder / "p", targets) as running:
            await running.until("count(up == 1) == 3")
            await asyncio.to_thread(up.command, "demo")
            await running.until("count_over_time(credentify_ledger_tree_size_entries[10m]) > 20")
            yield running
    finally:
        await asyncio.to_thread(up.stop)


@pytest.mark.drill
async def test_every_query_of_every_dashboard_returns_data_or_says_why_not(watch: Watch) -> None:
    nothing = {place for place, query in queries() if not await watch.ask(query)} - MOVABLE
    assert nothing == EMPTY.keys(), "; ".join(sorted(nothing ^ EMPTY.keys()))


@pytest.mark.drill
async def test_every_rule_is_evaluated_and_a_fresh_machine_alarms_of_its_backup_alone(watch: Watch) -> None:
    for group in groups():
        for rule in group["rules"]:
            await watch.ask(rule["expr"])
    await watch.fires("BackupOld")
    assert await watch.firing() == {"BackupOld"}
