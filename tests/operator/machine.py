"""A bare machine: Debian with systemd, PostgreSQL, nginx and Prometheus, booted in a container of systemd-nspawn.

It has a network of its own (its loopback alone) and no way out: what is installed in it was carried in. Needs root.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

PACKAGES = (
    "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,postgresql,nginx,prometheus,curl,openssl,procps"
)
START_S = 120.0
STOP_S = 60.0
POLL_S = 0.2
SHELL = """set -a -euo pipefail
cd {folder}
[ ! -e /root/shell ] || . /root/shell
{block}
{{ export -p; declare -f; echo "cd '$PWD'"; }} > /root/shell.new && mv /root/shell.new /root/shell"""


class Machine:
    """The machine as it runs; `files` is its root."""

    def __init__(self, files: Path, leader: int) -> None:
        self.files = files
        self._leader = leader

    async def run(self, block: str, *, typed: str = "", may_fail: bool = False) -> str:
        """Run a block as root, in a shell that keeps what earlier blocks set; exits where a command fails."""
        inside = ["/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "/bin/bash"]
        command = ["nsenter", "--target", str(self._leader), "--all", *inside]
        process = await asyncio.create_subprocess_exec(
            *command,
            *("-c", SHELL.format(folder="/root/deploy", block=block)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate(typed.encode())
        if process.returncode != 0 and not may_fail:
            sys.exit(f"{block}\nended with {process.returncode}:\n{said.decode()}")
        return said.decode()

    async def until(self, block: str, words: str, seconds: float = START_S) -> float:
        """Run a block again and again until it prints the words; return the seconds until then."""
        began, said = time.monotonic(), ""
        while time.monotonic() - began < seconds:
            said = await self.run(block, may_fail=True)
            if re.search(words, said):
                return time.monotonic() - began
            await asyncio.sleep(POLL_S)
        sys.exit(f"not within {seconds:g} s: {words!r} in what this printed:\n{block}\n{said[-3_000:]}")


def nspawn(folder: Path) -> Path:
    """Return the program, installed or as Debian's package has it, unpacked into the folder."""
    if found := shutil.which("systemd-nspawn"):
        return Path(found)
    fetched = "apt-get -q download systemd-container >&2 && dpkg-deb -x systemd-container_*.deb nspawn"
    subprocess.run(["/bin/sh", "-c", fetched], cwd=folder, check=True, capture_output=True)
    return folder / "nspawn" / "usr" / "bin" / "systemd-nspawn"


def bare(folder: Path) -> Path:
    """Make the machine's root of Debian's own packages, as this machine's sources have them."""
    sources = [*Path("/etc/apt/sources.list.d").glob("debian.sources"), *Path("/etc/apt").glob("sources.list")]
    (release,) = re.findall(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    made = folder / "machine"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", release, str(made)]
    subprocess.run([*command, str(sources[0])], check=True, stdout=subprocess.DEVNULL)
    return made


@contextlib.asynccontextmanager
async def booted(program: Path, files: Path) -> AsyncIterator[Machine]:
    """Boot the machine for the block; at its end it is stopped."""
    words = ("--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--boot")
    process = await asyncio.create_subprocess_exec(
        program,
        *(f"--directory={files}", "--machine=credentify-operator", *words),
        env={"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": _unified()},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        machine = Machine(files, await _leader(process))
        await machine.until("systemctl is-system-running", "running|degraded")
        yield machine
    finally:
        await _stopped(process)


def _unified() -> str:
    return "1" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "0"


async def _leader(process: asyncio.subprocess.Process) -> int:
    """Return the first process of the machine, as this one sees it."""
    give_up_at = time.monotonic() + START_S
    while time.monotonic() < give_up_at and process.returncode is None:
        if (found := _systemd_of(process.pid)) is not None:
            return found
        await asyncio.sleep(POLL_S)
    sys.exit("the machine does not boot")


def _systemd_of(pid: int) -> int | None:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
            return int(child)
    return None


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)  # it halts the machine
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), STOP_S)
    if process.returncode is None:
        process.kill()
        await process.wait()
