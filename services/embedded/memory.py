"""How much of this machine's memory PostgreSQL may keep pages in; reads the kernel's files, changes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

SHARE = 8
"""One part in so many: the services lie on the same machine, and the kernel keeps the files' pages a second time."""
BUFFERS_MIN_BYTES = 128 * 1024 * 1024
"""What PostgreSQL takes by itself (its manual, `shared_buffers`)."""
BUFFERS_MAX_BYTES = 4 * 1024 * 1024 * 1024
CGROUP = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")
LIMITS = {"": ("", "memory.max"), "memory": ("memory", "memory.limit_in_bytes")}
"""The folder and the file of a limit, by controller: version 2 of the kernel's control groups has one tree for all."""


def usable_bytes(cgroup: Path = CGROUP, mounted: Path = MOUNTED) -> int:
    """Return the machine's memory, or the least that a control group (a container, a unit) leaves this process."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *_limits(cgroup, mounted)])


def settings_for(usable: int) -> dict[str, str]:
    """Return `shared_buffers` for so many bytes of memory, and what its planner may believe of the kernel's cache."""
    buffers = max(BUFFERS_MIN_BYTES, min(BUFFERS_MAX_BYTES, usable // SHARE))
    return {"shared_buffers": _megabytes(buffers), "effective_cache_size": _megabytes(max(buffers, usable // 2))}


def _limits(cgroup: Path, mounted: Path) -> Iterator[int]:
    try:
        lines = cgroup.read_text().splitlines()
    except OSError:  # another system, or a container without it
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in LIMITS:
                folder, name = LIMITS[controller]
                yield from _along(mounted / folder, path, name)


def _along(root: Path, path: str, name: str) -> Iterator[int]:
    """Read a limit in each folder from the root down: each binds all that is below it."""
    folder = root
    for part in ("", *(part for part in path.split("/") if part and part != "..")):
        folder = folder / part
        try:
            said = (folder / name).read_text().strip()
        except OSError:  # the root has none; a container does not see the folders above its own
            continue
        if said.isdigit():
            yield int(said)


def _megabytes(size: int) -> str:
    return f"{size // (1024 * 1024)}MB"
