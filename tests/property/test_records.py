"""Files cut into records in any pieces give the rows that a reader of the whole file gives."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto.tables.cells import read_header, read_row
from proto.tables.dialect import CsvProblem
from proto.tables.records import BlankLinesProblem, FileRecord, RecordCutter, RecordTooLongProblem

_CELL = st.text(st.sampled_from('ab",\n\r ęЖ'), max_size=6)
_ROWS = st.lists(st.lists(_CELL, min_size=2, max_size=3), max_size=6)


def _cut(data: bytes, size: int, cutter: RecordCutter) -> list[FileRecord]:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return [record for piece in pieces for record in cutter.feed(piece)] + list(cutter.close())


@settings(max_examples=200, deadline=None)
@given(_ROWS, st.integers(1, 9), st.sampled_from(["\n", "\r\n"]))
def test_any_pieces_give_the_rows_of_the_whole_file(rows: list[list[str]], size: int, end: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    records = _cut(text.getvalue().encode(), size, RecordCutter("csv"))
    read = [
        cells
        for record in records
        for cells in csv.reader(io.StringIO(record.content.decode(), newline=""), strict=True)
    ]
    assert read == [cells for cells in rows if "".join(cells).strip('" \t\r\n,')]
    assert [record.line for record in records] == sorted({record.line for record in records})


_TEXT = st.text(st.sampled_from("aZ9é \u00a0\u3164\u0301\u200b\u2800\t\x07\x85\ud7a3\U0001f600"), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.lists(_TEXT, min_size=2, max_size=2))
def test_a_row_in_which_nothing_is_odd_says_what_each_of_its_cells_says_alone(cells: list[str]) -> None:
    """An unnamed column behind the others, which is empty, has every cell looked at by itself."""
    header, content = ("learner_ref", "family_name"), ",".join(cells).encode()
    found = []
    for columns, record in ((header, content), ((*header, ""), content + b",")):
        row = read_row(columns, FileRecord(2, record), required=header)
        found.append((row.cells, row.faults))
    assert found[0] == found[1]


def test_a_quote_inside_a_cell_opens_nothing() -> None:
    data = b'a,6" pipe\n"b ""quoted""\nover lines",c\n\nlast'
    records = _cut(data, 7, RecordCutter("csv"))
    assert [record.line for record in records] == [1, 2, 5]


def test_a_byte_order_mark_is_passed_over_and_lines_are_counted_as_in_the_file() -> None:
    records = _cut(b"\xef\xbb\xbf{}\r\n\r\n  \n{}", 3, RecordCutter("ndjson"))
    assert records == [FileRecord(1, b"{}"), FileRecord(4, b"{}")]


def test_a_record_over_the_limit_is_refused_before_it_is_held() -> None:
    with pytest.raises(RecordTooLongProblem, match="line 2"):
        _cut(b'a\n"' + b"x\n" * 100, 10, RecordCutter("csv", bytes_max=50))


def test_a_header_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(CsvProblem, match="UTF-8"):
        read_header(FileRecord(1, b"learner_ref\xff"), known=(), required=())


def test_blank_lines_are_counted_and_have_a_bound() -> None:
    data = b"a\n" + b"\r\n \n\n" * 3 + b"b\n"
    assert [found.line for found in _cut(data, 2, RecordCutter("csv", blank_lines_max=9))] == [1, 11]
    with pytest.raises(BlankLinesProblem, match="up to line 10"):
        _cut(data, 2, RecordCutter("csv", blank_lines_max=8))
    with pytest.raises(BlankLinesProblem):
        _cut(b"\n" * 1_000_000, 65_536, RecordCutter("ndjson"))
