"""Walked: a gateway without its master key, without its learners' keys, and with tables of another version."""

import shutil

import msgspec
import pytest

from services.issuer_gateway.keys.keystore import create_master_key
from services.issuer_gateway.keys.vault import vault_folder
from tests.monitoring.stand import WatchedGateway, settings_of
from tests.runbook.page import blocks
from tests.runbook.walk import Walk
from tests.support.database_copies import execute


@pytest.mark.walk("master-key", "key-folder", "migration", is_long=True)
async def test_keys_that_are_away_and_tables_of_a_newer_release(walk: Walk) -> None:
    ledger = await walk.ledger()
    gateway = await walk.stand.gateway(ledger)
    office = await gateway.institution("waterland")
    await office.issue((await office.describe()).achievement.uri)
    await gateway.stop()
    walk.shell.variables |= settings_of("gateway", gateway.config) | {
        "GATEWAY_OWNER_URL": gateway.database.owner_url,
        "MASTER_KEY_FILE": str(gateway.config.master_key_file),
        "KEPT_MASTER_KEY": str(walk.folder / "kept.key"),
        "KEY_FOLDER": str(vault_folder(gateway.config.key_folder, gateway.config.master_key_file)),
        "KEY_FOLDER_COPY": str(walk.folder / "kept-keys"),
    }
    await _master_key_is_put_back(walk, gateway)
    await _key_folder_is_put_back(walk, gateway)
    await _newer_tables_are_left_alone(gateway)


async def _master_key_is_put_back(walk: Walk, gateway: WatchedGateway) -> None:
    file, kept = gateway.config.master_key_file, walk.folder / "kept.key"
    shutil.copy(file, kept)
    file.chmod(0o644)
    assert "can be read by others" in await gateway.prepared().refuses()
    file.unlink()
    create_master_key(file)
    assert "The master key cannot be used" in await gateway.prepared().refuses()
    put, look = blocks("master-key")
    await walk.run(put)
    await walk.run(look)
    await gateway.start()
    await gateway.stop()


async def _key_folder_is_put_back(walk: Walk, gateway: WatchedGateway) -> None:
    folder = vault_folder(gateway.config.key_folder, gateway.config.master_key_file)
    folder.rename(walk.folder / "kept-keys")
    said = await gateway.prepared().refuses()
    assert "RUNBOOK.md: key-folder" in said, said
    await walk.follow("key-folder")
    await gateway.start()
    await gateway.stop()


async def _newer_tables_are_left_alone(gateway: WatchedGateway) -> None:
    await execute(gateway.database, "INSERT INTO migration VALUES (9999, '9999_later.sql', sha256('x'))")
    said = await gateway.prepared().refuses()
    assert "cannot be brought to the version of this program" in said, said
    gateway.config = msgspec.structs.replace(gateway.config, migration_database_url=None)
    await gateway.start()
