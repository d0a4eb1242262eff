"""Looks for what must not be there any more: in every table, every file and every line that a gateway wrote."""

import base64
import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.issuer_gateway.keys.keystore import KEY_BYTES, DataKey, Keystore
from services.issuer_gateway.keys.vault import Vault, vault_folder
from services.persistence.postgres import connected
from tests.support.gateways import RunningGateway


async def assert_nowhere(gateway: RunningGateway, said: Sequence[str]) -> None:
    """Fail where any of these texts is stored or was written in clear."""
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            rows = await connection.fetch(f"SELECT whole::text AS text FROM {table} AS whole")
            text = "\n".join(row["text"] for row in rows)
            for each in said:
                assert each not in text, (table, each)
                assert each.encode().hex() not in text, (table, each)
    files = [gateway.log.getvalue(), *map(Path.read_bytes, _files_under(gateway.config.key_folder))]
    assert not any(each.encode() in content for each in said for content in files)


async def assert_in_no_file(gateway: RunningGateway, said: Sequence[str]) -> None:
    """Fail where any of these texts is in a file of the gateway's database, its write-ahead log, or the key folder."""
    spelled = [form for each in said for form in _spelled(each)]
    for file in await files_of(gateway):
        content = content_of(file)
        assert not any(form in content for form in spelled), file


def _spelled(text: str) -> Iterator[bytes]:
    """Yield a text in the spellings in which files may hold it: as it is, in JSON, in hex, and in base64."""
    data = text.encode()
    yield from (data, json.dumps(text)[1:-1].encode(), data.hex().encode(), text.encode("utf-16-le"))
    for before in range(3):  # bytes that stand before it
        yield base64.b64encode(bytes(before) + data)[4 if before else 0 : -4]


async def files_of(gateway: RunningGateway) -> list[Path]:
    """Return the files of the database and its copies, the server's write-ahead log, and those of the key folder."""
    async with connected(gateway.database.admin_url, application_name="thief") as admin:
        await admin.execute("CHECKPOINT")
        folder = Path(await admin.fetchval("SHOW data_directory"))
        oids = [
            row["oid"]
            for row in await admin.fetch(
                "SELECT oid::text FROM pg_database WHERE datname LIKE $1 || '%'", gateway.database.name
            )
        ]
    ours = [folder / "base" / oid for oid in oids] + [folder / "pg_wal", key_folder_of(gateway)]
    return [file for each in ours for file in _files_under(each)]


def key_folder_of(gateway: RunningGateway) -> Path:
    """Return the gateway's key folder."""
    return vault_folder(gateway.config.key_folder, gateway.config.master_key_file)


def content_of(file: Path) -> bytes:
    """Return a file's bytes; none of one that the server has recycled meanwhile."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


async def keys_left(gateway: RunningGateway) -> list[DataKey]:
    """Return every key there is now: the master key, and those of learners and batches in the key folder."""
    keystore = Keystore.from_file(gateway.config.master_key_file)
    async with connected(gateway.database.owner_url, application_name="thief") as connection:
        ids = [row[0] for row in await connection.fetch("SELECT learner_id::text FROM learner")]
    keys: list[DataKey] = [keystore]
    with contextlib.closing(Vault(key_folder_of(gateway))) as vault:
        keys += [keystore.learner_key(key, name) for name, key in (await vault.keys(ids)).items() if key]
        for key_id in await vault.old_batch_keys(hours=-1):
            sealed = await vault.batch_key(key_id)
            assert sealed
            keys.append(DataKey(keystore.open(sealed, "batch-key", key_id)[:KEY_BYTES]))
    return keys


def _files_under(folder: Path | None) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()] if folder else []
