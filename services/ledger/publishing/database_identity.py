"""Which database this is: its cluster, its timeline, whether it takes writes. Compares; signs and repairs nothing.

A failover or a restore from a backup begins a new timeline (PostgreSQL manual, 26.3.5), and may have lost commits that
were acknowledged; another cluster may be anything. Whoever signs looks again before going on (DESIGN 5.5), and keeps on
its own disk the newest timeline of each cluster that it has signed on: a leader that was replaced may come back.
"""

from pathlib import Path

import msgspec

from proto.canonical import DECODE_ERRORS
from services.ledger.signer import SignerMemoryFault
from services.ledger.store import Reader
from services.persistence.durable_file import write_durably
from services.persistence.postgres_errors import DatabaseUnavailableProblem

TIMELINES = "last-signed.timelines"

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


class OlderTimelineProblem(DatabaseUnavailableProblem):
    """The database is a leader that was replaced, or was restored without knowing of a later leader."""

    def __init__(self, found: str, known: str) -> None:
        super().__init__(
            f"The database is on timeline {int(found, 16)}, and this log was signed on timeline {int(known, 16)} of "
            "the same cluster: it is a leader that was replaced. Nothing is signed here; name the leader of now. If "
            "this is a restored backup that is to go on, say `credentify ledger recover` (RUNBOOK.md: older-database)"
        )


class TimelineMemory:
    """The newest timeline of each cluster on which this signer has signed, in a file of its folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / TIMELINES

    def accept(self, found: DatabaseIdentity) -> None:
        """Remember durably that this database is signed on; raises `OlderTimelineProblem` for an older timeline.

        Raises `SignerMemoryFault` where the file cannot be read.
        """
        known, cluster = self._known(), str(found.system_identifier)
        newest = known.get(cluster, "")
        if found.timeline < newest:  # both are eight hex digits
            raise OlderTimelineProblem(found.timeline, newest)
        if found.timeline > newest:
            write_durably(self.path, msgspec.json.encode(known | {cluster: found.timeline}))

    def forget(self) -> None:
        """Forget all timelines: the operator says which database is to go on."""
        self.path.unlink(missing_ok=True)

    def _known(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except (OSError, *DECODE_ERRORS) as error:
            raise SignerMemoryFault(
                f"{self.path} cannot be read ({type(error).__name__}). If the database is the leader of now, remove "
                "this file, and start again"
            ) from error
