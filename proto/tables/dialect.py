"""How a file of rows is written: its encoding, what separates its cells, blank rows. Knows no column.

Every record is made into one form: UTF-8 where it is so written, cells separated by commas (RFC 4180).
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from typing import Literal

from proto.problem import MalformedProblem
from proto.tables.records import FileRecord, RecordCutter

Encoding = Literal["utf-8", "windows-1252"]
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "windows-1252")
NOT_UTF_8 = (
    "is not UTF-8; it was most likely saved as plain CSV by Excel, which is Windows-1252: send it again and say so "
    "(`--encoding windows-1252`, over HTTP `?encoding=windows-1252`), or save it as CSV UTF-8"
)
_CODECS = {"utf-8": None, "windows-1252": "cp1252"}
_SEPARATOR_NAMES = {b",": "commas", b";": "semicolons", b"\t": "tabs"}
_BEGINNING_BYTES = 4
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WORKBOOK, _OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_OTHERS = {
    _WORKBOOK: "This is a spreadsheet (XLSX) and not text: send it as such, in a file whose name ends in .xlsx",
    _OLD_WORKBOOK: "This is a spreadsheet of the old kind (XLS): save it as an Excel workbook (.xlsx) or as CSV UTF-8",
}


class CsvProblem(MalformedProblem):
    """The file as a whole cannot be read: encoding, header, size."""

    slug = "malformed-csv"
    title = "The CSV file cannot be read"


class CsvText:
    """Takes a CSV file piece by piece with `feed`, gives its records in one form; `close` gives the last one.

    Commas, semicolons and tabs are told apart by the header, UTF-16 by its mark. Raises `CsvProblem` for what is no
    text in the `encoding` that is stated, and what `RecordCutter` raises.
    """

    def __init__(self, encoding: Encoding | None = None) -> None:
        self._cutter = RecordCutter("csv")
        self._stated = encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._beginning: bytes | None = b""
        self.encoding: str = encoding or "utf-8"

    @property
    def separator(self) -> bytes:
        """What separates cells, as the header shows; a comma before it was read."""
        return self._cutter.separator or b","

    def feed(self, piece: bytes) -> Iterator[FileRecord]:
        """Yield the records that this piece completes."""
        if self._beginning is not None:
            self._beginning += piece
            if len(self._beginning) < _BEGINNING_BYTES:
                return
            piece = self._begun()
        yield from self._in_one_form(self._cutter.feed(self._utf_8(piece, is_last=False)))

    def close(self) -> Iterator[FileRecord]:
        """Yield what is left."""
        rest = self._begun() if self._beginning is not None else b""
        yield from self._in_one_form(self._cutter.feed(self._utf_8(rest, is_last=True)))
        yield from self._in_one_form(self._cutter.close())

    def notes(self) -> tuple[str, ...]:
        """Return in sentences how the file is written, where that is not the usual way."""
        found = []
        if self.separator != b",":
            found.append(f"Cells are separated by {_SEPARATOR_NAMES.get(self.separator, 'another sign')}")
        if self.encoding != "utf-8":
            found.append(f"The text is read as {self.encoding.capitalize()}")
        return tuple(found)

    def _begun(self) -> bytes:
        beginning, self._beginning = self._beginning or b"", None
        for mark, sentence in _OTHERS.items():
            if beginning.startswith(mark):
                raise CsvProblem(sentence)
        codec = _CODECS[self._stated] if self._stated else None
        if beginning.startswith(_UTF_16_MARKS):
            self.encoding, codec = "UTF-16", "utf-16"
        elif beginning.startswith(codecs.BOM_UTF8):
            self.encoding, codec = "utf-8", None
        self._decoder = codecs.getincrementaldecoder(codec)() if codec else None
        return beginning

    def _utf_8(self, piece: bytes, *, is_last: bool) -> bytes:
        if self._decoder is None:
            return piece
        try:
            return self._decoder.decode(piece, final=is_last).encode()
        except UnicodeError as error:
            raise CsvProblem(
                f"The file is not {self.encoding.capitalize()}: it holds bytes that mean nothing there. Save it as CSV "
                "UTF-8 and send it without another encoding"
            ) from error

    def _in_one_form(self, records: Iterable[FileRecord]) -> Iterator[FileRecord]:
        for record in records:
            yield record if self.separator == b"," else _with_commas(record, self.separator)


def _with_commas(record: FileRecord, separator: bytes) -> FileRecord:
    """Return a record with commas; one that is no CSV becomes one that is none with commas either."""
    try:
        cells = list(csv.reader(io.StringIO(record.content.decode("latin-1"), newline=""), _SEPARATED[separator]))
    except csv.Error:
        cells = []
    if len(cells) != 1:
        return FileRecord(record.line, b'"' + record.content.replace(b'"', b" "))
    return csv_record(record.line, cells[0], encoding="latin-1")


def csv_record(line: int, cells: Iterable[str], *, encoding: str = "utf-8") -> FileRecord:
    """Return cells as a record with commas."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="").writerow(cells)
    return FileRecord(line, text.getvalue().encode(encoding))


class _Semicolons(csv.excel):
    delimiter = ";"
    strict = True


class _Tabs(csv.excel):
    delimiter = "\t"
    strict = True


_SEPARATED = {b";": _Semicolons, b"\t": _Tabs}
