"""Batches and imports through a running gateway: results per row, continued and not doubled, examples as they ship."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto.documents.open_badge_names import IRIS
from proto.wire.batches import BatchAnswer
from proto.wire.gateway import CredentialAnswer
from tests.support.databases import MakeDatabase
from tests.support.gateways import Answered, Office, RunningGateway, running_gateway
from tests.support.ledgers import RunningLedger, until

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
CSV = "text/csv"
CONNECTIONS = 4


async def _batch(
    office: Office, body: bytes, media_type: str = CSV, *, key: str = "batch", query: str = ""
) -> Answered:
    return await office.client.send("POST", f"/v1/batches{query}", body, media_type=media_type, key=key)


def _lines(rows: list[Any]) -> bytes:
    return b"\n".join(msgspec.json.encode(row) for row in rows)


async def _described(office: Office) -> bytes:
    """Describe what the example list awards and return the list."""
    for name in ("data-literacy", "spatial-statistics"):
        body = msgspec.json.decode((EXAMPLES / "achievements" / f"{name}.json").read_bytes())
        assert (await office.client.post("/v1/achievements", body)).status == 201
    return (EXAMPLES / "awards.csv").read_bytes()


async def test_the_example_list_is_issued_as_it_ships(gateway: RunningGateway) -> None:
    office = await gateway.institution("nadmorska", country="PL")
    rows = await _described(office)
    checked = (await _batch(office, rows, query="?dry_run=true")).as_(BatchAnswer)
    assert {row.state for row in checked.rows} == {"checked"}
    assert (await office.client.get("/v1/credentials")).body["credentials"] == []
    answered = (await _batch(office, rows)).as_(BatchAnswer)
    assert (answered.row_count, answered.accepted_count, answered.is_complete) == (12, 12, True)
    assert [row.line for row in answered.rows] == list(range(2, 14))

    async def ask() -> BatchAnswer | None:
        found = (await office.client.get(f"/v1/batches/{answered.batch_id}")).as_(BatchAnswer)
        return found if found.published_count == 12 else None

    published = await until(ask, "the batch is published")
    assert published.rows == answered.rows
    learner = await office.client.get("/v1/credentials?learner=pn-000417")
    assert len(learner.body["credentials"]) == 2


OVERFLOWING = ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z")


@pytest.mark.parametrize("media", ["application/x-ndjson", "application/json", CSV])
async def test_times_beyond_the_calendar_are_their_own_rows_fault(gateway: RunningGateway, media: str) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    awards = [
        office.award(uri, "a"),
        *(office.award(uri, f"u-{place}", valid_until=time) for place, time in enumerate(OVERFLOWING[::2])),
        *(office.award(uri, f"f-{place}", valid_from=time) for place, time in enumerate(OVERFLOWING)),
        office.award(uri, "z"),
    ]
    if media == CSV:
        header = "learner_ref,given_name,family_name,achievement,valid_from,valid_until\n"
        cells = ((row["learner"]["ref"], uri, row["valid_from"], row.get("valid_until", "")) for row in awards)
        body = (header + "".join(f"{ref},A,B,{name},{begins},{ends}\n" for ref, name, begins, ends in cells)).encode()
    else:
        body = msgspec.json.encode(awards) if media == "application/json" else _lines(awards)
    for query in ("?dry_run=true", ""):
        answered = (await _batch(office, body, media, query=query)).as_(BatchAnswer)
        states = [row.state for row in answered.rows]
        assert states[0] == states[-1] == ("checked" if query else "accepted")
        assert set(states[1:-1]) == {"refused"}, answered.rows
        assert all(row.problem is None or row.problem["status"] < 500 for row in answered.rows)


async def test_one_wrong_row_does_not_sink_the_others(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    too_large = (await office.describe("large", ects_hundredths=90_000)).achievement.uri
    rows = [
        office.award(uri, "a"),
        office.award(uri, "b", colour="red"),
        office.award(too_large, "c"),
        office.award("https://waterland.example/none", "d"),
        office.award(uri, "e", valid_from="yesterday"),
        office.award(uri, "f"),
    ]
    answered = (await _batch(office, _lines([*rows]), "application/x-ndjson")).as_(BatchAnswer)
    assert [(row.line, row.state) for row in answered.rows] == [
        (1, "accepted"),
        (2, "refused"),
        (3, "refused"),
        (4, "refused"),
        (5, "refused"),
        (6, "accepted"),
    ]
    problems = [row.problem for row in answered.rows if row.problem]
    assert [problem["type"].rpartition(":")[2] for problem in problems] == [
        "invalid",
        "out-of-scope",
        "unknown-achievement",
        "invalid",
    ]
    assert problems[3]["pointer"] == "/valid_from"
    as_list = (await _batch(office, msgspec.json.encode(rows), "application/json", key="list")).as_(BatchAnswer)
    assert (as_list.accepted_count, as_list.already_awarded_count, as_list.refused_count) == (0, 2, 4)


async def test_a_batch_sent_again_issues_nothing_twice(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    body = _lines([office.award(uri, f"learner-{number}") for number in range(150)])
    answered = await asyncio.gather(*(_batch(office, body, "application/x-ndjson") for _ in range(3)))
    assert {each.status for each in answered} == {200}
    ids = {tuple(row["credential_id"] for row in each.body["rows"]) for each in answered}
    assert len(ids) == 1
    assert len(set(ids.pop())) == 150
    other = await _batch(office, _lines([office.award(uri)]), "application/x-ndjson")
    assert (other.status, other.slug) == (409, "idempotency-conflict")


async def test_a_batch_that_was_cut_off_goes_on_where_it_stopped(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    body = _lines([office.award(uri, f"learner-{number}") for number in range(300)])
    sending = asyncio.create_task(_batch(office, body, "application/x-ndjson"))

    async def begun() -> bool | None:
        shown = (await office.client.get("/v1/credentials?limit=1")).body["credentials"]
        return True if shown else None

    await until(begun, "the first chunk is there")
    await gateway.stop()
    await asyncio.gather(sending, return_exceptions=True)
    await ledger.stop()
    await gateway.start()
    answered = (await _batch(office, body, "application/x-ndjson")).as_(BatchAnswer)
    assert (answered.accepted_count, answered.is_complete) == (300, True)
    await ledger.start()

    async def published() -> bool | None:
        found = (await office.client.get(f"/v1/batches/{answered.batch_id}")).as_(BatchAnswer)
        return True if found.published_count == 300 else None

    await until(published, "all rows are published")
    assert len(await _all_ids(office)) == 300


async def test_more_lists_at_once_than_there_are_connections_are_all_issued(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger
) -> None:
    folder = tmp_path / "gateway"
    async with running_gateway(make_database, folder, ledger, database_connections_max=CONNECTIONS) as gateway:
        office = await gateway.institution("waterland")
        uri = (await office.describe()).achievement.uri
        lists = [
            _lines([office.award(uri, f"{number}-{row}") for row in range(2)]) for number in range(4 * CONNECTIONS)
        ]
        answers = await asyncio.gather(
            *(_batch(office, body, "application/x-ndjson", key=f"list-{number}") for number, body in enumerate(lists))
        )
        assert [answered for answered in answers if answered.status >= 300] == []
        assert {answered.as_(BatchAnswer).accepted_count for answered in answers} == {2}, "none waits for another"


async def _all_ids(office: Office) -> set[str]:
    found: set[str] = set()
    query = "limit=200"
    while query:
        page = (await office.client.get(f"/v1/credentials?{query}")).body
        found |= {each["credential_id"] for each in page["credentials"]}
        query = f"limit=200&cursor={page['next_cursor']}" if page.get("next_cursor") else ""
    return found


async def test_a_batch_beyond_its_bounds_is_refused_as_a_whole(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    many = await _batch(office, b"[" + b"{}," * 1_000 + b"{}]", "application/json")
    assert (many.status, many.slug) == (413, "too-many-rows")
    header = await _batch(office, b"learner;achievement\n")
    assert (header.status, header.slug) == (400, "malformed-csv")
    keyless = await office.client.send("POST", "/v1/batches", b"{}", media_type="application/x-ndjson")
    assert keyless.status == 422
    assert (await office.client.get(f"/v1/batches/{'0' * 8}-0000-4000-8000-{'0' * 12}")).status == 404


async def _import(office: Office, document: bytes, query: str = "", *, key: str | None = None) -> Answered:
    return await office.client.send("POST", f"/v1/imports/open-badges{query}", document, key=key)


@pytest.mark.parametrize("name", sorted(path.name for path in (EXAMPLES / "open-badges").glob("*.json")))
async def test_the_example_documents_are_imported_as_they_ship(gateway: RunningGateway, name: str) -> None:
    office = await gateway.institution("waterland")
    document = (EXAMPLES / "open-badges" / name).read_bytes()
    first = await _import(office, document, key="import")
    assert first.status == 201, first
    again = await _import(office, document)
    assert again.body["credential_id"] == first.body["credential_id"]
    answer = first.as_(CredentialAnswer)
    issued = (await office.client.get(f"/v1/credentials/{answer.credential_id}/document")).body
    former = msgspec.json.decode(document)["id"]
    assert former in {each["identifier"] for each in issued[IRIS["otherIdentifier"]]}
    assert (await office.published(answer.credential_id)).status is not None


async def test_parallel_imports_of_one_document_give_one_credential(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    document = (EXAMPLES / "open-badges" / "waterland-dike-assessment.json").read_bytes()
    answered = await asyncio.gather(*(_import(office, document, "?learner_ref=wl-1") for _ in range(5)))
    assert {each.status for each in answered} == {201}
    assert len({each.body["credential_id"] for each in answered}) == 1


async def test_dutch_micro_credentials_are_imported_as_they_are(gateway: RunningGateway, vendored: Path) -> None:
    office = await gateway.institution("uvh")
    parts = []
    for number in (1, 2):
        path = vendored / "open-badges" / "nl-microcredentials" / f"uvh_at_microcredential_full_{number}.json"
        answered = await _import(office, path.read_bytes(), "?learner_ref=stu-7")
        assert answered.status == 201, answered
        parts.append(answered.as_(CredentialAnswer))
    assert [part.ects_hundredths for part in parts] == [300, 350]
    assert all(part.achievement.startswith("http://localhost:8102/issuers/uvh/achievements/") for part in parts)
    whole = (await office.describe("whole", ects_hundredths=650)).achievement.uri
    components = [part.credential_id for part in parts]
    stack = await office.client.post("/v1/stacks", office.award(whole, "stu-7") | {"components": components})
    assert stack.status == 201, stack


async def test_what_is_no_open_badge_is_refused_with_the_place(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    refused = await _import(office, b'{"@context": []}')
    assert (refused.status, refused.slug, refused.body["pointer"]) == (422, "not-an-open-badge", "/@context")
    twice = await _import(office, b'{"id": 1, "id": 2}')
    assert (twice.status, twice.slug) == (400, "malformed")
