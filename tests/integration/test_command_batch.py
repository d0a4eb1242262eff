"""`credentify batch` as a process of its own against a running gateway."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec

from proto.tables.cells import read_header
from proto.tables.changes_csv import COLUMNS, REQUIRED_COLUMNS, NumberedChange, read_change
from proto.tables.records import RecordCutter
from tests.support.commands import credentify
from tests.support.gateways import Office, RunningGateway
from tests.support.workbooks import workbook

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


async def _batch(office: Office, folder: Path, file: Path, *options: str) -> tuple[int, Any, str]:
    key = folder / "api-key"
    key.write_text(office.created.api_key + "\n")
    named = ("--gateway", office.gateway.url, "--api-key-file", key)
    status, out, err = await credentify("batch", file, *named, "--json", *options)
    return status, msgspec.json.decode(out) if out else None, err


async def test_a_large_file_is_sent_followed_and_its_results_are_written(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    lines = "".join(f"l-{n},Zoë,Nowak,hydrology,2026-01-01\n" for n in range(1_200))
    file = tmp_path / "awards.csv"
    file.write_text(f"learner_ref,given_name,family_name,achievement,valid_from\n{lines}x,Zoë,,none,2026-01-01\n")
    results = tmp_path / "results.ndjson"
    status, answer, _ = await _batch(office, tmp_path, file, "--results", str(results))
    assert (status, answer["accepted_count"], answer["refused_count"]) == (1, 1_200, 1)
    assert answer["published_count"] == 1_200
    assert [row["line"] for row in answer["rows"]] == [1_202]
    assert len(results.read_text().splitlines()) == 1_201
    again, repeated, _ = await _batch(office, tmp_path, file)
    assert (again, repeated["batch_id"]) == (1, answer["batch_id"])


async def test_the_examples_are_issued_checked_and_changed(gateway: RunningGateway, tmp_path: Path) -> None:
    office = await gateway.institution("nadmorska", country="PL")
    for name in ("data-literacy", "spatial-statistics"):
        body = msgspec.json.decode((EXAMPLES / "achievements" / f"{name}.json").read_bytes())
        assert (await office.client.post("/v1/achievements", body)).status == 201
    checked, answer, _ = await _batch(office, tmp_path, EXAMPLES / "awards.csv", "--dry-run")
    assert (checked, answer["is_dry_run"], answer["refused_count"]) == (0, True, 0)
    status, issued, error = await _batch(office, tmp_path, EXAMPLES / "awards.csv", "--results", str(tmp_path / "r"))
    assert (status, issued.get("accepted_count")) == (0, 12), (issued, error)
    ids = [msgspec.json.decode(line)["credential_id"] for line in (tmp_path / "r").read_bytes().splitlines()]
    await office.published(ids[-1])
    file = tmp_path / "changes.csv"
    file.write_text("action,credential_id,reason\n" + "".join(f"suspend,{each},legal-order\n" for each in ids))
    assert (await _batch(office, tmp_path, file))[0] == 0
    assert (await _batch(office, tmp_path, EXAMPLES / "changes.csv"))[1]["refused_count"] == 4


def test_the_example_of_changes_can_be_read() -> None:
    cutter = RecordCutter("csv")
    data = (EXAMPLES / "changes.csv").read_bytes()
    first, *rest = [*cutter.feed(data), *cutter.close()]
    header = read_header(first, known=COLUMNS, required=REQUIRED_COLUMNS)
    assert all(isinstance(read_change(header, each), NumberedChange) for each in rest)


async def test_what_cannot_be_sent_is_said_in_words(gateway: RunningGateway, tmp_path: Path) -> None:
    office = await gateway.institution("waterland")
    file = tmp_path / "awards.docx"
    file.write_text("x")
    status, answer, _ = await _batch(office, tmp_path, file)
    assert (status, answer["detail"].partition(":")[0]) == (1, "awards.docx is neither .csv, .xlsx nor .ndjson")
    file = tmp_path / "awards.csv"
    file.write_text("learner;achievement\n")
    status, answer, _ = await _batch(office, tmp_path, file)
    assert (status, answer["answer"]["type"].rpartition(":")[2]) == (1, "malformed-csv")


async def test_the_refused_rows_are_written_to_be_mended_and_sent_again(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    file, refused = tmp_path / "awards.csv", tmp_path / "refused.csv"
    header = "learner_ref,given_name,achievement,valid_from\n"
    file.write_text(
        header + 'a-1,Zoë,hydrology,2026-01-01\na-2,"Ó\nBriain",none,2026-01-01\na-3,,hydrology,2026-01-01\n'
    )
    status, answer, _ = await _batch(office, tmp_path, file, "--refused", str(refused))
    assert (status, answer["accepted_count"], answer["refused_count"]) == (1, 1, 2)
    assert refused.read_text() == header + 'a-2,"Ó\nBriain",none,2026-01-01\na-3,,hydrology,2026-01-01\n'
    file.write_text(file.read_text().replace("none", "hydrology").replace("a-3,,", "a-3,Tom,"))
    status, answer, _ = await _batch(office, tmp_path, file, "--refused", str(refused))
    assert (status, answer["accepted_count"], answer["already_awarded_count"]) == (0, 2, 1)
    assert refused.read_text() == header
    status, answer, _ = await _batch(office, tmp_path, file, "--refused", str(file))
    assert (status, "overwritten" in answer["detail"]) == (1, True)
    other = tmp_path / "other.csv"
    other.write_text(header + "a-1,Zoé,hydrology,2026-01-01\n")
    assert (await _batch(office, tmp_path, other))[1]["refused_count"] == 1
    status, answer, _ = await _batch(office, tmp_path, other, "--on-repeat", "replace")
    assert (status, answer["accepted_count"]) == (0, 1)


EXCEL = "Learner Ref;given_name;achievement;valid_from;ects;;\r\n"


async def test_a_list_of_excel_with_mistakes_is_right_on_the_second_sending(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    file, refused = tmp_path / "liste.csv", tmp_path / "refused.csv"
    rows = ["a@hs.example;Zoë;hydrology;01.10.2026;2,5;;", ";;;;;;", "b/2;Jörg;hydrologie;02.10.2026;viel;;"]
    rows += ["c-3;Ann;hydrology;31.10.2026;3;;", "d-4;Ben;hydrology;31.02.2026;;;"]
    file.write_text(EXCEL + "\r\n".join(rows), encoding="cp1252")
    options = ("--refused", str(refused), "--encoding", "windows-1252")
    status, answer, _ = await _batch(office, tmp_path, file, *options)
    assert (status, answer["accepted_count"], answer["refused_count"]) == (1, 2, 2)
    problems = {row["line"]: row["problem"] for row in answer["rows"]}
    assert [error["pointer"] for error in problems[4]["errors"]] == ["/ects", "/achievement"]
    assert "31.02.2026" in problems[6]["detail"]
    assert "Days in valid_from are read as day, month, year" in answer["read_as"]
    assert refused.read_text("utf-8-sig").splitlines()[1] == "b/2;Jörg;hydrologie;2026-10-02;viel;;"
    mended = refused.read_text("utf-8-sig").replace("hydrologie", "hydrology").replace("viel", "2,5")
    refused.write_text(mended.replace("31.02.", "28.02."), "utf-8-sig")
    status, answer, _ = await _batch(office, tmp_path, refused)
    assert (status, answer["accepted_count"], answer["refused_count"]) == (0, 2, 0)


async def test_a_workbook_is_sent_and_its_refused_rows_are_written_as_csv(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    file, refused = tmp_path / "liste.xlsx", tmp_path / "refused.csv"
    header = ["learner_ref", "given_name", "achievement", "valid_from"]
    day = dt.date(2026, 10, 1)
    file.write_bytes(workbook([header, ["a", "Zoë", "hydrology", day], [None], ["b", "Jörg", "none", day]]))
    status, answer, _ = await _batch(office, tmp_path, file, "--refused", str(refused))
    assert (status, answer["accepted_count"], [row["line"] for row in answer["rows"]]) == (1, 1, [4])
    assert refused.read_text("utf-8-sig").splitlines() == [",".join(header), "b,Jörg,none,2026-10-01"]
    status, answer, _ = await _batch(office, tmp_path, file, "--refused", str(file.with_name("b.xlsx")))
    assert (status, ".csv" in answer["detail"]) == (1, True)
