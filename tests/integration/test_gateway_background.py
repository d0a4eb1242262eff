"""Batches in the background: streamed in, worked on by themselves, over restarts too, followed, cancelled; changes."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from proto.wire.batches import BatchAnswer, BatchProgress, BatchRow
from tests.support.databases import MakeDatabase
from tests.support.gateways import NO_WAIT, Answered, Office, RunningGateway, running_gateway
from tests.support.ledgers import RunningLedger, until

CSV, NDJSON = "text/csv", "application/x-ndjson"
HEADER = b"learner_ref,given_name,family_name,achievement,valid_from\n"


def _rows(count: int, achievement: str, first: int = 0) -> bytes:
    lines = (f'l-{n},Zoë,"Ó Briain, {n}",{achievement},2026-01-01\n' for n in range(first, first + count))
    return HEADER + "".join(lines).encode()


async def _send(
    office: Office, path: str, body: bytes, *, media: str = CSV, key: str = "k", query: str = ""
) -> Answered:
    return await office.client.send("POST", f"{path}{query}", body, media_type=media, key=key)


async def _over(office: Office, batch_id: str | None) -> BatchAnswer:
    async def ask() -> BatchAnswer | None:
        found = (await office.client.get(f"/v1/batches/{batch_id}")).as_(BatchAnswer)
        return found if found.state in {"finished", "cancelled", "failed"} else None

    return await until(ask, "the batch is over")


async def _results(office: Office, batch_id: str | None, query: str = "") -> list[BatchRow]:
    url = f"{office.gateway.url}/v1/batches/{batch_id}/rows{query}"
    headers = {"Authorization": f"Bearer {office.created.api_key}"}
    async with office.gateway.ledger.session.get(url, headers=headers) as response:
        assert (response.status, response.content_type) == (200, NDJSON)
        return [msgspec.json.decode(line, type=BatchRow) async for line in response.content]


async def test_a_large_file_is_issued_in_the_background_and_each_row_has_its_result(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    body = _rows(1_150, "hydrology") + b'l-0,Zo\xc3\xab,"\xc3\x93 Briain, 0",hydrology,2026-01-01\nx,,,hydrology,2026\n'
    answered = await _send(office, "/v1/batches", body)
    assert answered.status == 202, answered
    batch = answered.as_(BatchAnswer)
    assert answered.headers["Location"] == f"/v1/batches/{batch.batch_id}"
    assert (batch.row_count, batch.rows, batch.rows_at) == (1_152, (), f"/v1/batches/{batch.batch_id}/rows")
    again = await _send(office, "/v1/batches", body)
    assert (again.status, again.body["batch_id"]) == (202, batch.batch_id)
    other = await _send(office, "/v1/batches", body + b"y,,,hydrology,2026\n")
    assert (other.status, other.slug) == (409, "idempotency-conflict")

    done = await _over(office, batch.batch_id)
    assert (done.state, done.is_complete, done.accepted_count, done.refused_count) == ("finished", True, 1_150, 2)
    rows = await _results(office, batch.batch_id)
    assert [row.line for row in rows] == list(range(2, 1_154))
    assert len({row.credential_id for row in rows[:1_150]}) == 1_150
    problems = [row.problem for row in rows[1_150:] if row.problem]
    assert [problem["code"] for problem in problems] == ["row-repeated", "invalid"]
    assert problems[1]["pointer"] == "/valid_from"
    page = await _results(office, batch.batch_id, "?after=1150&limit=2")
    assert page == rows[1_149:1_151]
    assert await gateway.database_count("batch_part") == 0


async def test_times_beyond_the_calendar_in_large_files_are_their_own_rows_fault(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    overflowing = b"b,A,B,hydrology,9999-12-31T23:59:59-05:00\nc,A,B,hydrology,0001-01-01T00:00:00+14:00\n"
    answered = await _send(
        office, "/v1/batches", _rows(750, "hydrology") + overflowing + _rows(750, "hydrology", 750)[len(HEADER) :]
    )
    done = await _over(office, answered.as_(BatchAnswer).batch_id)
    assert (done.state, done.accepted_count, done.refused_count) == ("finished", 1_500, 2)
    rows = await _results(office, done.batch_id)
    credential_id = rows[0].credential_id
    change = {"action": "revoke", "credential_id": credential_id, "reason": "error"}
    changes = [
        change | {"effective_at": "9999-12-31T23:59:59-05:00"},
        change | {"effective_at": "0001-01-01T00:00:00+14:00"},
        change | {"credential_id": rows[1].credential_id},
    ]
    media = {NDJSON: b"\n".join(map(msgspec.json.encode, changes))}
    media[CSV] = b"action,credential_id,reason,effective_at\n" + b"".join(
        f"revoke,{rows[place].credential_id},error,{time}\n".encode()
        for place, time in ((2, "9999-12-31T23:59:59-05:00"), (3, "0001-01-01T00:00:00+14:00"), (4, ""))
    )
    for form, body in media.items():
        sent = await _send(office, "/v1/batches/changes", body, media=form, key=form)
        made = await _over(office, sent.as_(BatchAnswer).batch_id)
        assert (made.state, made.accepted_count, made.refused_count) == ("finished", 1, 2)


async def test_events_tell_of_progress_until_every_row_is_published(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    batch_id = (await _send(office, "/v1/batches", _rows(1_001, "hydrology"))).body["batch_id"]
    headers = {"Authorization": f"Bearer {office.created.api_key}"}
    async with asyncio.timeout(120):
        url = f"{gateway.url}/v1/batches/{batch_id}/events"
        async with gateway.ledger.session.get(url, headers=headers) as response:
            assert response.content_type == "text/event-stream"
            text = (await response.read()).decode()
    seen = [
        msgspec.json.decode(event.partition("data: ")[2], type=BatchProgress)
        for event in text.split("\n\n")
        if event.startswith("event: progress\n")
    ]
    assert text.endswith("event: end\ndata: {}\n\n")
    assert len(seen) > 2
    assert (seen[-1].state, seen[-1].accepted_count, seen[-1].published_count) == ("finished", 1_001, 1_001)


async def test_the_worker_goes_on_by_itself_after_a_restart(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    batch_id = (await _send(office, "/v1/batches", _rows(1_500, "hydrology"))).body["batch_id"]

    async def begun() -> bool | None:
        found = (await office.client.get(f"/v1/batches/{batch_id}")).as_(BatchAnswer)
        return True if found.accepted_count else None

    await until(begun, "some rows are done")
    await gateway.stop()
    await gateway.start()
    done = await _over(office, batch_id)
    assert (done.state, done.accepted_count) == ("finished", 1_500)
    ids = [row.credential_id for row in await _results(office, batch_id)]
    assert len(set(ids)) == 1_500


async def test_a_cancelled_batch_stops_and_keeps_what_was_done(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    batch_id = (await _send(office, "/v1/batches", _rows(3_000, "hydrology"))).body["batch_id"]
    cancelled = (await office.client.send("DELETE", f"/v1/batches/{batch_id}")).as_(BatchAnswer)
    assert (cancelled.state, cancelled.is_complete) == ("cancelled", False)
    done = (await office.client.get(f"/v1/batches/{batch_id}")).as_(BatchAnswer)
    assert done.state == "cancelled"
    assert done.accepted_count < 3_000
    assert len(await _results(office, batch_id)) == done.accepted_count
    assert await gateway.database_count("batch_part") == 0
    again = (await office.client.send("DELETE", f"/v1/batches/{batch_id}")).as_(BatchAnswer)
    assert again.state == "cancelled"


async def test_a_large_dry_run_checks_every_row_and_issues_nothing(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    await office.describe("large", ects_hundredths=90_000)
    body = _rows(1_000, "hydrology") + b"z,Z,Z,large,2026-01-01\nz,Z,Z,none,2026-01-01\n"
    batch_id = (await _send(office, "/v1/batches", body, query="?dry_run=true")).body["batch_id"]
    done = await _over(office, batch_id)
    assert (done.is_dry_run, done.accepted_count, done.refused_count) == (True, 1_000, 2)
    rows = await _results(office, batch_id)
    assert {row.state for row in rows[:1_000]} == {"checked"}
    slugs = [row.problem["type"].rpartition(":")[2] for row in rows if row.problem]
    assert slugs == ["out-of-scope", "unknown-achievement"]
    assert (await office.client.get("/v1/credentials")).body["credentials"] == []
    real = await _send(office, "/v1/batches", body)  # under the same key
    assert real.status == 202
    assert real.body["batch_id"] != batch_id
    assert (await _over(office, real.body["batch_id"])).accepted_count == 1_000


async def test_an_upload_that_is_refused_leaves_nothing(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger
) -> None:
    async with running_gateway(make_database, tmp_path / "gateway", ledger, batch_rows_max=2_000) as gateway:
        office = await gateway.institution("waterland")
        many = await _send(office, "/v1/batches", _rows(2_001, "hydrology"))
        assert (many.status, many.slug) == (413, "too-many-rows")
        open_quote = await _send(office, "/v1/batches", _rows(1_200, "hydrology") + b'"' + b"x" * 70_000)
        assert (open_quote.status, open_quote.slug) == (400, "record-too-long")
        header = await _send(office, "/v1/batches/changes", b"action,credential_id\n")
        assert (header.status, header.slug) == (400, "malformed-csv")
        empty = await _send(office, "/v1/batches/changes", b"action,credential_id,reason\n")
        assert (empty.status, empty.slug) == (400, "malformed")
        assert await gateway.database_count("batch_part") == 0
        assert await gateway.database_count("batch") == 0


def _changes(rows: Sequence[dict[str, Any]]) -> bytes:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


async def test_many_credentials_are_revoked_suspended_and_reissued_by_one_file(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    other = await gateway.institution("elsewhere")
    uri = (await office.describe()).achievement.uri
    foreign = (await other.issue((await other.describe()).achievement.uri)).credential_id
    ids = [(await office.issue(uri, f"l-{n}")).credential_id for n in range(4)]
    for each in (*ids, foreign):
        await (other if each == foreign else office).published(each)
    reissue = {"learner_ref": "l-2", "given_name": "Zoë", "family_name": "Nowak", "ects": "2.5"}
    body = _changes(
        [
            {"action": "revoke", "credential_id": ids[0], "reason": "error", "replaced_by": ids[3]},
            {"action": "suspend", "credential_id": ids[1], "reason": "legal-order"},
            {"action": "reissue", "credential_id": ids[2], "reason": "superseded"}
            | reissue
            | {"achievement": "hydrology", "valid_from": "2026-01-01"},
            {"action": "revoke", "credential_id": foreign, "reason": "error"},
            {"action": "revoke", "credential_id": ids[0], "reason": "withdrawn"},
            {"action": "reissue", "credential_id": ids[3], "reason": "error"},
            {"action": "revoke", "credential_id": ids[3], "reason": "whim"},
        ]
    )
    checked = (await _send(office, "/v1/batches/changes", body, query="?dry_run=true")).as_(BatchAnswer)
    answered = await _send(office, "/v1/batches/changes", body)
    assert answered.status == 200, answered
    batch = answered.as_(BatchAnswer)
    expected = ["accepted"] * 3 + ["refused"] * 4
    assert [row.state for row in batch.rows] == expected
    assert [row.state.replace("checked", "accepted") for row in checked.rows] == expected
    slugs = [row.problem["type"].rpartition(":")[2] for row in batch.rows if row.problem]
    assert slugs == ["unknown-credential-here", "credential-state", "invalid", "invalid"]
    renewed = batch.rows[2].credential_id
    assert renewed is not None
    for row in batch.rows[:3]:
        assert row.event_id is not None
        await office.event_published(row.event_id)
    stand = [(await office.published(each)).status for each in (*ids, renewed)]
    assert [status.state for status in stand if status] == ["revoked", "suspended", "revoked", "active", "active"]
    assert [status.replaced_by for status in stand if status] == [ids[3], None, renewed, None, None]
    assert (await office.published(renewed)).ects_hundredths == 250


async def test_a_key_that_may_not_issue_does_not_reissue(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    credential_id = (await office.issue(uri)).credential_id
    await office.published(credential_id)
    request = {"name": "revokes only", "scopes": ["credentials:revoke", "credentials:read"]}
    token = (await office.client.post("/v1/keys", request)).body["api_key"]
    row = {"action": "reissue", "credential_id": credential_id, "reason": "error", "award": office.award(uri)}
    body = msgspec.json.encode(row)
    client = gateway.client(token)
    answered = await client.send("POST", "/v1/batches/changes", body, media_type=NDJSON, key="k")
    problem = answered.as_(BatchAnswer).rows[0].problem
    assert problem is not None
    assert problem["type"].endswith(":may-not-issue")
    issuing = await client.send("POST", "/v1/batches", _rows(1, "hydrology"), media_type=CSV, key="k")
    assert issuing.status == 403


async def test_memory_is_bounded_while_an_upload_waits_for_the_database(gateway: RunningGateway) -> None:
    """The body is taken as it is stored: a sender that is faster than the database waits."""
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield HEADER
        for n in range(4_000):
            yield f"l-{n},Zoë,Nowak,hydrology,2026-01-01\n".encode()
            sent = n
        raise aiohttp.ClientConnectionError("the sender goes away in the middle")

    headers = {"Authorization": f"Bearer {office.created.api_key}", "Content-Type": CSV, "Idempotency-Key": "k"}
    with pytest.raises(aiohttp.ClientError):
        await gateway.ledger.session.post(f"{gateway.url}/v1/batches", data=body(), headers=headers)
    assert sent == 3_999

    async def swept() -> bool | None:
        return True if await gateway.database_count("batch_part") == 0 else None

    await until(swept, "what was stored of it is taken away")
    assert await gateway.database_count("batch") == 0


_CHANGES = b"action,credential_id,reason\nrevoke," + b"0" * 64 + b",other\n"


@pytest.mark.parametrize("gateway_settings", [NO_WAIT])
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize(("path", "count"), [("/v1/batches", 20), ("/v1/batches", 1_001), ("/v1/batches/changes", 0)])
async def test_a_list_without_an_admission_is_refused_whole_and_may_be_sent_again_as_it_is(
    gateway: RunningGateway, path: str, count: int, query: str
) -> None:
    office = await gateway.tenant("waterland")
    await office.describe("hydrology")
    body = _rows(count, "hydrology") if count else _CHANGES

    async def refused() -> Answered | None:
        answered = await _send(office, path, body, query=query)
        return None if answered.slug == "log-not-followed" else answered

    answered = await until(refused, "the gateway has met the log's opening")
    assert (answered.status, answered.slug) == (422, "unknown-issuer"), answered
    assert [await gateway.database_count(table) for table in ("batch", "batch_part")] == [0, 0]
    await gateway.admit(office)
    answered = await _send(office, path, body, query=query)
    assert answered.status in {200, 202}, answered
    batch = answered.as_(BatchAnswer)
    done = await _over(office, batch.batch_id) if batch.batch_id and count != 20 else batch
    assert (done.row_count, done.refused_count) == ((count, 0) if count else (1, 1))


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize("count", [20, 1_001])
async def test_a_list_that_comes_before_the_admission_is_followed_waits_for_it(
    ledger: RunningLedger, make_database: MakeDatabase, tmp_path: Path, count: int, query: str
) -> None:
    async with running_gateway(make_database, tmp_path / "gateway", ledger, sequencing_wait_ms=20_000) as gateway:
        office = await gateway.tenant("waterland")
        await office.describe("hydrology")
        sending = asyncio.create_task(_send(office, "/v1/batches", _rows(count, "hydrology"), query=query))

        async def is_asked() -> bool | None:
            async with ledger.session.get(f"{gateway.url}/metrics") as response:
                text = await response.text()
            line = 'credentify_http_requests_in_flight{method="POST",route="/v1/batches"} 1.0'
            return True if line in text else None

        await until(is_asked, "the list is being worked on")
        assert not sending.done()
        await gateway.admit(office)
        answered = await sending
        assert answered.status in {200, 202}, answered
        done = answered.as_(BatchAnswer) if count == 20 else await _over(office, answered.body["batch_id"])
        assert (done.is_complete, done.row_count, done.refused_count) == (True, count, 0)
