"""Lists in workbooks (XLSX): taken out by a program of its own, within bounds. Knows no column."""

import asyncio
from collections.abc import Sequence

import msgspec

from proto.tables.dialect import CsvProblem
from proto.tables.records import RECORD_BYTES_MAX, FileRecord, RecordTooLongProblem
from services.bounded_program import run_bounded, within
from services.issuer_gateway.waiting.turns import WorkTurns

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORKBOOK_BYTES_MAX = 16_777_216
READERS_MAX = 1
WAITING_MAX = 8
"""Each holds a whole workbook in memory."""
WAIT_SECONDS_MAX = 60.0
READ_SECONDS_MAX = 60.0
PROGRAM = ("-m", "services.issuer_gateway.batches.workbooks.workbook_process")
_DECODE = msgspec.json.Decoder(tuple[int, str]).decode
_WHY = {
    "empty": "No sheet of the workbook that is shown holds anything: fill in the first one",
    "large": "The workbook unpacks to more than a list of awards does: copy the list alone into a new workbook, or "
    "save it as CSV UTF-8",
    "wide": "Cells lie far below or beside the list: copy the list alone into a new workbook, or save it as CSV UTF-8",
    "BadZipFile": "This is no workbook (XLSX): save the list as an Excel workbook (.xlsx) or as CSV UTF-8",
    "PasswordError": "The workbook is protected by a password: save it without one",
}
_BROKEN = (
    "The workbook cannot be read within the bounds that one has: copy the list alone into a new workbook and save it "
    "as an Excel workbook (.xlsx), or save it as CSV UTF-8"
)


class Workbooks:
    """Reads workbooks, `READERS_MAX` at once; others wait for their turn."""

    def __init__(self, *, program: Sequence[str] = PROGRAM) -> None:
        self._program = program
        self._turns = WorkTurns(
            READERS_MAX,
            waiting_max=WAITING_MAX,
            wait_seconds_max=WAIT_SECONDS_MAX,
            busy="Other workbooks are being read; send this one again in a minute",
        )

    async def records(self, data: bytes) -> list[FileRecord]:
        """Return the rows of the first sheet that holds anything, numbered as there, as records of CSV.

        Raises `CsvProblem` where it cannot be read, `RecordTooLongProblem`, and `BusyProblem` where others take long.
        """
        async with self._turns.turn():
            written = await self._read(data)
        return await asyncio.to_thread(_records, written)

    async def _read(self, data: bytes) -> bytes:
        try:
            ended = await run_bounded(self._program, data, wait=within(READ_SECONDS_MAX))
        except TimeoutError as error:
            raise CsvProblem(_BROKEN) from error
        if ended.status:
            raise CsvProblem(_WHY.get(ended.said, _BROKEN))
        return ended.written


def _records(written: bytes) -> list[FileRecord]:
    found = [FileRecord(number, text.encode()) for number, text in map(_DECODE, written.splitlines())]
    for record in found:
        if len(record.content) > RECORD_BYTES_MAX:
            raise RecordTooLongProblem(
                f"Row {record.line} of the workbook is longer than {RECORD_BYTES_MAX} bytes: shorten its texts"
            )
    return found


__all__ = ["WORKBOOK_BYTES_MAX", "XLSX", "Workbooks"]
