"""A CSV of awards: right rows come through, wrong ones are named by line and column."""

from pathlib import Path

import pytest

from proto.tables import awards_csv
from proto.tables.awards_csv import CsvProblem, parse_awards

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
HEADER = "learner_ref,family_name,achievement,valid_from,valid_until,ects,grade"
GOOD = "s-1,Ó Briain,https://u.example/a/1,2025-07-01,,3.5,8"


def faults_of(*rows: str) -> list[tuple[int, str, str]]:
    found = parse_awards("\n".join([HEADER, *rows]).encode())
    return [(fault.line, fault.field, fault.code) for fault in found.faults]


def test_the_example_file_is_right_and_keeps_every_name() -> None:
    found = parse_awards((EXAMPLES / "awards.csv").read_bytes())
    assert found.faults == ()
    assert len(found.rows) == 12
    names = {row.award.learner.full_name for row in found.rows}
    assert {"Łukasz Żółkiewski", "Aoife Ó Briain", "Ζωή Παπαδοπούλου", "Þórdís Jónsdóttir"} <= names
    assert [row.award.ects_hundredths for row in found.rows if row.award.ects_hundredths] == [150, 250]
    assert found.rows[10].award.narrative == 'Tema: "oleaje y puerto"'


def test_a_date_means_the_beginning_of_that_day() -> None:
    row = parse_awards(f"{HEADER}\n{GOOD}".encode()).rows[0]
    assert row.line == 2
    assert row.award.begins_at == "2025-07-01T00:00:00.000Z"
    assert row.award.ects_hundredths == 350
    assert row.award.result is not None
    assert row.award.result.value == "8"


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    data = b"\xef\xbb\xbf" + f"{HEADER}\r\n{GOOD}\r\n".encode()
    assert len(parse_awards(data).rows) == 1


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ("s-1,X,https://u.example/a/1,2025-07-01,,3.5", "", "cell-count"),
        (",X,https://u.example/a/1,2025-07-01,,,", "learner_ref", "missing"),
        ("a@b,X,https://u.example/a/1,2025-07-01,,,", "learner_ref", "invalid"),
        ("s-1,,https://u.example/a/1,2025-07-01,,,", "", "invalid"),
        ("s-1,X,not a uri,2025-07-01,,,", "achievement", "invalid"),
        ("s-1,X,https://u.example/a/1,01-07-2025,,,", "valid_from", "invalid"),
        ("s-1,X,https://u.example/a/1,2025-02-30,,,", "", "invalid"),
        ("s-1,X,https://u.example/a/1,2025-07-01,2025-06-30,,", "", "invalid"),
        ('s-1,X,https://u.example/a/1,2025-07-01,,"3,5",', "ects", "invalid"),
        ("s-1,X,https://u.example/a/1,2025-07-01,,3.555,", "ects", "invalid"),
        ("s-1,X,https://u.example/a/1,2025-07-01,,-1,", "ects", "invalid"),
        ("s-1,X,https://u.example/a/1,2025-07-01,,9999,", "ects", "invalid"),
        ("s-1,X\x07,https://u.example/a/1,2025-07-01,,,", "family_name", "control-character"),
        (GOOD, "", "row-repeated"),
    ],
)
def test_a_wrong_row_is_named_and_the_others_go_on(row: str, field: str, code: str) -> None:
    data = "\n".join([HEADER, GOOD, row, GOOD.replace("s-1", "s-9")])
    found = parse_awards(data.encode())
    assert [(fault.line, fault.field, fault.code) for fault in found.faults] == [(3, field, code)]
    assert [item.line for item in found.rows] == [2, 4]


def test_lines_are_counted_where_cells_hold_line_breaks() -> None:
    data = f'{HEADER},narrative\n{GOOD},"one\ntwo"\n,X,https://u.example/a/1,2025-07-01,,,,\n'
    assert parse_awards(data.encode()).faults[0].line == 4


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "missing"),
        (b"learner_ref,achievement\n", "valid_from"),
        (HEADER.replace("grade", "colour").encode(), "Unknown columns: 'colour'"),
        (HEADER.replace(",", ";").encode(), "separated by commas"),
        (HEADER.replace("grade", "ects").encode(), "twice"),
        ("learner_ref,familie_naam\nÓ".encode("latin-1"), "UTF-8"),
        (f'{HEADER}\n"s-1"x,'.encode(), "Line 2"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(data: bytes, sentence: str) -> None:
    with pytest.raises(CsvProblem, match=sentence):
        parse_awards(data)


def test_a_file_has_no_more_rows_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awards_csv, "ROW_COUNT_MAX", 2)
    rows = [GOOD.replace("s-1", f"s-{number}") for number in range(3)]
    with pytest.raises(CsvProblem, match="more than 2 rows"):
        faults_of(*rows)
