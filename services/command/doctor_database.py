"""What `credentify doctor` asks a service's database: does it keep what it says; its clock, version, rights, tables."""

import time
from collections.abc import AsyncIterator

from proto.problem import Problem
from services.command.doctor_findings import About, Diagnosis
from services.issuer_gateway.config import Config as GatewayConfig
from services.issuer_gateway.keys.vault import FILE_NAME, vault_folder
from services.ledger.config import Config as LedgerConfig
from services.ledger.signer import LAST_SIGNED
from services.operator_fault import OperatorFault
from services.persistence.database_setup import read_migrations
from services.persistence.postgres import Connection, NotDurableFault, assert_durable, connected
from services.persistence.postgres_errors import DATABASE_ERRORS, DatabaseUnavailableProblem
from services.persistence.postgres_session import PoolLimits

PACKAGES = {"ledger": "services.ledger.migrations", "gateway": "services.issuer_gateway.migrations"}
_LIMITS = PoolLimits(connect_timeout_ms=5_000, command_timeout_ms=5_000, statement_timeout_ms=5_000)
_OTHER_SESSIONS = 10
_CLOCK_MS_MAX = 2_000
_BUFFERS_UNSET = 128 * 1024 * 1024
_TIMES_BUFFERS_MAX = 8
_SERVER = """
    SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS is_standby,
        current_setting('data_checksums') = 'on' AS has_checksums,
        current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
            AS connections,
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
        (SELECT datdba = current_user::regrole::oid FROM pg_database WHERE datname = current_database()) AS is_owner,
        (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS is_encrypted,
        pg_size_bytes(current_setting('shared_buffers')) AS buffers, pg_database_size(current_database()) AS size,
        inet_client_addr() IS NULL OR host(inet_client_addr()) IN ('127.0.0.1', '::1') AS is_here,
        floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS database_ms"""


async def database(service: str, config: LedgerConfig | GatewayConfig) -> AsyncIterator[Diagnosis]:
    """Yield what is found of a service's database."""
    about = About(service, "database")
    try:
        async with connected(config.database_url, application_name="credentify-doctor", limits=_LIMITS) as connection:
            async for finding in _asked(service, config, connection):
                yield finding
    except OperatorFault as fault:
        yield about.bad(fault.detail, "Correct the database's URL, or the server (deploy/OPERATIONS.md, In production)")
    except (DatabaseUnavailableProblem, *DATABASE_ERRORS) as error:
        said = error.detail if isinstance(error, Problem) else type(error).__name__
        yield about.bad(f"it does not answer: {said}", "Start the server, or correct host, port, role and password")


async def _asked(
    service: str, config: LedgerConfig | GatewayConfig, connection: Connection
) -> AsyncIterator[Diagnosis]:
    yield await _durability(service, config, connection)
    before_ms = time.time() * 1_000
    row = await connection.fetchrow(_SERVER)
    assert row is not None, "a SELECT without FROM has one row"
    yield _clock(service, row["database_ms"] - (before_ms + time.time() * 1_000) / 2)
    about = About(service, "database")
    yield about.good(f"PostgreSQL {row['version']} answers")
    if row["is_standby"]:
        yield about.bad("it is a standby, which takes no writes", "Name the primary, or promote this one")
    if not row["has_checksums"]:
        yield about.note("its pages have no checksums", "Stop it, and say: pg_checksums --enable")
    if row["is_superuser"] or row["is_owner"]:
        yield about.note(
            "the running role owns the database, or is a superuser",
            "Let another role own it (…_MIGRATION_DATABASE_URL), so that a service cannot change the log's tables",
        )
    if not row["is_here"] and not row["is_encrypted"]:
        yield about.note("what goes to it over the network is not encrypted", "Add sslmode=verify-full to its URL")
    if row["connections"] < config.database_connections_max + _OTHER_SESSIONS:
        yield about.note(
            f"it allows {row['connections']} connections, and this process may take {config.database_connections_max}",
            "Raise max_connections, or lower …_DATABASE_CONNECTIONS_MAX",
        )
    if (short := room_for_pages(service, row["buffers"], row["size"])) is not None:
        yield short
    yield await _tables(service, connection)
    if isinstance(config, LedgerConfig) and config.log_key_file is not None:
        yield await _memory(config, connection)
    if isinstance(config, GatewayConfig) and await _lacks_keys(config, connection):
        yield About(service, "key_folder").bad(
            "the database has learners, and no key of any is there",
            "Mount the folder's disk, or copy the newest copy back (RUNBOOK.md, key-folder)",
        )


def room_for_pages(service: str, buffers: int, size: int) -> Diagnosis | None:
    """Return a note where a database of `size` bytes has outgrown what PostgreSQL takes by itself; None where not."""
    if buffers > _BUFFERS_UNSET or size <= _TIMES_BUFFERS_MAX * buffers:
        return None
    return About(service, "database").note(
        f"its {size / 1e9:.1f} GB are many times shared_buffers, which nobody has raised",
        "Set it to about a quarter of that machine's memory, and start the server anew. The one of `credentify up` "
        "takes an eighth of what it may use: give its machine or container more",
    )


async def _durability(service: str, config: LedgerConfig | GatewayConfig, connection: Connection) -> Diagnosis:
    about = About(service, "durability")
    try:
        await assert_durable(connection)
    except NotDurableFault as fault:
        return about.bad(fault.detail, "Change it, and let the server read its settings again")
    if config.database_standby_required and not await connection.fetchval("SHOW synchronous_standby_names"):
        return about.bad(
            "no commit waits for a standby, and …_DATABASE_STANDBY_REQUIRED asks for one: nothing is taken",
            "Turn synchronous replication on (deploy/OPERATIONS.md, Three database nodes)",
        )
    return about.good("it keeps what it acknowledges")


def _clock(service: str, ahead_ms: float) -> Diagnosis:
    about, words = About(service, "clocks"), f"the database's is {ahead_ms / 1_000:+.1f} s against this machine's"
    if abs(ahead_ms) > _CLOCK_MS_MAX:
        return about.bad(words, "Let both follow one time (chrony, systemd-timesyncd): until then nothing is taken")
    return about.good(words)


async def _tables(service: str, connection: Connection) -> Diagnosis:
    """Compare the tables' version with this program's."""
    about, known = About(service, "tables"), {each.number: each for each in read_migrations(PACKAGES[service])}
    if not await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL"):
        return about.bad("there are none", "Say: credentify migrate")
    rows = await connection.fetch("SELECT number, name, sha256 FROM migration ORDER BY number")
    landed = {row["number"]: row for row in rows}
    if newer := sorted(landed.keys() - known.keys()):
        return about.bad(
            f"they are of a newer version ({landed[newer[0]]['name']})", "Install the version that made them"
        )
    if changed := [row["name"] for row in rows if known[row["number"]].sha256 != row["sha256"]]:
        return about.bad(f"{changed[0]} is another than this program's", "Install the version that made them")
    if missing := sorted(known.keys() - landed.keys()):
        return about.bad(
            f"{len(missing)} migrations are missing, from {known[missing[0]].name} on", "Say: credentify migrate"
        )
    return about.good(f"they are of this version ({len(landed)} migrations)")


async def _lacks_keys(config: GatewayConfig, connection: Connection) -> bool:
    """Tell whether there are learners and no file with keys of learners, as where a disk is not mounted."""
    if (vault_folder(config.key_folder, config.master_key_file) / FILE_NAME).exists():
        return False
    if not await connection.fetchval("SELECT to_regclass('learner') IS NOT NULL"):
        return False
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM learner WHERE erased_at IS NULL)"))


async def _memory(config: LedgerConfig, connection: Connection) -> Diagnosis:
    """Look whether the signer remembers what it signed."""
    about = About("ledger", "signer")
    if config.state_folder is None:
        return about.bad("it has a key, and no folder for its memory", "Set CREDENTIFY_LEDGER_STATE_FOLDER")
    has_log = await connection.fetchval("SELECT to_regclass('checkpoint') IS NOT NULL")
    size = await connection.fetchval("SELECT max(size) FROM checkpoint") if has_log else None
    is_there = (config.state_folder / LAST_SIGNED).exists()
    if size is None:
        return about.bad("this database holds no log yet", "Say: credentify ledger init --opening FILE")
    if not is_there:
        return about.bad(f"{config.state_folder} does not remember what was signed", "See RUNBOOK.md, signer-memory")
    return about.good(f"it remembers what it signed; entries published: {size}")
