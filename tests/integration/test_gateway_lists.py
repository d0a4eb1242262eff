"""Lists as exam offices have them: CSV from Excel and workbooks, small and in the background, mended and sent again."""

import csv
import datetime as dt
import io
import resource
from typing import Any

import pytest

from proto.tables.dialect import Encoding
from proto.wire.batches import BATCH_ROWS_MAX, BatchAnswer
from services.clients.gateway import GatewayClient
from services.issuer_gateway.batches.workbooks.workbook import XLSX
from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.ledgers import until
from tests.support.workbooks import Cell, workbook, zipped

CSV = "text/csv"
HEADER: list[Cell] = [
    "Learner Ref",
    "Given-Name",
    "FAMILY_NAME",
    "date_of_birth",
    "Email",
    "achievement",
    "valid_from",
    "ECTS",
]
GOOD: list[list[Cell]] = [
    ["anna.müller@hs.example".replace("ü", "u"), "Anna", "Müller", "13.04.1999", "anna@hs.example", "hydrology"],
    ["hs/2026/17", "Jörg", "Weiß", "02.11.2000", None, "hydrology"],
    ["s-3", "Zoë", "Ångström", None, "zoe@hs.example", "hydrology"],
    ["s-4", "Émile", "Dubois", None, None, "hydrology"],
    ["s-5", "Ana", "García", None, None, "hydrology"],
    ["s-6", "Øystein", "Å", None, None, "hydrology"],
]
RIGHT: list[list[Cell]] = [[*row, "01.10.2026" if place % 2 else "31.10.2026", "2,5"] for place, row in enumerate(GOOD)]
WRONG: dict[int, dict[int, Cell]] = {
    0: {7: "viel"},
    1: {6: "31.02.2026"},
    2: {4: "zoe(at)hs.example"},
    3: {5: "hydrologie", 3: "1.1.99"},
    4: {0: "s 5", 1: None, 2: None},
}
PLACES = [0, 1, 2, 3, 4]


def _list(wrong: dict[int, dict[int, Cell]], more: int) -> list[list[Cell]]:
    rows = [[wrong.get(place, {}).get(at, cell) for at, cell in enumerate(row)] for place, row in enumerate(RIGHT)]
    blank: list[Cell] = [None] * len(HEADER)
    filler: list[list[Cell]] = [
        [f"f-{n}", "Fill", f"Er{n}", None, None, "hydrology", "31.10.2026", "2,5"] for n in range(more)
    ]
    return [*rows[:2], blank, *rows[2:], blank, *filler]


def _csv(rows: list[list[Cell]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";").writerows([[*row, "", ""] for row in [list(HEADER), *rows]])
    return text.getvalue().encode("cp1252")


def _xlsx(rows: list[list[Cell]]) -> bytes:
    def typed(cell: Cell) -> Cell:
        if cell == "2,5":
            return 2.5
        try:
            return dt.datetime.strptime(str(cell), "%d.%m.%Y").date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            return cell

    return workbook([list(HEADER), *([typed(cell) for cell in row] for row in rows)], sheets_before=1)


async def _sent(office: Office, body: bytes, media: str, *, key: str, query: str = "") -> BatchAnswer:
    query = f"{query}&encoding=windows-1252" if media == CSV else query
    answered = await office.client.send("POST", f"/v1/batches?dry_run=false{query}", body, media_type=media, key=key)
    assert answered.status in {200, 202}, answered
    found = answered.as_(BatchAnswer)

    async def ask() -> BatchAnswer | None:
        now = (await office.client.get(f"/v1/batches/{found.batch_id}")).as_(BatchAnswer)
        return now if now.state in {None, "finished"} else None

    return await until(ask, "the batch is over")


async def _refused(office: Office, answer: BatchAnswer) -> dict[int, list[dict[str, Any]]]:
    rows = list(answer.rows)
    if answer.rows_at and not rows and answer.batch_id:
        client = GatewayClient(office.gateway.ledger.session, office.gateway.url, token=office.created.api_key)
        rows = [row async for row in client.batch_rows(answer.batch_id)]
    problems = {row.line: row.problem for row in rows if row.problem}
    return {line: problem.get("errors", [problem]) for line, problem in problems.items()}


@pytest.mark.parametrize("more", [0, BATCH_ROWS_MAX], ids=["small", "background"])
@pytest.mark.parametrize("media", [CSV, XLSX], ids=["csv", "xlsx"])
async def test_a_list_with_five_mistakes_is_right_on_the_second_sending(
    gateway: RunningGateway, media: str, more: int
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    write = _csv if media == CSV else _xlsx
    first = await _sent(office, write(_list(WRONG, more)), media, key="first")
    assert (first.accepted_count, first.refused_count, first.row_count) == (1 + more, 5, 6 + more)
    if media == CSV:
        assert "Days in valid_from are read as day, month, year" in first.read_as
        assert "Commas in ects are read as decimal points" in first.read_as
        assert "The text is read as Windows-1252" in first.read_as
    refused = await _refused(office, first)
    assert {line: sorted(error["pointer"] for error in errors) for line, errors in refused.items()} == {
        2: ["/ects"],
        3: ["/valid_from"],
        5: ["/email"],
        6: ["/achievement", "/date_of_birth"],
        7: ["", "/learner_ref"],
    }
    details = " ".join(error["detail"] for errors in refused.values() for error in errors)
    assert "31.02.2026" in details
    for personal in ("zoe", "1.1.99", "Weiß", "s 5", "Müller"):
        assert personal not in details
    second = await _sent(office, write(_list({}, more)), media, key="second")
    assert (second.accepted_count, second.refused_count, second.already_awarded_count) == (5, 0, 1 + more)
    found = (await office.client.get("/v1/credentials?learner=hs/2026/17")).body["credentials"]
    assert [each["ects_hundredths"] for each in found] == [250]
    assert found[0]["valid_from"] == "2026-10-01"


async def test_days_in_doubt_are_asked_for_and_taken_as_stated(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    body = b"learner_ref;given_name;achievement;valid_from;ects\ns-1;Ann;hydrology;01.10.2026;9999\n"
    first = await _sent(office, body, CSV, key="a")
    assert [error["code"] for error in (await _refused(office, first))[2]] == ["ambiguous-day", "invalid"]
    body = body.replace(b"9999", b"2,5")
    second = await _sent(office, body, CSV, key="b", query="&dates=mdy")
    assert second.accepted_count == 1
    assert "Days in valid_from are read as month, day, year" in second.read_as
    found = (await office.client.get("/v1/credentials?learner=s-1")).body["credentials"]
    assert found[0]["valid_from"] == "2026-01-10"


@pytest.mark.parametrize(("charset", "status"), [("; charset=windows-1252", 1), ("; charset=utf-8", 0), ("", 0)])
async def test_an_encoding_is_stated_by_the_media_type_too_and_named_where_it_is_missing(
    gateway: RunningGateway, charset: str, status: int
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    body = "learner_ref,given_name,achievement,valid_from\ns-1,Zoë,hydrology,2026-10-01\n".encode("cp1252")
    answered = await office.client.send("POST", "/v1/batches", body, media_type=f"text/csv{charset}", key="k")
    found = answered.as_(BatchAnswer)
    assert found.accepted_count == status
    if not status:
        assert found.rows[0].problem is not None
        assert "windows-1252" in found.rows[0].problem["detail"]


async def _answer(office: Office, body: bytes) -> Answered:
    return await office.client.send("POST", "/v1/batches", body, media_type=XLSX, key="bomb")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"no archive", "Excel workbook"),
        (zipped({"a": b""}), "CSV UTF-8"),
        (workbook([]), "fill in"),
        (workbook([["colour"]]), "Unknown columns"),
    ],
)
async def test_what_is_no_workbook_is_refused_in_words(gateway: RunningGateway, body: bytes, words: str) -> None:
    office = await gateway.institution("waterland")
    answered = await _answer(office, body)
    assert (answered.status, answered.body["type"].rpartition(":")[2]) == (400, "malformed-csv")
    assert words in answered.body["detail"]


LARGE = b"<c/>" * 36_000_000
LYING = zipped({"xl/worksheets/sheet1.xml": LARGE})
BOMBS = {
    "large": LYING,
    "lying about its size": LYING.replace(len(LARGE).to_bytes(4, "little"), (1_000).to_bytes(4, "little")),
    "a cell at the far end": workbook([["learner_ref"]], far="XFD1048576"),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_workbook_that_wants_more_than_a_list_takes_no_memory_and_is_refused(
    gateway: RunningGateway, bomb: str
) -> None:
    office = await gateway.institution("waterland")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answered = await _answer(office, BOMBS[bomb])
    assert (answered.status, answered.slug) == (400, "malformed-csv"), answered
    assert "new workbook" in answered.body["detail"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("media", [CSV, XLSX], ids=["csv", "xlsx"])
async def test_links_are_made_to_the_awards_of_such_lists_too(gateway: RunningGateway, media: str) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    client = GatewayClient(office.gateway.ledger.session, office.gateway.url, token=office.created.api_key)
    body = _csv(_list({}, 0)) if media == CSV else _xlsx(_list({}, 0))
    encoding: Encoding | None = "windows-1252" if media == CSV else None
    lines = [line async for line in client.claims_of_awards(body, media_type=media, key="k", encoding=encoding)]
    assert [(line.line, line.claim is not None) for line in lines] == [(n, True) for n in (2, 3, 5, 6, 7, 8)]
