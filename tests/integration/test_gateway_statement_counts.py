"""A list asks the database as often for many rows as for one: what it shows of each row is read for all at once."""

from collections import Counter
from pathlib import Path

import aiohttp
import msgspec

from services.persistence import postgres
from tests.support.databases import MakeDatabase
from tests.support.gateways import Office, RunningGateway, running_gateway
from tests.support.heard_statements import HeardStatements, heard
from tests.support.holdings import fill
from tests.support.ledgers import RunningLedger

__all__ = ["heard"]
LISTS = (
    "/v1/achievements",
    "/v1/credentials",
    "/v1/requests",
    "/v1/recognition-applications",
    "/v1/recognition-report",
    "/v1/batches",
    "/v1/holder-links?learner=s-4711",
    "/v1/keys",
    "/v1/standing-decisions",
    "/v1/endorsers",
    "/v1/reminders",
    "/v1/audit-trail/end",
    "/v1/catalogue",
    "/v1/institutions",
    "/v1/learners/s-4711/stacks",
)
OFFICE_PAGES = ("/office/applications", "/office/report", "/office/standing-decisions", "/office/endorsements")
FIRST_ACHIEVEMENT = "https://elsewhere.example/achievements/1"
LEFT_CLOSED = {
    "/v1/credentials": "outbox_stream",
    "/office/applications": "sealed_evidence",
    "/credentials/": "document_proof",
    "/v1/credential-links/": "document_proof",
}
"""What a list does not show, and does not read: who else is in an event, evidence, proofs."""


async def _api(office: Office, heard: HeardStatements) -> dict[str, list[str]]:
    found = {}
    for path in LISTS:
        answer = await office.client.get(path)
        assert answer.status == 200, (path, answer)
        found[path] = heard.of(answer.headers["X-Request-ID"])
    return found


async def _pages(office: Office, heard: HeardStatements, links: list[str]) -> dict[str, list[str]]:
    url, found = office.gateway.url, {}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(f"{url}/office/session", data={"key": office.created.api_key}) as response:
            assert response.status == 200
        for path in (*OFFICE_PAGES, *links):
            async with browser.get(url + path) as response:
                assert response.status == 200, path
            found[path] = heard.of(response.headers["X-Request-ID"])
    return found


async def _name_achievements(gateway: RunningGateway) -> None:
    """Let the evidence be of achievements, as it is where a verifier has looked at it."""
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute(
            "UPDATE application_item SET achievement = $1, achievement_issuer = 'did:web:elsewhere.example'",
            FIRST_ACHIEVEMENT,
        )


async def _recorded_of_a_list(office: Office, heard: HeardStatements, uri: str, rows: int) -> int:
    """Return how often the audit trail was written to for a list of so many awards."""
    awards = [office.award(uri, f"listed-{rows}-{number}") for number in range(rows)]
    lines = b"".join(msgspec.json.encode(award) + b"\n" for award in awards)
    answer = await office.client.send(
        "POST", "/v1/batches", lines, key=f"list-of-{rows}", media_type="application/x-ndjson"
    )
    assert answer.body["accepted_count"] == rows, answer
    said = heard.of(answer.headers["X-Request-ID"])
    return sum(statement.startswith("INSERT INTO audit_record") for statement in said)


def _said_more_often(many: list[str], one: list[str]) -> list[str]:
    """Return what was asked more often than before; what is kept in memory for a while is asked once more, or not."""
    before = Counter(one)
    return [statement for statement, count in Counter(many).items() if count > before[statement] + 1]


def _is_left_closed(path: str, statement: str) -> bool:
    return any(path.startswith(begins) and names in statement for begins, names in LEFT_CLOSED.items())


async def test_a_list_of_many_rows_makes_as_many_statements_as_a_list_of_one(
    heard: HeardStatements, make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger
) -> None:
    async with running_gateway(make_database, tmp_path / "gateway", ledger) as gateway:
        office = await gateway.institution("waterland")
        first = await fill(gateway, office, "Visser", "s-4711", "rivers")
        await office.published(first.ids["credential_id"])
        links = [f"/credentials/{first.secrets['holder']}", f"/v1/credential-links/{first.secrets['holder']}"]
        await _name_achievements(gateway)
        one = await _api(office, heard) | await _pages(office, heard, links)
        for number in range(4):
            more = await fill(gateway, office, "Visser", "s-4711", "rivers", achievement_id=f"sailing-{number}")
            await office.published(more.ids["credential_id"])
        await _name_achievements(gateway)
        many = await _api(office, heard) | await _pages(office, heard, links)
        recorded = [await _recorded_of_a_list(office, heard, first.ids["uri"], rows) for rows in (1, 40)]
    assert all(one.values())
    read = [(path, each) for path, asked in many.items() for each in asked if _is_left_closed(path, each)]
    assert read == []
    assert recorded == [1, 1], "the audit trail has one record of a list, however long it is"
    assert {path: again for path in one if (again := _said_more_often(many[path], one[path]))} == {}
