"""Takes a bundled PostgreSQL away: its data folder, and what of it lies elsewhere. Asks nobody; the caller does."""

import fcntl
import os
import shutil
from pathlib import Path

import msgspec

from proto.canonical import DECODE_ERRORS
from services.embedded import data_folder, postmaster
from services.embedded.data_folder import AlreadyRunningFault, ClusterPlace, DataFolderFault


class Leavings(msgspec.Struct, frozen=True, kw_only=True):
    """What one bundled PostgreSQL takes up: its data folder if that is there, and its own folders elsewhere."""

    folder: Path | None
    elsewhere: tuple[Path, ...]


def find_leavings(folder: Path) -> Leavings:
    """Return what there is of the database whose data folder is `folder`, also where that is gone.

    Raises DataFolderFault where the folder names a place elsewhere that belongs to another one.
    """
    folder = folder.resolve()
    known = data_folder.ELSEWHERE.glob(f"*/{data_folder.BELONGS_TO}")
    elsewhere = {each.parent for each in known if _owner(each.parent) == folder}
    named = _named_place(folder)
    if named is not None and named.is_dir():
        owner = _owner(named)
        if owner not in {None, folder} and owner is not None and _named_place(owner) == named:
            raise DataFolderFault(f"The database of {folder} lies in {named} and belongs to {owner}: remove that one")
        elsewhere.add(named)
    is_there = (folder / "place.json").exists() or (folder / "lock").exists()
    return Leavings(folder=folder if is_there else None, elsewhere=tuple(sorted(elsewhere)))


def _owner(home: Path) -> Path | None:
    """Return the data folder that a folder elsewhere names as its own."""
    try:
        return Path((home / data_folder.BELONGS_TO).read_text(encoding="utf-8").removesuffix("\n"))
    except OSError:
        return None


def _named_place(folder: Path) -> Path | None:
    """Return the folder elsewhere that a data folder names; None where there is none of ours."""
    try:
        place = msgspec.json.decode((folder / "place.json").read_bytes(), type=ClusterPlace)
    except (OSError, *DECODE_ERRORS):
        return None
    named = Path(place.folder)
    return named if named.parent == data_folder.ELSEWHERE else None


def remove_leavings(leavings: Leavings) -> None:
    """Remove all of it; interrupted, it is begun again. Raises AlreadyRunningFault while a server may work in it."""
    lock = _locked(leavings.folder) if leavings.folder is not None else None
    try:
        homes = [*leavings.elsewhere, *([leavings.folder] if leavings.folder else [])]
        for home in homes:
            cluster = home / "cluster"
            if postmaster.orphan_pid(cluster) is not None or (cluster.is_dir() and postmaster.is_in_use(cluster)):
                raise AlreadyRunningFault(f"A database server works in {cluster}. Stop it first.")
        for home in homes:
            shutil.rmtree(home)
    except OSError as error:
        raise DataFolderFault(f"The database cannot be removed by user {os.geteuid()}: {error}") from error
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path) -> int:
    """Hold a data folder as a running server does."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise AlreadyRunningFault(f"A server runs on the data folder {folder}. Stop it first.") from error
    return lock
