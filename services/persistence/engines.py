"""Which engine answers under the protocol of PostgreSQL: those that only look alike are refused by name. Opens nothing.

Each of these takes our statements, or most of them, and keeps less than they ask for: advisory locks that lock nothing,
no triggers, no write-ahead log with timelines, commits that mean something else (DESIGN 5.4, 5.5).
"""

import asyncpg

from services.operator_fault import OperatorFault

LOOK_ALIKES = {
    "cockroachdb": ("CockroachDB", "its advisory locks lock nothing, so two processes could sign one log"),
    "-yb-": ("YugabyteDB", "it has no timelines, by which a leader that was replaced is known"),
    "yugabyte": ("YugabyteDB", "it has no timelines, by which a leader that was replaced is known"),
    "dsql": ("Aurora DSQL", "it has neither triggers, nor locks that are waited for, nor timelines"),
    "redshift": ("Amazon Redshift", "it enforces no keys and has no triggers"),
    "greenplum": ("Greenplum", "a statement of it has no single write-ahead log"),
    "opengauss": ("openGauss", "it has left PostgreSQL at version 9.2"),
    "gaussdb": ("GaussDB", "it has left PostgreSQL at version 9.2"),
    "cratedb": ("CrateDB", "it has no transactions"),
    "materialize": ("Materialize", "it keeps views, and has neither locks nor triggers"),
    "risingwave": ("RisingWave", "it keeps views, and has neither locks nor triggers"),
    "questdb": ("QuestDB", "it has neither transactions of ours, nor locks, nor triggers"),
    "spanner": ("Spanner", "it has neither advisory locks nor triggers"),
}
"""By a word of `version()`, in small letters: the engine's name, and the gravest thing that it does not have."""
VERSION = "SELECT version()"
LACKING_ERRORS = (asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFunctionError, asyncpg.UndefinedObjectError)
"""What an engine says that does not have a function, a setting or a statement of PostgreSQL's."""


class EngineFault(OperatorFault):
    """The database is not PostgreSQL, but speaks as if it were."""

    title = "The database is not PostgreSQL"

    def __init__(self, found: str) -> None:
        super().__init__(
            f"{found}. Name a PostgreSQL from version 15 on: its own, one that Patroni or CloudNativePG runs, or a "
            "managed one with a synchronous standby (deploy/OPERATIONS.md, Which engines fit)"
        )


def refuse_look_alike(version: str) -> None:
    """Raise `EngineFault` where `version()` is that of an engine which is known not to fit."""
    said = version.lower()
    for word, (name, why) in LOOK_ALIKES.items():
        if word in said:
            raise EngineFault(f"This is {name}: {why}")
    if not said.startswith(("postgresql ", "enterprisedb")):
        raise EngineFault("This is no PostgreSQL by its version()")


def lacking(error: Exception) -> EngineFault:
    """Return the refusal of an engine that does not have what every PostgreSQL has."""
    words = str(error).partition("\n")[0]
    return EngineFault(f"The engine does not have what every PostgreSQL has ({words})")
