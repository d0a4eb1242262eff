"""SQL of what stands until it is withdrawn, as the followed log has it."""

from collections.abc import Collection

from proto.ids import EventId
from proto.lifecycle import Book, Endorsement, Needs, Statement, StatementGroup
from services.persistence import postgres_statements, postgres_states
from services.persistence.postgres import Connection

_PAGE = """
    SELECT event_id FROM statement_group WHERE name = $1 AND place < $2
    ORDER BY place DESC LIMIT $3"""

_END = (1 << 63) - 1
"""Behind every place."""


async def page_of(
    connection: Connection, group: StatementGroup, *, before: int | None, limit: int
) -> tuple[Book, list[Statement]]:
    """Return statements of a group, the newest first, with a book that holds all that their state rests on.

    `before` is the place (the stamp's index) of the last one of the page before.
    """
    rows = await connection.fetch(_PAGE, bytes.fromhex(group), _END if before is None else before, limit)
    names = [EventId(row["event_id"].hex()) for row in rows]
    book = await book_of(connection, names)
    return book, [found for name in names if (found := book.statement(name)) is not None]


async def book_of(connection: Connection, names: Collection[EventId]) -> Book:
    """Return a book with these statements, the invitations behind them, and the institutions that said any of it."""
    book = Book()
    await postgres_states.load_log(connection, book)
    await postgres_statements.load(connection, book, names)
    found = [each for each in book.statements.values() if isinstance(each, Endorsement)]
    await postgres_statements.load(connection, book, [each.invitation for each in found])
    for name in names:
        book.statements.setdefault(name, None)
    said = [each for each in book.statements.values() if each is not None]
    speakers = {stamp.speaker for each in said for stamp in (each.stamp, *each.withdrawals)}
    if book.log is not None:
        speakers.add(book.log.registrar)
    await postgres_states.load(connection, book, Needs(issuers=speakers))
    return book
