"""A CSV of awards: right rows come through, wrong ones are named by line and column."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from proto.tables import awards_csv
from proto.tables.awards_csv import parse_awards, read_award
from proto.tables.cells import Row, check_header, read_header, read_row
from proto.tables.day_order import DayOrder
from proto.tables.dialect import CsvProblem, CsvText
from proto.tables.reading import Glance
from proto.tables.records import FileRecord

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
        ("a b,X,https://u.example/a/1,2025-07-01,,,", "learner_ref", "invalid"),
        ("a/../b,X,https://u.example/a/1,2025-07-01,,,", "learner_ref", "invalid"),
        ("s-1,,https://u.example/a/1,2025-07-01,,,", "", "invalid"),
        ("s-1,X,not a uri,2025-07-01,,,", "achievement", "invalid"),
        ("s-1,X,https://u.example/a/1,01-07-2025,,,", "valid_from", "ambiguous-day"),
        ("s-1,X,https://u.example/a/1,2025-02-30,,,", "valid_from", "no-such-day"),
        ("s-1,X,https://u.example/a/1,2025-02-30T10:00:00Z,,,", "valid_from", "no-such-time"),
        ("s-1,X,https://u.example/a/1,1.7.25,,,", "valid_from", "invalid"),
        ("s-1,X,https://u.example/a/1,2025-07-01,2025-06-30,,", "", "invalid"),
        ('s-1,X,https://u.example/a/1,2025-07-01,,"3,555",', "ects", "invalid"),
        ('"s-1"x,X,https://u.example/a/1,2025-07-01,,,', "", "not-csv"),
        ("s-1,X,https://u.example/a/1,2025-07-01,,,,9", "", "cell-count"),
        ("s-1,X,https://u.example/a/1,2025-07-01,,3.555,", "ects", "invalid"),
        ("s-1,X,https://u.example/a/1,2025-07-01,,-1,", "ects", "invalid"),
        ("s-1,X,https://u.example/a/1,2025-07-01,,9999,", "ects", "invalid"),
        ("s-1,X\x07,https://u.example/a/1,2025-07-01,,,", "family_name", "control-character"),
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
        (b"", "empty"),
        (b"learner_ref,achievement\n", "valid_from"),
        (HEADER.replace("grade", "colour").encode(), "Unknown columns: 'colour'"),
        (HEADER.replace("grade", "ects").encode(), "twice"),
        ("learner_ref,familie_namé\n".encode("latin-1"), "--encoding windows-1252"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0rest", "xlsx"),
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


FROM_EXCEL = (
    "Learner_Ref;Family Name;ACHIEVEMENT;valid-from;ECTS;Date_of_Birth;;\r\n"
    "s-1;Müller;a;01.10.2026;2,5;13.01.1999;;\r\n"
    ";;;;;;;\r\n"
    '"anna@hs.example";"Weiß; Özil";a;31.10.2026 00:00:00;3;02.01.1999;;\r\n'
    ";;;\r\n"
)


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_list_from_excel_is_read_as_it_is_written(separator: str, encoding: str, size: int) -> None:
    rows = csv.reader(io.StringIO(FROM_EXCEL, newline=""), delimiter=";")
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(rows)
    data = text.getvalue().encode(encoding)
    source = CsvText("windows-1252" if encoding == "cp1252" else None)
    records = [each for at in range(0, len(data), size) for each in source.feed(data[at : at + size])]
    first, *rest = [*records, *source.close()]
    header = read_header(first, known=awards_csv.COLUMNS, required=awards_csv.REQUIRED_COLUMNS)
    glance = Glance(header, awards_csv.DAY_COLUMNS)
    for record in rest:
        glance.see(record)
    reading = glance.reading(None, source.notes())
    rows_read = [read_award(header, record, reading) for record in rest]
    assert [row.line for row in rows_read] == [2, 4]
    awards = [row.award for row in rows_read if isinstance(row, awards_csv.AwardRow)]
    assert [(award.learner.family_name, award.valid_from, award.learner.date_of_birth) for award in awards] == [
        ("Müller", "2026-10-01", "1999-01-13"),
        ("Weiß; Özil", "2026-10-31", "1999-01-02"),
    ]
    assert [award.ects_hundredths for award in awards] == [250, 300]
    assert "Days in valid_from are read as day, month, year" in reading.notes
    assert "Commas in ects are read as decimal points" in reading.notes
    assert any("separated" in note for note in reading.notes) == (separator != ",")
    assert any("is read as" in note for note in reading.notes) == (encoding != "utf-8-sig")


def test_a_row_that_is_written_as_usual_is_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    header = read_header(FileRecord(1, HEADER.encode()), known=awards_csv.COLUMNS, required=())
    glance, seen = Glance(header, awards_csv.DAY_COLUMNS), list[int]()

    def counted(names: Sequence[str], record: FileRecord, *, required: Sequence[str]) -> Row:
        seen.append(record.line)
        return read_row(names, record, required=required)

    monkeypatch.setattr("proto.tables.reading.read_row", counted)
    glance.see(FileRecord(2, GOOD.encode()))
    assert seen == []
    glance.see(FileRecord(3, GOOD.replace("3.5", '"3,5"').encode()))
    assert seen == [3]
    assert glance.reading(None).notes == ("Commas in ects are read as decimal points",)


@pytest.mark.parametrize(
    ("days", "read"),
    [
        (("01.10.2026", "31.10.2026"), ["2026-10-01", "2026-10-31"]),
        (("10/1/2026", "10/31/2026"), ["2026-10-01", "2026-10-31"]),
        (("07-07-2026", "2026/7/1"), ["2026-07-07", "2026-07-01"]),
        (("01.10.2026", "02.10.2026"), ["ambiguous-day", "ambiguous-day"]),
        (("31.10.2026", "10/31/2026"), ["2026-10-31", "2026-10-31"]),
        (("31.10.2026", "10/31/2026", "1.2.2026"), ["2026-10-31", "2026-10-31", "ambiguous-day"]),
        (("31.02.2026", "01.03.2026"), ["no-such-day", "2026-03-01"]),
        (("2026-02-31", "1.3.26"), ["no-such-day", "invalid"]),
        (("13.13.2026",), ["no-such-day"]),
    ],
)
def test_days_are_taken_where_no_doubt_is_possible(days: tuple[str, ...], read: list[str]) -> None:
    data = "learner_ref,given_name,achievement,valid_from\n" + "".join(f"s,Ann,a,{day}\n" for day in days)
    found = parse_awards(data.encode())
    said = {row.line: row.award.valid_from for row in found.rows} | {each.line: each.code for each in found.faults}
    assert [said[line] for line in sorted(said)] == read


@pytest.mark.parametrize(("dates", "read"), [("dmy", "2026-10-01"), ("mdy", "2026-01-10")])
def test_where_days_are_in_doubt_the_sender_says_which_they_are(dates: DayOrder, read: str) -> None:
    data = b"learner_ref,given_name,achievement,valid_from\ns,Ann,a,01.10.2026\n"
    assert "`--dates dmy`" in parse_awards(data).faults[0].detail
    assert parse_awards(data, dates=dates).rows[0].award.valid_from == read


def test_every_fault_of_a_row_is_reported_with_what_to_do() -> None:
    header = "learner_ref,given_name,date_of_birth,email,achievement,valid_from,valid_until,ects,status,on_repeat"
    found = parse_awards(f"{header}\n,\x00,1999-02-30,no,a b,2026-02-31,01.02.26,many,Done,maybe\n".encode())
    assert sorted(fault.field for fault in found.faults) == sorted(header.split(","))
    details = {fault.field: fault.detail for fault in found.faults}
    assert "2026-02-31" in details["valid_from"]
    assert "1999" not in details["date_of_birth"]
    assert "anna.nowak@hs.example" in details["email"]


def test_what_cells_contradict_together_is_reported_beside_what_is_wrong_alone() -> None:
    header = "learner_ref,achievement,valid_from,valid_until,activity_start,activity_end,ects,given_name"
    found = parse_awards(f"{header}\ns,a,2026-02-01,2026-01-01,2026-02-01,2026-01-01,x,Ann\n".encode())
    assert [fault.detail.partition(" ")[0] for fault in found.faults] == ["This", "valid_until", "activity_end"]
    found = parse_awards(f"{header}\ns,a,2026-02-01,,,,x,\n".encode())
    assert [fault.field for fault in found.faults] == ["ects", ""]


def test_a_row_that_is_not_utf_8_is_named_so_and_its_other_faults_are_named_too() -> None:
    data = "learner_ref,given_name,achievement,valid_from\ns,Zoë,a b,2026-02-01\nt,Ann,a,2026-02-01\n".encode("cp1252")
    found = parse_awards(data)
    assert [(fault.line, fault.field, fault.code) for fault in found.faults] == [
        (2, "", "not-utf-8"),
        (2, "achievement", "invalid"),
    ]
    assert "windows-1252" in found.faults[0].detail
    assert [row.line for row in found.rows] == [3]


def test_excel_s_first_line_about_the_separator_is_taken() -> None:
    data = b"sep=;\r\nlearner_ref;given_name;achievement;valid_from\r\ns;Ann;a;2026-02-01\r\n"
    assert [row.line for row in parse_awards(data).rows] == [3]


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("achievement", "Soil Science", "short id, as water-management"),
        ("learner_ref", "Anna Nowak", "without blanks"),
        ("valid_from", "1 July", "a day, as 2026-11-23"),
        ("date_of_birth", "1st of July 1999", "2026-11-23"),
        ("email", "anna", "a mail address"),
        ("learner_uri", "anna", "a URI with its scheme"),
        ("prerequisites", "abc", "64 lower-case hexadecimal digits"),
        ("status", "done", "It takes one of: Completed, Enrolled"),
        ("on_repeat", "twice", "It takes one of: repeat, replace"),
        ("grade", "8" * 101, "more than 100 characters"),
        ("valid_until", "9999-12-31", "leave out what has no end"),
        ("valid_from", "9999-12-31", "leave out what has no end"),
    ],
)
def test_a_fault_says_what_the_column_takes_and_no_regular_expression(column: str, cell: str, words: str) -> None:
    cells = {"learner_ref": "s-1", "given_name": "Anna", "achievement": "soil", "valid_from": "2026-07-01"}
    cells[column] = cell
    (fault,) = parse_awards(f"{','.join(cells)}\n{','.join(cells.values())}\n".encode()).faults
    assert (fault.field, words in fault.detail) == (column, True)
    assert "regex" not in fault.detail
    assert "Its fields are" not in fault.detail


def test_a_list_without_a_header_is_told_so_and_none_of_its_cells_is_repeated() -> None:
    with pytest.raises(CsvProblem, match="names the columns") as refused:
        parse_awards("s-1,Zoë,Løvstad,zoe@example.org\ns-2,Ann,Berg,ann@example.org\n".encode())
    assert not any(cell in refused.value.detail for cell in ("Zoë", "Løvstad", "zoe@example.org"))


@pytest.mark.parametrize("name", ["a" + "\u0301\u0316" * 15_000, "family_name" + "\u200b" * 20_000])
def test_a_name_that_no_column_has_is_unknown_however_long_it_is(name: str) -> None:
    with pytest.raises(CsvProblem, match="Unknown columns"):
        parse_awards(f"learner_ref,{name}\n1,2\n".encode())


def test_a_column_that_stands_ten_thousand_times_is_named_once() -> None:
    with pytest.raises(CsvProblem, match="twice in the header: learner_ref"):
        check_header(["learner_ref"] * 10_000, known=["learner_ref"], required=["learner_ref"])


def test_a_row_of_thirty_thousand_names_is_no_header() -> None:
    with pytest.raises(CsvProblem, match="copy the list alone"):
        check_header(["a"] * 30_000, known=["learner_ref"], required=["learner_ref"])
    assert check_header(["learner_ref", *[""] * 16_000], known=["learner_ref"], required=["learner_ref"])
