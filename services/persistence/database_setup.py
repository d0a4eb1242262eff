"""Makes a database, its two roles and its tables, from numbered files; knows no table but `migration`."""

import contextlib
import hashlib
import importlib.resources
import re
from importlib.resources.abc import Traversable

import asyncpg
import msgspec

from services.operator_fault import OperatorFault
from services.persistence.postgres import Connection, connected
from services.persistence.postgres_errors import DATABASE_ERRORS, DatabaseUnavailableProblem, reaching_database
from services.persistence.postgres_session import PoolLimits

MIGRATION_LOCK = 0x63_72_65_64
"""Key of the advisory lock under which migrations are applied ("cred")."""
MIGRATION_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
RUNNING_ROLE_MARK = ':"running_role"'
"""Stands for the running role in migrations; psql's own notation, so the files can be tried with `psql -v`."""
ROLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
MIGRATION_TABLE = """
    CREATE TABLE IF NOT EXISTS migration (
        number integer PRIMARY KEY,
        name text NOT NULL,
        sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
        applied_at timestamptz NOT NULL DEFAULT now()
    )"""


class MigrationFault(OperatorFault):
    """The database and the migration files at hand do not belong together."""

    title = "The database cannot be brought to the version of this program"


class Migration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One numbered file; `sha256` is over its bytes as they lie in the folder."""

    number: int
    name: str
    sha256: bytes
    sql: str


def read_migrations(package: str | Traversable) -> list[Migration]:
    """Return the files `0001_name.sql`, `0002_…` of a dotted package (or folder), in order.

    Raises MigrationFault if there are none, a number is missing or doubled, or a .sql file has another name.
    """
    folder = importlib.resources.files(package) if isinstance(package, str) else package
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    migrations = [_read_migration(file) for file in files]
    if not migrations or [each.number for each in migrations] != list(range(1, len(migrations) + 1)):
        raise MigrationFault(
            f"The migrations of {package} must be numbered 0001, 0002, … without a gap; "
            f"there are {', '.join(each.name for each in migrations) or 'none'}."
        )
    return migrations


def _read_migration(file: Traversable) -> Migration:
    match = MIGRATION_FILE.fullmatch(file.name)
    if match is None:
        raise MigrationFault(f"{file.name} is not named like 0001_what_it_makes.sql.")
    content = file.read_bytes()
    return Migration(
        number=int(match[1]), name=file.name, sha256=hashlib.sha256(content).digest(), sql=content.decode("utf-8")
    )


async def migrate(
    url: str, package: str | Traversable, *, running_role: str, limits: PoolLimits | None = None
) -> tuple[int, ...]:
    """Apply the files of `package` that the database does not have yet; returns their numbers.

    `url` is the owner's. Each file runs in one transaction together with its row in `migration`, all under an advisory
    lock, so several processes may start at once. In a file, `:"running_role"` stands for the running role, to be given
    exactly what it needs. Files hold no BEGIN, COMMIT or what cannot run in a transaction.
    Raises MigrationFault if a landed file was edited or is unknown, or a file fails (it left nothing behind);
    DatabaseUnavailableProblem if the lock is not free in time, or the database is a standby.
    """
    migrations = read_migrations(package)
    limits = limits or PoolLimits(lock_timeout_ms=60_000, statement_timeout_ms=600_000, command_timeout_ms=660_000)
    async with connected(url, application_name="credentify-migrate", limits=limits) as connection:
        with reaching_database():
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                raise DatabaseUnavailableProblem(
                    "The database is a standby, which takes no writes: name the primary, or promote this one"
                )
            await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        try:
            with reaching_database():
                return await _apply_missing(connection, migrations, running_role)
        finally:
            # closing the session frees the lock as well; a dead session must not hide the first error
            with contextlib.suppress(*DATABASE_ERRORS):
                await connection.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


async def migrate_where_owned(
    url: str, owner_url: str | None, package: str | Traversable, *, application_name: str
) -> tuple[int, ...]:
    """Apply the missing files of `package` if the owner's URL is given, and return their numbers.

    The running role is whoever `url` connects as. Raises what `migrate` raises.
    """
    if owner_url is None:
        return ()
    async with connected(url, application_name=application_name) as connection:
        role = await connection.fetchval("SELECT current_user")
    return await migrate(owner_url, package, running_role=role)


async def _apply_missing(connection: Connection, migrations: list[Migration], running_role: str) -> tuple[int, ...]:
    await connection.execute(MIGRATION_TABLE)
    # a start with nothing to do writes nothing: its commit would wait for a standby that may be away
    if not await connection.fetchval("SELECT has_table_privilege($1, 'migration', 'SELECT')", running_role):
        await connection.execute(f"GRANT SELECT ON migration TO {identifier(running_role)}")
    landed = {row["number"]: row for row in await connection.fetch("SELECT number, name, sha256 FROM migration")}
    known = {each.number: each for each in migrations}
    for number, row in sorted(landed.items()):
        if number not in known:
            raise MigrationFault(
                f"The database has {row['name']}, which this program does not: it is too old for it, and nothing was "
                "changed. Install the newer release again (OPERATIONS.md, upgrades, says how an older one runs)"
            )
        if known[number].sha256 != row["sha256"]:
            raise MigrationFault(
                f"{known[number].name} was edited after it landed (as {row['name']}). "
                "Bring the file back as it was, and put the change into a new file."
            )
    missing = [each for each in migrations if each.number not in landed]
    for migration in missing:
        await _apply(connection, migration, running_role)
    return tuple(each.number for each in missing)


async def _apply(connection: Connection, migration: Migration, running_role: str) -> None:
    sql = migration.sql.replace(RUNNING_ROLE_MARK, identifier(running_role))
    try:
        async with connection.transaction():
            await connection.execute(sql)
            await connection.execute(
                "INSERT INTO migration (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    except asyncpg.PostgresError as error:
        raise MigrationFault(f"{migration.name} failed and left nothing behind: {error}") from error


def identifier(name: str) -> str:
    """Return a role's or database's name quoted for SQL; raises ValueError unless it is a plain lower-case name."""
    if ROLE_NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a plain name: a lower-case letter, then letters, digits and _, at most 63")
    return f'"{name}"'


async def ensure_database(admin_url: str, *, name: str, owner_role: str, running_role: str) -> None:
    """Create the database, its owner (for migrations) and the lesser running role, unless they exist.

    Nobody but these two may connect to it, and only the owner may create in it. Roles are created without password.
    Raises DatabaseUnavailableProblem, ValueError for names that are not plain, or what the server says.
    """
    names = tuple(identifier(each) for each in (name, owner_role, running_role))
    async with connected(admin_url, application_name="credentify-ensure") as connection:
        for role in (owner_role, running_role):
            await _ensure_role(connection, role)
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await _create_database(connection, names[0], names[1])
        await connection.execute(f"REVOKE ALL ON DATABASE {names[0]} FROM PUBLIC")
        await connection.execute(f"GRANT CONNECT ON DATABASE {names[0]} TO {names[2]}")


async def _ensure_role(connection: Connection, role: str) -> None:
    if await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
        return
    with contextlib.suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):  # another was faster
        await connection.execute(f"CREATE ROLE {identifier(role)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")


async def _create_database(connection: Connection, name: str, owner_role: str) -> None:
    """Create it from template0, which nobody has added anything to."""
    with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):  # another was faster
        await connection.execute(
            f"CREATE DATABASE {name} OWNER {owner_role} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
        )
