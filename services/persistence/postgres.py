"""Connections, pools, transactions and durability of any PostgreSQL; knows no table."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

from services.operator_fault import OperatorFault
from services.persistence.leader_watch import LeaderWatch
from services.persistence.postgres_errors import (
    DATABASE_ERRORS,
    CommitUnknownError,
    DatabaseUnavailableProblem,
    NoStandbyProblem,
    NotConfirmedProblem,
    SharedSessionFault,
    reaching_database,
)
from services.persistence.postgres_session import PoolLimits, Session, open_session
from services.persistence.postgres_url import checked_url

Pool = asyncpg.Pool
Row = asyncpg.Record
Connection = Session | PoolConnectionProxy

VERSION_MIN = 150_000
"""`server_version_num` of PostgreSQL 15.0."""
RELEASE_TIMEOUT_S = 5.0
CLOSE_SECONDS = 15.0
KEPT_ALIVE_SECONDS = 1.0


class NotDurableFault(OperatorFault):
    """The database may lose what it has acknowledged, so no service starts on it."""

    title = "The database does not keep what it acknowledges"


async def create_pool(
    url: str, *, application_name: str, limits: PoolLimits | None = None, watch: LeaderWatch | None = None
) -> Pool:
    """Return an open pool of sessions of our own with the time-outs of `limits`; the caller closes it.

    `watch` ends those whose node leads no more. Raises DatabaseUnavailableProblem if no connection can be made, and
    what `open_session` finds wrong.
    """
    limits = limits or PoolLimits()
    firsts = iter([True])

    async def connect(*_: Any, **__: Any) -> Session:
        is_first = next(firsts, False)
        session = await open_session(
            url, application_name=application_name, limits=limits, is_first=is_first, knows_types=True
        )
        await _watched(session, watch)
        return session

    with reaching_database():
        return await asyncpg.create_pool(
            checked_url(url),
            min_size=limits.connections_min,
            max_size=limits.connections_max,
            connect=connect,
            connection_class=Session,
            reset=_keep_as_it_is,
        )


async def _watched(session: Session, watch: LeaderWatch | None) -> None:
    """Let the watch hold a session that was opened; end it where that fails."""
    try:
        if watch is not None:
            await watch.hold(session)
    except BaseException:
        session.terminate()
        raise


async def close_pool(pool: Pool) -> None:
    """Close a pool once its connections are given back; after `CLOSE_SECONDS` those that are not are cut."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _keep_as_it_is(_: asyncpg.Connection) -> None:
    """Do not reset a session that is given back, which is a round trip: nobody leaves anything behind in one.

    asyncpg itself has rolled back an open transaction and dropped listeners. Settings are changed for a transaction at
    most (SET LOCAL), and a lock of the session is taken with `session_lock` only.
    """


def backend_pid(connection: Connection) -> int:
    """Return the server process of a connection; the number that the driver knows is a pooler's own invention."""
    return int(getattr(connection, "backend_pid"))  # noqa: B009 - a pool's proxy passes it on, untyped


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
    url: str, *, application_name: str, limits: PoolLimits | None = None, watch: LeaderWatch | None = None
) -> AsyncIterator[Session]:
    """Hold one session of our own outside any pool, with the time-outs of `limits`.

    `watch` ends it if its node leads no more. Raises DatabaseUnavailableProblem if it cannot be made, and what
    `open_session` finds wrong.
    """
    limits = limits or PoolLimits()
    with reaching_database():
        connection = await open_session(url, application_name=application_name, limits=limits)
        await _watched(connection, watch)
    try:
        yield connection
    except TimeoutError:
        connection.terminate()  # a server that does not answer does not say goodbye either
        raise
    finally:
        await _close(connection, limits.connect_timeout_ms / 1000)


async def _close(connection: Session, timeout_s: float) -> None:
    try:
        await connection.close(timeout=timeout_s)
    except DATABASE_ERRORS:
        connection.terminate()


@contextlib.asynccontextmanager
async def transaction(
    pool: Pool, *, acquire_timeout_ms: int = 5_000, confirms_reads: bool = False
) -> AsyncIterator[Connection]:
    """Run the block in one transaction on a connection of the pool: committed when left, rolled back by an exception.

    With `confirms_reads` what it has read is durable as well when it is left, also where it has written nothing.
    Raises DatabaseUnavailableProblem if no connection is free in time, CommitUnknownError if it cannot be known whether
    COMMIT happened, and what the server says otherwise: then nothing was committed. A connection that is lost after
    COMMIT was answered changes nothing: it is committed.
    """
    connection = await _acquire(pool, acquire_timeout_ms)
    try:
        async with session_transaction(connection):
            yield connection
            if confirms_reads:
                await connection.execute(_LEAVE_MARK_OF_READS)
    finally:
        await _release(pool, connection)


@contextlib.asynccontextmanager
async def session_transaction(connection: Connection) -> AsyncIterator[None]:
    """Run the block in one transaction of a session: committed when left, rolled back by an exception.

    Raises CommitUnknownError if it cannot be known whether COMMIT happened, and what the server says otherwise: then
    nothing was committed.
    """
    started = connection.transaction()
    await started.start()
    try:
        yield
    except BaseException:
        await _roll_back(started)
        raise
    await _commit(connection, started)


@contextlib.asynccontextmanager
async def confirmed_transaction(connection: Connection) -> AsyncIterator[None]:
    """Do the same for a command that may be run again: raises `NotConfirmedProblem` for CommitUnknownError."""
    try:
        async with session_transaction(connection):
            yield
    except CommitUnknownError as error:
        raise NotConfirmedProblem(str(error)) from error


async def keep_alive(connection: Connection) -> None:
    """Let the server know that this process moves: a session that is silent in its transaction for long is ended.

    It could be a frozen process's, whose locks keep others. Raises what any statement does.
    """
    await connection.execute("SELECT 1")


@contextlib.asynccontextmanager
async def kept_alive(connection: Connection, *, every_seconds: float = KEPT_ALIVE_SECONDS) -> AsyncIterator[None]:
    """Let the server know so again and again while the block works, which leaves the connection alone meanwhile.

    Where the connection is lost the block goes on, and the next statement says so.
    """
    is_over = asyncio.Event()

    async def say_so() -> None:
        with contextlib.suppress(*DATABASE_ERRORS):
            while not is_over.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(every_seconds):
                        await is_over.wait()
                        return
                await keep_alive(connection)

    saying = asyncio.create_task(say_so(), name="kept-alive")
    try:
        yield
    finally:
        is_over.set()  # and no cancellation: that would undo the transaction with the statement that it hits
        await asyncio.wait([saying])


async def _release(pool: Pool, connection: PoolConnectionProxy) -> None:
    """Give the connection back; the pool drops one that died, and that says nothing of what was committed."""
    with contextlib.suppress(*DATABASE_ERRORS):
        await pool.release(connection, timeout=RELEASE_TIMEOUT_S)


async def _acquire(pool: Pool, timeout_ms: int) -> PoolConnectionProxy:
    """Return a connection of the pool; what the server says of it is the cause of a refusal, not its words."""
    try:
        return await pool.acquire(timeout=timeout_ms / 1000)
    except (*DATABASE_ERRORS, SharedSessionFault) as error:
        raise DatabaseUnavailableProblem from error


async def _roll_back(started: Transaction) -> None:
    """Roll back if the connection still lives; the server rolls back by itself what it lost."""
    with contextlib.suppress(*DATABASE_ERRORS):
        await started.rollback()


async def _commit(connection: Connection, started: Transaction) -> None:
    """Commit; only an error that the server itself sent in time says for certain that nothing was committed.

    A time-out or cancel during the wait for a synchronous standby commits locally with a mere warning (PostgreSQL,
    syncrep.c): a failover may lose it, so after any warning of COMMIT the outcome counts as unknown. Where a standby is
    required and the server waits for none any more, nothing is committed (`NoStandbyProblem`).
    """
    if getattr(connection, "requires_standby", False):
        await _refuse_without_standby(connection, started)
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


async def _refuse_without_standby(connection: Connection, started: Transaction) -> None:
    try:
        is_waited_for = await connection.fetchval(f"SELECT {_IS_WAITED_FOR}")
    except BaseException:
        await _roll_back(started)
        raise
    if not is_waited_for:
        await _roll_back(started)
        raise NoStandbyProblem


_LEAVE_MARK = """
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
               WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),
           pg_logical_emit_message(true, 'credentify', '')"""
"""A commit waits for the standby only if its transaction wrote something: an empty message in the write-ahead log."""


_IS_WAITED_FOR = "current_setting('synchronous_standby_names') <> ''"
_LEAVE_MARK_OF_READS = f"""
    SELECT CASE WHEN {_IS_WAITED_FOR} AND pg_current_xact_id_if_assigned() IS NULL
                THEN pg_logical_emit_message(true, 'credentify', '') END"""
"""The same where no standby is waited for, or the transaction writes anyway: nothing."""


async def confirm_commits(connection: Connection) -> None:
    """Return once everything that this connection has read is durable, on the synchronous standbys too.

    A commit whose wait for a standby was cancelled, or cut off by a crash of the primary, is visible to everybody and
    may be lost by a failover. A commit of our own, made after reading, ends behind it in the write-ahead log, so
    whoever confirms ours has it. Raises `NotConfirmedProblem` where nobody does in time, or what the server says.
    """
    try:
        async with session_transaction(connection):
            await connection.execute(_LEAVE_MARK)
    except CommitUnknownError as error:
        if isinstance(error.__cause__, asyncio.CancelledError):
            raise error.__cause__ from None  # we are to stop, and nothing of ours depended on this commit
        raise NotConfirmedProblem(str(error)) from error


async def confirm_reads(connection: Connection) -> None:
    """Do the same for somebody who says again, or sends on, what he has read.

    Where no standby is waited for, everything that can be read is as durable as it will be. Raises as the other does.
    """
    if getattr(connection, "requires_standby", False) or await connection.fetchval(f"SELECT {_IS_WAITED_FOR}"):
        await confirm_commits(connection)


_WRITES = """
    SELECT pg_is_in_recovery() AS is_standby, current_setting('transaction_read_only') = 'on' AS is_read_only"""


async def why_not_written(pool: Pool) -> str | None:
    """Return why nothing can be written to the database now, in words for its operator, or None where all is well.

    Raises whatever the way to the database raises.
    """
    row = await pool.fetchrow(_WRITES)
    assert row is not None, "a query without FROM has one row"
    if row["is_standby"]:
        return "The database is a standby, which takes no writes: name the primary, or promote this one"
    if row["is_read_only"]:
        return "The database takes no writes (default_transaction_read_only is on, for it, its role or the server)"
    return None


async def assert_writable(pool: Pool) -> None:
    """Raise DatabaseUnavailableProblem with the words of `why_not_written`, if there are any."""
    if (why := await why_not_written(pool)) is not None:
        raise DatabaseUnavailableProblem(why)


async def assert_durable(connection: Connection | Pool) -> None:
    """Raise NotDurableFault unless the server is PostgreSQL 15 or newer and keeps what it acknowledges.

    `synchronous_commit` is the one of this session's role and database, so ask as the running role.
    """
    names = ("server_version_num", "fsync", "full_page_writes", "synchronous_commit")
    rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", list(names))
    found = {row["name"]: row["setting"] for row in rows}
    if int(found["server_version_num"]) < VERSION_MIN:
        version = int(found["server_version_num"]) // 10_000
        raise NotDurableFault(f"This is PostgreSQL {version}; version 15 or newer is needed. Upgrade the server.")
    wanted = {"fsync": {"on"}, "full_page_writes": {"on"}, "synchronous_commit": {"on", "remote_apply"}}
    faults = [f"{name} is {found[name]}" for name, good in wanted.items() if found[name] not in good]
    if faults:
        raise NotDurableFault(
            f"The database may lose what it has acknowledged: {', '.join(faults)}. "
            f"Set it to on for the server, and for this role and database (ALTER ROLE … RESET)."
        )
