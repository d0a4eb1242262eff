"""Lists in workbooks (XLSX): taken out by a program of its own, within bounds. Knows no column."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence

import msgspec

from proto.problem import BusyProblem
from proto.tables.dialect import CsvProblem
from proto.tables.records import RECORD_BYTES_MAX, FileRecord, RecordTooLongProblem

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORKBOOK_BYTES_MAX = 16_777_216
READERS_MAX = 1
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
        self._places = asyncio.Semaphore(READERS_MAX)

    async def records(self, data: bytes) -> list[FileRecord]:
        """Return the rows of the first sheet that holds anything, numbered as there, as records of CSV.

        Raises `CsvProblem` where it cannot be read, `RecordTooLongProblem`, and `BusyProblem` where others take long.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await self._places.acquire()
        except TimeoutError as error:
            raise BusyProblem("Other workbooks are being read; send this one again in a minute") from error
        try:
            written = await self._read(data)
        finally:
            self._places.release()
        return await asyncio.to_thread(_records, written)

    async def _read(self, data: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", *self._program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
        )
        reading = asyncio.ensure_future(process.communicate(data))
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                await asyncio.shield(reading)
        except TimeoutError as error:
            raise CsvProblem(_BROKEN) from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            written, said = await reading  # ends with the process
        if process.returncode:
            raise CsvProblem(_WHY.get(said.decode("ascii", "replace").strip(), _BROKEN))
        return written


def _records(written: bytes) -> list[FileRecord]:
    found = [FileRecord(number, text.encode()) for number, text in map(_DECODE, written.splitlines())]
    for record in found:
        if len(record.content) > RECORD_BYTES_MAX:
            raise RecordTooLongProblem(
                f"Row {record.line} of the workbook is longer than {RECORD_BYTES_MAX} bytes: shorten its texts"
            )
    return found


__all__ = ["WORKBOOK_BYTES_MAX", "XLSX", "Workbooks"]
