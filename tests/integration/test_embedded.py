"""The bundled PostgreSQL: first start, second start, kills, refusals, accounts and places."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from services.embedded import (
    AlreadyRunningFault,
    BinariesMissingFault,
    DataFolderFault,
    EmbeddedPostgres,
    OtherMajorFault,
    data_folder,
    find_binaries,
)
from services.embedded.account import Account, choose_account
from services.embedded.binaries import Binaries, reachable_binaries
from services.persistence import postgres
from services.persistence.postgres_errors import DatabaseUnavailableProblem

ROOT = Path(__file__).parents[2]
SETTINGS = {"min_wal_size": "80MB", "shared_buffers": "16MB"}
WAIT_S = 120.0
WRITER = """
import asyncio, sys
from pathlib import Path
import asyncpg
from services.embedded import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]), settings={"min_wal_size": "80MB", "shared_buffers": "16MB"})
    await server.start()
    print(server.pid, flush=True)
    connection = await asyncpg.connect(server.admin_url)
    await connection.execute("CREATE TABLE acknowledged (number integer)")
    for number in range(1_000_000):
        await connection.execute("INSERT INTO acknowledged VALUES ($1)", number)
        print(number, flush=True)

asyncio.run(main())
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has an account to drop to")


@pytest.fixture(scope="module", autouse=True)
def _binaries_exist() -> None:
    try:
        find_binaries()
    except BinariesMissingFault as problem:
        pytest.skip(problem.detail)


@pytest.fixture
def folder(open_folder: Path) -> Path:
    return open_folder


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as running:
        yield running


async def _execute(server: EmbeddedPostgres, sql: str) -> None:
    async with postgres.connected(server.admin_url, application_name="test") as connection:
        await connection.execute(sql)


async def _value(server: EmbeddedPostgres, sql: str) -> object:
    async with postgres.connected(server.admin_url, application_name="test") as connection:
        return await connection.fetchval(sql)


async def _socket_folder(server: EmbeddedPostgres) -> Path:
    return Path(str(await _value(server, "SELECT trim('\"' FROM current_setting('unix_socket_directories'))")))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _is_absent(path: Path) -> bool:
    return not path.exists()


def _ids(pid: int) -> dict[str, list[str]]:
    """Return the lines of /proc/PID/status by their name, for example "Uid" with its four numbers."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


def _older_binaries() -> Path | None:
    """Return the folder of an installed PostgreSQL 15 to 17, where the usual packages put them, if there is any."""
    places = ("lib/postgresql/1[5-7]/bin/initdb", "pgsql-1[5-7]/bin/initdb")
    found = sorted(path.parent for place in places for path in Path("/usr").glob(place))
    return found[0] if found else None


async def _until(state: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + WAIT_S
    while not state():
        assert time.monotonic() < give_up_at, what
        await asyncio.sleep(0.01)


def _is_gone(pid: int) -> bool:
    """Nobody, or a dead process that nobody has waited for (in a container without an init)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    return False


async def test_a_second_start_finds_the_data_of_the_first(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as first:
        await _execute(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert not first.is_running
    async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as second:
        assert await _value(second, "SELECT answer FROM kept") == 42


async def test_a_second_copy_on_the_same_folder_is_refused_and_the_first_lives_on(
    server: EmbeddedPostgres, folder: Path
) -> None:
    with pytest.raises(AlreadyRunningFault, match=rf"process {os.getpid()}.*Stop it first"):
        await EmbeddedPostgres(folder / "data").start()
    assert await _value(server, "SELECT 1") == 1


async def test_two_copies_run_side_by_side(server: EmbeddedPostgres, folder: Path) -> None:
    async with EmbeddedPostgres(folder / "other", settings=SETTINGS) as other:
        await _execute(other, "CREATE TABLE mine ()")
        assert await _value(server, "SELECT to_regclass('mine')") is None


async def test_commits_stay_durable_whatever_the_settings_say(folder: Path) -> None:
    careless = SETTINGS | {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    async with (
        EmbeddedPostgres(folder / "data", settings=careless) as server,
        postgres.connected(server.admin_url, application_name="test") as connection,
    ):
        await postgres.assert_durable(connection)
        assert await connection.fetchval("SHOW data_checksums") == "on"


async def test_nothing_listens_on_a_network_and_only_our_account_reaches_the_socket(server: EmbeddedPostgres) -> None:
    assert await _value(server, "SHOW listen_addresses") == ""
    assert _mode(await _socket_folder(server)) == 0o700
    assert _mode(server.cluster) == 0o700


async def test_the_death_of_the_server_is_reported_and_a_restart_has_every_acknowledged_row(
    server: EmbeddedPostgres,
) -> None:
    await _execute(server, "CREATE TABLE acknowledged AS SELECT generate_series(1, 100) AS number")
    os.kill(server.pid, signal.SIGKILL)
    async with asyncio.timeout(WAIT_S):
        assert await server.wait_dead() == -signal.SIGKILL
    assert not server.is_running
    await server.restart()
    assert await _value(server, "SELECT count(*) FROM acknowledged") == 100


def test_it_is_as_good_on_uvloop(folder: Path) -> None:
    async def die_and_come_back() -> None:
        async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as server:
            os.kill(server.pid, signal.SIGKILL)
            async with asyncio.timeout(WAIT_S):
                await server.wait_dead()
            await server.restart()
            assert await _value(server, "SELECT 1") == 1

    uvloop.run(die_and_come_back())


async def test_waiting_for_the_death_can_be_cancelled_and_begun_again(server: EmbeddedPostgres) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await server.wait_dead()
    await server.stop()
    assert await server.wait_dead() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_a_killed_parent_takes_its_server_along_and_loses_no_acknowledged_row(folder: Path) -> None:
    pid, acknowledged = await _kill_a_writer(folder / "data")
    await _until(lambda: _is_gone(pid), "the server has outlived its parent")
    await _assert_all_there(folder / "data", acknowledged)


async def test_a_start_at_once_after_the_parent_was_killed_waits_for_the_orphan(folder: Path) -> None:
    _, acknowledged = await _kill_a_writer(folder / "data")
    await _assert_all_there(folder / "data", acknowledged)


async def test_all_killed_at_once_loses_no_acknowledged_row(folder: Path) -> None:
    _, acknowledged = await _kill_a_writer(folder / "data", server_too=True)
    await _assert_all_there(folder / "data", acknowledged)


async def _kill_a_writer(data: Path, *, server_too: bool = False) -> tuple[int, int]:
    """Return the pid of the server of a process killed while writing, and the last row that was acknowledged to it."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(data), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    async with asyncio.timeout(WAIT_S):
        pid = int(await writer.stdout.readline())
        for _ in range(200):
            await writer.stdout.readline()
    if server_too:
        os.kill(pid, signal.SIGKILL)
    writer.kill()
    rest = await writer.stdout.read()
    await writer.wait()
    return pid, max([199, *map(int, rest.split(b"\n")[:-1])])


async def _assert_all_there(data: Path, acknowledged: int) -> None:
    async with EmbeddedPostgres(data, settings=SETTINGS) as server:
        count = await _value(server, "SELECT count(*) FROM acknowledged")
        # one more row may have been committed whose answer was never read
        assert count in (acknowledged + 1, acknowledged + 2)


async def test_a_pid_file_whose_number_another_process_has_now_does_not_stop_a_start(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as server:
        pid_file = server.cluster / "postmaster.pid"
        content = pid_file.read_text(encoding="utf-8").splitlines(keepends=True)
    account = choose_account("nobody")
    other = await asyncio.create_subprocess_exec("sleep", "60", user=account.uid if account.drops_to else None)
    try:
        pid_file.write_text("".join([f"{other.pid}\n", *content[1:]]), encoding="utf-8")
        if account.drops_to:
            os.chown(pid_file, account.uid, account.gid)
        async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as again:
            assert await _value(again, "SELECT 1") == 1
    finally:
        other.kill()
        await other.wait()


async def test_what_an_interrupted_first_start_left_is_cleared_away(folder: Path) -> None:
    leftover = folder / "data" / "cluster.new-0badc0de"
    leftover.mkdir(parents=True)
    (leftover / "PG_VERSION").write_text("18\n", encoding="ascii")
    async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as server:
        assert await _value(server, "SELECT 1") == 1
    assert not leftover.exists()


async def test_data_of_another_major_version_is_refused_with_what_to_do(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as server:
        version_file = server.cluster / "PG_VERSION"
    version_file.write_text("17\n", encoding="ascii")
    with pytest.raises(OtherMajorFault, match=r"made by PostgreSQL 17.*binaries folder.*pg_dumpall"):
        await EmbeddedPostgres(folder / "data").start()


async def test_a_lost_database_is_not_replaced_by_an_empty_one(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as server:
        cluster = server.cluster
    cluster.rename(folder / "moved")
    with pytest.raises(DataFolderFault, match="no longer there"):
        await EmbeddedPostgres(folder / "data").start()


async def test_a_data_folder_that_was_moved_still_starts(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as server:
        await _execute(server, "CREATE TABLE kept ()")
    (folder / "data").rename(folder / "moved")
    async with EmbeddedPostgres(folder / "moved", settings=SETTINGS) as moved:
        assert await _value(moved, "SELECT to_regclass('kept')::text") == "kept"


@pytest.mark.parametrize("name", ["long" * 25, "with a blank, and a comma", "größe"])
async def test_a_path_that_no_socket_takes_still_starts(folder: Path, name: str) -> None:
    async with EmbeddedPostgres(folder / name / "data", settings=SETTINGS) as server:
        assert await _value(server, "SELECT 1") == 1
        socket_folder = await _socket_folder(server)
        assert _mode(socket_folder) == 0o700
    assert socket_folder == server.cluster.parent / "run" or _is_absent(socket_folder)


async def test_a_start_that_fails_says_why_and_frees_the_folder(folder: Path) -> None:
    with pytest.raises(Exception, match="no_such_setting"):
        await EmbeddedPostgres(folder / "data", settings={"no_such_setting": "1"}).start()
    async with EmbeddedPostgres(folder / "data", settings=SETTINGS) as server:
        assert await _value(server, "SELECT 1") == 1


async def test_a_configured_folder_without_binaries_is_refused(folder: Path) -> None:
    with pytest.raises(BinariesMissingFault, match="holds no postgres and initdb"):
        await EmbeddedPostgres(folder / "data", binaries=folder).start()


async def test_binaries_of_the_oldest_version_we_support_do_too(folder: Path) -> None:
    older = _older_binaries()
    if older is None:
        pytest.skip("no other PostgreSQL (15 to 17) is installed")
    async with (
        EmbeddedPostgres(folder / "data", binaries=older, settings=SETTINGS) as server,
        postgres.connected(server.admin_url, application_name="test") as connection,
    ):
        await postgres.assert_durable(connection)
    with pytest.raises(OtherMajorFault):
        await EmbeddedPostgres(folder / "data").start()


async def test_the_running_role_may_connect_and_create_nothing(server: EmbeddedPostgres) -> None:
    for _ in range(2):
        await server.ensure_database(name="ledger", owner_role="ledger_owner", running_role="ledger_running")
    running = server.url(role="ledger_running", database="ledger")
    async with postgres.connected(running, application_name="test") as connection:
        with pytest.raises(Exception, match="permission denied for schema public"):
            await connection.execute("CREATE TABLE anything ()")
    await server.ensure_database(name="other", owner_role="other_owner", running_role="other_running")
    with pytest.raises(DatabaseUnavailableProblem, match="permission denied for database"):
        async with postgres.connected(server.url(role="ledger_running", database="other"), application_name="test"):
            pass


@as_root
async def test_root_runs_the_server_as_nobody_without_any_group_of_its_own(server: EmbeddedPostgres) -> None:
    account = choose_account("nobody")
    ids = _ids(server.pid)
    assert ids["Uid"] == [str(account.uid)] * 4
    assert ids["Gid"] == [str(account.gid)] * 4
    assert ids["Groups"] == []


@as_root
async def test_below_a_private_folder_the_cluster_lies_elsewhere_and_no_parent_is_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folder, "ELSEWHERE", folder / "elsewhere")
    private = folder / "private"
    private.mkdir(mode=0o700)
    async with EmbeddedPostgres(private / "data", settings=SETTINGS) as server:
        await _execute(server, "CREATE TABLE kept ()")
        assert server.cluster.is_relative_to(folder / "elsewhere")
    assert _mode(private) == 0o700
    assert json.loads((private / "data" / "place.json").read_bytes())["folder"] == str(server.cluster.parent)
    async with EmbeddedPostgres(private / "data", settings=SETTINGS) as again:
        assert await _value(again, "SELECT to_regclass('kept')::text") == "kept"
    shutil.rmtree(private / "data")
    async with EmbeddedPostgres(private / "data", settings=SETTINGS) as anew:
        assert await _value(anew, "SELECT to_regclass('kept')") is None


@as_root
def test_binaries_out_of_reach_are_copied_once(folder: Path) -> None:
    wheel = find_binaries()
    package = wheel.folder.parent.parent
    private = folder / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(package, private / package.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), private / f"{package.name}.libs")
    hidden = Binaries(folder=private / package.name / "pginstall" / "bin", major=wheel.major, is_wheel=True)
    account = choose_account("nobody")
    copy = reachable_binaries(hidden, account, folder)
    assert _version_as(account, copy) == f"PostgreSQL) {wheel.major}"
    before = (copy / "postgres").stat().st_ino
    assert reachable_binaries(hidden, account, folder) == copy
    assert (copy / "postgres").stat().st_ino == before
    assert not list(folder.glob("binaries-*.new-*"))


def _version_as(account: Account, binaries: Path) -> str:
    done = subprocess.run(
        [binaries / "initdb", "--version"], user=account.uid, capture_output=True, check=True, text=True, cwd="/"
    )
    return done.stdout[done.stdout.index("PostgreSQL") :].split(".")[0]
