"""The whole of Credentify as a user starts it: `credentify up` in a folder of its own, on ports of its own."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from services.command.home import Addresses, read_addresses
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_S = 180.0
STOP_S = 120.0
POLL_S = 0.1


class Up:
    """A `credentify up` in a data folder: started, killed, started again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        data.mkdir(mode=0o700)
        self.output = data.with_name(data.name + ".log")
        self.ports = [free_port() for _ in range(3)]
        self._process: subprocess.Popen[bytes] | None = None
        self._said_from = 0

    def start(self, *options: str) -> Addresses:
        (self.data / "addresses.json").unlink(missing_ok=True)
        ports = zip(("--ledger-port", "--gateway-port", "--verifier-port"), map(str, self.ports), strict=True)
        command = [sys.executable, "-m", "services", "up", "--data", str(self.data), *options]
        with self.output.open("ab") as output:
            self._said_from = output.tell()
            self._process = subprocess.Popen(
                [*command, *(word for pair in ports for word in pair)], stdout=output, stderr=output, cwd=ROOT
            )
        self.wait("the services are up", lambda: "\nstop  " in self.said())
        return self.addresses()

    def addresses(self) -> Addresses:
        return read_addresses(self.data)

    def is_ready(self) -> bool:
        """Whether all three services say that they are ready."""
        addresses = self.addresses()
        try:
            for url in (addresses.ledger, addresses.gateway, addresses.verifier):
                with urllib.request.urlopen(url + "/readyz", timeout=5):
                    pass
        except OSError:
            return False
        return True

    def said(self) -> str:
        return self.output.read_bytes()[self._said_from :].decode("utf-8", "replace")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait(self, what: str, is_so: Callable[[], bool], *, seconds: float = START_S) -> None:
        give_up_at = time.monotonic() + seconds
        while not is_so():
            if self._process is not None and self._process.poll() is not None:
                pytest.fail(f"`up` ended with {self._process.returncode} before {what}:\n{self.said()}")
            if time.monotonic() > give_up_at:
                pytest.fail(f"not so within {seconds:g} s: {what}\n{self.said()}")
            time.sleep(POLL_S)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(timeout=STOP_S)

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = dict(os.environ) | {"CREDENTIFY_DATA": str(self.data)}
        done = subprocess.run(
            [sys.executable, "-m", "services", *words],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            timeout=START_S,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def fsck_is_clean(self) -> None:
        done = self.command("fsck", "--json")
        assert msgspec.json.decode(done.stdout)["is_clean"], done.stdout


@pytest.fixture
def up(open_folder: Path) -> Iterator[Up]:
    stack = Up(open_folder / "data")
    yield stack
    stack.stop()
