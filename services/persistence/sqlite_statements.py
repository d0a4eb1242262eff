"""Standing decisions, invitations and endorsements of `proto.lifecycle` in SQLite. Knows no rule and no thread.

What `services.persistence.postgres_statements` is for PostgreSQL; the caller owns the connection and its transactions.
"""

import sqlite3
from collections.abc import Iterable

import msgspec

from proto.ids import EventId
from proto.lifecycle import Book, Statement, StatementGroup
from services.persistence.sqlite_records import record

SCHEMA = """
CREATE TABLE statement (event_id BLOB PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE statement_group (
    name BLOB, place INTEGER, event_id BLOB NOT NULL, PRIMARY KEY (name, place)
) WITHOUT ROWID;
"""
_IN_ORDER = "SELECT event_id FROM statement_group WHERE name = ? ORDER BY place"
_NEWEST_FIRST = f"{_IN_ORDER} DESC LIMIT ?"
TABLES = ("statement", "statement_group")
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODER: msgspec.msgpack.Decoder[Statement] = msgspec.msgpack.Decoder(Statement)


def load(connection: sqlite3.Connection, book: Book, wanted: Iterable[EventId]) -> None:
    """Put statements into the book, None under names that are not there."""
    for event_id in wanted:
        row = connection.execute(
            "SELECT state FROM statement WHERE event_id = ?", (bytes.fromhex(event_id),)
        ).fetchone()
        book.statements.setdefault(event_id, record(_DECODER.decode, row[0]) if row else None)


def load_groups(connection: sqlite3.Connection, book: Book, wanted: Iterable[StatementGroup]) -> None:
    """Put into the book which statements there are in these groups, in the order of the log."""
    for group in wanted:
        book.groups.setdefault(group, names_in(connection, group) or None)


def names_in(
    connection: sqlite3.Connection, group: StatementGroup, *, newest_max: int | None = None
) -> tuple[EventId, ...]:
    """Return the event ids of the statements of a group, in the order of the log; or the newest ones, newest first."""
    name = bytes.fromhex(group)
    if newest_max is None:
        found = connection.execute(_IN_ORDER, (name,))
    else:
        found = connection.execute(_NEWEST_FIRST, (name, newest_max))
    return tuple(EventId(event_id.hex()) for (event_id,) in found)


def save(connection: sqlite3.Connection, book: Book) -> None:
    """Write the statements that changed, and the groups that they are in."""
    changed = [found for name in sorted(book.changed_statements) if (found := book.statement(name))]
    connection.executemany(
        "INSERT OR REPLACE INTO statement VALUES (?, ?)",
        [(bytes.fromhex(each.stamp.event_id), _ENCODE(each)) for each in changed],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO statement_group VALUES (?, ?, ?)",
        [
            (bytes.fromhex(group), each.stamp.index, bytes.fromhex(each.stamp.event_id))
            for each in changed
            for group in each.groups()
        ],
    )
