"""A file in the background is worked on in parts, of which each has a bounded number of rows and of bytes."""

from itertools import pairwise

import pytest

from proto.tables.records import RECORD_BYTES_MAX, FileRecord
from services.issuer_gateway.batches.batch_upload import in_parts
from services.issuer_gateway.config import LIMITS

ROWS, BYTES = LIMITS.batch_part_rows, LIMITS.batch_part_bytes_max


@pytest.mark.parametrize("count", [0, 1, ROWS, ROWS + 1, 3 * ROWS + 5])
@pytest.mark.parametrize("size", [1, 60, BYTES // ROWS, BYTES // ROWS + 1, RECORD_BYTES_MAX, BYTES])
def test_every_row_is_in_one_part_in_its_order_and_no_part_is_larger_than_it_may_be(count: int, size: int) -> None:
    content = b"x" * size
    records = [FileRecord(line, content) for line in range(2, count + 2)]
    parts = list(in_parts(records))
    assert [record for part in parts for record in part] == records
    assert all(len(part) <= ROWS and len(part) * size <= BYTES for part in parts)
    assert all(part for part in parts)
    for part, following in pairwise(parts):  # none could have held the first row of the next
        assert len(part) == ROWS or sum(len(each.content) for each in (*part, following[0])) > BYTES
