"""What rows of the gateway refer to is there, though it is asked once for all rows of a statement (migration 0044)."""

from collections.abc import AsyncIterator, Sequence

import asyncpg
import msgspec
import pytest

from services.persistence.postgres import Connection, connected
from services.persistence.postgres_rows import COPIED_FROM, add_rows
from tests.support.gateways import RunningGateway

NOTHING = bytes(32)
NOBODY = "00000000-0000-4000-8000-000000000000"
REFERENCES = [
    ("credential", "achievement_id", "unheard-of", "achievement_revision"),
    ("credential", "revision", 99, "achievement_revision"),
    ("credential", "institution_id", NOBODY, "achievement_revision"),
    ("credential", "event_id", NOTHING, "outbox"),
    ("credential", "part_digest", NOTHING, "document_part"),
    ("credential", "learner_id", NOBODY, "learner"),
    ("learner", "institution_id", NOBODY, "institution"),
    ("status_place", "list_number", 99, "status_list"),
    ("status_place", "institution_id", NOBODY, "status_list"),
    ("status_place", "credential_id", NOTHING, "credential"),
    ("batch_row", "batch_id", NOBODY, "batch"),
    ("batch_row", "event_id", NOTHING, "outbox"),
    ("batch_row", "credential_id", NOTHING, "credential"),
    ("outbox_stream", "outbox_id", 999_999_999, "outbox"),
]
"""Table, column, what it refers to and is not there, and of which table that would be."""
FRESH = {
    "credential": ("credential_id", "decode(lpad(to_hex({place}), 64, '0'), 'hex')"),
    "learner": ("learner_id, ref", "gen_random_uuid(), 'made-' || {place}"),
    "status_place": ("list_index", "{place}"),
    "batch_row": ("line", "1000 + {place}"),
    "outbox_stream": ("place", "1000 + {place}"),
}
"""What a row has that no other has, and what it is in the row of a place."""
REFERRED_TO = (
    *("institution", "achievement_revision", "document_part", "outbox", "status_list", "batch", "learner"),
    "credential",
)
KEYS = [
    ("institution", "institution_id", "gen_random_uuid()"),
    ("achievement_revision", "revision", "revision + 1"),
    ("document_part", "digest", "decode(repeat('ab', 32), 'hex')"),
    ("outbox", "event_id", "decode(repeat('ab', 32), 'hex')"),
    ("status_list", "number", "number + 1"),
    ("batch", "batch_id", "gen_random_uuid()"),
    ("learner", "learner_id", "gen_random_uuid()"),
    ("credential", "credential_id", "decode(repeat('ab', 32), 'hex')"),
    ("status_place", "credential_id", "credential_id"),
    ("batch_row", "batch_id", "batch_id"),
    ("outbox_stream", "outbox_id", "outbox_id"),
]


@pytest.fixture
async def connection(gateway: RunningGateway) -> AsyncIterator[Connection]:
    """A connection as the owner, whom no grant holds back, to a database in which something was issued by a list."""
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    body = b"\n".join(msgspec.json.encode(office.award(uri, name)) for name in ("one", "two"))
    sent = await office.client.send("POST", "/v1/batches", body, media_type="application/x-ndjson", key="list")
    assert sent.body["accepted_count"] == 2, sent.body
    async with connected(gateway.database.owner_url, application_name="test") as opened:
        yield opened


async def _copies(connection: Connection, table: str, count: int) -> tuple[list[str], list[list[object]]]:
    """Return columns and rows that could be added: like the first row, but for what no two may share."""
    found = await connection.fetch(
        """SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public'
           ORDER BY ordinal_position""",
        table,
    )
    fresh, made = FRESH[table]
    names = fresh.split(", ")
    kept = [row["column_name"] for row in found if row["column_name"] not in names]
    listed = ", ".join(kept)
    rows = await connection.fetch(
        f"""SELECT {listed}, {made.format(place="place")} FROM (SELECT {listed} FROM {table} LIMIT 1) AS one,
                generate_series(7, $1) AS place""",
        6 + count,
    )
    return [*kept, *names], [list(row) for row in rows]


async def _add(connection: Connection, table: str, columns: Sequence[str], rows: list[list[object]]) -> None:
    await add_rows(connection, table, columns, [tuple(row) for row in rows])


async def _refused(connection: Connection, table: str, columns: Sequence[str], rows: list[list[object]]) -> str:
    """Return how the database refuses rows, "" where it takes them; nothing stays of either."""
    undone = connection.transaction()
    await undone.start()
    try:
        await connection.execute("DELETE FROM status_place")  # each credential has one
        await _add(connection, table, columns, rows)
    except asyncpg.ForeignKeyViolationError as error:
        return str(error)
    finally:
        await undone.rollback()
    return ""


@pytest.mark.parametrize("count", [1, COPIED_FROM + 4], ids=["alone", "as the last of many"])
async def test_a_row_that_refers_to_nothing_is_refused_and_one_that_refers_to_what_is_there_is_taken(
    connection: Connection, count: int
) -> None:
    for table, column, missing, referred_to in REFERENCES:
        columns, rows = await _copies(connection, table, 1 if table == "status_place" else count)
        assert await _refused(connection, table, columns, rows) == "", table
        rows[-1][columns.index(column)] = missing
        said = await _refused(connection, table, columns, rows)
        assert f"a row of {table} refers to a row of {referred_to}" in said, (table, column)


async def test_what_is_referred_to_stays_and_what_refers_keeps_to_what_is_there_whoever_asks(
    connection: Connection,
) -> None:
    acts = [f"{verb} {table}" for table in REFERRED_TO for verb in ("DELETE FROM", "TRUNCATE")]
    acts += [f"UPDATE {table} SET {column} = {other}" for table, column, other in KEYS]
    acts += [
        f"UPDATE {referring} = decode(repeat('ab', 32), 'hex')"
        for referring in ("credential SET event_id", "credential SET part_digest", "batch_row SET event_id")
    ]
    for act in acts:
        with pytest.raises((asyncpg.ForeignKeyViolationError, asyncpg.FeatureNotSupportedError)):
            await connection.execute(act)


async def test_each_look_up_is_by_an_index_however_small_the_table_was(connection: Connection) -> None:
    """A plan that is made while a table has one row stays in the session, and would read all of a million."""
    rows = await connection.fetch(
        "SELECT proname, proconfig FROM pg_proc WHERE proname ~ '^check_.*_added$' ORDER BY proname"
    )
    assert len(rows) == len({table for table, *_ in REFERENCES})
    assert {tuple(row["proconfig"]) for row in rows} == {
        ("enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off")
    }


async def test_the_catalogue_names_what_each_table_refers_to(connection: Connection) -> None:
    rows = await connection.fetch(
        """SELECT tgrelid::regclass::text AS referring, obj_description(oid, 'pg_trigger') AS referred_to
           FROM pg_trigger WHERE tgname = 'refers'"""
    )
    named = {(row["referring"], name) for row in rows for name in row["referred_to"].split(", ")}
    assert named == {(table, referred_to) for table, _, _, referred_to in REFERENCES}
