"""Fixtures that need the outside: one PostgreSQL per run, one database per test, the data that others made.

`make_database` is what most tests want:

    from tests.databases import Database, MakeDatabase

    async def test_it_starts(make_database: MakeDatabase) -> None:
        database = await make_database()                               # empty, with both roles
        database = await make_database("ledger", prepare=migrate_it)   # a copy of a template, prepared once per run

`CREDENTIFY_TEST_POSTGRES_URL` names another server, as its superuser, instead of the bundled one.
"""

import asyncio
import contextlib
import gc
import importlib.metadata
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest

from services.embedded import BinariesMissingFault, EmbeddedPostgres, data_folder
from services.process_memory import settle_memory
from tests.support.databases import Database, MakeDatabase, Postgres, Prepare
from tests.support.run_folders import is_in_memory, make_run_folder

EXTERNAL_URL = "CREDENTIFY_TEST_POSTGRES_URL"
RIVALS = ("proto-plus", "proto", "services")
"""Distributions on PyPI that install a top-level `proto` or `services`: ours would be shadowed or mixed with theirs."""
TEST_SETTINGS = {
    "min_wal_size": "80MB",
    "max_wal_size": "512MB",
    "max_connections": "200",
    "shared_buffers": "128MB",  # dropping a database looks through all of them
}
VENDORED = Path(__file__).parent / "conformance" / "vectors"

# Tests start hundreds of processes of ours, each of which would compile all modules that it loads anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long anything takes is never a verdict here: a busy machine draws slowly, and a first run reads tables.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

T = TypeVar("T")
TEMPORARY_FOLDERS: list[str] = []
"""What `open_folder` made in this run."""


def pytest_configure() -> None:
    """Refuse to run beside a distribution that installs our top-level names."""
    for rival in RIVALS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(rival)
            raise pytest.UsageError(f"The distribution {rival} installs our top-level names; uninstall it first.")
    gc.disable()  # what is loaded now stays


def pytest_collection_finish() -> None:
    """Look for garbage from now on, as services do: not through all that modules of tests have loaded."""
    settle_memory()
    gc.enable()


def _in_a_loop_of_its_own(work: Coroutine[Any, Any, T]) -> T:
    """Run to completion in the main thread without touching the loops of pytest-asyncio."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail a run in which a test let a database lie out of its own folder, where nobody removes it."""
    yield
    ours = (str(tmp_path_factory.getbasetemp()), *TEMPORARY_FOLDERS)
    owners = [each.read_text() for each in data_folder.ELSEWHERE.glob(f"*/{data_folder.BELONGS_TO}")]
    left = [owner.strip() for owner in owners if owner.startswith(ours)]
    assert left == [], f"databases of {left} lie in {data_folder.ELSEWHERE}: `credentify remove --data` takes them away"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run, reached by `admin_url`; skips only where no binaries exist for the platform."""
    external = os.environ.get(EXTERNAL_URL)
    if external:
        password = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(8)  # workers share the roles
        server = Postgres(external, password=password)
        yield server
        _in_a_loop_of_its_own(server.drop_all())
        return
    folder = make_run_folder()
    bundled = EmbeddedPostgres(folder / "postgres", settings=TEST_SETTINGS)
    try:
        _in_a_loop_of_its_own(bundled.start())
        yield Postgres(bundled.admin_url, password="", copies_files=is_in_memory(folder))
    except BinariesMissingFault as problem:
        pytest.skip(problem.detail)
    finally:
        _in_a_loop_of_its_own(bundled.stop())
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def make_database(postgres: Postgres) -> AsyncIterator[MakeDatabase]:
    """A factory of databases, dropped when the test is over; see MakeDatabase."""
    made: list[str] = []

    async def make(template: str | None = None, *, prepare: Prepare | None = None) -> Database:
        database = await postgres.create(template, prepare)
        made.append(database.name)
        return database

    yield make
    for name in made:
        await postgres.drop(name)


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    """One fresh empty database with both roles."""
    return await make_database()


@pytest.fixture
def database_url(database: Database) -> str:
    """The owner's URL of one fresh empty database."""
    return database.owner_url


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder with a short path that everybody may pass through, for data folders of the bundled server.

    Root's server runs as another user, and pytest's own `tmp_path` is private to root and too long for a socket.
    """
    made = make_run_folder()
    TEMPORARY_FOLDERS.append(f"{made}/")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def vendored() -> Path:
    """The folder with the vectors and inputs that others made; its NOTICE.md says whose they are."""
    return VENDORED
