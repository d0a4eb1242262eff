"""Standing decisions, invitations and endorsements of `proto.lifecycle` in PostgreSQL. Knows no rule.

What `services.persistence.postgres_states` is for the other aggregates; each service's migration declares:

    CREATE TABLE statement (event_id bytea PRIMARY KEY, state bytea NOT NULL);
    CREATE TABLE statement_group (name bytea, place bigint, event_id bytea NOT NULL, PRIMARY KEY (name, place));

States are msgpack of the array-like records of `proto.lifecycle.statements`. A group holds the statements that have
something in common, in the order of the log (`place`); what is in it never changes, but that more is said.
"""

from collections.abc import Collection

import msgspec

from proto.ids import EventId
from proto.lifecycle import Book, Statement, StatementGroup
from services.persistence.postgres import Connection, Pool

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE: msgspec.msgpack.Decoder[Statement] = msgspec.msgpack.Decoder(Statement)
_LOAD = "SELECT state FROM statement WHERE event_id = ANY($1::bytea[])"
_LOAD_GROUPS = "SELECT name, event_id FROM statement_group WHERE name = ANY($1::bytea[]) ORDER BY name, place"
_SAVE = """
    INSERT INTO statement (event_id, state) SELECT * FROM unnest($1::bytea[], $2::bytea[])
    ON CONFLICT (event_id) DO UPDATE SET state = excluded.state"""
_SAVE_GROUPS = """
    INSERT INTO statement_group (name, place, event_id) SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[])
    ON CONFLICT (name, place) DO NOTHING"""


async def load(connection: Connection | Pool, book: Book, wanted: Collection[EventId]) -> None:
    """Put statements into the book; raises `msgspec.DecodeError` where a row is damaged."""
    for row in await connection.fetch(_LOAD, [bytes.fromhex(name) for name in wanted]):
        statement = _DECODE.decode(row["state"])
        book.statements.setdefault(statement.stamp.event_id, statement)


async def load_groups(connection: Connection | Pool, book: Book, wanted: Collection[StatementGroup]) -> None:
    """Put into the book which statements there are in these groups."""
    found: dict[StatementGroup, list[EventId]] = {}
    for row in await connection.fetch(_LOAD_GROUPS, [bytes.fromhex(name) for name in wanted]):
        found.setdefault(StatementGroup(row["name"].hex()), []).append(EventId(row["event_id"].hex()))
    for group, names in found.items():
        book.groups.setdefault(group, tuple(names))


async def save(connection: Connection, book: Book) -> None:
    """Write the statements that changed, and the groups that they are in."""
    changed = [found for name in sorted(book.changed_statements) if (found := book.statement(name))]
    names = [bytes.fromhex(each.stamp.event_id) for each in changed]
    await connection.execute(_SAVE, names, [_ENCODE(each) for each in changed])
    rows = [(group, each.stamp) for each in changed for group in each.groups()]
    await connection.execute(
        _SAVE_GROUPS,
        [bytes.fromhex(group) for group, _ in rows],
        [stamp.index for _, stamp in rows],
        [bytes.fromhex(stamp.event_id) for _, stamp in rows],
    )
