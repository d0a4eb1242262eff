"""An issue request on its way through the gateway: it passes few modules, and comes back to none often.

What counts is entered while one request is answered, by the request's own task and the tasks that it makes. Of steps
(coroutines, which may wait, and between which we may crash) both the modules and the returns to one are bounded: steps
that follow each other in one module are one stay; a stay in a module that was left before is a return. Of all
functions, those that only reckon too, the modules are bounded: where somebody has to read who follows a request.

What never counts: `domain`, whose rules can be read by themselves; what a record says of itself; the rooms that only
keep something (stores and their storage, keys, status lists); what only wakes whoever waits; how it was wired; what
records a request around its handler.
"""

import contextvars
import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

import msgspec
import pytest

from tests.support.gateways import RunningGateway

ROOT = "services.issuer_gateway."
BEGINS_IN = f"{ROOT}http.credential_routes", "issue_credential"
NOT_COUNTED = (
    "domain.",
    "store.",
    "unit_of_work.storage",
    "keys.",
    "status_lists",
    "waiting.",
    "log.arrivals",
    "wiring.",
    "http.audited_calls",
    "unit_of_work.audited_call",
)
MODULES_MAX, RETURNS_MAX = 12, 3
MODULES_OF_ALL_FUNCTIONS_MAX = 20


class Trace:
    """The modules that one request enters, in order."""

    def __init__(self) -> None:
        self._is_mine: contextvars.ContextVar[bool] = contextvars.ContextVar("is_mine", default=False)
        self._frames: set[FrameType] = set()
        self.steps: list[tuple[str, str]] = []
        self.modules: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note the first entry of each function; a coroutine that goes on after a wait is not entered anew."""
        if event != "call":
            return
        module, name = str(frame.f_globals.get("__name__")), frame.f_code.co_name
        if (module, name) == BEGINS_IN:
            self._is_mine.set(True)
        if not module.startswith(ROOT) or not self._is_mine.get() or frame in self._frames:
            return
        short = module.removeprefix(ROOT)
        if short.startswith(NOT_COUNTED) or isinstance(frame.f_locals.get("self"), msgspec.Struct):
            return
        self.modules.add(short)
        if frame.f_code.co_flags & inspect.CO_COROUTINE:
            self._frames.add(frame)
            self.steps.append((short, name))

    @property
    def stays(self) -> list[str]:
        """The modules in order, each stay once."""
        modules = [module for module, _ in self.steps]
        return [module for before, module in zip([None, *modules], modules, strict=False) if module != before]


@pytest.fixture
def trace() -> Iterator[Trace]:
    """Return what notes the request that is answered while the test runs."""
    found, before = Trace(), sys.getprofile()
    sys.setprofile(found)
    yield found
    sys.setprofile(before)


async def test_an_issue_passes_few_modules_and_comes_back_to_none_often(gateway: RunningGateway, trace: Trace) -> None:
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    await office.issue("hydrology", key="one")
    returns = {module: count - 1 for module, count in Counter(trace.stays).items()}
    assert len(returns) <= MODULES_MAX, sorted(returns)
    assert max(returns.values()) <= RETURNS_MAX, trace.steps
    assert {"http.credential_routes", "credentials.issue_credential", "unit_of_work.log_writer"} <= returns.keys()
    assert len(trace.modules) <= MODULES_OF_ALL_FUNCTIONS_MAX, sorted(trace.modules)
    assert trace.modules > returns.keys()
