"""What a service shows of its machine: disks, secrets, certificates, pools, the last backup, the floor of the disk."""

import asyncio
import datetime as dt
import io
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from services.command.backup import note_made
from services.edge import Log
from services.edge.machine import Machine, Watched, certificate_expires_at, watched_by_settings
from services.ledger.sequencing.free_space import FreeSpace
from services.ledger.succession.last_backup import NAME, last_backup_at
from tests.support.backups import origins
from tests.support.certificates import DAY, certificate
from tests.support.databases import MakeDatabase
from tests.support.gateways import gateway_config, gateway_database
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RunningLedger]:
    async with running_ledger(make_database, tmp_path / "ledger", Registrar()) as running:
        yield running


async def samples(session: aiohttp.ClientSession, url: str) -> dict[tuple[str, ...], float]:
    """Return what a service shows, by name and label values."""
    async with session.get(f"{url}/metrics") as response:
        text = await response.text()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_ledger_shows_its_disk_its_key_its_pool_and_its_release(ledger: RunningLedger) -> None:
    assert ledger.config.log_key_file is not None
    found = await samples(ledger.session, ledger.url)
    room = os.statvfs(ledger.config.log_key_file.parent)
    assert found["credentify_disk_size_bytes", "state_folder"] == room.f_blocks * room.f_frsize
    assert (
        0 < found["credentify_disk_free_bytes", "state_folder"] <= found["credentify_disk_size_bytes", "state_folder"]
    )
    written = ledger.config.log_key_file.stat().st_mtime
    assert found["credentify_secret_file_timestamp_seconds", "log_key_file"] == pytest.approx(written)
    used, idle = (found["credentify_database_connections", "requests", state] for state in ("used", "idle"))
    assert 0 < used + idle <= found["credentify_database_connections_max", "requests"]
    assert found["credentify_database_connections_max", "requests"] == ledger.config.database_connections_max
    assert any(name == "credentify_build_info" for name, *_ in found)


async def test_a_backup_shows_when_it_was_made_and_none_shows_0(ledger: RunningLedger) -> None:
    name = ("credentify_ledger_backup_timestamp_seconds",)
    assert (await samples(ledger.session, ledger.url))[name] == 0
    began_at = dt.datetime.now(dt.UTC) - DAY
    note_made(origins(ledger), began_at)
    assert (await samples(ledger.session, ledger.url))[name] == pytest.approx(began_at.timestamp(), abs=1)


async def test_each_entry_is_counted_once_as_it_is_published(ledger: RunningLedger) -> None:
    name = "credentify_ledger_publication_delay_seconds_count"
    college = await ledger.admit("college")
    for number in range(20):
        await ledger.issued(college, f"counted {number}")

    async def counted() -> bool | None:
        found = await samples(ledger.session, ledger.url)
        size = found["credentify_ledger_published_size_entries",]
        return (size >= 22 and found[name,] == size - 1) or None

    await until(counted, "all entries but the opening are published and counted")


@pytest.mark.parametrize("written", ["", "yesterday", "2026-01-01T00:00:00", "9999-01-01T00:00:00Z", "\x00\xff"])
def test_what_is_no_time_of_a_backup_or_none_yet_is_no_backup(written: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(written)
    assert last_backup_at(tmp_path, dt.datetime.now(dt.UTC)) is None


def test_the_line_that_other_tools_write_is_understood(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("2026-11-28T03:00:00Z\n")
    found = last_backup_at(tmp_path, dt.datetime(2026, 11, 29, tzinfo=dt.UTC))
    assert found == dt.datetime(2026, 11, 28, 3, tzinfo=dt.UTC)


async def test_a_ledger_on_a_full_disk_is_not_ready_and_shows_it(
    ledger: RunningLedger,
) -> None:
    folder = ledger.config.state_folder
    await ledger.stop()
    ledger.config = replace(ledger.config, free_space_folder=folder, free_space_bytes_min=2**62)
    await ledger.start()
    for _ in range(2):
        async with ledger.session.get(f"{ledger.url}/readyz") as response:
            body = await response.json()
            assert (response.status, list(body["failing"])) == (503, ["disk"])
            assert "Make room" in body["failing"]["disk"]
    assert (await samples(ledger.session, ledger.url))["credentify_ledger_disk_floor_reached",] == 1
    async with ledger.session.get(f"{ledger.url}/checkpoint") as response:
        assert response.status == 200, "what is on the log stays readable"
    await ledger.stop()
    ledger.config = replace(ledger.config, free_space_folder=None)
    await ledger.start()
    assert (await samples(ledger.session, ledger.url))["credentify_ledger_disk_floor_reached",] == 0


def test_the_floor_is_said_when_it_is_reached_and_when_it_is_left(tmp_path: Path) -> None:
    rooms = iter([100, 10, 9, 100, 101])
    lines = io.BytesIO()
    space = FreeSpace(tmp_path, bytes_min=50, measure=lambda _: next(rooms), log=Log("ledger", lines))
    assert [space.problem() is None for _ in range(5)] == [True, False, False, True, True]
    events = [msgspec.json.decode(line)["event"] for line in lines.getvalue().splitlines()]
    assert events == ["disk_floor_reached", "disk_floor_left"]


async def test_a_gateway_watches_its_key_folder_and_its_secrets(
    ledger: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    database = await gateway_database(make_database, tmp_path / "gateway", ledger)
    config = gateway_config(database, tmp_path / "gateway", ledger, port=0)
    watched = watched_by_settings(replace(config, public_url="https://issuer.example.org"))
    assert {"master_key_file", "operator_token_file"} <= watched.secrets.keys()
    assert watched.addresses == {"public_url": "https://issuer.example.org"}


async def test_the_end_of_a_certificate_is_shown_also_of_one_that_has_run_out(tmp_path: Path) -> None:
    ends_at = dt.datetime.now(dt.UTC).replace(microsecond=0) - DAY
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path, ends_at))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await asyncio.to_thread(certificate_expires_at, address) == ends_at.timestamp()
        registry = CollectorRegistry()
        machine = Machine(Watched(places={}, secrets={}, addresses={"public_url": address}))
        registry.register(machine)
        async with machine.watching():

            async def shown() -> bool | None:
                name, labels = "credentify_certificate_expires_timestamp_seconds", {"address": "public_url"}
                return registry.get_sample_value(name, labels) == ends_at.timestamp() or None

            await until(shown, "the certificate's end is shown")
    assert await asyncio.to_thread(certificate_expires_at, address) is None, "nothing is shown where nobody answers"
