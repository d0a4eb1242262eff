"""The chain of an audit trail: whatever is altered in an export is seen."""

from collections.abc import Callable

import msgspec
import pytest

from proto.audit_trail import (
    BEGINNING,
    AuditEntry,
    AuditRecord,
    BrokenTrailProblem,
    check_trail,
    entry_hash,
    record_bytes,
    record_from,
)
from proto.ids import InstitutionId
from proto.moment import Moment

Lines = list[bytes]


def _record(number: int) -> AuditRecord:
    return AuditRecord(
        institution=InstitutionId("5d0f3b0a-0000-4000-8000-000000000001"),
        at=Moment(f"2026-07-01T12:00:{number:02}.000Z"),
        actor="api-key",
        key="k",
        operation="issue_credential",
        subjects={"b": "2", "a": f"ü{number}"},
    )


def _lines(count: int = 4) -> Lines:
    lines, previous = [], BEGINNING
    for number in range(1, count + 1):
        record = _record(number)
        hashed = entry_hash(number, previous, record_bytes(record))
        lines.append(msgspec.json.encode(AuditEntry(number=number, previous=previous, hash=hashed, record=record)))
        previous = hashed
    return lines


def test_a_trail_holds_together_from_its_beginning_and_from_anywhere() -> None:
    lines = _lines()
    whole, rest = check_trail(lines), check_trail(lines[2:])
    assert (whole.first, whole.last, whole.previous) == (1, 4, BEGINNING)
    assert (rest.first, rest.last, rest.hash) == (3, 4, whole.hash)


@pytest.mark.parametrize(
    "alter",
    [
        lambda lines: [lines[0], lines[1].replace(b"issue_credential", b"erase_learner")],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0], lines[0]],
        lambda lines: [*lines, b"{}"],
        lambda lines: [lines[0].replace(b'"number":1', b'"number":2')],
        lambda lines: [lines[0].replace(b'"operation"', b'"operations"')],
        lambda _: [],
    ],
)
def test_a_trail_that_was_altered_is_refused(alter: Callable[[Lines], Lines]) -> None:
    with pytest.raises(BrokenTrailProblem):
        check_trail(alter(_lines()))


def test_a_record_is_the_same_bytes_again() -> None:
    content = record_bytes(_record(1))
    assert record_bytes(record_from(content)) == content
