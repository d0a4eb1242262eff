"""One session of a PostgreSQL server, known to be ours alone and to have the settings that it was given. Knows no pool.

Locks of the session and its time-outs hold only where all statements of a connection reach one session, and nobody
else's do. A pooler in transaction or statement mode (PgBouncer's `pool_mode`) hands one session to many: the signer's
lock would then be held by two. So every session is marked, and is refused where it carries another's mark.
"""

import contextlib
import secrets

import asyncpg
import msgspec

from services.operator_fault import OperatorFault
from services.persistence.engines import LACKING_ERRORS, VERSION, lacking, refuse_look_alike
from services.persistence.postgres_errors import (
    POOLER_ERRORS,
    DatabaseUnavailableProblem,
    SharedSessionFault,
    reaching_database,
)
from services.persistence.postgres_nodes import DatabaseNode, connect_to_leader, nodes_of
from services.persistence.postgres_url import DatabaseUrlFault, checked_url, unreadable_tls_files

ARRAY_TYPES = ("bytea", "bigint", "integer", "smallint", "uuid", "float8", "timestamptz", "boolean")
"""What arrays are sent of; asyncpg knows those of text by itself."""
_MARK = "credentify.session"
_MARK_BYTES = 16
_GIVE = """
    SELECT pg_backend_pid() AS backend_pid, seen.mark AS mark_before,
           set_config($1, $2, false), set_config('lock_timeout', $3, false),
           set_config('statement_timeout', $4, false), set_config('idle_in_transaction_session_timeout', $5, false)
    FROM (SELECT current_setting($1, true) AS mark OFFSET 0) AS seen"""
"""The inner query is read before anything is set: what was there is somebody else's."""
_HAS = """
    SELECT pg_backend_pid() AS backend_pid, current_setting($1, true) AS mark,
           current_setting('server_encoding') AS encoding, current_setting('timezone') AS timezone,
           (extract(epoch FROM current_setting('lock_timeout')::interval) * 1000)::bigint AS lock_timeout,
           (extract(epoch FROM current_setting('statement_timeout')::interval) * 1000)::bigint AS statement_timeout,
           (extract(epoch FROM current_setting('idle_in_transaction_session_timeout')::interval) * 1000)::bigint
               AS idle_in_transaction_session_timeout"""
_HOLDS = """
    SELECT pg_backend_pid() AS backend_pid, current_setting($1, true) AS mark, EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND classid::bigint = $2::bigint >> 32 AND objid::bigint = $2::bigint & 4294967295) AS is_held"""


class EncodingFault(OperatorFault):
    """The database cannot hold every text."""

    title = "The database has the wrong encoding"


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bounds of a pool, each with its unit; the server keeps the three time-outs even if we do not."""

    connections_min: int = 1
    connections_max: int = 8
    connect_timeout_ms: int = 10_000
    command_timeout_ms: int = 30_000
    lock_timeout_ms: int = 5_000
    statement_timeout_ms: int = 20_000
    idle_in_transaction_timeout_ms: int = 10_000
    requires_standby: bool = False
    """Whether nothing may be committed while the server waits for no synchronous standby."""


UNHURRIED = PoolLimits(statement_timeout_ms=600_000, command_timeout_ms=660_000, idle_in_transaction_timeout_ms=600_000)
"""Of an operator's command that goes through a whole database in one transaction, and for whom nobody waits."""


class Session(asyncpg.Connection):
    """A connection whose session was checked; `backend_pid` is the server process's, also behind a pooler."""

    __slots__ = ("backend_pid", "mark", "requires_standby")

    backend_pid: int
    mark: str
    requires_standby: bool

    @property
    def is_pooled(self) -> bool:
        """Whether somebody between us and the server has answered for it: a pooler makes up the number it sends."""
        return self.backend_pid != self.get_server_pid()


async def open_session(
    url: str,
    *,
    application_name: str,
    limits: PoolLimits,
    is_first: bool = True,
    knows_types: bool = False,
    asks_all: bool = False,
) -> Session:
    """Return a session of our own, with the time-outs of `limits`; the caller closes it.

    With `asks_all` every node that the URL names is asked. The first session looks which engine it is, and where a
    pooler is in between, is tried against a second. Raises `EngineFault`, `SharedSessionFault`, `EncodingFault`,
    `DatabaseUrlFault`, and whatever the driver raises where there is no connection.
    """
    session = await _connect(url, application_name, limits, asks_all=asks_all)
    try:
        if is_first:
            refuse_look_alike(await session.fetchval(VERSION))
        await _settle(session, limits)
        session.requires_standby = limits.requires_standby
        if is_first and session.is_pooled:
            await _try_against_another(session, url, application_name, limits)
        if knows_types:
            await _know_types(session)
    except BaseException as error:
        session.terminate()
        if isinstance(error, LACKING_ERRORS):
            raise lacking(error) from error
        if isinstance(error, POOLER_ERRORS):
            raise SharedSessionFault("What was prepared in the database session is not there") from error
        raise
    return session


async def _connect(url: str, application_name: str, limits: PoolLimits, *, asks_all: bool = False) -> Session:
    """Connect with nothing that a pooler refuses by default to pass on; the time-outs are given afterwards."""
    seconds = limits.connect_timeout_ms / 1000

    async def connect(node: DatabaseNode | None = None) -> Session:
        connected = await asyncpg.connect(
            checked_url(url),
            host=node.host if node else None,
            port=node.port if node else None,
            timeout=seconds,
            command_timeout=limits.command_timeout_ms / 1000,
            server_settings={"application_name": application_name, "timezone": "UTC"},
            connection_class=Session,
        )
        assert isinstance(connected, Session), "the driver makes what it was told to"
        return connected

    nodes = nodes_of(checked_url(url))
    try:
        if not nodes:
            return await connect()
        return await connect_to_leader(nodes, connect, seconds=seconds, asks_all=asks_all)
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:  # no such host, socket or certificate: of the connection, not of a file of ours
        words = "; ".join(unreadable_tls_files(url)) or str(error)
        raise ConnectionError(words) from error
    except asyncpg.ClientConfigurationError as error:
        raise DatabaseUrlFault(f"The database's URL asks for what cannot be done: {error}") from error


async def _settle(session: Session, limits: PoolLimits) -> None:
    """Mark the session, give it its time-outs, and look in another statement whether both are still there."""
    wanted = {
        "lock_timeout": limits.lock_timeout_ms,
        "statement_timeout": limits.statement_timeout_ms,
        "idle_in_transaction_session_timeout": limits.idle_in_transaction_timeout_ms,
    }
    await _mark(session, *map(str, wanted.values()))
    found = await session.fetchrow(_HAS, _MARK)
    assert found is not None, "a query without FROM has one row"
    _refuse_another(session, found)
    wrong = [f"{name} is {found[name]} ms and not {value}" for name, value in wanted.items() if found[name] != value]
    if found["timezone"] != "UTC":
        wrong.append(f"timezone is {found['timezone']} and not UTC")
    if wrong:
        raise SharedSessionFault(f"The database session does not have what it was given ({', '.join(wrong)})")
    if found["encoding"] != "UTF8":
        raise EncodingFault(
            f"The database's encoding is {found['encoding']}, which cannot hold every name. Make one with UTF8 "
            "(CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0) and name that"
        )


async def _know_types(session: Session) -> None:
    """Learn all array types in one look-up; asyncpg would ask for each with the first query that has it.

    Where that takes too long now, it still does.
    """
    arrays = ", ".join(f"${number}::{name}[]" for number, name in enumerate(ARRAY_TYPES, start=1))
    with contextlib.suppress(asyncpg.QueryCanceledError):
        await session.execute(f"SELECT {arrays}", *([] for _ in ARRAY_TYPES))


async def _mark(session: Session, *time_outs: str) -> None:
    session.mark = secrets.token_hex(_MARK_BYTES)
    given = await session.fetchrow(_GIVE, _MARK, session.mark, *time_outs)
    assert given is not None, "the inner query has one row"
    session.backend_pid = given["backend_pid"]
    if given["mark_before"]:
        raise SharedSessionFault("The database session was given to somebody else before, and not made clean")


def _refuse_another(session: Session, found: asyncpg.Record) -> None:
    if (found["backend_pid"], found["mark"]) != (session.backend_pid, session.mark):
        raise SharedSessionFault("The database session has changed between two statements, or serves others too")


async def _try_against_another(session: Session, url: str, application_name: str, limits: PoolLimits) -> None:
    """Open a second session beside this one: where both are one, or this one is another afterwards, it is shared."""
    try:
        other = await _connect(url, application_name, limits)
        try:
            await _mark(other, *("0", "0", "0"))
        finally:
            other.terminate()
    except TimeoutError as error:
        raise DatabaseUnavailableProblem(
            "The pooler before the database gave no second connection in time: raise its default_pool_size, which must "
            "hold every connection of all services"
        ) from error
    found = await session.fetchrow(_HAS, _MARK)
    assert found is not None, "a query without FROM has one row"
    _refuse_another(session, found)


async def assert_holds(session: Session, lock: int) -> None:
    """Raise `SharedSessionFault` unless this session is still the one that was opened, and holds the advisory lock."""
    with reaching_database():
        found = await session.fetchrow(_HOLDS, _MARK, lock)
    assert found is not None, "a query without FROM has one row"
    _refuse_another(session, found)
    if not found["is_held"]:
        raise SharedSessionFault("The database session has lost its lock")
