"""systemd is told when a service is ready, that it lives, and that it stops; one that nobody listens to serves on."""

import asyncio
import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.edge import EdgeConfig, Log, make_app, serve
from services.edge.service_manager import LIVES, READY, STOPPING, ServiceManager

SECONDS_MAX = 120.0


class Manager:
    """Listens as systemd does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    async def heard(self) -> str:
        async with asyncio.timeout(SECONDS_MAX):
            return (await asyncio.get_running_loop().sock_recv(self._socket, 1_000)).decode()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


async def test_a_service_says_that_it_is_ready_lives_and_stops(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    app = make_app("sample", [], config=EdgeConfig(), log=Log("sample", io.BytesIO()), version="1", description="")
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, host="127.0.0.1", port=0, stop=stop))
    assert [await manager.heard() for _ in range(4)] == [READY, LIVES, LIVES, LIVES]
    stop.set()
    while (said := await manager.heard()) == LIVES:
        pass
    assert said == STOPPING
    await serving


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"NOTIFY_SOCKET": "vsock:2:1"}])
async def test_who_has_no_manager_to_tell_goes_on(environ: dict[str, str]) -> None:
    async with ServiceManager(environ | {"WATCHDOG_USEC": "1000"}, pid=1).told():
        await asyncio.sleep(0)


async def test_a_watchdog_that_is_for_another_process_is_not_told(manager: Manager) -> None:
    environ = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    async with ServiceManager(environ, pid=2).told():
        assert await manager.heard() == READY
    assert await manager.heard() == STOPPING
