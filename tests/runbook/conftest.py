"""What walks of the runbook have: a stand of services, a shell, and the selection of the walks that take long."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.monitoring.stand import stand_in
from tests.runbook.walk import Walk
from tests.support.databases import MakeDatabase


@pytest.fixture
async def walk(make_database: MakeDatabase, open_folder: Path) -> AsyncIterator[Walk]:
    """Give a stand for a walk; at its end everything of it is stopped."""
    async with stand_in(make_database, open_folder) as stand:
        yield Walk(stand)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option, where `tests/runbook` is named on the command line."""
    group = parser.getgroup("walks")
    group.addoption("--walks", action="store_true", default=False, help="walk the runbook's long entries too")


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker of tests that follow entries of the runbook."""
    config.addinivalue_line(
        "markers", "walk(*entries, is_long=False): follows entries of the runbook (make runbook-walk)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long walks out, unless they are wanted."""
    if config.getoption("walks", default=False):
        return
    long = [
        item for item in items if (mark := item.get_closest_marker("walk")) is not None and mark.kwargs.get("is_long")
    ]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]
