"""Connections, pools, transactions and durability of any PostgreSQL; knows no table."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

from proto.problem import Problem, UnavailableProblem

Pool = asyncpg.Pool
Connection = asyncpg.Connection | PoolConnectionProxy

VERSION_MIN = 150_000
"""`server_version_num` of PostgreSQL 15.0."""
RELEASE_TIMEOUT_S = 5.0
ARRAY_TYPES = ("bytea", "bigint", "integer", "smallint", "uuid", "float8", "timestamptz", "boolean")
"""What arrays are sent of; asyncpg knows those of text by itself."""


class DatabaseUnavailableProblem(UnavailableProblem):
    """The database did not answer in time, or refused the connection."""

    slug = "database-unavailable"
    title = "The database is not available now"
    retry_after_seconds = 1


DATABASE_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's word for a statement on a session that the server has just ended
    OSError,
    TimeoutError,
    DatabaseUnavailableProblem,
)
"""All that a statement raises where the database, or the way to it, fails."""
CONFLICT_ERRORS = (asyncpg.UniqueViolationError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
"""What undoes a transaction for what others do at the same time: nothing of it has happened."""
_PASSING_ERRORS = (
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    ConnectionError,
    TimeoutError,
)


def explain_unavailable(error: Exception) -> Problem | None:
    """Return what an error of a query means to a client: the database is away for now, or None for a fault of ours."""
    if isinstance(error, _PASSING_ERRORS):
        return DatabaseUnavailableProblem("The database is away for a moment; send the same request again")
    return None


class NotDurableProblem(Problem):
    """The database may lose what it has acknowledged, so no service starts on it."""

    slug = "database-not-durable"
    title = "The database does not keep what it acknowledges"
    status = 500


class CommitUnknownError(Exception):
    """The connection was lost, or we were cancelled, during COMMIT: it may have happened or not (DESIGN 5.4)."""


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bounds of a pool, each with its unit; the server keeps the three time-outs even if we do not."""

    connections_min: int = 1
    connections_max: int = 8
    connect_timeout_ms: int = 10_000
    command_timeout_ms: int = 30_000
    lock_timeout_ms: int = 5_000
    statement_timeout_ms: int = 20_000
    idle_in_transaction_timeout_ms: int = 10_000


def _session_settings(limits: PoolLimits, application_name: str) -> dict[str, str]:
    return {
        "application_name": application_name,
        "lock_timeout": str(limits.lock_timeout_ms),
        "statement_timeout": str(limits.statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(limits.idle_in_transaction_timeout_ms),
        "timezone": "UTC",
    }


@contextlib.contextmanager
def reaching_database() -> Iterator[None]:
    """Turn every way not to get a connection into one refusal; what the server said is part of its words."""
    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise DatabaseUnavailableProblem(f"No connection to the database: {error or type(error).__name__}") from error


async def create_pool(url: str, *, application_name: str, limits: PoolLimits | None = None) -> Pool:
    """Return an open pool whose sessions carry the time-outs of `limits`; the caller closes it.

    Raises DatabaseUnavailableProblem if no connection can be made.
    """
    limits = limits or PoolLimits()
    with reaching_database():
        return await asyncpg.create_pool(
            url,
            min_size=limits.connections_min,
            max_size=limits.connections_max,
            timeout=limits.connect_timeout_ms / 1000,
            command_timeout=limits.command_timeout_ms / 1000,
            server_settings=_session_settings(limits, application_name),
            init=_know_types,
            reset=_keep_as_it_is,
        )


async def _know_types(connection: asyncpg.Connection) -> None:
    """Learn all array types in one look-up; asyncpg would ask for each with the first query that has it.

    Where that takes too long now, it still does.
    """
    arrays = ", ".join(f"${number}::{name}[]" for number, name in enumerate(ARRAY_TYPES, start=1))
    with contextlib.suppress(asyncpg.QueryCanceledError):
        await connection.execute(f"SELECT {arrays}", *([] for _ in ARRAY_TYPES))


async def _keep_as_it_is(_: asyncpg.Connection) -> None:
    """Do not reset a session that is given back, which is a round trip: nobody leaves anything behind in one.

    asyncpg itself has rolled back an open transaction and dropped listeners. Settings are changed for a transaction at
    most (SET LOCAL), and a lock of the session is taken with `session_lock` only.
    """


@contextlib.asynccontextmanager
async def session_lock(pool: Pool, key: int) -> AsyncIterator[Connection | None]:
    """Hold the advisory lock `key` and a connection of the pool, or None at once where another session holds the lock.

    The lock is free on leaving in every case: where it cannot be known to be, the session is ended.
    """
    async with pool.acquire() as connection:
        is_free = False
        try:
            is_held = await connection.fetchval("SELECT pg_try_advisory_lock($1)", key)
            try:
                yield connection if is_held else None
            finally:
                is_free = not is_held or await connection.fetchval("SELECT pg_advisory_unlock($1)", key)
        finally:
            if not is_free:
                connection.terminate()


@contextlib.asynccontextmanager
async def connected(
    url: str, *, application_name: str, limits: PoolLimits | None = None
) -> AsyncIterator[asyncpg.Connection]:
    """Hold one connection outside any pool, with the time-outs of `limits`, for work at start-up.

    Raises DatabaseUnavailableProblem if it cannot be made.
    """
    limits = limits or PoolLimits()
    with reaching_database():
        connection = await asyncpg.connect(
            url,
            timeout=limits.connect_timeout_ms / 1000,
            command_timeout=limits.command_timeout_ms / 1000,
            server_settings=_session_settings(limits, application_name),
        )
    try:
        yield connection
    finally:
        await _close(connection, limits.connect_timeout_ms / 1000)


async def _close(connection: asyncpg.Connection, timeout_s: float) -> None:
    try:
        await connection.close(timeout=timeout_s)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


@contextlib.asynccontextmanager
async def transaction(pool: Pool, *, acquire_timeout_ms: int = 5_000) -> AsyncIterator[Connection]:
    """Run the block in one transaction on a connection of the pool: committed when left, rolled back by an exception.

    Raises DatabaseUnavailableProblem if no connection is free in time, CommitUnknownError if it cannot be known whether
    COMMIT happened, and what the server says otherwise: then nothing was committed. A connection that is lost after
    COMMIT was answered changes nothing: it is committed.
    """
    connection = await _acquire(pool, acquire_timeout_ms)
    try:
        started = connection.transaction()
        await started.start()
        try:
            yield connection
        except BaseException:
            await _roll_back(started)
            raise
        await _commit(connection, started)
    finally:
        await _release(pool, connection)


async def _release(pool: Pool, connection: PoolConnectionProxy) -> None:
    """Give the connection back; the pool drops one that died, and that says nothing of what was committed."""
    with contextlib.suppress(*DATABASE_ERRORS):
        await pool.release(connection, timeout=RELEASE_TIMEOUT_S)


async def _acquire(pool: Pool, timeout_ms: int) -> PoolConnectionProxy:
    with reaching_database():
        return await pool.acquire(timeout=timeout_ms / 1000)


async def _roll_back(started: Transaction) -> None:
    """Roll back if the connection still lives; the server rolls back by itself what it lost."""
    with contextlib.suppress(*DATABASE_ERRORS):
        await started.rollback()


async def _commit(connection: PoolConnectionProxy, started: Transaction) -> None:
    """Commit; only an error that the server itself sent in time says for certain that nothing was committed.

    A time-out or cancel during the wait for a synchronous standby commits locally with a mere warning (PostgreSQL,
    syncrep.c): a failover may lose it, so after any warning of COMMIT the outcome counts as unknown.
    """
    warnings: list[str] = []

    def heed(_: object, message: asyncpg.PostgresLogMessage) -> None:
        if message.severity_en == "WARNING":
            warnings.append(message.message)

    try:
        connection.add_log_listener(heed)
        await started.commit()
    except (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError) as error:
        raise CommitUnknownError("the server went away during COMMIT") from error
    except asyncpg.PostgresError:
        raise
    except BaseException as error:
        raise CommitUnknownError("COMMIT was not answered") from error
    finally:
        with contextlib.suppress(asyncpg.InterfaceError):  # the proxy of a connection that died says so in this way
            connection.remove_log_listener(heed)
    if warnings:
        raise CommitUnknownError(f"the server warned during COMMIT: {warnings[0]}")


async def assert_durable(connection: Connection | Pool) -> None:
    """Raise NotDurableProblem unless the server is PostgreSQL 15 or newer and keeps what it acknowledges.

    `synchronous_commit` is the one of this session's role and database, so ask as the running role.
    """
    names = ("server_version_num", "fsync", "full_page_writes", "synchronous_commit")
    rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", list(names))
    found = {row["name"]: row["setting"] for row in rows}
    if int(found["server_version_num"]) < VERSION_MIN:
        version = int(found["server_version_num"]) // 10_000
        raise NotDurableProblem(f"This is PostgreSQL {version}; version 15 or newer is needed. Upgrade the server.")
    wanted = {"fsync": {"on"}, "full_page_writes": {"on"}, "synchronous_commit": {"on", "remote_apply"}}
    faults = [f"{name} is {found[name]}" for name, good in wanted.items() if found[name] not in good]
    if faults:
        raise NotDurableProblem(
            f"The database may lose what it has acknowledged: {', '.join(faults)}. "
            f"Set it to on for the server, and for this role and database (ALTER ROLE … RESET)."
        )
