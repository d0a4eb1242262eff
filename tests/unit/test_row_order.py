"""Rows of a file are worked on in an order by lot; what is one learner's, or one credential's, keeps its own order."""

from collections import defaultdict

import msgspec
import pytest

from proto.tables.records import FileRecord
from services.issuer_gateway.batches.row_order import shuffled, whose_row

AWARDS = ("learner_ref", "given_name", "achievement", "valid_from")
CHANGES = ("action", "credential_id", "reason")


def _csv(count: int) -> list[FileRecord]:
    return [FileRecord(n, f" l-{n % 40} ,Zoë,a-{n},2026-01-01".encode()) for n in range(count)]


def test_rows_of_one_learner_keep_their_order_and_those_of_others_do_not() -> None:
    ordered = shuffled(_csv(400), lambda record: whose_row(AWARDS, record))
    assert sorted(record.line for record in ordered) == list(range(400))
    lines = defaultdict(list)
    for record in ordered:
        lines[record.line % 40].append(record.line)
    assert all(found == sorted(found) for found in lines.values())
    firsts = [found[0] for found in lines.values()]
    assert firsts != sorted(firsts)
    assert shuffled(_csv(400), lambda record: whose_row(AWARDS, record)) != ordered


@pytest.mark.parametrize(
    ("header", "content", "whose"),
    [
        (AWARDS, b"l-1,Zo\xc3\xab,a,2026-01-01", b"l-1"),
        (AWARDS, b'" l-1 ","Zo\xc3\xab",a,2026-01-01', b"l-1"),
        (CHANGES, b"revoke,abc,error", b"abc"),
        ((), msgspec.json.encode({"learner": {"ref": "l-1", "given_name": "Z"}, "achievement": "a"}), b"l-1"),
        ((), b'{"action":"revoke","credential_id":"abc"}', b"abc"),
    ],
)
def test_a_row_is_its_learners_or_its_credentials(header: tuple[str, ...], content: bytes, whose: bytes) -> None:
    assert whose_row(header, FileRecord(1, content)) == whose


@pytest.mark.parametrize("content", [b"", b"\xff,a", b'"', b"{", b"[]", b'{"learner":7}', b'{"learner":{"ref":1}}'])
@pytest.mark.parametrize("header", [AWARDS, CHANGES, ()])
def test_what_cannot_be_read_is_its_own(header: tuple[str, ...], content: bytes) -> None:
    assert isinstance(whose_row(header, FileRecord(1, content)), bytes)
