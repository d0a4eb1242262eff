"""A connection pooler before the database: in session mode it serves, in any other it is refused by its name."""

import io
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.edge import Log
from services.edge.serve import listening
from services.ledger import store
from services.ledger.app import make_app
from services.ledger.succession.opening import apply_migrations
from services.persistence import postgres
from services.persistence.postgres_errors import SharedSessionFault
from services.persistence.postgres_session import PoolLimits, assert_holds
from tests.support.databases import Database, MakeDatabase
from tests.support.gateways import RunningGateway, gateway_config, gateway_database
from tests.support.ledgers import ledger_config, ledger_on, new_database, until
from tests.support.poolers import IGNORED, pooled

LIMITS = PoolLimits(connections_max=3, lock_timeout_ms=1_500, statement_timeout_ms=7_000)
SHARING = ("transaction", "statement")


@pytest.fixture
async def ledger_database(make_database: MakeDatabase) -> Database:
    """A database with the ledger's tables and no log."""
    return await new_database(make_database)


@pytest.mark.parametrize("mode", SHARING)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ignore_startup_parameters": IGNORED},
        {"default_pool_size": "1"},
        {"default_pool_size": "2", "server_round_robin": "1"},
        {"server_reset_query_always": "1", "ignore_startup_parameters": IGNORED},
    ],
)
async def test_a_pooler_that_shares_sessions_is_refused_by_name(
    database: Database, open_folder: Path, mode: str, settings: dict[str, str]
) -> None:
    async with pooled(database, open_folder, mode, **settings) as shared:
        for _ in range(2):
            with pytest.raises(SharedSessionFault, match="PgBouncer"):
                await postgres.create_pool(shared.running_url, application_name="test", limits=LIMITS)
            with pytest.raises(SharedSessionFault, match="PgBouncer"):
                async with postgres.connected(shared.running_url, application_name="test", limits=LIMITS):
                    pass


async def test_settings_that_the_role_has_anyway_do_not_hide_a_shared_session(
    database: Database, open_folder: Path
) -> None:
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        for name, value in (("lock_timeout", "1500"), ("statement_timeout", "7000")):
            await connection.execute(f"ALTER ROLE {database.running_role} SET {name} = {value}")
    try:
        async with pooled(database, open_folder, "transaction", ignore_startup_parameters=IGNORED) as shared:
            with pytest.raises(SharedSessionFault, match="pool_mode = session"):
                await postgres.create_pool(shared.running_url, application_name="test", limits=LIMITS)
    finally:
        async with postgres.connected(database.admin_url, application_name="test") as connection:
            await connection.execute(f"ALTER ROLE {database.running_role} RESET ALL")


async def test_neither_ledger_nor_migrations_start_behind_a_shared_session(
    ledger_database: Database, open_folder: Path
) -> None:
    async with pooled(ledger_database, open_folder, "transaction", ignore_startup_parameters=IGNORED) as shared:
        config = ledger_config(shared, open_folder / "ledger")
        with pytest.raises(SharedSessionFault, match="PgBouncer"):
            await apply_migrations(config)
        log = Log("ledger", io.BytesIO())
        with pytest.raises(SharedSessionFault, match="two processes could sign one log"):
            async with listening(
                make_app(replace(config, migration_database_url=None), log=log), host="127.0.0.1", port=0
            ):
                pass


async def test_in_session_mode_every_session_has_what_it_was_given(database: Database, open_folder: Path) -> None:
    async with (
        pooled(database, open_folder, "session") as own,
        await postgres.create_pool(own.running_url, application_name="credentify-test", limits=LIMITS) as pool,
        pool.acquire() as first,
        pool.acquire() as second,
    ):
        for connection in (first, second):
            assert await connection.fetchval("SELECT current_setting('lock_timeout')") == "1500ms"
            assert await connection.fetchval("SELECT current_setting('statement_timeout')") == "7s"
            assert await connection.fetchval("SELECT pg_backend_pid()") == postgres.backend_pid(connection)
        assert postgres.backend_pid(first) != postgres.backend_pid(second)


async def test_in_session_mode_a_ledger_and_a_gateway_work_and_only_one_signs(
    make_database: MakeDatabase, ledger_database: Database, open_folder: Path
) -> None:
    folder = open_folder / "ledger"
    async with (
        pooled(ledger_database, open_folder, "session", ignore_startup_parameters=IGNORED) as own,
        ledger_on(own, folder) as ledger,
    ):
        college = await ledger.admit("zuidzee")
        await ledger.issued(college, "Soil")
        await ledger.published(3)
        async with postgres.connected(own.running_url, application_name="second") as second:
            assert not await store.try_signer_lock(second)
        direct = await gateway_database(make_database, open_folder / "gateway", ledger)
        other = open_folder / "other"
        other.mkdir(mode=0o711)
        async with pooled(direct, other, "session") as pooled_too:
            gateway = RunningGateway(gateway_config(pooled_too, open_folder / "gateway", ledger), pooled_too, ledger)
            await gateway.start()
            try:
                await (await gateway.institution("zuidzee")).describe()
            finally:
                await gateway.stop()
            assert gateway.ended_with == []


async def test_the_lock_of_a_signer_that_is_gone_is_free_in_session_mode(database: Database, open_folder: Path) -> None:
    async with pooled(database, open_folder, "session") as own:
        async with postgres.connected(own.running_url, application_name="first") as first:
            assert await store.try_signer_lock(first)
            await assert_holds(first, store.SIGNER_LOCK)
            first.terminate()

        async def is_free() -> bool | None:
            async with postgres.connected(own.running_url, application_name="second") as second:
                return await store.try_signer_lock(second) or None

        assert await until(is_free, "the lock is free")


async def test_a_signer_whose_session_became_anothers_signs_nothing(database: Database) -> None:
    async with postgres.connected(database.running_url, application_name="signer") as signer:
        with pytest.raises(SharedSessionFault, match="lost its lock"):
            await assert_holds(signer, store.SIGNER_LOCK)
        assert await store.try_signer_lock(signer)
        await assert_holds(signer, store.SIGNER_LOCK)
        await signer.execute("SELECT set_config('credentify.session', 'another', false)")
        with pytest.raises(SharedSessionFault, match="serves others too"):
            await assert_holds(signer, store.SIGNER_LOCK)


async def _connect_often(database: Database) -> None:
    for _ in range(4):
        async with postgres.connected(database.running_url, application_name="test", limits=LIMITS):
            pass


async def test_a_session_that_was_not_made_clean_is_refused(database: Database, open_folder: Path) -> None:
    settings = {"server_reset_query": "", "default_pool_size": "2"}
    async with pooled(database, open_folder, "session", **settings) as dirty:
        with pytest.raises(SharedSessionFault, match="DISCARD ALL"):
            await _connect_often(dirty)
