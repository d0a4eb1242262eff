"""The data folder of one bundled PostgreSQL: its lock, where its cluster lies, its socket; starts no process.

In the folder: `lock` (held while we run), `place.json` (where the cluster lies), `cluster` (PostgreSQL's own data),
`run` (socket), `postgres.log`, and `binaries-…` if the wheel lies out of the server's reach.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from proto.canonical import DECODE_ERRORS
from services.embedded.account import Account, can_reach, give
from services.operator_fault import OperatorFault
from services.persistence.durable_file import sync

PORT = 5432
"""Only a part of the socket's name: nothing listens on TCP."""
SOCKET_PATH_BYTES_MAX = 107 if sys.platform == "linux" else 103
"""Longest path of a unix socket: sun_path without its final NUL (unix(7); 104 bytes in all on macOS)."""
UNFIT_FOR_SETTING = bytes(range(0x21)) + b'",\\'
"""Blanks and what separates or quotes in PostgreSQL's `unix_socket_directories`."""
LOG_BYTES_MAX = 16 * 1024 * 1024
"""A log longer than this is moved to `postgres.log.1` at the next start."""
ELSEWHERE = Path("/var/lib/credentify")
"""Where clusters lie whose data folder is private to root, as the folders below /root are."""
BELONGS_TO = "belongs-to"
"""The file beside a cluster elsewhere that names its data folder."""


class DataFolderFault(OperatorFault):
    """The data folder cannot be used as it is."""

    title = "The data folder of the bundled PostgreSQL cannot be used"


class AlreadyRunningFault(DataFolderFault):
    """Another copy holds the data folder."""

    title = "The data folder is in use"


class OtherMajorFault(DataFolderFault):
    """The data folder was made by another major version of PostgreSQL."""

    title = "The data folder belongs to another major version of PostgreSQL"


class ClusterPlace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The record in `place.json`: the folder that holds the cluster, and whether it was ever made.

    `folder` is "." for the data folder itself, which may therefore be moved, and absolute elsewhere.
    """

    folder: str
    is_initialised: bool


@contextlib.contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    """Turn what the operating system says about our folder into a refusal that names the folder."""
    try:
        yield
    except OSError as error:
        raise DataFolderFault(
            f"The data folder {folder} cannot be used by user {os.geteuid()}: {error}. "
            "Start as the user who made it, or name another folder."
        ) from error


class DataFolder:
    """The data folder, locked for this process between `open` and `close`."""

    def __init__(self, folder: Path, *, account: Account) -> None:
        self.folder = folder.resolve()
        self._account = account
        self._lock: int | None = None
        self._socket_folder: Path | None = None
        self._place = ClusterPlace(folder=".", is_initialised=False)

    @property
    def home(self) -> Path:
        """Return the folder that holds the cluster: the data folder itself, or the recorded one elsewhere."""
        return self.folder / self._place.folder

    @property
    def cluster(self) -> Path:
        """Return what PostgreSQL calls its data directory."""
        return self.home / "cluster"

    @property
    def is_held(self) -> bool:
        """Say whether this process holds the data folder."""
        return self._lock is not None

    @property
    def log_file(self) -> Path:
        """Return the file that takes all output of the server."""
        return self.folder / "postgres.log"

    def open(self) -> None:
        """Create the folder if need be, lock it, and find or choose the place of the cluster.

        Raises AlreadyRunningFault if another process holds it, DataFolderFault if it cannot be used.
        """
        with _in_words(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o711 if self._account.drops_to else 0o700)
            self._take_lock()
            try:
                self._shorten_log()
                self._place = self._read_place() or self._choose_place()
                self._make_home()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Give the folder back, and remove a temporary socket folder; harmless when the folder is not held."""
        if self._socket_folder is not None:
            with contextlib.suppress(
                OSError
            ):  # not empty: the server did not end in order, and the next start clears it
                self._socket_folder.rmdir()
        self._socket_folder = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise AlreadyRunningFault(
                f"Another copy (process {holder}) is running on the data folder {self.folder}. "
                "Stop it first, or name another data folder."
            ) from error
        except BaseException:
            os.close(lock)
            raise
        os.truncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

    def _shorten_log(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_name("postgres.log.1"))

    def _read_place(self) -> ClusterPlace | None:
        record = self.folder / "place.json"
        if not record.exists():
            return None
        try:
            place = msgspec.json.decode(record.read_bytes(), type=ClusterPlace)
        except DECODE_ERRORS as error:
            raise DataFolderFault(f"{record} is not what we wrote: {error}. Restore it from a backup.") from error
        cluster = self.folder / place.folder / "cluster"
        if place.is_initialised and not (cluster / "PG_VERSION").exists():
            raise DataFolderFault(
                f"The database of {self.folder} lay in {cluster} and is no longer there. Bring it back; "
                f"or, if everything shall begin anew, remove {self.folder} too."
            )
        return place

    def _choose_place(self) -> ClusterPlace:
        """Choose the data folder, or a new folder elsewhere if the server's account cannot come to the data folder.

        The name elsewhere is random, so that a data folder removed and made anew never meets its old database.
        """
        parents_open = can_reach(self._account, self.folder.parent)
        place = ClusterPlace(
            folder="." if parents_open else str(ELSEWHERE / secrets.token_hex(8)), is_initialised=False
        )
        self._write_place(place)
        return place

    def _write_place(self, place: ClusterPlace) -> None:
        record, new = self.folder / "place.json", self.folder / "place.json.new"
        with new.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(place)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        new.rename(record)
        sync(self.folder)

    def _make_home(self) -> None:
        """Make the cluster's home passable; only folders of ours are touched, never a parent of the data folder."""
        if not self._account.drops_to:
            return
        if self.home != self.folder:
            _make_passable(self.home.parent)
            _make_passable(self.home)
            (self.home / BELONGS_TO).write_text(f"{self.folder}\n", encoding="utf-8")
        self.home.chmod(stat.S_IMODE(self.home.stat().st_mode) | 0o011)
        if not can_reach(self._account, self.home):
            raise DataFolderFault(
                f"Started by root, PostgreSQL runs as {self._account.drops_to!r}, who cannot come to {self.home}. "
                "Name a data folder whose parents everybody may enter, or start as an ordinary user."
            )

    def is_initialised(self, major: int) -> bool:
        """Say whether there is a cluster; raises OtherMajorFault if it is not of version `major`."""
        version_file = self.cluster / "PG_VERSION"
        with _in_words(self.folder):
            if not version_file.exists():
                return False
            version = version_file.read_text(encoding="ascii").strip()
            owner = self.cluster.stat().st_uid
        if version != str(major):
            raise OtherMajorFault(
                f"The database in {self.cluster} was made by PostgreSQL {version}, and the binaries at hand are "
                f"PostgreSQL {major}. Either set the binaries folder to those of PostgreSQL {version}; or dump with "
                f"them (pg_dumpall), move the data folder away, start, and load the dump."
            )
        if owner != self._account.uid:
            raise DataFolderFault(
                f"The database in {self.cluster} belongs to user {owner}, and PostgreSQL would run as user "
                f"{self._account.uid}. Start as the user who made it, or change the owner of that folder and all in it."
            )
        return True

    def unfinished(self) -> list[Path]:
        """Return the folders of first starts that were interrupted."""
        return list(self.home.glob("cluster.new-*"))

    def new_cluster(self) -> Path:
        """Return a fresh empty folder for initdb beside the cluster, and remove the unfinished ones."""
        with _in_words(self.folder):
            for leftover in self.unfinished():
                shutil.rmtree(leftover, ignore_errors=True)
            folder = self.home / f"cluster.new-{secrets.token_hex(4)}"
            folder.mkdir(mode=0o700)
            give(self._account, folder)
            return folder

    def adopt(self, new_cluster: Path) -> None:
        """Make a complete new cluster *the* cluster: whole after a crash, or not there."""
        with _in_words(self.folder):
            new_cluster.rename(self.cluster)
            sync(self.home)

    def record_initialised(self) -> None:
        """Remember that there is a cluster, so that a lost one is never silently replaced by an empty one."""
        if not self._place.is_initialised:
            self._place = ClusterPlace(folder=self._place.folder, is_initialised=True)
            with _in_words(self.folder):
                self._write_place(self._place)

    def socket_folder(self) -> Path:
        """Return a folder of mode 0700 for the socket: `run` at the cluster, or a short temporary one."""
        with _in_words(self.folder):
            run = self.home / "run"
            if not _fits_socket(run):
                self._socket_folder = self._short_folder()
                return self._socket_folder
            run.mkdir(mode=0o700, exist_ok=True)
            give(self._account, run)
            run.chmod(0o700)
            return run

    def _short_folder(self) -> Path:
        """Return a short folder in the temporary folder: the same at each start, unless somebody else took its name."""
        name = "credentify-" + hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        parents = [parent for parent in (Path(tempfile.gettempdir()), Path("/tmp")) if parent.is_dir()]  # noqa: S108 - made 0700, checked below
        usable = [parent for parent in parents if _fits_socket(parent / name) and can_reach(self._account, parent)]
        if not usable:
            raise DataFolderFault(f"No folder for a unix socket is short enough: {parents}. Set TMPDIR to a short one.")
        folder = usable[0] / name
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            give(self._account, folder)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == self._account.uid and not found.st_mode & 0o077:
            return folder
        folder = Path(tempfile.mkdtemp(prefix="credentify-", dir=usable[0]))
        give(self._account, folder)
        return folder


def _make_passable(folder: Path) -> None:
    """Create a folder of ours that everybody may pass through, whatever the umask; one that exists stays as it is."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o711)


def _fits_socket(folder: Path) -> bool:
    """Say whether the socket's path is short enough, and plain enough for PostgreSQL's comma-separated setting."""
    path = os.fsencode(folder / f".s.PGSQL.{PORT}")
    return len(path) <= SOCKET_PATH_BYTES_MAX and not any(byte in UNFIT_FOR_SETTING for byte in path)
