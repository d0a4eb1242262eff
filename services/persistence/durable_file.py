"""Files that survive a power loss: each has its old or its new content, never another. Knows no format."""

import os
import tempfile
from pathlib import Path

PRIVATE, READABLE = 0o600, 0o644
_FOLDER_MODE = 0o700


def write_durably(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Write a file whole or not at all, its folder too where it is not there; raises `OSError`.

    Temporary sibling, fsync, rename, fsync of the folder (see golang/go #38348).
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Make durable what a file, or which names a folder, holds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
