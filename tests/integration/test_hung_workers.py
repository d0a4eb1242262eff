"""A process of a verifier that hangs and does not end: it is found, said, ended, and another one answers instead."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.awarded import award
from tests.support.served_logs import ServedLog, served
from tests.support.verifier_processes import WORKERS, Processes, running
from tests.support.verifiers import until
from tests.support.worlds import World, lately

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux deals a shared port's connections out")
SPINS = """import signal

def round_and_round(*_):
    while True:
        pass

signal.signal(signal.SIGUSR1, round_and_round)
"""
"""What every interpreter of the verifier begins with: an endless loop in it can be asked for."""


@pytest.fixture
async def log() -> AsyncIterator[ServedLog]:
    async with served(World(start=lately())) as found:
        yield found


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SPINS)
    return folder


async def _figures(verifier: Processes, figure: str) -> list[float]:
    text = (await verifier.ask("/metrics"))[1]
    return [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"{figure}{{")]


@pytest.mark.parametrize("way", [signal.SIGSTOP, signal.SIGUSR1], ids=["stopped", "in-an-endless-loop"])
async def test_a_process_that_hangs_is_ended_and_another_one_answers_in_its_place(
    log: ServedLog, tmp_path: Path, modules: Path, way: signal.Signals
) -> None:
    awarded = award(log.world, log.world.admit("school"))
    file = tmp_path / "projection.sqlite"
    async with running(log, file, modules=modules, worker_silence_seconds_max="3") as verifier:
        await verifier.all_say(awarded, "valid")
        before = verifier.pids()
        os.kill(before["worker-2"], way)
        await verifier.logs("worker_hangs", worker="worker-2", pid=before["worker-2"])
        await verifier.logs("worker_ended", worker="worker-2", status=str(-signal.SIGKILL))

        async def is_another() -> bool:
            return verifier.pids()["worker-2"] != before["worker-2"]

        await until(is_another)

        async def all_answer() -> bool:
            return await _figures(verifier, "credentify_verifier_workers") == [WORKERS]

        await until(all_answer)
        await verifier.all_say(awarded, "valid")
        assert await _figures(verifier, "credentify_verifier_workers_hung_total") == [1.0]
        assert {name for name, pid in verifier.pids().items() if pid != before[name]} == {"worker-2"}
    assert verifier.process.returncode == 0
    assert (b"round_and_round" in verifier.errors) == (way is signal.SIGUSR1), "where it was stands there, if it runs"
