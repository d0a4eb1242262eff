"""A server that answers and refuses: each way of it is an outage that passes, said with its cause in the log only."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from services.embedded import EmbeddedPostgres
from services.persistence import postgres
from services.persistence.postgres_errors import DatabaseUnavailableProblem
from services.persistence.postgres_session import EncodingFault
from tests.conftest import TEST_SETTINGS
from tests.support.databases import OWNER_ROLE, RUNNING_ROLE, Database, Postgres, Prepare
from tests.support.gateways import RunningGateway, achievement, running_gateway
from tests.support.ledgers import RunningLedger, running_ledger, until

UNAVAILABLE, OK = 503, 200
REFUSALS = {
    "NOLOGIN": (f"ALTER ROLE {RUNNING_ROLE} NOLOGIN", f"ALTER ROLE {RUNNING_ROLE} LOGIN"),
    "allow_connections": ("ALTER DATABASE {} ALLOW_CONNECTIONS false", "ALTER DATABASE {} ALLOW_CONNECTIONS true"),
    "connect": (
        f"REVOKE CONNECT ON DATABASE {{}} FROM {RUNNING_ROLE}",
        f"GRANT CONNECT ON DATABASE {{}} TO {RUNNING_ROLE}",
    ),
    "limit": (f"ALTER ROLE {RUNNING_ROLE} CONNECTION LIMIT 0", f"ALTER ROLE {RUNNING_ROLE} CONNECTION LIMIT -1"),
    "read_only": (
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        "ALTER DATABASE {} RESET default_transaction_read_only",
    ),
    "password": ("", ""),
}
WORDS = {
    "NOLOGIN": "not permitted to log in",
    "allow_connections": "not currently accepting connections",
    "connect": "permission denied for database",
    "limit": "too many connections",
    "read_only": "read-only transaction",
    "password": "password authentication failed",
}


class Server:
    """A server of a test's own, which can refuse one database or its role."""

    def __init__(self, embedded: EmbeddedPostgres) -> None:
        self.embedded = embedded
        self._postgres = Postgres(embedded.admin_url, password="")

    async def make_database(self, template: str | None = None, *, prepare: Prepare | None = None) -> Database:
        """Return a fresh database."""
        return await self._postgres.create(template, prepare)

    async def execute(self, *statements: str) -> None:
        """Run statements as the superuser, who is refused nothing."""
        async with postgres.connected(self.embedded.admin_url, application_name="test") as connection:
            for statement in filter(None, statements):
                await connection.execute(statement)

    async def refuse(self, what: str, database: Database, *, is_over: bool = False) -> None:
        """Refuse, or stop refusing, and end the sessions that are there."""
        if what == "password":
            rule = "" if is_over else f"local all {RUNNING_ROLE} scram-sha-256\n"
            hba = self.embedded.cluster / "pg_hba.conf"
            await asyncio.to_thread(hba.write_text, f"{rule}local all all trust\n", encoding="ascii")
            await self.execute("SELECT pg_reload_conf()")
        await self.execute(
            REFUSALS[what][is_over].format(database.name),
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{RUNNING_ROLE}'",
        )


@pytest.fixture
async def server(open_folder: Path) -> AsyncIterator[Server]:
    """A server with the settings of tests."""
    async with EmbeddedPostgres(open_folder / "postgres", settings=TEST_SETTINGS) as embedded:
        yield Server(embedded)


async def _is_ready(service: RunningLedger | RunningGateway, session_owner: RunningLedger) -> bool:
    async with session_owner.session.get(f"{service.url}/readyz") as response:
        return response.status == OK


async def _until_ready(service: RunningLedger | RunningGateway, ledger: RunningLedger) -> None:
    async def ask() -> bool | None:
        return await _is_ready(service, ledger) or None

    await until(ask, "it is ready")


async def _until_unready(service: RunningLedger | RunningGateway, ledger: RunningLedger) -> None:
    async def ask() -> bool | None:
        return not await _is_ready(service, ledger) or None

    await until(ask, "it is not ready")


async def _until_said(service: RunningLedger | RunningGateway, what: str) -> None:
    """Wait for the server's own words: what was ended with a session is said first, by whoever had it."""

    async def said() -> bool | None:
        return WORDS[what] in service.log.getvalue().decode() or None

    await until(said, "the server's words are in the log")


@pytest.mark.parametrize("what", REFUSALS)
async def test_a_ledger_whose_database_refuses_it_says_so_and_comes_back(
    server: Server, tmp_path: Path, what: str
) -> None:
    async with running_ledger(server.make_database, tmp_path) as ledger:
        college = await ledger.admit("zuidzee")
        event = msgspec.json.encode(ledger.registrar.issues(college, 1)[0])
        await server.refuse(what, ledger.database)
        await _until_unready(ledger, ledger)
        async with ledger.session.post(
            f"{ledger.url}/v1/events", data=event, headers={"Content-Type": "application/json"}
        ) as response:
            said = await response.text()
            assert (response.status, int(response.headers["Retry-After"])) == (UNAVAILABLE, 1), said
        assert RUNNING_ROLE not in said
        assert WORDS[what] not in said
        await _until_said(ledger, what)
        await server.refuse(what, ledger.database, is_over=True)
        await _until_ready(ledger, ledger)
        await ledger.issued(college, "Soil")


@pytest.mark.parametrize("what", REFUSALS)
async def test_a_gateway_whose_database_refuses_it_says_so_and_comes_back(
    server: Server, tmp_path: Path, what: str
) -> None:
    async with (
        running_ledger(server.make_database, tmp_path / "ledger") as ledger,
        running_gateway(server.make_database, tmp_path / "gateway", ledger) as gateway,
    ):
        office = await gateway.institution("zuidzee")
        await server.refuse(what, gateway.database)
        await _until_unready(gateway, ledger)
        for answered in (
            await office.client.post("/v1/achievements", achievement()),
            await gateway.operator.post("/v1/institutions", gateway.request("other")),
        ):
            assert (answered.status, answered.headers["Retry-After"]) == (UNAVAILABLE, "1"), answered
            assert WORDS[what] not in str(answered.body)
        await _until_said(gateway, what)
        await server.refuse(what, gateway.database, is_over=True)
        await _until_ready(gateway, ledger)
        await office.describe()


@pytest.mark.parametrize("what", ["NOLOGIN", "password", "allow_connections", "read_only"])
async def test_a_service_does_not_start_on_a_database_that_refuses_it(
    server: Server, tmp_path: Path, what: str
) -> None:
    async with running_ledger(server.make_database, tmp_path) as ledger:
        await ledger.stop()
        await server.refuse(what, ledger.database)
        with pytest.raises(DatabaseUnavailableProblem, match=f"{WORDS[what]}|takes no writes"):
            await ledger.start()
        await server.refuse(what, ledger.database, is_over=True)
        await ledger.start()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252"])
async def test_a_database_that_cannot_hold_every_name_is_refused(server: Server, encoding: str) -> None:
    made = await server.make_database()
    name = f"other_{encoding.lower()}"
    await server.execute(
        f"CREATE DATABASE {name} OWNER {OWNER_ROLE} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
    )
    url = made.owner_url.replace(f"/{made.name}?", f"/{name}?")
    with pytest.raises(EncodingFault, match="UTF8"):
        await postgres.create_pool(url, application_name="test")
