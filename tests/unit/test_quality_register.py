"""Copies of a quality register: what a file may look like, which report a statement names, what is never claimed."""

from pathlib import Path

import pytest

from proto.quality_register import QualityRegister, QualityReport, encoded_register, report_named
from proto.tables.quality_files import QualityFileProblem, read_reports
from services.settings import SettingsFault
from services.verifier.projection.quality_file import read_quality_file
from services.verifier.verdict.quality import NO_COPY, QualityCopy

REPORT = QualityReport(
    report=47569,
    agency="NVAO",
    institutions=("Hogeschool Waterland", "Delta College"),
    programme="Hydrology",
    decision="positive",
    status="part of obligatory EQA system",
    valid_from="2023-01-01",
    valid_until="2029-01-01",
)
HEADER = "report_id,agency,institutions,programme,decision,status,valid_from,valid_to,flag"
ROW = (
    "47569,NVAO,Hogeschool Waterland; Delta College,Hydrology,positive,part of obligatory EQA system,"
    "2023-01-01,2029-01-01,x"
)
OBJECT = (
    '{"id": 47569, "agency_acronym": "NVAO", "institutions": [{"name_primary": "Hogeschool Waterland"}, '
    '"Delta College"], "name": "Hydrology", "decision": "positive", "status": "part of obligatory EQA system", '
    '"valid_from": "2023-01-01T00:00:00Z", "valid_to": "2029-01-01"}'
)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{ROW}\n",
        f"\ufeff{HEADER}\r\n{ROW}\r\n",
        f"{HEADER.replace(',', chr(9))}\n{ROW.replace(',', chr(9))}\n",
        f"[{OBJECT}]",
        f'{{"count": 1, "results": [{OBJECT}]}}',
    ],
)
def test_a_download_is_read_in_each_of_its_forms(text: str) -> None:
    assert read_reports(text.encode()) == (REPORT,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name,agency\nx,y\n", "report_id"),
        (b"report_id\nabc\n", "Line 2"),
        (b"report_id\n", "no report"),
        (b"[1]", "Report 1"),
        (b'{"a": 1}', "results"),
        (b"[{", "is none"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_what_is_no_list_of_reports_says_where(content: bytes, said: str) -> None:
    with pytest.raises(QualityFileProblem, match=said):
        read_reports(content)


@pytest.mark.parametrize(
    ("named", "report"),
    [
        ("https://data.deqar.eu/report/47569", 47569),
        ("https://data.deqar.eu/report/47569/", 47569),
        ("https://www.eqar.eu/qa-results/search/report/47569", 47569),
        ("DEQAR:47569", 47569),
        ("deqar report 47569", 47569),
        ("https://data.deqar.eu.elsewhere.example/report/47569", None),
        ("https://elsewhere.example/?https://data.deqar.eu/report/47569", None),
        ("https://data.deqar.eu/institution/47569", None),
        ("47569", None),
        ("NVAO", None),
        (None, None),
    ],
)
def test_a_report_is_named_by_its_address_or_number_at_the_register_alone(
    named: str | None, report: int | None
) -> None:
    assert report_named(named) == report


def test_what_a_copy_cannot_tell_is_unknown_and_never_found() -> None:
    copy = QualityCopy(QualityRegister(day="2026-06-01", reports=(REPORT,)), days_max=180)
    named = "https://data.deqar.eu/report/47569"
    found = copy.finding(named, today="2026-06-02")
    assert (found.result, found.copy_of, found.agency) == ("found", "2026-06-01", "NVAO")
    assert found.institutions == REPORT.institutions
    other = copy.finding("https://data.deqar.eu/report/1", today="2026-06-02")
    assert (other.result, other.copy_of) == ("not_found", "2026-06-01")
    assert copy.finding(named, today="2026-11-28").result == "found"
    old = copy.finding(named, today="2026-11-29")
    assert (old.result, old.copy_of, old.agency) == ("unknown", "2026-06-01", "")
    assert copy.ends_at == "2026-11-29T00:00:00.000Z"
    assert (NO_COPY.finding(named, today="2026-06-02").result, NO_COPY.ends_at) == ("unknown", None)
    assert copy.finding("https://nvao.net", today="2026-06-02").result == "not_named"
    future = QualityCopy(QualityRegister(day="2026-06-01", reports=(REPORT,)), days_max=180)
    assert future.finding(named, today="2026-05-01").result == "unknown", "a copy of a day to come is none"


def test_a_file_that_holds_no_copy_stops_the_verifier_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "copy.json"
    path.write_bytes(encoded_register(QualityRegister(day="2026-06-01", reports=(REPORT,))))
    assert read_quality_file(path, days_max=180).finding("DEQAR:47569", today="2026-06-02").result == "found"
    assert read_quality_file(None, days_max=180) is NO_COPY
    for wrong in (b"", b"{}", b'{"day": "2026-13-01", "reports": []}'):
        path.write_bytes(wrong)
        with pytest.raises(SettingsFault, match="quality-register import"):
            read_quality_file(path, days_max=180)
