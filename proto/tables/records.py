"""Cuts the text of a CSV or NDJSON file, as it arrives, into its records. Holds one record; decodes no cell.

A record of CSV may have line ends inside quotes (RFC 4180 section 2.6), so a line is not a row. What separates its
cells is what the header has most of: a comma, a semicolon or a tab.
"""

from collections.abc import Iterator
from typing import Literal

from proto.events import Record
from proto.problem import MalformedProblem

RECORD_BYTES_MAX = 65_536
BLANK_LINES_MAX = 100_000
_LINE_FEED, _QUOTE = b"\n", b'"'
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_QUOTE_BYTE = 0x22
_SEPARATORS = (b",", b";", b"\t")
_STATED_SEPARATOR = b"sep="
"""Excel reads a first line `sep=;` as what separates cells, and other programs write it for Excel."""


class RecordTooLongProblem(MalformedProblem):
    """A record has more bytes than any has: most often a quote that is never closed."""

    slug = "record-too-long"
    title = "A record of the file is too long"


class BlankLinesProblem(MalformedProblem):
    """A file has more blank lines than any has rows."""

    slug = "blank-lines"
    title = "The file has too many blank lines"


class FileRecord(Record, frozen=True):
    """One record: the line of the file that it begins on (from 1), and its bytes without the last line end."""

    line: int
    content: bytes


class RecordCutter:
    """Takes a file piece by piece with `feed`, gives whole records; `close` gives the last one.

    Blank lines between records, of CSV also rows of which every cell is empty, are passed over and counted.
    `RecordTooLongProblem` is raised for one over the limit, `BlankLinesProblem` after `blank_lines_max` of them.
    """

    def __init__(
        self,
        form: Literal["csv", "ndjson"],
        *,
        bytes_max: int = RECORD_BYTES_MAX,
        blank_lines_max: int = BLANK_LINES_MAX,
    ) -> None:
        self._blank_lines_left = blank_lines_max
        self._is_csv = form == "csv"
        self._bytes_max = bytes_max
        self._rest = b""
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._begun_on = 0
        self._line = 0
        self._state = _START
        self._separator: bytes | None = None

    @property
    def separator(self) -> bytes | None:
        """What separates cells of CSV; None until its header has come."""
        return self._separator

    def feed(self, piece: bytes) -> Iterator[FileRecord]:
        """Yield the records that this piece completes."""
        *lines, self._rest = (self._rest + piece).split(_LINE_FEED)
        for line in lines:
            yield from self._add(line)
        self._check(len(self._rest))

    def close(self) -> Iterator[FileRecord]:
        """Yield the last record, where the file does not end with a line end.

        One whose quote was never closed is given as it is: whoever decodes it refuses it.
        """
        rest, self._rest = self._rest, b""
        if rest or self._parts:
            self._state = _START if not self._parts else self._state
            yield from self._add(rest, is_last=True)

    def _add(self, line: bytes, *, is_last: bool = False) -> Iterator[FileRecord]:
        self._line += 1
        if self._line == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not self._parts:
            self._begun_on = self._line
        self._check(len(line))
        if self._is_csv and self._separator is None and self._is_about_separators(line):
            return
        if self._is_csv and (self._parts or _QUOTE in line):
            self._state = _scan(line, self._state, (self._separator or b",")[0])
            if self._state == _QUOTED and not is_last:
                self._parts.append(line)
                self._parts_bytes += len(line) + 1
                return
        content = _LINE_FEED.join([*self._parts, line]).removesuffix(b"\r")
        self._parts.clear()
        self._parts_bytes, self._state = 0, _START
        if not self._is_blank(content):
            yield FileRecord(self._begun_on, content)
            return
        self._blank_lines_left -= 1
        if self._blank_lines_left < 0:
            raise BlankLinesProblem(f"The file holds too many blank lines, up to line {self._line}: leave them out")

    def _is_about_separators(self, line: bytes) -> bool:
        """Find out what separates cells; tell whether the line only said that."""
        content = line.strip()
        stated = content.lower().strip(b'"').removeprefix(_STATED_SEPARATOR) if b"=" in content[:5] else b""
        if (len(stated) == 1 and stated in _SEPARATORS) or content.lower() == b"sep=":
            self._separator = stated or b"\t"
            return True
        if content:
            self._separator = separator_of(line)
        return False

    def _is_blank(self, content: bytes) -> bool:
        if not self._is_csv:
            return not content.strip()
        return not content.translate(None, b'" \t\r\n' + (self._separator or b","))

    def _check(self, more_bytes: int) -> None:
        if self._parts_bytes + more_bytes > self._bytes_max:
            line = self._begun_on if self._parts else self._line + 1
            raise RecordTooLongProblem(
                f"The record that begins on line {line} has more than {self._bytes_max} bytes; is a quote left open?"
            )


_START, _PLAIN, _QUOTED, _QUOTE_SEEN = range(4)


def separator_of(header: bytes) -> bytes:
    """Return what separates the cells of a header: of comma, semicolon and tab the one that it has most of."""
    outside = b"".join(header.split(_QUOTE)[::2])
    return max(_SEPARATORS, key=outside.count)


def _scan(line: bytes, state: int, separator: int) -> int:
    """Return where a CSV reader stands after a line: only `_QUOTED` goes on in the next."""
    for byte in line:
        if state == _QUOTED:
            state = _QUOTE_SEEN if byte == _QUOTE_BYTE else _QUOTED
        elif byte == separator:
            state = _START
        elif byte == _QUOTE_BYTE and state != _PLAIN:
            state = _QUOTED
        else:
            state = _PLAIN
    return state if state == _QUOTED else _START
