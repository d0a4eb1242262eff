"""A program of its own: reads a workbook (XLSX) from standard input and writes the rows of its list. Asks nobody.

A workbook is a ZIP archive of XML in which strangers can hide work and memory without end, so it is read in a process
that has little memory, little time and no files (`workbook` beside it starts it). Standard output is one JSON list a
line: the number of a row in its sheet, and the row as a record of CSV. Exit status 1 and a word on standard error: no
readable workbook.
"""

import csv
import datetime as dt
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from services.process_limits import confine

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

MEMORY_BYTES = 1_073_741_824
"""Address space, of which the interpreter and the libraries' code take a part."""
UNPACKED_BYTES_MAX = 134_217_728
"""What the archive unpacks to, as it says itself; where it lies, the bounds of memory and time hold."""
MEMBERS_MAX = 2_000
CPU_SECONDS = 30
OUTPUT_BYTES_MAX = 67_108_864
_DENSE_CELLS_MAX = 8_000_000
_WHOLE_FLOAT_MAX = 2**53


class WorkbookError(Exception):
    """The workbook cannot be read; the message says why."""


def rows_in(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each row of the first sheet in which something stands; raises what the library does."""
    _check_size(data)
    from python_calamine import CalamineWorkbook, SheetVisibleEnum  # noqa: PLC0415 - the bounds come first

    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    for found in workbook.sheets_metadata:
        if found.visible is not SheetVisibleEnum.Visible:
            continue
        sheet = workbook.get_sheet_by_name(found.name)
        if sheet.end is not None:
            yield from _rows(sheet)
            return
    raise WorkbookError("empty")


def _check_size(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if len(members) > MEMBERS_MAX or sum(member.file_size for member in members) > UNPACKED_BYTES_MAX:
        raise WorkbookError("large")


def _rows(sheet: "CalamineSheet") -> Iterator[tuple[int, list[str]]]:
    end = sheet.end or (0, 0)
    if (end[0] + 1) * (end[1] + 1) > _DENSE_CELLS_MAX:
        raise WorkbookError("wide")
    for number, row in enumerate(sheet.to_python(skip_empty_area=False), start=1):
        cells = [text_of(cell) for cell in row]
        if any(cells):
            yield number, cells


def text_of(cell: Any) -> str:
    """Return what a cell says as a file of text would: days as `YYYY-MM-DD`, numbers without needless zeros."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _WHOLE_FLOAT_MAX else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat()
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else str(cell).strip()


def _write(rows: Iterator[tuple[int, list[str]]]) -> None:
    left = OUTPUT_BYTES_MAX
    for number, cells in rows:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="").writerow(cells)
        line = json.dumps([number, text.getvalue()], ensure_ascii=False).encode() + b"\n"
        left -= len(line)
        if left < 0:
            raise WorkbookError("large")
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def main() -> int:
    """Read, write, and return the exit status."""
    confine(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    try:
        _write(rows_in(sys.stdin.buffer.read()))
    except MemoryError:
        sys.stderr.write("large")
        return 1
    except WorkbookError as error:
        sys.stderr.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
