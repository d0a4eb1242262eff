"""Each alarm is brought about against running services, and fires in a real Prometheus with the shipped rules.

`make drills` runs them, with `for:` shortened to a second. Faults are those that happen: processes that are killed or
stand still, locks, full disks, witnesses that are away or contradict, logs that lie, clocks that are wrong.
"""

import asyncio
import contextlib
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from proto.problem import Problem
from services.persistence import postgres
from tests.fault.servers import small_disk
from tests.monitoring import test_drills_of_logs
from tests.monitoring.stand import Stand, WatchedLedger, stand_in
from tests.support.alert_rules import alerts
from tests.support.certificates import certificate
from tests.support.databases import MakeDatabase
from tests.support.gateways import NO_WAIT

YEARS = timedelta(days=800)
AT_ONCE = 400
"""Questions that wait for one thread: the last of them for longer than an answer may take, on any machine."""


@pytest.fixture
async def stand(make_database: MakeDatabase, open_folder: Path) -> AsyncIterator[Stand]:
    async with stand_in(make_database, open_folder) as made:
        yield made


@contextlib.asynccontextmanager
async def again_and_again(work: Callable[[], Awaitable[object]], *, at_once: int = 1) -> AsyncIterator[None]:
    """Do something over and over while the block runs; that it fails is what drills are about."""

    async def keep() -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, Problem):
                await work()
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(keep()) for _ in range(at_once)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def locked(url: str, table: str) -> AsyncIterator[None]:
    """Hold a table, as somebody's forgotten transaction does."""
    async with postgres.connected(url, application_name="somebody") as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def test_every_alarm_has_a_drill() -> None:
    drilled = {
        f"Credentify{name}"
        for value in (*globals().values(), *vars(test_drills_of_logs).values())
        for mark in getattr(value, "pytestmark", ())
        if mark.name == "drill"
        for name in mark.args
    }
    assert drilled == alerts().keys()


@pytest.mark.drill("ServiceDown", "Restarting")
async def test_a_service_that_is_killed_and_one_that_starts_again_and_again(stand: Stand) -> None:
    ledger = await stand.ledger()
    watch = await stand.watch()
    await ledger.stop()
    await watch.fires("ServiceDown")
    for _ in range(3):
        before = max([0.0, *(value for _, value in await watch.ask("process_start_time_seconds"))])
        await ledger.start()
        await watch.until(f"process_start_time_seconds > {before:f} and on (job) up == 1")
        await ledger.stop()
    await ledger.start()
    await watch.fires("Restarting")
    await watch.ends("ServiceDown")


@pytest.mark.drill("DatabaseUnavailable", "Errors")
async def test_a_database_that_takes_no_connections(stand: Stand) -> None:
    ledger = await stand.ledger()
    watch = await stand.watch()
    async with again_and_again(lambda: ledger.get("/v1/entries?from=0&to=1")):
        await watch.until('rate(credentify_http_requests_total{code="2xx",route="/v1/entries"}[1m]) > 0')
        assert await watch.firing() <= {"BackupOld"}
        name = ledger.database.name
        async with postgres.connected(
            ledger.database.admin_url.replace(f"/{name}", "/postgres"), application_name="x"
        ) as admin:
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
            await watch.fires("DatabaseUnavailable", "Errors")
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await watch.until('rate(credentify_http_requests_total{code="2xx",route="/v1/entries"}[10s]) > 0')


@pytest.mark.drill("NotAppended", "AppendFastBurn", "AppendSlowBurn")
async def test_entries_that_somebody_holds_so_that_nothing_is_appended(stand: Stand) -> None:
    ledger = await stand.ledger(database_timeout_ms=500)
    college = await ledger.admit("college")
    watch = await stand.watch()
    names = (f"credential {number}" for number in range(1_000_000))
    async with again_and_again(lambda: ledger.issued(college, next(names))):
        await watch.until('rate(credentify_ledger_events_total{outcome="appended"}[1m]) > 0')
        assert "NotAppended" not in await watch.firing()
        async with locked(ledger.database.admin_url, "entry"):
            await watch.fires("NotAppended", "AppendFastBurn", "AppendSlowBurn")


@pytest.mark.drill("NotPublished", "PublicationFastBurn", "PublicationSlowBurn")
async def test_checkpoints_that_somebody_holds_so_that_nothing_is_published(stand: Stand) -> None:
    ledger = await stand.ledger(database_timeout_ms=2_000)
    college = await ledger.admit("college")
    watch = await stand.watch()
    names = (f"credential {number}" for number in range(1_000_000))
    async with again_and_again(lambda: ledger.issued(college, next(names))):
        await watch.until("rate(credentify_ledger_publication_delay_seconds_count[1m]) > 0")
        assert "NotPublished" not in await watch.firing()
        async with locked(ledger.database.admin_url, "checkpoint"):
            await watch.fires("NotPublished")
            waiting = "credentify_ledger_tree_size_entries - credentify_ledger_published_size_entries"
            await watch.until(f"min_over_time(({waiting})[4s:1s]) > 0")
        await watch.fires("PublicationFastBurn", "PublicationSlowBurn")
        await watch.ends("NotPublished")


@pytest.mark.drill("DatabasePoolUsedUp")
async def test_a_lock_at_which_all_connections_wait(stand: Stand) -> None:
    ledger = await stand.ledger(database_connections_max=4, database_timeout_ms=60_000)
    watch = await stand.watch()
    async with (
        locked(ledger.database.admin_url, "entry"),
        again_and_again(lambda: ledger.get("/v1/entries?from=0&to=1"), at_once=8),
    ):
        await watch.fires("DatabasePoolUsedUp")
    await watch.ends("DatabasePoolUsedUp")


@pytest.mark.drill("ConnectionsRefused")
async def test_more_connections_than_one_address_may_have(stand: Stand) -> None:
    ledger = await stand.ledger(connections_per_address_max=16)
    watch = await stand.watch()

    async def crowd() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(40):
                _, writer = await asyncio.open_connection("127.0.0.1", ledger.config.port)
                stack.callback(writer.close)

    async with again_and_again(crowd):
        await watch.fires("ConnectionsRefused")


@pytest.mark.drill("LogLinesLost")
async def test_a_pipe_of_the_log_that_nobody_reads(stand: Stand) -> None:
    ledger = await stand.ledger()
    await ledger.stop()
    unread, written = os.pipe()
    try:
        await ledger.process.start(stdout=written)
        watch = await stand.watch()
        async with again_and_again(lambda: ledger.get(f"/v1/events/{'x' * 2_000}"), at_once=16):
            await watch.fires("LogLinesLost")
    finally:
        await ledger.stop()
        os.close(written)
        os.close(unread)


@pytest.mark.drill("DiskFilling", "DiskFloorReached")
async def test_a_disk_that_somebody_fills(stand: Stand) -> None:
    try:
        async with small_disk(stand.folder / "disk", megabytes=32) as disk:
            ledger = await stand.ledger(free_space_folder=disk, free_space_bytes_min=8_000_000)
            watch = await stand.watch()
            await watch.until("credentify_ledger_disk_floor_reached == 0")
            filler = disk / "filler"
            await asyncio.to_thread(filler.write_bytes, bytes(31_500_000))
            await watch.fires("DiskFloorReached", "DiskFilling")
            await asyncio.to_thread(filler.unlink)
            await watch.ends("DiskFloorReached", "DiskFilling")
            await ledger.stop()
    except PermissionError as error:
        pytest.skip(f"no file system can be mounted here: {error}")


@pytest.mark.drill("CertificateEnds", "SecretOld")
async def test_a_certificate_that_was_not_renewed_and_a_token_that_was_not_replaced(stand: Stand) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    context.load_cert_chain(certificate(stand.folder, ends_at))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        gateway = await stand.gateway(await stand.ledger(), evidence_verifier_url=address)
        watch = await stand.watch()
        await watch.fires("CertificateEnds")
        assert "SecretOld" not in await watch.firing()
        then = time.time() - YEARS.total_seconds()
        os.utime(gateway.config.operator_token_file, (then, then))
        await watch.fires("SecretOld")


@pytest.mark.drill("BackupOld")
async def test_a_log_that_was_not_backed_up_until_it_is(stand: Stand) -> None:
    ledger = await stand.ledger()
    watch = await stand.watch()
    await watch.fires("BackupOld")
    assert await backed_up(ledger, stand.folder / "backup") == 0
    await watch.ends("BackupOld")


async def backed_up(ledger: WatchedLedger, folder: Path) -> int:
    """Make a backup as an operator does; return the status of the command."""
    words = ("--to", folder, "--ledger-database", ledger.database.owner_url)
    files = ("--log-key-file", ledger.config.log_key_file, "--state-folder", ledger.config.state_folder)
    command = (sys.executable, "-m", "services", "backup", *words, *files)
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.DEVNULL)
    return await process.wait()


@pytest.mark.drill("VerifierStale", "OutboxWaiting")
async def test_a_ledger_that_stands_still(stand: Stand) -> None:
    ledger = await stand.ledger()
    gateway = await stand.gateway(ledger, **NO_WAIT)
    await stand.verifier(ledger.url, ledger.verifier_key, freshness_seconds_max=3.0)
    office = await gateway.institution("waterland")
    described = await office.describe()
    watch = await stand.watch()
    await watch.until('credentify_verifier_log_state{state="healthy"} == 1')
    ledger.process.send(signal.SIGSTOP)
    await office.issue(described.achievement.uri)
    await watch.fires("VerifierStale", "OutboxWaiting", "ServiceDown")
    ledger.process.send(signal.SIGCONT)
    await watch.ends("VerifierStale", "OutboxWaiting", "ServiceDown")


@pytest.mark.drill("EventsRefused")
async def test_an_institution_that_is_closed_while_its_word_waits(stand: Stand) -> None:
    ledger = await stand.ledger()
    gateway = await stand.gateway(ledger, **NO_WAIT)
    office = await gateway.institution("waterland")
    described = await office.describe()
    watch = await stand.watch()
    await watch.until("credentify_gateway_outbox_refused_events == 0")
    await ledger.stop()
    await office.issue(described.achievement.uri)
    gateway.process.send(signal.SIGSTOP)
    await ledger.start()
    await ledger.say(ledger.registrar.closing(ledger.registrar.party("waterland", office.did)))
    gateway.process.send(signal.SIGCONT)
    await watch.fires("EventsRefused")


@pytest.mark.drill("WorkersMissing")
async def test_processes_of_a_verifier_that_end_again_and_again(stand: Stand) -> None:
    ledger = await stand.ledger()
    verifier = await stand.verifier(ledger.url, ledger.verifier_key, workers=3)
    watch = await stand.watch()
    await watch.until("credentify_verifier_workers == 3")

    async def kill_one() -> None:
        _, *others = workers_of(verifier.pid)
        for pid in others[:2]:
            os.kill(pid, signal.SIGKILL)

    async with again_and_again(kill_one):
        await watch.fires("WorkersMissing")
    await watch.ends("WorkersMissing")


@pytest.mark.drill("WorkerHung")
async def test_a_process_of_a_verifier_that_is_stopped_and_does_not_end(stand: Stand) -> None:
    ledger = await stand.ledger()
    verifier = await stand.verifier(ledger.url, ledger.verifier_key, workers=2, worker_silence_seconds_max=3.0)
    watch = await stand.watch()
    await watch.until("credentify_verifier_workers == 2")
    os.kill(workers_of(verifier.pid)[0], signal.SIGSTOP)
    await watch.fires("WorkerHung")
    await watch.until("credentify_verifier_workers == 2")


def workers_of(pid: int) -> list[int]:
    """Return the processes that answer, of a verifier that has several."""
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if b"answer_process" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.drill("VerdictFastBurn", "VerdictSlowBurn")
async def test_more_questions_than_a_verifier_can_answer_in_time(stand: Stand) -> None:
    ledger = await stand.ledger()
    college = await ledger.admit("college")
    credential = await ledger.issued(college, "one")
    await ledger.published(3)
    verifier = await stand.verifier(
        ledger.url, ledger.verifier_key, connections_per_address_max=4_000, connections_max=4_000, reader_threads=1
    )
    seconds = iter(range(1_000_000))

    async def ask(session: aiohttp.ClientSession) -> None:
        at = (datetime.now(UTC) - timedelta(seconds=next(seconds))).isoformat(timespec="seconds")
        params = {"at": at.replace("+00:00", "Z")}
        async with session.get(f"{verifier.url}/v1/credentials/{credential}", params=params) as response:
            await response.read()

    watch = await stand.watch(every_seconds=5)  # its figures wait like all that it is asked
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async with again_and_again(lambda: ask(session)):
            await watch.until(
                "rate(credentify_http_request_duration_seconds_count{route=~'/v1/credentials/.+'}[1m]) > 0"
            )
            assert "VerdictFastBurn" not in await watch.firing()
        async with again_and_again(lambda: ask(session), at_once=AT_ONCE):
            await watch.fires("VerdictFastBurn", "VerdictSlowBurn")
