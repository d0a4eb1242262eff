"""Cells of files that a spreadsheet opens: a text of others is never worked out there."""

import csv
import io

import pytest

from proto.tables.inert import inert
from services.verifier.http.csv_files import csv_bytes

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "=\u202e1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_work_out_is_a_text(text: str) -> None:
    assert inert(text) == f"'{text}"
    written = csv_bytes({"name": lambda row: row}, [text]).decode()
    assert list(csv.reader(io.StringIO(written, newline=""))) == [["name"], [f"'{text}"]]


@pytest.mark.parametrize("text", ["", "'=1", "Universität", "a=b", "1-2", "\u202eabc"])
def test_any_other_text_is_as_it_was(text: str) -> None:
    assert inert(text) == text
