"""What the projection's file may be in: damaged, locked by others, on a full disk, not ours to write. Knows no SQL.

Only the first means that the file is to be removed; the others pass, or are for the operator of the machine to mend.
"""

import errno
import sqlite3
from pathlib import Path

from proto.problem import Problem, UnavailableProblem
from services.follow import SinkUnavailableProblem

_PRIMARY_CODE = 0xFF
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_UNUSABLE = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOLFS,
}
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class ProjectionProblem(UnavailableProblem):
    """The verifier cannot answer from its records now."""

    slug = "projection"
    title = "The verifier's own records cannot be used now"


class DamagedProjectionProblem(ProjectionProblem):
    """The projection cannot be read: the file is damaged or something in it is missing."""

    slug = "projection-damaged"
    title = "The verifier's own records are damaged"


class PassingProjectionProblem(ProjectionProblem, SinkUnavailableProblem):
    """Nothing is wrong with the records; what keeps us from them passes, or is mended outside of them."""


class LockedProjectionProblem(PassingProjectionProblem):
    """Somebody else holds the file's lock for longer than we wait."""

    slug = "projection-locked"
    title = "The verifier's own records are locked by somebody else"


class FullDiskProblem(PassingProjectionProblem):
    """There is no room to write."""

    slug = "projection-full"
    title = "The verifier's disk is full"


class UnusableProjectionProblem(PassingProjectionProblem):
    """The file cannot be opened, read or written: rights, a read-only disk, a disk that fails, no memory."""

    slug = "projection-unusable"
    title = "The verifier's own records cannot be read or written"


class StoreProblem(Problem):
    """The projection's file cannot be used; for the operator, never sent over HTTP."""

    slug = "projection-file"
    title = "The projection's file cannot be used"
    status = 500


PROJECTION_PROBLEMS: tuple[type[Problem], ...] = (
    DamagedProjectionProblem,
    LockedProjectionProblem,
    FullDiskProblem,
    UnusableProjectionProblem,
)


def problem_of(error: Exception) -> ProjectionProblem:
    """Return what an error of the database, or of decoding what lies in it, means for the records."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & _PRIMARY_CODE
    if primary in _LOCKED:
        return LockedProjectionProblem(
            f"The records' file is locked by another process ({error}): end what else has it open, a second verifier "
            "or a database tool; nothing is wrong with the file"
        )
    if primary == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in _DISK_FULL:
        return FullDiskProblem(
            f"There is no room for the records ({error}): make room on the disk; nothing is wrong with the file"
        )
    if primary in _UNUSABLE or isinstance(error, OSError):
        return UnusableProjectionProblem(
            f"The records' file cannot be read or written ({error}): look at its rights and its disk"
        )
    return DamagedProjectionProblem(
        f"The verifier's records cannot be read: {error}. Its operator removes the file; it is filled again"
    )


def store_problem_of(error: Exception, path: Path) -> StoreProblem:
    """Return the same for whoever starts a verifier on this file."""
    found = problem_of(error)
    if isinstance(found, DamagedProjectionProblem):
        return StoreProblem(f"The projection's file {path} cannot be used: {error}. Move it away to begin anew")
    return StoreProblem(f"The projection's file {path} cannot be used now. {found.detail}")
