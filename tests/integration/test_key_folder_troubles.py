"""The key folder is away for a moment: nothing is refused for good, and no erasure stays half done."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from proto.ids import LearnerId
from proto.wire.batches import BatchAnswer
from services.issuer_gateway.keys.vault import (
    FILE_NAME,
    KeyFolderProblem,
    KeyFolderUnavailableProblem,
    Vault,
    vault_folder,
)
from tests.support.gateways import RunningGateway
from tests.support.ledgers import until


def _folder(gateway: RunningGateway) -> Path:
    return vault_folder(gateway.config.key_folder, gateway.config.master_key_file)


def _is_in_files(folder: Path, content: bytes) -> bool:
    return any(content in file.read_bytes() for file in folder.iterdir())


@contextlib.contextmanager
def _without(folder: Path, table: str) -> Iterator[None]:
    """Take a table of the key folder's file away while the block runs: SQLite fails at once, as on a full disk."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as file:
        file.execute(f"ALTER TABLE {table} RENAME TO taken_away")
        try:
            yield
        finally:
            file.execute(f"ALTER TABLE taken_away RENAME TO {table}")


async def test_a_request_is_told_to_come_again(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    with _without(_folder(gateway), "learner_key"):
        answered = await office.client.post("/v1/credentials", office.award(uri, "learner-1"), key="one")
        assert (answered.status, answered.slug) == (503, "key-folder-unavailable")
        assert "Retry-After" in answered.headers
    answered = await office.client.post("/v1/credentials", office.award(uri, "learner-1"), key="one")
    assert answered.status in {201, 202}


async def test_a_batch_in_the_background_waits_and_goes_on(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    rows = "".join(f"l-{n},Zo,Briain,hydrology,2026-01-01\n" for n in range(1_001))
    body = f"learner_ref,given_name,family_name,achievement,valid_from\n{rows}".encode()

    async def waited() -> bool | None:
        return True if b"batch_waits" in gateway.log.getvalue() else None

    with _without(_folder(gateway), "status_places"):
        sent = await office.client.send("POST", "/v1/batches", body, media_type="text/csv", key="list")
        assert sent.status == 202, sent
        await until(waited, "the worker has met the failure")

    async def over() -> BatchAnswer | None:
        found = (await office.client.get(f"/v1/batches/{sent.body['batch_id']}")).as_(BatchAnswer)
        return found if found.state in {"finished", "failed"} else None

    done = await until(over, "the batch is over")
    assert (done.state, done.accepted_count, done.refused_count) == ("finished", 1_001, 0)


async def test_an_erasure_whose_keys_could_not_be_destroyed_is_finished_by_the_same_request(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    await office.issue((await office.describe()).achievement.uri, "learner-1")
    assert gateway.inside is not None
    learner_id = LearnerId(await gateway.inside.pool.fetchval("SELECT learner_id::text FROM learner"))
    with _without(_folder(gateway), "learner_key"):
        answered = await office.client.send("DELETE", "/v1/learners/learner-1")
        assert (answered.status, answered.slug) == (503, "key-folder-unavailable")
    with contextlib.closing(Vault(_folder(gateway))) as vault:
        assert (await vault.keys([learner_id]))[learner_id] is not None
        again = await office.client.send("DELETE", "/v1/learners/learner-1")
        assert (again.status, again.slug) == (404, "unknown-learner")
        assert await vault.keys([learner_id]) == {learner_id: None}


async def test_the_hourly_sweep_finishes_erasures_too(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.issue((await office.describe()).achievement.uri, "learner-1")
    assert gateway.inside is not None
    learner_id = LearnerId(await gateway.inside.pool.fetchval("SELECT learner_id::text FROM learner"))
    with _without(_folder(gateway), "learner_key"):
        assert (await office.client.send("DELETE", "/v1/learners/learner-1")).status == 503
    assert gateway.commands is not None
    await gateway.commands.learner_requests.sweep()
    with contextlib.closing(Vault(_folder(gateway))) as vault:
        assert await vault.keys([learner_id]) == {learner_id: None}


async def test_a_key_that_another_process_keeps_in_the_journal_is_not_called_destroyed(tmp_path: Path) -> None:
    folder, learner_id, key = tmp_path / "keys", LearnerId("one"), b"a sealed key"
    with contextlib.closing(Vault(folder, busy_ms=1)) as vault:
        await vault.keep({learner_id: key})
        with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM learner_key").fetchone()
            with pytest.raises(KeyFolderUnavailableProblem):
                await vault.destroy([learner_id])
            reader.execute("COMMIT")
        await vault.destroy([learner_id])
        assert await vault.keys([learner_id]) == {learner_id: None}
        assert not _is_in_files(folder, key)


async def test_a_folder_without_any_key_of_the_databases_learners_is_not_begun_anew(gateway: RunningGateway) -> None:
    """So a disk looks that is not mounted: whoever is issued to again would get a second key there."""
    office = await gateway.institution("waterland")
    await office.issue((await office.describe()).achievement.uri)
    await gateway.stop()
    folder = _folder(gateway)
    kept = folder.rename(folder.with_name("kept"))
    with pytest.raises(KeyFolderProblem, match=r"holds no key of any.*RUNBOOK\.md: key-folder"):
        await gateway.start()
    config = gateway.config
    gateway.config = replace(config, key_folder_lost=True)
    await gateway.start()
    await gateway.stop()
    folder.rename(folder.with_name("of another database"))
    kept.rename(folder)
    gateway.config = config
    await gateway.start()
