"""Which database this is: its cluster, its timeline, whether it takes writes. Compares; signs and repairs nothing.

A failover or a restore from a backup begins a new timeline (PostgreSQL manual, 26.3.5), and may have lost commits that
were acknowledged; another cluster may be anything. Whoever signs looks again before going on (DESIGN 5.5).
"""

import msgspec

from services.ledger.store import Reader
from services.persistence.postgres_errors import DatabaseUnavailableProblem

_IDENTITY = """
    SELECT (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
           pg_is_in_recovery() AS is_standby,
           CASE WHEN pg_is_in_recovery() THEN NULL ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline,
           (SELECT oid FROM pg_database WHERE datname = current_database()) AS database"""


class DatabaseIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster's system identifier, its timeline (eight hex digits) and the database's oid.

    The timeline is that of the write-ahead log now; the one in the control file is as old as the last checkpoint.
    """

    system_identifier: int
    timeline: str
    database: int


async def database_identity(reader: Reader) -> DatabaseIdentity:
    """Return which database answers; raises `DatabaseUnavailableProblem` for a standby, which takes no writes."""
    row = await reader.fetchrow(_IDENTITY)
    assert row is not None, "a query without FROM has one row"
    if row["is_standby"]:
        raise DatabaseUnavailableProblem(
            "The database is a standby: name the primary in CREDENTIFY_LEDGER_DATABASE_URL, or promote this one"
        )
    return DatabaseIdentity(
        system_identifier=row["system_identifier"], timeline=row["timeline"], database=row["database"]
    )
