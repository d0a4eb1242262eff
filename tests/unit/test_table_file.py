"""Files of rows as they arrive: whatever a chunk holds, others have their turn of the event loop meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proto.tables.records import BlankLinesProblem
from services.issuer_gateway.batches.table import CSV, TableFile, Written
from services.issuer_gateway.batches.workbooks.workbook import Workbooks

HEADER = b"learner_ref,given_name,achievement,valid_from\n"
NDJSON = "application/x-ndjson"


async def in_one_chunk(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def received(content: bytes, media_type: str) -> tuple[int, int, int]:
    """Return how many rows there were, how many came at once at most, and how many turns others had meanwhile."""
    turns, counts = 0, [0]
    file = TableFile("awards", Written(media_type=media_type), Workbooks())

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        another = group.create_task(others())
        try:
            counts.extend([len(some) async for some in file.records(in_one_chunk(content))])
        finally:
            another.cancel()
    return sum(counts), max(counts), turns


@pytest.mark.parametrize(
    ("content", "media_type", "rows"),
    [
        (HEADER + b"1,2,\n" * 20_000, CSV, 20_000),
        (HEADER.replace(b",", b";") + b"1;2;3\n" * 20_000, CSV, 20_000),
        (HEADER + b'"",1,2\n' * 20_000, CSV, 20_000),
        (b"{}\n" * 20_000, NDJSON, 20_000),
    ],
    ids=["commas", "semicolons", "quotes", "lines"],
)
async def test_a_chunk_of_thousands_of_rows_is_taken_in_turns(content: bytes, media_type: str, rows: int) -> None:
    found, at_once, turns = await received(content, media_type)
    assert found == rows
    assert at_once <= 250
    assert turns >= rows / 250


@pytest.mark.parametrize("content", [b"\n" * 90_000, b'"' + b"\n" * 60_000 + b'"\n' * 2, b",,,\n" * 50_000])
async def test_a_chunk_without_a_row_is_taken_in_turns_too(content: bytes) -> None:
    _, _, turns = await received(HEADER + content, CSV)
    assert turns >= len(content) // 65_536


async def test_blank_lines_have_an_end() -> None:
    with pytest.raises(ExceptionGroup) as ended:
        await received(HEADER + b"\n" * 100_001, CSV)
    assert isinstance(ended.value.exceptions[0], BlankLinesProblem)
