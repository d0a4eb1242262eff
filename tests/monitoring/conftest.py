"""What watches Credentify: Prometheus' own programs, where they are installed, and the selection of the drills."""

import shutil
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / ".programs" / "usr" / "bin"


def program(name: str) -> Path:
    """Return one of Prometheus' programs; skips where it is not installed, and says how to get it."""
    found = shutil.which(name, path=str(PROGRAMS)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: make monitoring-tools (Debian's package prometheus), or install it")
    return Path(found)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option, where `tests/monitoring` is named on the command line."""
    group = parser.getgroup("drills")
    group.addoption("--drills", action="store_true", default=False, help="bring faults about and wait for their alarms")


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker of tests that bring faults about."""
    config.addinivalue_line("markers", "drill: brings a fault about and waits for its alarm (make drills)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the drills out, unless they are wanted."""
    if config.getoption("drills", default=False):
        return
    kept = [item for item in items if item.get_closest_marker("drill") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
