"""Rows of lists, from records of files to awards, or to what is wrong in them. Issues nothing, asks no database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import tzinfo
from typing import TypeVar

import msgspec

from proto.documents.credential import Award
from proto.documents.fields import OnRepeat
from proto.one_of_many import OneOfMany
from proto.problem import MalformedProblem, Problem
from proto.tables.awards_csv import AwardRow, read_award
from proto.tables.cells import RowFault
from proto.tables.changes_csv import ChangeRow, NumberedChange, read_change
from proto.tables.reading import READ_AS_USUAL, Reading
from proto.tables.records import FileRecord, RecordCutter
from proto.wire.batches import BATCH_ROWS_MAX
from services.edge import decode_json
from services.issuer_gateway.batches.batch_upload import JSON_LIST, TooManyRowsProblem
from services.issuer_gateway.batches.row_values import with_every_fault
from services.issuer_gateway.batches.table import TableFile, Written
from services.issuer_gateway.batches.workbooks.workbook import Workbooks
from services.issuer_gateway.credentials.earlier_awards import MayNotRevokeProblem, check_may_replace
from services.issuer_gateway.credentials.prepare_rows import ReadRow, problem_of_faults

_AWARD = msgspec.json.Decoder(Award)
_CHANGE = msgspec.json.Decoder(ChangeRow)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_Row = TypeVar("_Row")
_PIECE_BYTES = 65_536
_UNREAD = "This row cannot be read: look at its values one by one"


def rows_of(body: bytes, media_type: str) -> list[ReadRow]:
    """Return the rows of a batch in NDJSON or as a JSON list (whose first item is line 1).

    Raises what sinks a whole batch: `MalformedProblem`, `TooManyRowsProblem`.
    """
    if media_type == JSON_LIST:
        items = decode_json(body, _LIST)
        _check_count(len(items))
        return checked([json_row(line, bytes(item)) for line, item in enumerate(items, start=1)])
    cutter = RecordCutter("ndjson")
    records = [*cutter.feed(body), *cutter.close()]
    _check_count(len(records))
    return checked([json_row(record.line, record.content) for record in records])


def table_rows(header: Sequence[str], records: Sequence[FileRecord], reading: Reading) -> list[ReadRow]:
    """Return the rows of a table; raises what sinks a whole batch, as `rows_of` does."""
    _check_count(len(records))
    return checked([award_row(header, record, reading) for record in records])


async def rows_of_body(body: bytes, written: Written, workbooks: Workbooks) -> list[ReadRow]:
    """Return the rows of a whole list, however it is written; raises what sinks a whole batch."""
    if not written.is_table:
        return await asyncio.to_thread(rows_of, body, written.media_type)
    file = TableFile("awards", written, workbooks)
    records = [record async for some in file.records(_pieces(body)) for record in some]
    return await asyncio.to_thread(table_rows, file.header, records, file.reading)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body in pieces; between them others get their turn."""
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
        await asyncio.sleep(0)


def checked(rows: list[ReadRow]) -> list[ReadRow]:
    """Return rows; raises `MalformedProblem` where there are none."""
    if not rows:
        raise MalformedProblem("The batch has no rows")
    return rows


def _check_count(count: int) -> None:
    if count > BATCH_ROWS_MAX:
        raise TooManyRowsProblem(f"A batch has at most {BATCH_ROWS_MAX} rows, this one {count}: divide it")


def meant(rows: Sequence[ReadRow], *, on_repeat: OnRepeat | None, may_revoke: bool) -> list[ReadRow]:
    """Return rows with what the batch says of awards that were made before, where they do not say it themselves.

    A row that replaces a credential, where its sender may not revoke, comes back refused.
    """
    found = []
    for row in rows:
        award = row.award
        if award is not None and award.on_repeat is None and on_repeat is not None:
            award = msgspec.structs.replace(award, on_repeat=on_repeat)
        try:
            if award is not None:
                check_may_replace(award, may_revoke=may_revoke)
            found.append(msgspec.structs.replace(row, award=award))
        except MayNotRevokeProblem as problem:
            found.append(msgspec.structs.replace(row, award=None, problem=problem))
    return found


def award_row(header: Sequence[str], record: FileRecord, reading: Reading = READ_AS_USUAL) -> ReadRow:
    """Return the row that a record of a table, or without a header of NDJSON, says."""
    if not header:
        return json_row(record.line, record.content)
    found = read_award(header, record, reading)
    if isinstance(found, AwardRow):
        return ReadRow(record.line, found.award, record=record.content, is_csv=True)
    problem = fault_problem(found.faults)
    return ReadRow(record.line, problem=problem, record=record.content, is_csv=True, rest=found.rest)


def change_row(header: Sequence[str], record: FileRecord, reading: Reading, zone: tzinfo) -> NumberedChange | ReadRow:
    """Return the change that a record of a table, or without a header of NDJSON, says, or the row as refused."""
    if header:
        found = read_change(header, record, reading, zone=zone)
        return found if isinstance(found, NumberedChange) else ReadRow(found.line, None, fault_problem(found.faults))
    change = _decoded(record.content, _CHANGE, ChangeRow)
    if isinstance(change, tuple):
        return ReadRow(record.line, None, change[0])
    return NumberedChange(line=record.line, change=change)


def json_row(line: int, content: bytes) -> ReadRow:
    """Return the row that a line of NDJSON says."""
    award = _decoded(content, _AWARD, Award)
    if isinstance(award, tuple):
        problem, rest = award
        return ReadRow(line, problem=problem, record=content, rest=rest)
    return ReadRow(line, award, record=content)


def _decoded(
    content: bytes, decoder: "msgspec.json.Decoder[_Row]", kind: type[_Row]
) -> _Row | tuple[Problem, _Row | None]:
    """Return what a row of JSON says; or why it cannot be read, and the row without what is wrong in it.

    Tables have the same in `read_award` and `read_change`.
    """
    with OneOfMany() as this:
        return decode_json(content, decoder, unique_keys=True)
    if isinstance(this.broken, Problem):
        return with_every_fault(content, kind, this.broken)
    return MalformedProblem(_UNREAD), None


def fault_problem(faults: Sequence[RowFault]) -> Problem:
    """Return what is wrong in a row of a table as one problem: its pointer names the first column that is wrong.

    Of several faults `errors` has each, with pointer, code and detail (RFC 9457 section 3.2).
    """
    errors = [{"pointer": _pointer(fault), "code": fault.code, "detail": fault.detail} for fault in faults]
    return problem_of_faults(errors)


def _pointer(fault: RowFault) -> str:
    return f"/{fault.field}" if fault.field else ""
