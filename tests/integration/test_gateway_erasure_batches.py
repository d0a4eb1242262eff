"""Erasure reaches batches: rows that wait are taken out, and no key but the learner's ever opened what they said."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import msgspec
import pytest

from proto.tables.awards_csv import COLUMNS as AWARD_COLUMNS
from proto.wire.batches import BatchAnswer, BatchRow
from services.issuer_gateway.batches import small_batch
from services.issuer_gateway.batches.batch_worker import BatchWorker
from services.issuer_gateway.credentials.prepare_rows import PrepareRows
from services.issuer_gateway.keys.keystore import KEY_BYTES, DataKey, Keystore, UnsealableProblem
from services.issuer_gateway.keys.vault import FILE_NAME, Vault, vault_folder
from services.persistence import postgres
from tests.support.erased import content_of, files_of
from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.ledgers import until

CSV, NDJSON = "text/csv", "application/x-ndjson"
HEADER = "learner_ref,given_name,family_name,email,achievement,valid_from\n"
NAME, MAIL = "Quirinia", "quirinia.zwaluw@waterland.example"


class Held:
    """Holds the worker between parts until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_go = asyncio.Event()
        step = BatchWorker.step

        async def held(worker: BatchWorker) -> bool:
            await self.may_go.wait()
            return await step(worker)

        monkeypatch.setattr(BatchWorker, "step", held)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Return what holds the worker, which is held from the start."""
    return Held(monkeypatch)


def _row(ref: str, achievement: str = "hydrology", *, name: str = "Zoë", mail: str = "") -> str:
    return f"{ref},{name},Zwaluw,{mail},{achievement},2026-01-01\n"


def _list(*special: str, count: int = 1_001) -> bytes:
    return (HEADER + "".join(_row(f"l-{n}") for n in range(count)) + "".join(special)).encode()


async def _send(office: Office, body: bytes, *, media: str = CSV, key: str = "k", query: str = "") -> Answered:
    return await office.client.send("POST", f"/v1/batches{query}", body, media_type=media, key=key)


async def _over(office: Office, batch_id: str) -> BatchAnswer:
    async def ask() -> BatchAnswer | None:
        found = (await office.client.get(f"/v1/batches/{batch_id}")).as_(BatchAnswer)
        return found if found.state in {"finished", "cancelled", "failed"} else None

    return await until(ask, "the batch is over")


async def _rows(office: Office, batch_id: str) -> list[BatchRow]:
    url = f"{office.gateway.url}/v1/batches/{batch_id}/rows"
    headers = {"Authorization": f"Bearer {office.created.api_key}"}
    async with office.gateway.ledger.session.get(url, headers=headers) as response:
        return [msgspec.json.decode(line, type=BatchRow) async for line in response.content]


def _folder(gateway: RunningGateway) -> Path:
    return vault_folder(gateway.config.key_folder, gateway.config.master_key_file)


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_an_erasure_takes_its_learners_rows_out_of_a_batch_that_waits(
    gateway: RunningGateway, held: Held, query: str
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    body = _list(_row("q-1", name=NAME), f'q-1,{NAME},"broken\n')
    batch_id = (await _send(office, body, query=query)).body["batch_id"]
    await office.issue("hydrology", "q-1")
    erased = await office.client.send("DELETE", "/v1/learners/q-1")
    assert (erased.status, erased.body["document_count"], erased.body["pending_row_count"]) == (200, 1, 2)
    assert (await office.client.send("DELETE", "/v1/learners/q-1")).status == 404
    held.may_go.set()
    done = await _over(office, batch_id)
    assert (done.state, done.accepted_count, done.refused_count) == ("finished", 1_001, 2)
    slugs = [row.problem["type"].rpartition(":")[2] for row in await _rows(office, batch_id) if row.problem]
    assert slugs == ["learner-erased", "learner-erased"]
    assert (await office.client.get("/v1/credentials?learner=q-1")).body["credentials"] == []


@pytest.mark.parametrize(
    ("ref", "said", "written"),
    [("q-1", b'"q-1"', b'"\\u0071-1"'), ("cohort/q-1", b'"cohort/q-1"', b'"cohort\\/q-1"')],  # PHP escapes slashes
)
async def test_a_learner_who_is_known_by_a_waiting_row_alone_is_erased(
    gateway: RunningGateway, held: Held, ref: str, said: bytes, written: bytes
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    lines = [msgspec.json.encode(office.award("hydrology", f"l-{n}")) for n in range(1_001)]
    escaped = msgspec.json.encode(office.award("hydrology", ref)).replace(said, written)
    batch_id = (await _send(office, b"\n".join([*lines, escaped]), media=NDJSON)).body["batch_id"]
    erased = await office.client.send("DELETE", f"/v1/learners/{quote(ref, safe='')}")
    assert (erased.status, erased.body["pending_row_count"]) == (200, 1)
    held.may_go.set()
    assert (await _over(office, batch_id)).refused_count == 1
    assert (await office.client.send("DELETE", f"/v1/learners/{quote(ref, safe='')}")).status == 404


async def test_an_erasure_reaches_a_list_that_a_request_has_in_hand(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    await office.issue("hydrology", "q-1")
    begun, may_go, run_chunk = asyncio.Event(), asyncio.Event(), small_batch.IssueList._run_chunk

    async def held(*arguments: Any, **fields: Any) -> Any:
        done = await run_chunk(*arguments, **fields)
        begun.set()
        await may_go.wait()
        return done

    monkeypatch.setattr(small_batch.IssueList, "_run_chunk", held)
    monkeypatch.setattr(small_batch, "shuffled", lambda rows, _: rows)  # the learner's row comes after the first chunk
    sending = asyncio.create_task(_send(office, _list(_row("q-1", name=NAME), count=600)))
    await begun.wait()
    assert (await office.client.send("DELETE", "/v1/learners/q-1")).status == 200
    may_go.set()
    answered = (await sending).as_(BatchAnswer)
    assert (answered.accepted_count, answered.refused_count) == (600, 1)
    assert answered.rows[-1].problem is not None
    assert answered.rows[-1].problem["type"].endswith(":learner-erased")
    assert (await office.client.send("DELETE", "/v1/learners/q-1")).status == 404


async def test_an_erasure_reaches_a_row_whose_document_is_made_already(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    await office.issue("hydrology", "q-1")
    begun, may_go, prepare = asyncio.Event(), asyncio.Event(), PrepareRows.prepare

    async def held(*arguments: Any, **fields: Any) -> Any:
        done = await prepare(*arguments, **fields)
        begun.set()
        await may_go.wait()
        return done

    monkeypatch.setattr(PrepareRows, "prepare", held)
    sending = asyncio.create_task(_send(office, _list(_row("q-1", name=NAME), count=3)))
    await begun.wait()
    assert (await office.client.send("DELETE", "/v1/learners/q-1")).status == 200
    may_go.set()
    answered = (await sending).as_(BatchAnswer)
    assert (answered.accepted_count, answered.refused_count) == (3, 1)
    assert answered.rows[-1].problem is not None
    assert answered.rows[-1].problem["type"].endswith(":learner-erased")
    assert (await office.client.send("DELETE", "/v1/learners/q-1")).status == 404


_SEALED = """
    SELECT 'batch-part' AS purpose, batch_id || E'\\n' || part AS name, NULL AS learner_id, sealed FROM batch_part
    UNION ALL SELECT 'problem', batch_id || E'\\n' || line, NULL, sealed_problem FROM batch_row
    UNION ALL SELECT 'notes', batch_id || E'\\n' || line, NULL, sealed_notes FROM batch_row
    UNION ALL SELECT 'answer', institution_id || E'\\n' || encode(key_fingerprint, 'hex'), NULL, sealed_answer
        FROM answered
    UNION ALL SELECT 'document', encode(credential_id, 'hex'), learner_id::text, sealed_document FROM credential
"""


async def _found(gateway: RunningGateway, url: str) -> list[bytes]:
    """Return what a database holds, and what of it opens with the master key and every key that is left."""
    keystore = Keystore.from_file(gateway.config.master_key_file)
    found: list[bytes] = []
    async with postgres.connected(url, application_name="thief") as connection:
        for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            table = await connection.fetch(f'SELECT "{row["tablename"]}"::text AS text FROM "{row["tablename"]}"')
            found += [each["text"].encode() for each in table]
        rows = [row for row in await connection.fetch(_SEALED) if row["sealed"]]
    with contextlib.closing(Vault(_folder(gateway))) as vault:
        learners = await vault.keys(row["learner_id"] for row in rows if row["learner_id"])
        keys: list[DataKey] = [keystore]
        for key_id in await vault.old_batch_keys(hours=-1):
            sealed_key = await vault.batch_key(key_id)
            assert sealed_key
            keys.append(DataKey(keystore.open(sealed_key, "batch-key", key_id)[:KEY_BYTES]))
    for row in rows:
        sealed_key = learners.get(row["learner_id"]) if row["learner_id"] else None
        own = [keystore.learner_key(sealed_key, row["learner_id"])] if sealed_key else []
        for key in [*keys, *own]:
            with contextlib.suppress(UnsealableProblem):
                found.append(key.open(row["sealed"], row["purpose"], row["name"]))
    return found


async def test_nothing_of_an_erased_learner_is_found_in_any_file_with_every_key_but_the_learners(
    gateway: RunningGateway, held: Held
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    rows = _row("q-1", name=NAME, mail=MAIL), _row("q-1", NAME, name=NAME, mail=MAIL)
    done_id = (await _send(office, _list(*rows), key="done")).body["batch_id"]
    with contextlib.closing(Vault(_folder(gateway))) as vault:
        (first_key,) = await vault.old_batch_keys(hours=-1)
        sealed_keys = [await vault.batch_key(first_key)]
    backup = await _backup(gateway)  # (1) taken while all rows wait
    assert any(sealed_keys[0] in file.read_bytes() for file in _folder(gateway).iterdir() if sealed_keys[0])
    held.may_go.set()
    await _over(office, done_id)
    held.may_go.clear()
    await _send(office, _list(*rows), key="waits", query="?dry_run=true")
    with contextlib.closing(Vault(_folder(gateway))) as vault:
        sealed_keys += [await vault.batch_key(key_id) for key_id in await vault.old_batch_keys(hours=-1)]
    again = await _backup(gateway, "again")  # (2) taken while one batch waits and one is done
    assert (await office.client.send("DELETE", "/v1/learners/q-1")).body["pending_row_count"] == 2
    shown = str(await _rows(office, done_id)).encode()
    for url in (gateway.database.owner_url, backup, again):
        found = await _found(gateway, url)
        assert any(b"l-7" in value for value in found) or url == backup, "the others' rows can still be read"
        for value in [shown, *found]:
            assert NAME.encode() not in value, url
            assert MAIL.encode() not in value, url
    assert len(sealed_keys) == 2
    for file in await files_of(gateway):
        content = content_of(file)
        for wanted in (NAME.encode(), MAIL.encode(), *filter(None, sealed_keys)):
            assert wanted not in content, file
    held.may_go.set()


async def _backup(gateway: RunningGateway, name: str = "backup") -> str:
    """Copy the database as it is, by way of its rows, and return the copy's address."""
    source = gateway.database.name
    target = f"{source}_{name}"
    admin_url = gateway.database.admin_url
    async with postgres.connected(admin_url.replace(source, "postgres"), application_name="backup") as admin:

        async def is_copied() -> bool | None:  # nobody may be connected meanwhile, and a running gateway comes back
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
                source,
            )
            try:
                await admin.execute(
                    f'CREATE DATABASE "{target}" TEMPLATE "{source}" OWNER {gateway.database.owner_role}'
                )
            except asyncpg.ObjectInUseError:
                return None
            return True

        await until(is_copied, "the database is copied")
        await admin.execute("CHECKPOINT")
    return gateway.database.owner_url.replace(source, target)


async def test_a_refused_row_says_which_column_is_wrong_and_quotes_nothing_of_it(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    columns = [*AWARD_COLUMNS]
    right = {"learner_ref": "a-1", "given_name": "Ann", "achievement": "hydrology", "valid_from": "2026-01-01"}
    rows = [[("Xqz 2026-02-30" if name == wrong else right.get(name, "")) for name in columns] for wrong in columns]
    body = "\n".join([",".join(columns), *(",".join(row) for row in rows)]).encode()
    for query in ("", "?dry_run=true"):
        answered = (await _send(office, body, key=f"csv-{len(query)}", query=query)).as_(BatchAnswer)
        assert answered.refused_count > len(columns) - 6
        assert "Xqz" not in str(answered.rows)
        assert "2026-02-30" not in str(answered.rows)
    award = office.award("hydrology", "b-1")
    awards: list[Any] = [award | {name: "Xqz 2026-02-30"} for name in award]
    awards += [award | {"result": {"status": "Xqz"}}, award | {"learner": award["learner"] | {"date_of_birth": "Xqz"}}]
    awards += [award | {"Xqz Jansen": 1}, ["Xqz"], "Xqz"]
    for query in ("", "?dry_run=true"):
        answered = (await _send(office, msgspec.json.encode(awards), media="application/json", query=query)).as_(
            BatchAnswer
        )
        assert answered.refused_count >= len(awards) - 1
        assert "Xqz" not in str(answered.rows)


async def test_refusals_that_an_earlier_version_kept_lose_their_words(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    body = (HEADER + _row("a-1", "unknown")).encode()
    batch_id = (await _send(office, body)).body["batch_id"]
    await gateway.stop()
    keystore = Keystore.from_file(gateway.config.master_key_file)
    problem = {"type": "urn:x:invalid", "status": 422, "detail": f"{NAME!r} is wrong", "pointer": "/achievement"}
    sealed = keystore.seal(msgspec.json.encode(problem), "problem", f"{batch_id}\n2")
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("UPDATE batch_row SET sealed_problem = $1", sealed)
        await connection.execute("UPDATE batch SET may_quote_rows = true")
    await gateway.start()
    (row,) = (await Office(gateway, office.created).client.get(f"/v1/batches/{batch_id}")).as_(BatchAnswer).rows
    assert row.problem is not None
    assert row.problem["pointer"] == "/achievement"
    assert NAME not in str(row.problem)


async def test_a_key_that_an_earlier_version_kept_in_the_database_is_moved_out(
    gateway: RunningGateway, held: Held
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    batch_id = (await _send(office, _list())).body["batch_id"]
    await gateway.stop()
    keystore = Keystore.from_file(gateway.config.master_key_file)
    with contextlib.closing(Vault(_folder(gateway))) as vault:
        (key_id,) = await vault.old_batch_keys(hours=-1)
        kept = await vault.batch_key(key_id)
        assert kept is not None
        secret = keystore.open(kept, "batch-key", key_id)
        await vault.destroy_batch_keys([key_id])
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        sealed = keystore.seal(secret, "batch-key", batch_id)
        await connection.execute("UPDATE batch SET key_id = NULL, sealed_key = $1", sealed)
    await gateway.start()
    held.may_go.set()
    assert (await _over(Office(gateway, office.created), batch_id)).accepted_count == 1_001
    assert await gateway.database_count("batch WHERE sealed_key IS NOT NULL OR key_id IS NOT NULL") == 0
    assert (_folder(gateway) / FILE_NAME).exists()


async def test_a_database_from_before_a_batch_was_done_does_not_issue_it_again(
    gateway: RunningGateway, held: Held
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    batch_id = (await _send(office, _list())).body["batch_id"]
    with contextlib.closing(Vault(_folder(gateway))) as vault:  # as if the batch had been done since
        await vault.destroy_batch_keys(await vault.old_batch_keys(hours=-1))
    held.may_go.set()
    done = await _over(office, batch_id)
    assert (done.state, done.accepted_count) == ("failed", 0)
