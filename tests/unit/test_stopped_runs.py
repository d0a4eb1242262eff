"""What a stand, a soak or a bench leaves behind when it is told to stop: nothing. Real processes and signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
HEARS_THE_TERMINAL = (
    *(sys.executable, "-c"),
    "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
)
"""What these tests themselves were begun with (`nohup`, a service) may ignore the end of a terminal."""
STUBBORN = "trap '' TERM HUP INT; sleep 1000 & echo $! > {folder}/grandchild; echo $$ > {folder}/child; wait"
RUN = """
import asyncio, sys
from pathlib import Path
from tests.bench.results import say
from tests.bench.stopping import run_until_signal

async def work():
    await asyncio.create_subprocess_exec("sh", "-c", sys.argv[1], start_new_session=True)
    while not (Path(sys.argv[2]) / "child").exists():
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        say("cleaning up")
        (Path(sys.argv[2]) / "cleaned").touch()

sys.exit(run_until_signal(work(), grace_seconds=0.1))
"""


class Run:
    """A run that has started a process which hears no signal, and that one another."""

    def __init__(self, folder: Path, *before: str) -> None:
        self.folder = folder
        command = [*before, sys.executable, "-c", RUN, STUBBORN.format(folder=folder), str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None
        self.said = self.process.stdout
        assert self.said.readline() == b"ready\n"

    @property
    def pids(self) -> list[int]:
        return [int((self.folder / name).read_text()) for name in ("child", "grandchild")]

    def told(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.said.close()
        return self.process.wait(timeout=240)


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    for name in ("child", "grandchild"):
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / name).read_text()), signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_that_was_started_also_what_hears_none(tmp_path: Path, number: signal.Signals) -> None:
    run = Run(tmp_path, *HEARS_THE_TERMINAL)
    run.said.close()  # as a terminal that was closed: what is said meanwhile hinders nobody who cleans up
    assert run.told(number) == 128 + number
    assert (tmp_path / "cleaned").exists()


def test_what_was_begun_with_nohup_goes_on_when_the_terminal_is_closed(tmp_path: Path) -> None:
    run = Run(tmp_path, "nohup")
    run.process.send_signal(signal.SIGHUP)
    assert all(Path(f"/proc/{pid}").exists() for pid in run.pids)
    assert run.told(signal.SIGTERM) == 128 + signal.SIGTERM
    assert (tmp_path / "cleaned").exists()
