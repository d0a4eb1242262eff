"""The two selections of the fault tests: a fast one for every run, and the whole list with `--torture`.

A run of the whole list draws a seed and prints it; `--torture-seed N` runs the same list again.
"""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.databases import MakeDatabase
from tests.support.killed_services import KilledGateway, killed_gateway
from tests.support.ledgers import RunningLedger
from tests.support.ports import free_port

FAST_SEED = 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, where `tests/fault` is named on the command line."""
    group = parser.getgroup("faults")
    group.addoption("--torture", action="store_true", default=False, help="run the whole fault list")
    group.addoption("--torture-seed", type=int, default=None, help="the seed of an earlier run of the fault list")


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker of tests that take long."""
    config.addinivalue_line("markers", "torture: only in the whole fault list")


def is_torture(config: pytest.Config) -> bool:
    """Return whether the whole list is wanted."""
    return bool(config.getoption("torture", default=False))


def seed_of(config: pytest.Config) -> int:
    """Return the seed of this run: drawn for the whole list, always the same for the fast selection."""
    if not hasattr(config, "credentify_seed"):
        given = config.getoption("torture_seed", default=None)
        drawn = secrets.randbelow(1_000_000_000) if is_torture(config) else FAST_SEED
        config.credentify_seed = drawn if given is None else given  # type: ignore[attr-defined] # a place for ours
    return int(config.credentify_seed)  # type: ignore[attr-defined] # set above


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Print the seed, so that the run can be made again."""
    if not is_torture(config):
        return []
    return [f"torture: the whole fault list, seed {seed_of(config)} (again with --torture-seed {seed_of(config)})"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless it is wanted."""
    if is_torture(config):
        return
    kept = [item for item in items if item.get_closest_marker("torture") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture
def torture(request: pytest.FixtureRequest) -> bool:
    """Whether the whole list is run."""
    return is_torture(request.config)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run."""
    return seed_of(request.config)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session of HTTP clients."""
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
def folder(open_folder: Path) -> Path:
    """A folder with a short path: sockets lie in it."""
    return open_folder


@pytest.fixture
async def killed(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[tuple[KilledGateway, RunningLedger]]:
    """A gateway to be killed and the ledger that it talks to."""
    async with killed_gateway(make_database, tmp_path, free_port()) as running:
        yield running
