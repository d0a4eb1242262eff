"""What `postmaster.pid` says, and whether a process of an earlier run still lives; changes only what is stale."""

import subprocess
import sys
from pathlib import Path

STATUS_LINE = 7
"""Zero-based; line 8 of `postmaster.pid` (LOCK_FILE_LINE_PM_STATUS in PostgreSQL's utils/pidfile.h)."""


def _lines(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def is_ready(cluster: Path, pid: int) -> bool:
    """Say whether the server with this pid has opened `cluster` for connections."""
    lines = _lines(cluster)
    return len(lines) > STATUS_LINE and lines[0].strip() == str(pid) and lines[STATUS_LINE].strip() == "ready"


def is_left_behind(cluster: Path) -> bool:
    """Say whether a lock file of an earlier run is there: a start that fails for it may go well once that has ended."""
    return (cluster / "postmaster.pid").exists()


def orphan_pid(cluster: Path) -> int | None:
    """Return the pid of a living server of an earlier run on `cluster`, if there is one."""
    lines = _lines(cluster)
    pid = int(lines[0]) if lines and lines[0].strip().isdigit() else None
    return pid if pid is not None and _is_server(pid, cluster) else None


def clear_stale(cluster: Path, socket_folder: Path) -> None:
    """Remove the lock files of a server that is dead with all its processes.

    PostgreSQL does so itself, unless another process of the same user now has the old pid, as happens in containers,
    where pids are small and repeat. Called only while we hold the lock of the data folder. Only on Linux, where the
    file system of processes says for certain that no process works in the cluster any more.
    """
    if sys.platform != "linux" or is_in_use(cluster):
        return
    for path in (cluster / "postmaster.pid", *socket_folder.glob(".s.PGSQL.*")):
        path.unlink(missing_ok=True)


def is_in_use(cluster: Path) -> bool:
    """Say whether any process may still work in `cluster`; only Linux can tell, elsewhere the answer is no."""
    if sys.platform != "linux":
        return False
    return any(_may_work_in(each, cluster) for each in Path("/proc").iterdir() if each.name.isdigit())


def _may_work_in(process: Path, cluster: Path) -> bool:
    """Say whether a process may be one of the server's on `cluster`: they all have it as their working folder.

    Root without CAP_SYS_PTRACE (in most containers) cannot see the working folder of another user's process.
    """
    try:
        return (process / "cwd").samefile(cluster)
    except PermissionError:
        return may_be_of(process, cluster)
    except OSError:
        return False


def may_be_of(process: Path, cluster: Path) -> bool:
    """Say whether a process whose working folder is hidden may be one of the server's on `cluster`.

    A server runs as whom its cluster belongs to, or it refuses to (PostgreSQL, `checkDataDir`), and its first process
    names the cluster. What everybody may see of a process is enough to tell those of other accounts and clusters.
    """
    status = _status(process)
    if _text(process / "comm").strip() != "postgres" or _owner(status) != cluster.stat().st_uid:
        return False
    parent = process.parent / status.get("PPid", "")
    named = [folder for each in (process, parent) if (folder := _named_cluster(each)) is not None]
    return not named or named[0] == str(cluster)


def _status(process: Path) -> dict[str, str]:
    """Return the lines of `/proc/PID/status` by their names (proc(5))."""
    lines = (line.partition(":") for line in _text(process / "status").splitlines())
    return {name: value.strip() for name, _, value in lines}


def _owner(status: dict[str, str]) -> int | None:
    """Return the effective user of a process, the second of four."""
    users = status.get("Uid", "").split()
    return int(users[1]) if len(users) > 1 else None


def _named_cluster(process: Path) -> str | None:
    """Return the cluster that the command line of a server's first process names, None for any other process."""
    arguments = _text(process / "cmdline").split("\0")
    return arguments[arguments.index("-D") + 1] if "-D" in arguments[:-1] else None


def _is_server(pid: int, cluster: Path) -> bool:
    """Say whether the process is certainly the server on `cluster`: the command line names it (`-D`)."""
    if sys.platform == "linux":
        arguments = _text(Path(f"/proc/{pid}/cmdline")).split("\0")
    else:
        arguments = _command_line(pid).split(" ")
    return "-D" in arguments and str(cluster) in arguments


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _command_line(pid: int) -> str:
    """Return the command line as ps prints it; a cluster with a space in its path is not recognised (macOS only)."""
    command = ["/bin/ps", "-o", "command=", "-p", str(pid)]
    try:
        return subprocess.run(command, capture_output=True, timeout=5, check=False, text=True).stdout  # noqa: S603 - fixed program, a number as argument
    except (OSError, subprocess.SubprocessError):
        return ""
