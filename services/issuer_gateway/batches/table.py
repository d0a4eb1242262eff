"""Files of rows as they arrive, whatever they are written in: text with separators, lines of JSON, workbooks.

What comes out is the same for all: a header, records with commas, and how their cells are to be read. Judges no row.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from proto.tables.awards_csv import COLUMNS as AWARD_COLUMNS
from proto.tables.awards_csv import DAY_COLUMNS as AWARD_DAY_COLUMNS
from proto.tables.awards_csv import REQUIRED_COLUMNS as AWARD_COLUMNS_NEEDED
from proto.tables.cells import read_header
from proto.tables.changes_csv import COLUMNS as CHANGE_COLUMNS
from proto.tables.changes_csv import DAY_COLUMNS as CHANGE_DAY_COLUMNS
from proto.tables.changes_csv import REQUIRED_COLUMNS as CHANGE_COLUMNS_NEEDED
from proto.tables.day_order import DayOrder
from proto.tables.dialect import CsvText, Encoding
from proto.tables.reading import Glance, Reading
from proto.tables.records import FileRecord, RecordCutter
from services.edge import BodyTooLargeProblem
from services.issuer_gateway.batches.workbooks.workbook import WORKBOOK_BYTES_MAX, XLSX, Workbooks
from services.issuer_gateway.store.batches import Kind

CSV = "text/csv"
_ROWS_AT_A_TIME, _BYTES_AT_A_TIME = 250, 65_536
"""After so many rows, or bytes of text, others get their turn: a chunk may hold 130,000 rows of two signs."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is written, as its sender states it."""

    media_type: str
    encoding: Encoding | None = None
    dates: DayOrder | None = None

    @property
    def is_table(self) -> bool:
        """Whether it has columns under a header."""
        return self.media_type in {CSV, XLSX}


class TableFile:
    """One file that arrives: `records` gives the rows below its header; then `reading` says how to read them."""

    def __init__(self, kind: Kind, written: Written, workbooks: Workbooks) -> None:
        self._kind = kind
        self._written = written
        self._workbooks = workbooks
        self._text = CsvText(written.encoding)
        self._glance: Glance | None = None
        self._notes: tuple[str, ...] = ()
        self.header: tuple[str, ...] = ()

    @property
    def reading(self) -> Reading:
        """How the cells are to be read; of a file without columns as usual."""
        return Reading() if self._glance is None else self._glance.reading(self._written.dates, self._notes)

    async def records(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Sequence[FileRecord]]:
        """Yield the rows below the header, some at a time.

        Raises `CsvProblem`, `RecordTooLongProblem`, `BlankLinesProblem`, `BodyTooLargeProblem` and what `chunks` does.
        """
        if self._written.media_type == XLSX:
            async for some in self._in_turns(await self._workbooks.records(await _whole(chunks))):
                yield some
            self._check_header()
            return
        source = self._text if self._written.is_table else RecordCutter("ndjson")
        async for chunk in chunks:
            for piece in _pieces(chunk):
                async for some in self._in_turns(source.feed(piece)):
                    yield some
                await asyncio.sleep(0)  # a piece of blank lines has no record, and is work too
        async for some in self._in_turns(source.close()):
            yield some
        self._notes = self._text.notes()
        self._check_header()

    async def _in_turns(self, records: Iterable[FileRecord]) -> AsyncIterator[Sequence[FileRecord]]:
        """Yield records below the header, some at a time, and let others have their turn behind each time."""
        left = iter(records)
        while some := list(islice(left, _ROWS_AT_A_TIME)):
            yield self._below_header(some)
            await asyncio.sleep(0)

    def _below_header(self, records: Iterable[FileRecord]) -> list[FileRecord]:
        """Return records without the header, which is read, and look at each of them."""
        if not self._written.is_table:
            return list(records)
        found = []
        for record in records:
            if self._glance is None:
                self._glance = self._begun(record)
                continue
            self._glance.see(record)
            found.append(record)
        return found

    def _begun(self, record: FileRecord) -> Glance:
        if self._kind == "awards":
            self.header = read_header(record, known=AWARD_COLUMNS, required=AWARD_COLUMNS_NEEDED)
            return Glance(self.header, AWARD_DAY_COLUMNS)
        self.header = read_header(record, known=CHANGE_COLUMNS, required=CHANGE_COLUMNS_NEEDED)
        return Glance(self.header, CHANGE_DAY_COLUMNS)

    def _check_header(self) -> None:
        if self._written.is_table and self._glance is None:
            self._begun(FileRecord(1, b""))


def _pieces(chunk: bytes) -> Iterator[bytes]:
    return (chunk[start : start + _BYTES_AT_A_TIME] for start in range(0, len(chunk), _BYTES_AT_A_TIME))


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        if len(held) > WORKBOOK_BYTES_MAX:
            raise BodyTooLargeProblem(WORKBOOK_BYTES_MAX)
    return bytes(held)
