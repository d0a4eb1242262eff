"""What the services need of a database, tried by doing it in a schema of its own. Knows no table of a service.

Each trial returns None where all is well, or in words what it found instead. None asks what the engine is called.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import asyncpg

from services.persistence.engine_traits import excludes_others
from services.persistence.postgres import Connection, confirm_commits
from services.persistence.postgres_errors import DATABASE_ERRORS

ROWS = 1_000
ENTRY_BYTES = 65_535
COMMITS = 20
WAIT_MS = 300
Trial = Callable[["Trials"], Awaitable[str | None]]


class Trials:
    """Two sessions, and a schema that is removed afterwards."""

    def __init__(self, one: Connection, other: Connection) -> None:
        self.one, self.other = one, other
        self.schema = f"credentify_check_{secrets.token_hex(4)}"

    async def begin(self) -> None:
        """Make the schema, with a table that counts and one that only grows."""
        await self.one.execute(f"CREATE SCHEMA {self.schema}")
        for each in (self.one, self.other):
            await each.execute(
                "SELECT set_config('search_path', $1 || ', ' || current_setting('search_path'), false)", self.schema
            )
        await self.one.execute(
            """
            CREATE TABLE counted (name text PRIMARY KEY, number bigint NOT NULL);
            INSERT INTO counted VALUES ('head', 0);
            CREATE TABLE grown (number bigint PRIMARY KEY, data bytea NOT NULL);
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'never' USING ERRCODE = 'restrict_violation'; END $$;
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON grown FOR EACH ROW EXECUTE FUNCTION refuse();
            ALTER TABLE grown ENABLE ALWAYS TRIGGER append_only"""
        )

    async def end(self) -> None:
        """Remove the schema and all in it."""
        await self.one.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")


async def locks_exclude(trials: Trials) -> str | None:
    """Hold an advisory lock in one session, and ask for it in the other."""
    if await excludes_others(trials.one, trials.other):
        return None
    return "a lock that one session holds is given to another: two processes could sign one log"


async def locks_are_waited_for(trials: Trials) -> str | None:
    """Hold a lock for a transaction, and let the other session wait for it no longer than it was told to."""
    key = secrets.randbits(62)
    async with trials.one.transaction():
        await trials.one.execute("SELECT pg_advisory_xact_lock($1)", key)
        try:
            async with trials.other.transaction():
                await trials.other.execute(f"SET LOCAL lock_timeout = {WAIT_MS}")
                await trials.other.execute("SELECT pg_advisory_xact_lock($1)", key)
        except asyncpg.LockNotAvailableError:
            return None
    return "a lock for a transaction is not waited for, or lock_timeout does not end the wait"


async def rows_are_fenced(trials: Trials) -> str | None:
    """Count in two sessions at once over one locked row, as sequencers do over the head of the log."""

    async def count(connection: Connection) -> None:
        for _ in range(COMMITS):
            async with connection.transaction():
                number = await connection.fetchval("SELECT number FROM counted WHERE name = 'head' FOR UPDATE")
                await connection.execute("UPDATE counted SET number = $1 WHERE name = 'head'", number + 1)

    await asyncio.gather(count(trials.one), count(trials.other))
    found = await trials.one.fetchval("SELECT number FROM counted WHERE name = 'head'")
    return None if found == 2 * COMMITS else f"of {2 * COMMITS} additions over one locked row {found} are there"


async def snapshots_stand(trials: Trials) -> str | None:
    """Read twice in one transaction while another session writes between."""
    read = "SELECT number FROM counted WHERE name = 'head'"
    async with trials.one.transaction(isolation="repeatable_read", readonly=True):
        before = await trials.one.fetchval(read)
        await trials.other.execute("UPDATE counted SET number = number + 1")
        after = await trials.one.fetchval(read)
    return None if before == after else "repeatable read shows what was written meanwhile"


async def triggers_fire(trials: Trials) -> str | None:
    """Try to change what a trigger protects; it has to stay, and the session to go on."""
    await trials.one.execute("INSERT INTO grown VALUES (0, '')")
    for change in ("UPDATE grown SET data = 'x'", "DELETE FROM grown"):
        try:
            await trials.one.execute(change)
        except asyncpg.RestrictViolationError:
            continue
        return "a trigger that refuses a change does not fire: entries of the log could be altered"
    return None


async def keys_are_unique(trials: Trials) -> str | None:
    """Write one key twice, from two sessions."""
    await trials.one.execute("INSERT INTO counted VALUES ('twice', 1)")
    try:
        await trials.other.execute("INSERT INTO counted VALUES ('twice', 2)")
    except asyncpg.UniqueViolationError:
        return None
    return "a primary key is given twice: a request could be carried out twice"


async def rows_are_copied(trials: Trials) -> str | None:
    """Bring rows in by COPY, one of them as large as an entry may be, and read them back."""
    rows = [(number, b"") for number in range(1, ROWS)] + [(ROWS, secrets.token_bytes(ENTRY_BYTES))]
    await trials.one.copy_records_to_table("grown", records=rows, columns=("number", "data"), schema_name=trials.schema)
    found = await trials.other.fetchval("SELECT data FROM grown WHERE number = $1", ROWS)
    return None if found == rows[-1][1] else "rows that were copied in are not what was sent"


async def commits_are_flushed(trials: Trials) -> str | None:
    """Commit, and look whether the write-ahead log is on disk up to there once that is answered."""
    for _ in range(COMMITS):
        async with trials.one.transaction():
            await trials.one.execute("UPDATE counted SET number = number + 1 WHERE name = 'head'")
            written = await trials.one.fetchval("SELECT pg_current_wal_insert_lsn()::text")
        if not await trials.other.fetchval(f"SELECT pg_current_wal_flush_lsn() >= '{written}'::pg_lsn"):
            return "a commit is answered before it is on disk"
    await confirm_commits(trials.one)
    return None


async def timelines_are_there(trials: Trials) -> str | None:
    """Ask for cluster and timeline, by which a leader that was replaced is known."""
    row = await trials.one.fetchrow(
        "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline, "
        "(SELECT system_identifier FROM pg_control_system()) AS cluster"
    )
    return None if row and row["timeline"] and row["cluster"] else "it names no timeline or no cluster"


async def silence_is_ended(trials: Trials) -> str | None:
    """Be silent in a transaction; the server has to end it, so that a process that froze holds up nobody."""
    try:
        async with trials.other.transaction():
            await trials.other.execute(f"SET LOCAL idle_in_transaction_session_timeout = {WAIT_MS}")
            await asyncio.sleep(10 * WAIT_MS / 1000)
            await trials.other.execute("SELECT 1")
    except DATABASE_ERRORS:
        return None
    return "a silent transaction is not ended (idle_in_transaction_session_timeout)"


TRIALS: tuple[tuple[str, Trial, str], ...] = (
    ("session locks", locks_exclude, "Do not use it"),
    ("waiting for locks", locks_are_waited_for, "Do not use it"),
    ("row locks", rows_are_fenced, "Do not use it"),
    ("snapshots", snapshots_stand, "Do not use it"),
    ("triggers", triggers_fire, "Do not use it"),
    ("keys", keys_are_unique, "Do not use it"),
    ("copying", rows_are_copied, "Do not use it"),
    ("commits", commits_are_flushed, "Look whether a synchronous standby answers"),
    ("timelines", timelines_are_there, "Do not use it for the ledger: a leader that was replaced could sign"),
    ("silent sessions", silence_is_ended, "Do not use it: a process that froze would hold up all others"),
)
"""Name, trial, and what to do where it fails. The last one costs the other session."""
