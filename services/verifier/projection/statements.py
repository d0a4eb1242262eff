"""What institutions say of a credential and of its achievement, read from the projection. Knows no HTTP."""

import sqlite3

from proto.lifecycle import Book, Credential, Endorsement, StandingDecision, Statement, decisions_on, endorsements_of
from proto.lifecycle.statements import StatementGroup
from services.persistence import sqlite_statements, sqlite_states

DECISIONS_READ_MAX = 256
"""Standing decisions on one achievement that one answer looks at, the newest."""


def about(connection: sqlite3.Connection, book: Book, credential: Credential) -> list[Statement]:
    """Return the endorsements of a credential, then the standing decisions on its achievement, the newest first.

    The book then holds them, their groups, the invitations behind them, and the institutions that said any of it.
    """
    endorsed = endorsements_of(credential.credential_id)
    book.groups[endorsed] = sqlite_statements.names_in(connection, endorsed)
    groups = [endorsed]
    for issuer, achievement in dict.fromkeys((life.issuer, life.achievement) for life in credential.lives):
        group = decisions_on(issuer, achievement)
        book.groups[group] = sqlite_statements.names_in(connection, group, newest_max=DECISIONS_READ_MAX)
        groups.append(group)
    names = [name for group in groups for name in book.groups[group] or ()]
    if not names:
        return []
    sqlite_statements.load(connection, book, names)
    found = [statement for name in names if (statement := book.statement(name)) is not None]
    sqlite_statements.load(connection, book, [each.invitation for each in found if isinstance(each, Endorsement)])
    said = [statement for statement in book.statements.values() if statement is not None]
    stamps = [stamp for each in said for stamp in (each.stamp, *each.withdrawals)]
    sqlite_states.load_issuers(connection, book, {stamp.speaker for stamp in stamps})
    return sorted(found, key=_place)


def decisions_in(
    connection: sqlite3.Connection, book: Book, group: StatementGroup, *, newest_max: int
) -> list[StandingDecision]:
    """Return the newest standing decisions of a group, the newest first.

    The book then holds all that how they stand rests on: the log's own state, who made them, and the registrar.
    """
    names = sqlite_statements.names_in(connection, group, newest_max=newest_max)
    sqlite_statements.load(connection, book, names)
    found = [each for name in names if isinstance(each := book.statement(name), StandingDecision)]
    stamps = [stamp for each in found for stamp in (each.stamp, *each.withdrawals)]
    sqlite_states.load_log(connection, book)
    speakers = {stamp.speaker for stamp in stamps} | ({book.log.registrar} if book.log else set())
    sqlite_states.load_issuers(connection, book, speakers)
    return found


def _place(statement: Statement) -> int:
    """Order decisions from the newest, behind all else."""
    return -statement.stamp.index if isinstance(statement, StandingDecision) else -(2**62) + statement.stamp.index
