"""What a database can do to us, in one vocabulary, and what it means to a client. Opens no connection."""

import contextlib
from collections.abc import Iterator

import asyncpg

from proto.problem import OutcomeUnknownProblem, Problem, UnavailableProblem
from services.operator_fault import OperatorFault

AWAY = "The database is away for a moment; send the same request again"


class DatabaseUnavailableProblem(UnavailableProblem):
    """The database did not answer in time, or refused the connection."""

    slug = "database-unavailable"
    title = "The database is not available now"
    retry_after_seconds = 1

    def __init__(self, detail: str = AWAY) -> None:
        super().__init__(detail)


class NotConfirmedProblem(DatabaseUnavailableProblem):
    """What the database shows is committed on its primary, and no synchronous standby has confirmed it in time."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"The database did not confirm in time that what it shows is kept ({cause}): a failover could lose it. "
            "Nothing is said or signed of it until a synchronous standby answers again"
        )


class NoStandbyProblem(DatabaseUnavailableProblem):
    """Commits wait for no standby here, and the settings ask for one."""

    def __init__(self) -> None:
        super().__init__(
            "Commits wait for no standby here (synchronous_standby_names is empty), and DATABASE_STANDBY_REQUIRED asks "
            "for one, so nothing is taken. Turn synchronous replication on again (Patroni: synchronous_mode and "
            "synchronous_mode_strict)"
        )


class SharedSessionFault(OperatorFault):
    """A pooler lies between us and the server, and the session is not ours alone, or not with our settings."""

    title = "The database session is not our own"

    def __init__(self, found: str) -> None:
        super().__init__(
            f"{found}: a connection pooler such as PgBouncer in transaction or statement mode lies before the "
            "database. Locks and time-outs would not hold, and two processes could sign one log. Name the server's "
            "own address, or let the pooler work in session mode (PgBouncer: pool_mode = session, "
            "server_reset_query = DISCARD ALL)"
        )


class CommitUnknownError(Exception):
    """The connection was lost, or we were cancelled, during COMMIT: it may have happened or not (DESIGN 5.4)."""


DATABASE_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's word for a statement on a session that the server has just ended
    OSError,
    TimeoutError,
    DatabaseUnavailableProblem,
)
"""All that a statement raises where the database, or the way to it, fails: nothing was committed."""
OUTAGE_ERRORS = (*DATABASE_ERRORS, CommitUnknownError)
"""What work in the background waits out that reads again what is there, whatever became of its last COMMIT."""
WAITED_ERRORS = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
"""What undoes a transaction that has waited too long for another."""
CONFLICT_ERRORS = (asyncpg.UniqueViolationError, *WAITED_ERRORS)
"""What undoes a transaction for what others do at the same time: nothing of it has happened."""
TAKEN_ERRORS = (asyncpg.UniqueViolationError,)
"""What a row is refused for whose key is there already."""
RESTRICTED_ERRORS = (asyncpg.RestrictViolationError,)
"""What a trigger of ours raises against a change that may never be."""
LASTING_ERRORS = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)
"""What the same statement with the same values is refused for, however often it comes."""
_OUTAGES = (*OUTAGE_ERRORS, UnavailableProblem)


def is_outage(error: Exception) -> bool:
    """Tell whether an error says nothing of what was worked on: something is away, and the same may go well later."""
    return isinstance(error, _OUTAGES) and not isinstance(error, LASTING_ERRORS)


REFUSED_WRITE_ERRORS = (asyncpg.ReadOnlySQLTransactionError, asyncpg.InsufficientPrivilegeError)
"""The server reads and does not write: a standby, `default_transaction_read_only`, or rights that were taken away."""
NOT_LEADING_ERRORS = (asyncpg.TargetServerAttributeNotMatched,)
"""What the driver says of a node that answers, and is not what `target_session_attrs` asks for."""
POOLER_ERRORS = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""What a session answers that is not the one where a statement was prepared: a pooler has changed it."""
_PASSING_ERRORS = (
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    asyncpg.InvalidAuthorizationSpecificationError,  # NOLOGIN, a role that is gone, a password that was changed
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # ALLOW_CONNECTIONS false
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    *REFUSED_WRITE_ERRORS,
    *POOLER_ERRORS,
    SharedSessionFault,
    ConnectionError,
    TimeoutError,
)


EXPLAINED_PROBLEMS = (DatabaseUnavailableProblem, OutcomeUnknownProblem)
"""What `explain_unavailable` returns."""


def explain_unavailable(error: Exception) -> Problem | None:
    """Return what an error of a query means to a client: the database is away for now, or None for a fault of ours.

    The edge logs the error itself; what the server said is for its operator alone.
    """
    if isinstance(error, CommitUnknownError):
        return OutcomeUnknownProblem("The database went away while committing; send the same request again")
    return DatabaseUnavailableProblem() if isinstance(error, _PASSING_ERRORS) else None


@contextlib.contextmanager
def reaching_database() -> Iterator[None]:
    """Turn every way not to get a connection into one refusal; what the server said is part of its words."""
    try:
        yield
    except DATABASE_ERRORS as error:
        if isinstance(error, DatabaseUnavailableProblem):
            raise
        words = str(error).partition("\n")[0]
        raise DatabaseUnavailableProblem(f"No connection to the database: {words or type(error).__name__}") from error
