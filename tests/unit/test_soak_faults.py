"""Who is started again in a soak, and when nothing is killed any more; the services are stand-ins."""

import random
import signal
from typing import Any, cast

import pytest

from services.command.child import ServiceStartProblem
from tests.soak.faults import SERVICES, STARTS_MAX, Faults


class Ended:
    def __init__(self, returncode: int | None) -> None:
        self.returncode = returncode


class Service:
    """A service that ends at each of its first starts, before it is ready."""

    pid = None

    def __init__(self, *, ends: int = 0) -> None:
        self._process = Ended(None)
        self.left, self.starts = ends, 0

    async def start(self) -> None:
        self.starts += 1
        self._process = Ended(70 if self.left > 0 else None)
        self.left -= 1

    async def ready(self, _session: object, *, seconds: float) -> None:
        assert seconds > 60
        if self._process.returncode is not None:
            raise ServiceStartProblem("it ended")

    async def wait_dead(self) -> None:
        self._process = Ended(-signal.SIGKILL)


class Stand:
    session = None

    def __init__(self) -> None:
        self.running = {name: Service() for name in SERVICES}


def faults_of(stand: Stand) -> Faults:
    return Faults(cast(Any, stand), random.Random(7), say=lambda _words: None)


async def test_a_service_that_ends_while_it_starts_is_started_again() -> None:
    stand = Stand()
    stand.running["ledger"] = Service(ends=2)
    await stand.running["ledger"].wait_dead()
    await faults_of(stand).keep_running("ledger")
    assert stand.running["ledger"].starts == 3


async def test_a_service_that_never_comes_back_is_told_after_a_few_starts() -> None:
    stand = Stand()
    stand.running["gateway"] = Service(ends=99)
    await stand.running["gateway"].wait_dead()
    with pytest.raises(ServiceStartProblem):
        await faults_of(stand).keep_running("gateway")
    assert stand.running["gateway"].starts == STARTS_MAX


async def test_in_the_last_part_no_process_is_ended() -> None:
    stand = Stand()
    said: list[str] = []

    def say(words: str) -> None:
        said.append(words)
        if len(said) == 18:  # each fault, and that all is ready again
            faults.end()

    faults = Faults(cast(Any, stand), random.Random(7), say)
    faults.stopped_seconds = 0.0
    await faults.run(seconds=0.0, every_seconds=0.0)
    assert {what.partition(" ")[0] for what in faults.counts} == {"stop"}
    assert sum(faults.counts.values()) == 9
    assert all(service.starts == 0 for service in stand.running.values())
    assert set(faults.recoveries) == set(faults.counts)
