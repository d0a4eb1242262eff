"""Rows of a file that stood in it before are found by an index, also while the database knows nothing of the file."""

import hashlib
import uuid
from collections.abc import AsyncIterator

import pytest

from proto.ids import BatchId
from services.issuer_gateway.store import batch_fingerprints
from services.persistence.postgres import connected
from services.persistence.postgres_session import Session
from tests.support.databases import Database

ROWS, PART = 6_000, 500
READ_OF_EACH_MAX = 8
"""Pages of an index and its table on the way to one row, and some to spare; all of the batch would be hundreds."""


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """A session with a table of the rows of batches, as it lies there with its indexes, for itself alone."""
    async with connected(database.owner_url, application_name="test") as opened:
        await opened.execute(
            """CREATE TABLE batch_row (batch_id uuid, line integer, fingerprint bytea, credential_id bytea,
                   is_checked boolean NOT NULL DEFAULT false, PRIMARY KEY (batch_id, line));
               CREATE INDEX batch_row_by_fingerprint ON batch_row (batch_id, fingerprint)
                   WHERE fingerprint IS NOT NULL"""
        )
        yield opened


def _fingerprint(text: object) -> bytes:
    return hashlib.blake2b(str(text).encode(), digest_size=16).digest()


async def _add(session: Session, batch_id: BatchId, lines: range, *, of: int = 0) -> None:
    columns = ("batch_id", "line", "fingerprint", "credential_id")
    rows = [(batch_id, line, _fingerprint(line - of), bytes(32)) for line in lines]
    await session.copy_records_to_table("batch_row", records=rows, columns=columns)


async def test_the_first_row_of_each_is_found_and_of_other_files_none(session: Session) -> None:
    mine, other = BatchId(str(uuid.uuid4())), BatchId(str(uuid.uuid4()))
    await _add(session, other, range(2, 900))
    assert await batch_fingerprints.repeated(session, mine, [_fingerprint(line) for line in range(2, 50)]) == {}
    await _add(session, mine, range(1_002, 1_052), of=1_000)
    await _add(session, mine, range(2_002, 2_052), of=2_000)
    asked = [*(_fingerprint(line) for line in range(2, 400)), _fingerprint(2), b"", b"\xff" * 16]
    found = await batch_fingerprints.repeated(session, mine, asked)
    assert found == {_fingerprint(line): 1_000 + line for line in range(2, 52)}


@pytest.mark.parametrize("earlier", [(1_001,), (1_001, 1_001, 10_000), (1_001, 1_001, 10_000, 4_000)])
async def test_no_part_of_a_file_reads_what_its_earlier_parts_have_left(
    session: Session, earlier: tuple[int, ...]
) -> None:
    for rows in earlier:
        await _add(session, BatchId(str(uuid.uuid4())), range(2, rows + 2))
    await session.execute("ANALYZE batch_row")
    batch_id = BatchId(str(uuid.uuid4()))
    for first in range(2, ROWS, PART):
        lines = range(first, first + PART)
        before = await _pages_read(session)
        assert await batch_fingerprints.repeated(session, batch_id, [_fingerprint(line) for line in lines]) == {}
        assert await _pages_read(session) - before < PART * READ_OF_EACH_MAX
        await _add(session, batch_id, lines)


async def _pages_read(session: Session) -> int:
    """Return how many pages of the table and its indexes were read in this session until now."""
    await session.execute("SELECT pg_stat_force_next_flush()")
    found: int = await session.fetchval(
        """SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit FROM pg_statio_user_tables
           WHERE relid = 'batch_row'::regclass"""
    )
    return found
