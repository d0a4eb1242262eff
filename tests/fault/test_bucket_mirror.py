"""The mirror in an S3-compatible store: what the log serves, put if absent by the store, and a way back from there."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from proto.problem import InvalidProblem
from services.clients.tile_client import TileClient
from services.command.tile_source import open_source
from services.ledger.succession.recovery import recover
from services.operator_fault import OperatorFault
from services.persistence.bucket import OBJECT_BYTES_MAX, Bucket, BucketProblem
from services.settings import SettingsFault
from tests.support.database_copies import copied, ended, on
from tests.support.databases import MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until
from tests.support.s3_store import BUCKET, environment, make_bucket, running_s3

ENTRIES = 300
FOLDER = f"s3://{BUCKET}/log"
TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running_s3() as found:
        yield found


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def place(
    endpoint: str, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """A folder of the store that no other test uses."""
    for name, value in environment(endpoint).items():
        monkeypatch.setenv(name, value)
    await make_bucket(session, endpoint)
    return f"{FOLDER}-{abs(hash(request.node.name))}"


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path, place: str) -> AsyncIterator[RunningLedger]:
    """A running ledger that mirrors to the store; `fsck` finds no damage when the test is over."""
    async with running_ledger(make_database, tmp_path / "ledger", Registrar()) as running:
        await running.stop()
        running.config = replace(running.config, mirror_bucket=place)
        await running.start()
        yield running


async def mirrored(ledger: RunningLedger, bucket: Bucket, size: int) -> bytes:
    """Return the store's checkpoint as soon as it shows so many entries."""

    async def shows() -> bytes | None:
        found = await bucket.read("checkpoint")
        if found is None:
            return None
        is_there = open_checkpoint(found.data, parse_vkey(ledger.verifier_key)).checkpoint.size >= size
        return found.data if is_there else None

    return await until(shows, f"the mirror shows {size} entries")


async def data_of(bucket: Bucket, name: str) -> bytes:
    found = await bucket.read(name)
    assert found is not None, f"{name} is there"
    return found.data


async def start_fails(ledger: RunningLedger) -> str:
    """Return why a ledger ends while it starts, or soon after it did."""
    try:
        await ledger.start()
    except OperatorFault as fault:
        return fault.detail
    await ended(ledger)
    await ledger.stop()
    return ledger.log.getvalue().decode()


async def test_the_store_holds_what_the_log_serves_and_anybody_reads_it_as_a_log(
    ledger: RunningLedger, place: str, endpoint: str, session: aiohttp.ClientSession
) -> None:
    college = await ledger.admit("college")
    for part in range(3):
        await ledger.submit(ledger.registrar.issues(college, ENTRIES, f"part {part}"))
    size, bucket = 2 + 3 * ENTRIES, Bucket(place)
    await ledger.published(size)
    await mirrored(ledger, bucket, size)
    for name in ("tile/0/002", "tile/entries/002", "tile/0/003.p/134", "tile/1/000.p/3", "tile/entries/003.p/134"):
        found = await bucket.read(name)
        status, body, _ = await ledger.get(f"/{name}")
        assert found is not None, name
        assert (status, body) == (200, found.data)
    for name in ("tile/0/000.p/2", "tile/entries/001.p/46"):
        assert await bucket.read(name) is None, "the full one has taken its place"
    client = TileClient(session, f"{endpoint}/{place.removeprefix('s3://')}")
    assert await client.refresh() == await data_of(bucket, "checkpoint")
    exact = [line async for line in ledger.client.entries(0, size)]
    assert [line async for line in client.entries(0, size)] == exact
    async with session.get(f"{client.url}/tile/0/002") as response:
        assert "immutable" in response.headers["Cache-Control"]


async def test_what_contradicts_the_log_in_the_store_ends_the_process(ledger: RunningLedger, place: str) -> None:
    bucket = Bucket(place)
    await mirrored(ledger, bucket, 1)
    assert await bucket.create("tile/0/000.p/2", b"\0" * 64, TEXT)
    await ledger.admit("college")
    await ended(ledger)
    assert b"mirror-conflict" in ledger.log.getvalue()
    assert await data_of(bucket, "tile/0/000.p/2") == b"\0" * 64
    await ledger.stop()


async def test_another_log_in_the_folder_is_refused(ledger: RunningLedger, place: str) -> None:
    bucket = Bucket(place)
    await mirrored(ledger, bucket, 1)
    await ledger.stop()
    was = await bucket.read("checkpoint")
    assert await bucket.replace("checkpoint", b"something else\n", TEXT, was=was)
    assert "mirrors another log" in await start_fails(ledger)


async def test_a_store_that_is_away_delays_the_mirror_and_nothing_else(
    ledger: RunningLedger, place: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket(place)
    await mirrored(ledger, bucket, 1)
    await ledger.stop()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    await ledger.start()
    await ledger.admit("college")
    await ledger.published(2)

    async def delayed() -> bool | None:
        return True if b"mirror_delayed" in ledger.log.getvalue() else None

    await until(delayed, "the operator is told")
    assert not ledger.ended_with
    await ledger.stop()
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    await ledger.start()
    await mirrored(ledger, bucket, 2)


async def test_a_store_that_writes_over_what_is_there_is_not_used(
    ledger: RunningLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def put(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(headers={"ETag": '"1"'})

    app = web.Application()
    app.router.add_put("/{name:.+}", put)
    await ledger.stop()
    async with TestServer(app) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", str(server.make_url("/")))
        assert "does not refuse to write over an object" in await start_fails(ledger)


async def test_a_bucket_that_does_not_exist_or_has_no_name_is_said(ledger: RunningLedger, place: str) -> None:
    await ledger.stop()
    ledger.config = replace(ledger.config, mirror_bucket="s3:/bucket")
    with pytest.raises(SettingsFault, match="s3://BUCKET/FOLDER"):
        await ledger.start()
    for url in ("s3://", "bucket/folder", "gs://bucket"):
        with pytest.raises(SettingsFault, match="s3://BUCKET/FOLDER"):
            Bucket(url)
    nowhere = Bucket(f"s3://nowhere-{abs(hash(place))}/log")
    with pytest.raises(BucketProblem, match="could not be written"):
        await nowhere.create("checkpoint", b"", TEXT)


async def test_an_object_is_replaced_only_while_it_is_what_was_read(place: str) -> None:
    bucket = Bucket(place)
    assert await bucket.replace("name", b"one", TEXT, was=None)
    first = await bucket.read("name")
    assert await bucket.replace("name", b"two", TEXT, was=first)
    assert not await bucket.replace("name", b"three", TEXT, was=first)
    assert not await bucket.replace("name", b"three", TEXT, was=None)
    assert await data_of(bucket, "name") == b"two"
    await bucket.create("large", b"\0" * (OBJECT_BYTES_MAX + 1), TEXT)
    with pytest.raises(BucketProblem, match="nothing of a log is as large"):
        await bucket.read("large")
    await bucket.create("folder/1", b"", TEXT)
    await bucket.remove_under("folder")
    assert await bucket.read("folder/1") is None


async def test_lost_entries_come_back_from_the_store(ledger: RunningLedger, place: str) -> None:
    college = await ledger.admit("college")
    await ledger.published(2)
    await ledger.stop()
    current = ledger.database
    async with copied(ledger) as older:
        await ledger.start()
        await ledger.submit(ledger.registrar.issues(college, ENTRIES))
        await mirrored(ledger, Bucket(place), 2 + ENTRIES)
        await ledger.stop()
        on(ledger, older)
        async with open_source(f"{place}-of-nobody") as source:
            with pytest.raises(InvalidProblem, match="name a mirror of this log"):
                await recover(ledger.config, source, now=ledger.registrar.now)
        async with open_source(place) as source:
            done = await recover(ledger.config, source, now=ledger.registrar.now)
        assert (done.size_before, done.size) == (2, 2 + ENTRIES)
        await ledger.start()
        await ledger.issued(college, "after")
        await mirrored(ledger, Bucket(place), 3 + ENTRIES)
        await ledger.stop()
        assert (await ledger.fsck()).damages == ()
    on(ledger, current)
