"""Which recognitions are about the credentials of an achievement: the SQL that keeps them, and that reads the newest.

How each stands follows from the states (`persistence.sqlite_states`), which hold what was withdrawn since.
"""

import sqlite3
from collections.abc import Iterable

from proto.events import CredentialRecognised, CredentialRecognisedV2
from proto.ids import Did, EventId
from proto.lifecycle import Book, Needs, Recognition
from services.follow import Applied
from services.persistence import sqlite_states
from services.verifier.projection import listed_tables

SCHEMA = """
CREATE TABLE precedent (
    achievement TEXT, issuer TEXT, received_at TEXT, event_id BLOB,
    PRIMARY KEY (achievement, issuer, received_at, event_id)
) WITHOUT ROWID;
"""
TABLES = ("precedent",)
PRECEDENTS_READ_MAX = 500
"""So many recognitions of one achievement one answer looks at, the newest."""


def save(connection: sqlite3.Connection, book: Book, applied: Iterable[Applied]) -> None:
    """Note of which achievement the credentials are that these entries recognise; the caller owns the transaction."""
    rows = []
    for item in applied:
        event = item.opened.event
        if isinstance(event, CredentialRecognised | CredentialRecognisedV2):
            life = listed_tables.first_life(connection, book, event.credential_id)
            stamp = item.stamp
            rows.append((life.achievement, life.issuer, stamp.received_at, bytes.fromhex(stamp.event_id)))
    connection.executemany("INSERT OR IGNORE INTO precedent VALUES (?, ?, ?, ?)", rows)


def recognitions_of(
    connection: sqlite3.Connection, book: Book, achievement: str, issuer: Did
) -> tuple[list[Recognition], bool]:
    """Return the newest recognitions of an achievement's credentials, the newest first, and whether there are more.

    The book then holds them and whoever said any of it.
    """
    rows = connection.execute(
        """SELECT event_id FROM precedent WHERE achievement = ? AND issuer = ?
           ORDER BY received_at DESC, event_id DESC LIMIT ?""",
        (achievement, issuer, PRECEDENTS_READ_MAX + 1),
    ).fetchall()
    names = [EventId(event_id.hex()) for (event_id,) in rows[:PRECEDENTS_READ_MAX]]
    sqlite_states.load_log(connection, book)
    sqlite_states.load(connection, book, Needs(recognitions=set(names)))
    found = [each for name in names if (each := book.recognition(name)) is not None]
    speakers = {stamp.speaker for each in found for stamp in (each.stamp, *each.withdrawals)}
    sqlite_states.load_issuers(connection, book, speakers | ({book.log.registrar} if book.log else set()))
    return found, len(rows) > PRECEDENTS_READ_MAX
