"""What an engine must do, tried by doing it: whatever it is called. Knows no table of a service."""

import secrets

from services.persistence.engines import LACKING_ERRORS, EngineFault, lacking
from services.persistence.postgres import Connection, Pool

FUNCTIONS = (
    "pg_try_advisory_lock",
    "pg_blocking_pids",
    "pg_current_wal_lsn",
    "pg_walfile_name",
    "pg_logical_emit_message",
    "pg_current_xact_id_if_assigned",
    "pg_control_system",
)
"""What the services call to know which leader answers, and what is kept."""
_LOCK_BITS = 62
_LACKS = """
    SELECT name FROM unnest($1::text[]) AS name
    WHERE NOT EXISTS (
        SELECT FROM pg_proc
        WHERE proname = name AND pg_function_is_visible(oid) AND has_function_privilege(oid, 'EXECUTE'))"""


async def assert_traits(pool: Pool) -> None:
    """Raise `EngineFault` unless a lock of one session keeps another out, and the role may ask what has to be known."""
    async with pool.acquire() as one, pool.acquire() as other:
        try:
            missing = await lacking_functions(one)
            excludes = await excludes_others(one, other)
        except LACKING_ERRORS as error:
            raise lacking(error) from error
        finally:
            other.terminate()  # the pool keeps no session that nobody has asked for yet
    if missing:
        raise EngineFault(
            f"The engine lacks {', '.join(missing)}, or the running role may not call it: then say as a superuser "
            "GRANT EXECUTE ON FUNCTION … TO this role"
        )
    if not excludes:
        raise EngineFault("The engine's advisory locks lock nothing, so two processes could sign one log")


async def lacking_functions(connection: Connection) -> list[str]:
    """Return which of `FUNCTIONS` are not there, or not allowed to the session's role."""
    return [row["name"] for row in await connection.fetch(_LACKS, list(FUNCTIONS))]


async def excludes_others(one: Connection, other: Connection) -> bool:
    """Return whether a lock that one session holds is refused to another, and given once it is free."""
    key = secrets.randbits(_LOCK_BITS)
    taken = await one.fetchval("SELECT pg_try_advisory_lock($1)", key)
    refused = not await other.fetchval("SELECT pg_try_advisory_lock($1)", key)
    freed = await one.fetchval("SELECT pg_advisory_unlock($1)", key)
    given = await other.fetchval("SELECT pg_try_advisory_lock($1)", key)
    await other.fetchval("SELECT pg_advisory_unlock($1)", key)
    return bool(taken and refused and freed and given)
