"""An issue request on its way through the gateway: it passes few modules, and comes back to none often.

What counts: coroutines of the gateway that are entered while one request is answered, by the request's own task and
the tasks that it makes: the steps that may wait, and between which we may crash. Steps that follow each other in one
module are one stay; a stay in a module that was left before is a return. What does not count: pure functions and
records, which can be read by themselves; the rooms that only keep something (stores and their storage, keys, status
lists); what only wakes whoever waits.
"""

import contextvars
import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from tests.support.gateways import RunningGateway

ROOT = "services.issuer_gateway."
BEGINS_IN = f"{ROOT}http.credential_routes", "issue_credential"
NOT_COUNTED = ("store.", "unit_of_work.storage", "keys.", "status_lists", "signals", "coalescer", "log.arrivals")
MODULES_MAX, RETURNS_MAX = 12, 3


class Trace:
    """The modules that one request enters, in order."""

    def __init__(self) -> None:
        self._is_mine: contextvars.ContextVar[bool] = contextvars.ContextVar("is_mine", default=False)
        self._frames: set[FrameType] = set()
        self.calls: list[tuple[str, str]] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note the first entry of each function; a coroutine that goes on after a wait is not entered anew."""
        if event != "call" or not frame.f_code.co_flags & inspect.CO_COROUTINE:
            return
        module, name = str(frame.f_globals.get("__name__")), frame.f_code.co_name
        if (module, name) == BEGINS_IN:
            self._is_mine.set(True)
        if not module.startswith(ROOT) or not self._is_mine.get() or frame in self._frames:
            return
        self._frames.add(frame)
        short = module.removeprefix(ROOT)
        if not short.startswith(NOT_COUNTED):
            self.calls.append((short, name))

    @property
    def stays(self) -> list[str]:
        """The modules in order, each stay once."""
        modules = [module for module, _ in self.calls]
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
    assert max(returns.values()) <= RETURNS_MAX, trace.calls
    assert {"http.credential_routes", "credentials.issue_credential", "unit_of_work.log_writer"} <= returns.keys()
