"""The data folder of `credentify up`: where keys, token, database and addresses lie. Starts nothing, speaks to nobody.

Everything secret is a file of mode 0600 in a folder of mode 0700. What was chosen on the first start (origin, ports,
public URL) is kept in `settings.json` and not changed later: documents name it.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import platformdirs

from proto.canonical import DECODE_ERRORS
from proto.ids import Origin
from proto.keys import SecretKey
from proto.problem import ConflictProblem, InvalidProblem
from services.command.key_file import write_key, write_secret
from services.embedded import let_through

DEFAULT_PORTS = (8101, 8102, 8103)
COPIES_MAX = 9
LOCK = "up.lock"
SETTINGS = "settings.json"
_MASTER_KEY_BYTES = 32


class InUseProblem(ConflictProblem):
    """Another `credentify up` runs on this data folder."""

    slug = "data-folder-in-use"
    title = "Another copy runs on this data folder"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the first start chose: the log's name, the ports, and the URL that documents name."""

    origin: Origin
    ledger_port: int
    gateway_port: int
    verifier_port: int
    public_url: str


class Addresses(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the running services are, and where their secrets lie: `addresses.json`, mode 0600."""

    data: str
    ledger: str
    gateway: str
    verifier: str
    log_verifier_key: str
    registrar: str = ""
    """The registrar's did:key, which gateway and verifier pin: what they follow has to begin so."""
    operator_token_file: str
    registrar_key_file: str
    master_key_file: str
    ledger_database: str
    gateway_database: str
    verifier_file: str
    pid: int


class Home:
    """One data folder, held by one process at a time (a lock that the kernel releases when the process ends)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._lock: int | None = None

    def path(self, *parts: str) -> Path:
        """Return the path of something in the folder."""
        return self.folder.joinpath(*parts)

    def open(self) -> None:
        """Make the folder if need be and hold it; raises `InUseProblem` or `InvalidProblem` with words.

        Root's database server, which is another user's, is let through where nothing else lies in the folder: so the
        database lies in it too.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if {each.name for each in self.folder.iterdir()} <= {LOCK}:
                let_through(self.folder)
            self._lock = os.open(self.path(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InvalidProblem(f"The data folder {self.folder} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise InUseProblem(
                f"Another `credentify up` runs on {self.folder}. Stop it, or choose another folder with --data "
                "(make up DATA=…) and other ports."
            ) from error

    @contextlib.contextmanager
    def open_new(self) -> Iterator[None]:
        """Make and hold the folder for the block; where that fails, a folder that was not there is gone again."""
        missing = [each for each in (self.folder, *self.folder.parents) if not each.exists()]
        self.open()
        try:
            yield
        except BaseException:
            if missing:
                shutil.rmtree(missing[-1])
            raise
        finally:
            self.close()

    def open_existing(self) -> Settings:
        """Hold the folder of an installation that is there, and return its settings.

        Raises `InvalidProblem` where `credentify up` never ran on it, `InUseProblem` while it runs.
        """
        settings = self.settings()
        if settings is None:
            raise InvalidProblem(f"{self.folder} is no data folder of `credentify up`: it has no settings.json")
        self.open()
        return settings

    def close(self) -> None:
        """Let the folder go."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def settings(self) -> Settings | None:
        """Return what the first start chose, or None before it."""
        path = self.path(SETTINGS)
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=Settings)
        except DECODE_ERRORS as error:
            raise InvalidProblem(f"{path} is damaged: {error}. Restore it from a backup of the folder.") from error

    def keep_settings(self, settings: Settings) -> None:
        """Write down what the first start chose."""
        write_secret(self.path(SETTINGS), _pretty(settings))

    def keep_addresses(self, addresses: Addresses) -> None:
        """Write where the services are now (replaced at each start)."""
        replace_private(self.path("addresses.json"), _pretty(addresses))

    def make_secrets(self) -> None:
        """Make what is missing: operator's token, master key, registrar's key and recovery key."""
        for name, data in (
            ("operator-token", secrets.token_urlsafe(32).encode() + b"\n"),
            ("master.key", secrets.token_bytes(_MASTER_KEY_BYTES)),
        ):
            if not self.path(name).exists():
                write_secret(self.path(name), data)
        for name in ("registrar.key", "recovery.key"):
            if not self.path("registrar", name).exists():
                write_key(self.path("registrar", name), SecretKey.generate())


def _pretty(record: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def replace_private(path: Path, data: bytes) -> None:
    """Replace a private file whole: temporary sibling, fsync, rename."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    write_secret(temporary, data)
    temporary.replace(path)


def read_addresses(folder: Path) -> Addresses:
    """Return where the services of a data folder are; raises `InvalidProblem` where `up` never ran there."""
    try:
        return msgspec.json.decode((folder / "addresses.json").read_bytes(), type=Addresses)
    except (OSError, *DECODE_ERRORS) as error:
        raise InvalidProblem(f"{folder} has no addresses.json: start the services with: credentify up") from error


def default_folder() -> Path:
    """Return the folder in the user's data directory."""
    return platformdirs.user_data_path("credentify")


def open_home(folder: Path | None) -> Home:
    """Open the folder that was asked for; or the default one, or its next copy if others are in use."""
    if folder is not None:
        home = Home(folder)
        home.open()
        return home
    for copy in range(1, COPIES_MAX + 1):
        name = default_folder()
        home = Home(name if copy == 1 else name.with_name(f"{name.name}-{copy}"))
        try:
            home.open()
        except InUseProblem:
            continue
        return home
    raise InUseProblem(f"{COPIES_MAX} copies run already; choose a folder with --data")
