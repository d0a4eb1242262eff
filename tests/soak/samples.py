"""What is looked at while a soak runs: memory and descriptors of each process, sizes and health of the databases."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from services.command.child import ServiceProcess
from services.persistence import postgres
from tests.bench.processes import memory_of

DATABASES = ("ledger", "gateway")
_MB = 1_000_000
_TABLES = """
SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables
"""
_DATABASE = """
SELECT pg_database_size(current_database()) AS bytes, age(datfrozenxid) AS xid_age
FROM pg_database WHERE datname = current_database()
"""
_WAL = "SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_waldir()"
_OLDEST = """
SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::float8 FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look; numbers by service and database."""

    at_seconds: float
    credentials: int
    memory_mb: dict[str, float]
    descriptors: dict[str, int]
    lives: dict[str, int]
    """The process id of each service: numbers of two lives are not compared."""
    database_mb: dict[str, float]
    wal_mb: float
    dead_share: float
    """Dead rows among all rows of tables that have more than a thousand."""
    unvacuumed: tuple[str, ...]
    """Tables whose dead rows are far beyond what autovacuum begins at."""
    xid_age: int
    transaction_seconds: float
    connections: int


def descriptors_of(process: ServiceProcess) -> int:
    """Return how many descriptors a process has open; 0 where it has ended."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())
    return 0


def _file_mb(path: Path) -> float:
    files = path.parent.glob(f"{path.name}*")  # with its own write-ahead log
    return sum(file.stat().st_size for file in files if file.is_file()) / _MB


async def look(
    began: float, running: Mapping[str, ServiceProcess], admin_url: str, urls: Mapping[str, str], projection: Path
) -> Sample:
    """Return what is true now. `urls` are the databases by name, `projection` is the verifier's file."""
    found = {"projection": _file_mb(projection)}
    live = dead = xid_age = credentials = 0
    unvacuumed: list[str] = []
    for name, url in urls.items():
        async with postgres.connected(url, application_name="soak") as connection:
            row = await connection.fetchrow(_DATABASE)
            assert row is not None
            found[name], xid_age = row["bytes"] / _MB, max(xid_age, row["xid_age"])
            for table in await connection.fetch(_TABLES):
                if table["n_live_tup"] > 1_000:
                    live, dead = live + table["n_live_tup"], dead + table["n_dead_tup"]
                if table["n_dead_tup"] > 5 * (50 + 0.2 * table["n_live_tup"]) + 5_000:
                    unvacuumed.append(f"{name}.{table['relname']}")
            if name == "ledger":
                credentials = await connection.fetchval("SELECT count(*) FROM credential_state")
    async with postgres.connected(admin_url, application_name="soak") as connection:
        wal = await connection.fetchval(_WAL)
        oldest = await connection.fetchval(_OLDEST)
        connections = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
    memories = {name: memory_of(process) for name, process in running.items()}
    return Sample(
        at_seconds=time.monotonic() - began,
        credentials=credentials,
        memory_mb={name: memory.own for name, memory in memories.items() if memory is not None and memory.own > 0},
        descriptors={name: descriptors_of(process) for name, process in running.items()},
        lives={name: process.pid or 0 for name, process in running.items()},
        database_mb=found,
        wal_mb=wal / _MB,
        dead_share=dead / max(1, live + dead),
        unvacuumed=tuple(unvacuumed),
        xid_age=xid_age,
        transaction_seconds=oldest,
        connections=connections,
    )
