"""Erasure reaches backups: a database from before it, with the master key, opens nothing any more (DESIGN 8)."""

import contextlib
import shutil
from pathlib import Path

import msgspec
import pytest

from proto.documents.status_check import read_entries
from proto.wire.gateway import CredentialAnswer
from proto.wire.requests import RequestMade
from services.issuer_gateway.keys.keystore import Keystore, UnsealableProblem
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.keys.vault import FILE_NAME, KeyFolderProblem, Vault, vault_folder
from services.issuer_gateway.store import learners
from services.persistence import postgres
from tests.support.databases import Database
from tests.support.gateways import Office, RunningGateway


def _folder(gateway: RunningGateway) -> Path:
    return vault_folder(gateway.config.key_folder, gateway.config.master_key_file)


async def _copy(gateway: RunningGateway, name: str, template: str) -> None:
    """Copy a database nobody is connected to, as a backup does or its restore."""
    async with postgres.connected(
        gateway.database.admin_url.replace(gateway.database.name, "postgres"), application_name="backup"
    ) as admin:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}"')
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER {gateway.database.owner_role}')


class Backup:
    """A copy of the gateway's database, taken while it does not run."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self._name = f"{gateway.database.name}_backup"

    async def take(self) -> None:
        """Stop the gateway, copy its database, start it again."""
        await self._gateway.stop()
        await _copy(self._gateway, self._name, self._gateway.database.name)
        await self._gateway.start()

    async def restore(self) -> None:
        """Put the copy in place of the database and start the gateway on it."""
        await self._gateway.stop()
        await _copy(self._gateway, self._gateway.database.name, self._name)
        await _copy(self._gateway, self._name, "template0")
        await self._gateway.start()


async def _document(office: Office, issued: CredentialAnswer) -> tuple[int, str]:
    answered = await office.client.get(f"/v1/credentials/{issued.credential_id}/document")
    return answered.status, answered.slug if answered.status >= 400 else ""


async def test_a_backup_from_before_an_erasure_opens_no_document_of_the_learner(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    erased, kept = await office.issue(uri, "learner-1"), await office.issue(uri, "learner-2")
    for issued in (erased, kept):
        await office.published(issued.credential_id)
        assert await _document(office, issued) == (200, "")
    backup = Backup(gateway)
    await backup.take()
    answered = await office.client.send("DELETE", "/v1/learners/learner-1")
    assert (answered.status, answered.body["document_count"]) == (200, 1)
    assert await _document(office, erased) == (410, "erased")
    await backup.restore()
    again = Office(gateway, office.created)
    assert await _document(again, kept) == (200, "")
    assert await _document(again, erased) == (410, "erased")
    assert (await again.client.get("/v1/credentials?learner=learner-1")).body["credentials"] == []
    await _assert_unreadable(gateway.database, gateway)


async def _assert_unreadable(database: Database, gateway: RunningGateway) -> None:
    """Nothing that lies in the database or the key folder opens the document, with the master key in hand."""
    keystore = Keystore.from_file(gateway.config.master_key_file)
    async with postgres.connected(database.owner_url, application_name="thief") as connection:
        rows = await connection.fetch(
            """SELECT learner_id::text, sealed_key, credential_id, sealed_document
               FROM credential JOIN learner USING (learner_id)"""
        )
    assert all(row["sealed_key"] is None for row in rows)
    with contextlib.closing(Vault(_folder(gateway))) as vault:
        keys = await LearnerKeys(vault, keystore).known(row["learner_id"] for row in rows)
    closed = [row for row in rows if keys[row["learner_id"]] is None]
    assert len(closed) == 1
    with pytest.raises(UnsealableProblem):
        keystore.open(closed[0]["sealed_document"], "document", closed[0]["credential_id"].hex())


async def test_no_trace_of_a_destroyed_key_is_left_in_the_files(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.issue((await office.describe()).achievement.uri, "learner-1")
    assert gateway.inside is not None
    learner_id = await gateway.inside.pool.fetchval("SELECT learner_id::text FROM learner")
    with contextlib.closing(Vault(_folder(gateway))) as vault:
        sealed = (await vault.keys([learner_id]))[learner_id]
    assert sealed is not None
    assert any(sealed in file.read_bytes() for file in _folder(gateway).iterdir())
    await office.client.send("DELETE", "/v1/learners/learner-1")
    assert not any(sealed in file.read_bytes() for file in _folder(gateway).iterdir())


async def test_a_restored_database_begins_a_new_status_list(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    await office.published((await office.issue(uri)).credential_id)
    backup = Backup(gateway)
    await backup.take()
    office = Office(gateway, office.created)
    lost = await office.issue(uri, "learner-2")
    await office.published(lost.credential_id)
    await backup.restore()
    office = Office(gateway, office.created)
    answered = await office.client.post("/v1/credentials", office.award(uri, "learner-3"))
    assert answered.status in {201, 202}, answered
    document = (await office.client.get(f"{answered.headers['Location']}/document")).body
    (entry,) = read_entries(document)
    assert entry.list_url.endswith("/status/2")


async def test_an_erasure_that_broke_off_is_finished_at_the_next_start(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    issued = await office.issue((await office.describe()).achievement.uri, "learner-1")
    await office.published(issued.credential_id)
    assert gateway.inside is not None
    async with postgres.transaction(gateway.inside.pool) as connection:  # as if we ended before the key was destroyed
        institution_id = await connection.fetchval("SELECT institution_id FROM institution")
        erased = await learners.erase(connection, institution_id, "learner-1")
    assert erased is not None
    await gateway.stop()
    await gateway.start()
    with contextlib.closing(Vault(_folder(gateway))) as vault:
        assert await vault.keys([erased.learner_id]) == {erased.learner_id: None}


async def test_keys_that_an_earlier_version_left_in_the_database_are_moved_out(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    issued = await office.issue((await office.describe()).achievement.uri, "learner-1")
    await office.published(issued.credential_id)
    await gateway.stop()
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        learner_id = await connection.fetchval("SELECT learner_id::text FROM learner")
        with contextlib.closing(Vault(_folder(gateway))) as vault:
            sealed = (await vault.keys([learner_id]))[learner_id]
        await connection.execute("UPDATE learner SET sealed_key = $1", sealed)
    shutil.rmtree(_folder(gateway))
    await gateway.start()
    assert gateway.inside is not None
    assert await gateway.inside.pool.fetchval("SELECT count(sealed_key) FROM learner") == 0
    assert await _document(Office(gateway, office.created), issued) == (200, "")


async def test_a_key_folder_that_others_may_read_is_refused(gateway: RunningGateway, tmp_path: Path) -> None:
    await gateway.stop()
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    config = gateway.config
    gateway.config = msgspec.structs.replace(config, key_folder=folder)
    with pytest.raises(KeyFolderProblem, match="chmod 700"):
        await gateway.start()
    gateway.config = config
    (_folder(gateway) / FILE_NAME).write_bytes(b"no database" * 1000)
    with pytest.raises(KeyFolderProblem, match="cannot be opened"):
        await gateway.start()
    shutil.rmtree(_folder(gateway))
    await gateway.start()


async def test_a_backup_from_before_a_withdrawal_opens_nothing_of_the_request(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe(takes_requests=True)
    asked = {"institution": "waterland", "achievement": "hydrology", "family_name": "Ó Briain"}
    made = (await gateway.client().post("/v1/requests", asked)).as_(RequestMade)
    backup = Backup(gateway)
    await backup.take()
    await gateway.client().send("DELETE", f"/v1/request-links/{made.secret}")
    await backup.restore()
    office = Office(gateway, office.created)
    found = (await office.client.get(f"/v1/requests/{made.request_id}")).body
    assert (found.get("wish"), found["is_erased"]) == (None, True)
    refused = await office.client.post(f"/v1/requests/{made.request_id}/accept", {})
    assert (refused.status, refused.slug) == (410, "erased")


async def test_a_request_that_was_altered_in_the_database_is_found(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe(takes_requests=True)
    asked = {"institution": "waterland", "achievement": "hydrology", "family_name": "Ó Briain"}
    await gateway.client().post("/v1/requests", asked)
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        sealed = await connection.fetchval("SELECT sealed_content FROM request")
        await connection.execute("UPDATE request SET sealed_content = $1", sealed[:-1] + bytes([sealed[-1] ^ 1]))
        assert [damage.place.split()[0] for damage in (await gateway.fsck()).damages] == ["request"]
        await connection.execute("UPDATE request SET sealed_content = $1", sealed)
