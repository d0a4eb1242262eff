"""Pools, transactions, migrations and durability against a real PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from services.persistence import database_setup, postgres
from services.persistence.postgres_errors import (
    DATABASE_ERRORS,
    CommitUnknownError,
    DatabaseUnavailableProblem,
    NoStandbyProblem,
)
from services.persistence.postgres_session import PoolLimits
from tests.support.databases import RUNNING_ROLE, Database, MakeDatabase
from tests.support.ledgers import until

FIRST = """
CREATE TABLE entry (index bigint PRIMARY KEY, note text NOT NULL);
GRANT SELECT, INSERT ON entry TO :"running_role";
"""
SECOND = "ALTER TABLE entry ADD COLUMN size integer NOT NULL DEFAULT 0;"
QUICK = PoolLimits(connections_max=2, lock_timeout_ms=100, statement_timeout_ms=200)


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    (tmp_path / "0001_entry.sql").write_text(FIRST, encoding="utf-8")
    return tmp_path


async def _value(url: str, sql: str) -> object:
    async with postgres.connected(url, application_name="test") as connection:
        return await connection.fetchval(sql)


async def _execute(url: str, sql: str) -> None:
    async with postgres.connected(url, application_name="test") as connection:
        await connection.execute(sql)


async def _migrate(database: Database, migrations: Path) -> tuple[int, ...]:
    return await database_setup.migrate(database.owner_url, migrations, running_role=RUNNING_ROLE)


async def _insert_and_fail(pool: postgres.Pool) -> None:
    async with postgres.transaction(pool) as connection:
        await connection.execute("INSERT INTO kept VALUES (1)")
        raise ZeroDivisionError


async def _lose_the_connection(pool: postgres.Pool, url: str, *, then_fail: bool) -> None:
    async with postgres.transaction(pool) as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        await _execute(url, f"SELECT pg_terminate_backend({pid}, 5000)")
        if then_fail:
            raise ZeroDivisionError


async def _commit_twice_the_same(pool: postgres.Pool) -> None:
    async with postgres.transaction(pool) as connection:
        await connection.execute("INSERT INTO once VALUES (1), (1)")


async def _hold_and_ask_for_another(pool: postgres.Pool) -> None:
    async with postgres.transaction(pool), postgres.transaction(pool, acquire_timeout_ms=50):
        pass


async def test_a_pool_carries_every_time_out_to_the_server(database: Database) -> None:
    pool = await postgres.create_pool(database.running_url, application_name="credentify-test", limits=QUICK)
    async with pool:
        for name, wanted in {
            "lock_timeout": "100ms",
            "statement_timeout": "200ms",
            "idle_in_transaction_session_timeout": "10s",
            "application_name": "credentify-test",
        }.items():
            assert await pool.fetchval("SELECT current_setting($1)", name) == wanted
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(10)")


SILENT = PoolLimits(connections_max=2, idle_in_transaction_timeout_ms=500)
OPEN_FOR_MS = """
    SELECT (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::float8 FROM pg_stat_activity WHERE pid = $1"""


async def test_a_session_that_is_silent_in_its_transaction_is_ended_and_one_that_is_kept_alive_is_not(
    database: Database,
) -> None:
    async with (
        postgres.connected(database.admin_url, application_name="test") as watching,
        await postgres.create_pool(database.running_url, application_name="test", limits=SILENT) as pool,
    ):

        async def open_for_long(pid: int) -> bool | None:
            lasting_ms = await watching.fetchval(OPEN_FOR_MS, pid)
            return True if lasting_ms is None or lasting_ms > 2 * SILENT.idle_in_transaction_timeout_ms else None

        async with postgres.transaction(pool) as connection:
            pid = postgres.backend_pid(connection)
            async with postgres.kept_alive(connection, every_seconds=0.01):
                await until(partial(open_for_long, pid), "the transaction has lasted")
            assert await connection.fetchval("SELECT pg_backend_pid()") == pid
        with pytest.raises(DATABASE_ERRORS):
            await _be_silent(pool, lambda: until(partial(open_for_long, pid), "the session is gone"))


async def _be_silent(pool: postgres.Pool, wait: Callable[[], Awaitable[object]]) -> None:
    async with postgres.transaction(pool) as connection:
        await wait()
        await connection.fetchval("SELECT 1")


async def test_a_block_that_keeps_a_lost_connection_alive_goes_on(database: Database) -> None:
    async with await postgres.create_pool(database.running_url, application_name="test", limits=QUICK) as pool:
        with pytest.raises(DATABASE_ERRORS):
            await _lose_the_connection_while_kept(pool, database.admin_url)
        assert await pool.fetchval("SELECT 1") == 1


async def _lose_the_connection_while_kept(pool: postgres.Pool, url: str) -> None:
    async with postgres.transaction(pool) as connection:
        async with postgres.kept_alive(connection, every_seconds=0.001):
            await _execute(url, f"SELECT pg_terminate_backend({postgres.backend_pid(connection)}, 5000)")
        await connection.fetchval("SELECT 1")


async def test_a_server_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableProblem, match="No connection to the database"):
        await postgres.create_pool(f"postgresql://nobody@/nothing?host={tmp_path}", application_name="test")


async def test_a_pool_without_a_free_connection_refuses_in_time(database: Database) -> None:
    limits = PoolLimits(connections_max=1)
    async with await postgres.create_pool(database.owner_url, application_name="test", limits=limits) as pool:
        with pytest.raises(DatabaseUnavailableProblem):
            await _hold_and_ask_for_another(pool)


async def test_a_transaction_is_committed_when_left_and_rolled_back_by_an_exception(database: Database) -> None:
    async with await postgres.create_pool(database.owner_url, application_name="test", limits=QUICK) as pool:
        async with postgres.transaction(pool) as connection:
            await connection.execute("CREATE TABLE kept (number integer)")
        with pytest.raises(ZeroDivisionError):
            await _insert_and_fail(pool)
        assert await pool.fetchval("SELECT count(*) FROM kept") == 0


async def test_a_commit_that_the_server_refuses_is_known_not_to_have_happened(database: Database) -> None:
    async with await postgres.create_pool(database.owner_url, application_name="test", limits=QUICK) as pool:
        await pool.execute("CREATE TABLE once (number integer UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        with pytest.raises(asyncpg.UniqueViolationError):
            await _commit_twice_the_same(pool)
        assert await pool.fetchval("SELECT count(*) FROM once") == 0


async def test_a_connection_lost_before_the_commit_leaves_its_outcome_unknown(database: Database) -> None:
    async with await postgres.create_pool(database.owner_url, application_name="test", limits=QUICK) as pool:
        with pytest.raises(CommitUnknownError):
            await _lose_the_connection(pool, database.owner_url, then_fail=False)
        assert await pool.fetchval("SELECT 1") == 1


async def test_where_a_standby_is_required_and_none_is_waited_for_nothing_is_committed_or_confirmed(
    database: Database,
) -> None:
    await _execute(database.owner_url, f"CREATE TABLE kept (n int); GRANT ALL ON kept TO {RUNNING_ROLE}")
    careful = PoolLimits(connections_max=2, requires_standby=True)
    pool = await postgres.create_pool(database.running_url, application_name="test", limits=careful)
    with pytest.raises(NoStandbyProblem, match="DATABASE_STANDBY_REQUIRED asks for one"):
        async with postgres.transaction(pool) as connection:
            await connection.execute("INSERT INTO kept VALUES (1)")
    async with pool.acquire() as connection:
        with pytest.raises(NoStandbyProblem):
            await postgres.confirm_commits(connection)
        with pytest.raises(NoStandbyProblem):
            await postgres.confirm_reads(connection)
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0
    await postgres.close_pool(pool)


async def test_a_block_that_fails_because_the_connection_was_lost_raises_its_own_error(database: Database) -> None:
    async with await postgres.create_pool(database.owner_url, application_name="test", limits=QUICK) as pool:
        with pytest.raises(ZeroDivisionError):
            await _lose_the_connection(pool, database.owner_url, then_fail=True)


async def _hold(pool: postgres.Pool, held: asyncio.Event) -> None:
    async with postgres.session_lock(pool, 7) as connection:
        assert connection is not None
        held.set()
        await asyncio.Event().wait()


async def _lock_and_fail(pool: postgres.Pool, url: str, *, lose_connection: bool) -> None:
    async with postgres.session_lock(pool, 7) as connection:
        assert connection is not None
        if lose_connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            await _execute(url, f"SELECT pg_terminate_backend({pid}, 5000)")
        raise ZeroDivisionError


async def _is_free(url: str) -> object:
    """Whether a session other than those of the pool gets the lock."""
    return await _value(url, "SELECT pg_try_advisory_lock(7)")


async def test_a_lock_of_a_session_is_held_by_one_and_free_after_the_block(database: Database) -> None:
    async with await postgres.create_pool(database.owner_url, application_name="test", limits=QUICK) as pool:
        async with postgres.session_lock(pool, 7) as connection, postgres.session_lock(pool, 7) as other:
            assert connection is not None
            assert other is None
            assert not await _is_free(database.owner_url)
        assert await _is_free(database.owner_url)


@pytest.mark.parametrize("lose_connection", [False, True])
async def test_a_lock_of_a_session_is_free_after_a_block_that_failed(
    database: Database, *, lose_connection: bool
) -> None:
    async with await postgres.create_pool(database.owner_url, application_name="test", limits=QUICK) as pool:
        with pytest.raises((ZeroDivisionError, asyncpg.InterfaceError, asyncpg.PostgresError)):
            await _lock_and_fail(pool, database.owner_url, lose_connection=lose_connection)
        assert await _is_free(database.owner_url)
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_lock_of_a_session_is_free_after_its_holder_was_cancelled(database: Database) -> None:
    async with await postgres.create_pool(database.owner_url, application_name="test", limits=QUICK) as pool:
        held = asyncio.Event()
        holder = asyncio.create_task(_hold(pool, held))
        await held.wait()
        assert not await _is_free(database.owner_url)
        holder.cancel()
        await asyncio.wait({holder})
        assert await _is_free(database.owner_url)


async def test_a_session_that_is_given_back_is_out_of_its_transaction(database: Database) -> None:
    limits = PoolLimits(connections_max=1)
    async with await postgres.create_pool(database.owner_url, application_name="test", limits=limits) as pool:
        async with postgres.transaction(pool) as connection:
            await connection.execute("SET LOCAL statement_timeout = '7s'")
            await connection.execute("SELECT pg_advisory_xact_lock(7)")
        assert await pool.fetchval("SHOW statement_timeout") == "20s"
        assert await _is_free(database.owner_url)


async def test_migrations_are_applied_once_and_in_order(database: Database, migrations: Path) -> None:
    assert await _migrate(database, migrations) == (1,)
    (migrations / "0002_size.sql").write_text(SECOND, encoding="utf-8")
    assert await _migrate(database, migrations) == (2,)
    assert await _migrate(database, migrations) == ()
    assert await _value(database.running_url, "SELECT array_agg(number ORDER BY number) FROM migration") == [1, 2]


async def test_the_running_role_has_what_the_migrations_grant_and_no_more(database: Database, migrations: Path) -> None:
    await _migrate(database, migrations)
    await _execute(database.running_url, "INSERT INTO entry VALUES (0, 'first')")
    for forbidden in ("DELETE FROM entry", "DROP TABLE entry", "DELETE FROM migration", "CREATE TABLE more ()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _execute(database.running_url, forbidden)


async def test_a_migration_edited_after_it_landed_is_refused(database: Database, migrations: Path) -> None:
    await _migrate(database, migrations)
    (migrations / "0001_entry.sql").write_text(FIRST + "-- only a word\n", encoding="utf-8")
    with pytest.raises(database_setup.MigrationFault, match=r"0001_entry.sql was edited after it landed"):
        await _migrate(database, migrations)


async def test_a_database_newer_than_the_program_is_refused(database: Database, migrations: Path) -> None:
    (migrations / "0002_size.sql").write_text(SECOND, encoding="utf-8")
    await _migrate(database, migrations)
    (migrations / "0002_size.sql").unlink()
    with pytest.raises(
        database_setup.MigrationFault, match=r"0002_size.sql, which this program does not.* Install the newer"
    ):
        await _migrate(database, migrations)


async def test_a_migration_that_fails_leaves_nothing_behind_and_keeps_those_before_it(
    database: Database, migrations: Path
) -> None:
    (migrations / "0002_bad.sql").write_text("CREATE TABLE half (); SELECT no_such_function();", encoding="utf-8")
    with pytest.raises(database_setup.MigrationFault, match=r"0002_bad.sql failed and left nothing behind"):
        await _migrate(database, migrations)
    assert await _value(database.owner_url, "SELECT to_regclass('half')") is None
    assert await _value(database.owner_url, "SELECT max(number) FROM migration") == 1


async def test_several_processes_may_migrate_at_once(database: Database, migrations: Path) -> None:
    applied = await asyncio.gather(*(_migrate(database, migrations) for _ in range(4)))
    assert sorted(applied) == [(), (), (), (1,)]


@pytest.mark.parametrize("names", [[], ["0002_gap.sql"], ["0001_a.sql", "0001_b.sql"], ["1_short.sql"]])
def test_badly_numbered_migrations_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;", encoding="utf-8")
    with pytest.raises(database_setup.MigrationFault, match=r"0001"):
        database_setup.read_migrations(tmp_path)


async def test_a_fresh_database_is_durable_for_the_running_role(database: Database) -> None:
    async with postgres.connected(database.running_url, application_name="test") as connection:
        await postgres.assert_durable(connection)


@pytest.mark.parametrize("level", ["off", "local", "remote_write"])
async def test_a_role_that_commits_carelessly_is_refused(database: Database, level: str) -> None:
    await _execute(
        database.admin_url, f"ALTER ROLE {RUNNING_ROLE} IN DATABASE {database.name} SET synchronous_commit = {level}"
    )
    async with postgres.connected(database.running_url, application_name="test") as connection:
        with pytest.raises(postgres.NotDurableFault, match=f"synchronous_commit is {level}"):
            await postgres.assert_durable(connection)


async def test_a_template_is_prepared_once_and_its_copies_are_separate(
    make_database: MakeDatabase, migrations: Path
) -> None:
    prepared: list[str] = []

    async def prepare(database: Database) -> None:
        prepared.append(database.name)
        await _migrate(database, migrations)

    first = await make_database("test_postgres", prepare=prepare)
    second = await make_database("test_postgres", prepare=prepare)
    await _execute(first.running_url, "INSERT INTO entry VALUES (0, 'only here')")
    assert await _value(second.running_url, "SELECT count(*) FROM entry") == 0
    assert len(prepared) == 1


@pytest.mark.parametrize("name", ["", 'a"; DROP', "Ledger", "1st", "x" * 64])
def test_a_name_that_is_not_plain_is_never_put_into_sql(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain name"):
        database_setup.identifier(name)
