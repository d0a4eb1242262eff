"""Where tests keep what has to survive no power loss: in memory, where the machine has room there, else on disk.

Databases are made and dropped for each test. On a disk most of a test's time is spent waiting for that; what a service
asks of its database, and how it is configured, is the same in both places.
"""

import os
import shutil
import tempfile
from pathlib import Path

IN_MEMORY = Path("/dev/shm")
_PREFIX = "credentify-"
ROOM_BYTES_MIN = 4 * 1024**3
"""So much must be free there for all folders of a run that exist at a time; containers often have 64 MB."""


def make_run_folder() -> Path:
    """Make an empty folder with a short path, which everybody may pass through: root's database is another user's.

    Whoever made it removes it. What a run that was killed has left in memory goes with the next one.
    """
    in_memory = has_room_in_memory()
    if in_memory:
        _remove_what_was_left()
    made = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=IN_MEMORY if in_memory else None))
    made.chmod(0o711)
    return made


def _remove_what_was_left() -> None:
    """Remove folders in memory whose name tells of a process that is gone."""
    for folder in IN_MEMORY.glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)  # another's is not ours to remove, and stays


def has_room_in_memory() -> bool:
    """Tell whether there is a file system in memory with room for databases, from which programs may be started."""
    if not (IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK | os.X_OK)):
        return False
    is_for_programs = not os.statvfs(IN_MEMORY).f_flag & os.ST_NOEXEC
    return is_for_programs and shutil.disk_usage(IN_MEMORY).free >= ROOM_BYTES_MIN


def is_in_memory(folder: Path) -> bool:
    """Tell whether a folder of a run lies in memory."""
    return folder.is_relative_to(IN_MEMORY)
