"""Since when a service has had each of its secrets, remembered over restarts. Keeps no secret, no plain hash.

The time of a secret's file alone says little: systemd and Kubernetes lay every secret down anew at each start. So what
was first seen when is kept in a file beside the service's own state, as a digest under a salt of that file.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from proto.canonical import DECODE_ERRORS
from services.persistence.durable_file import write_durably

FILE_NAME = "secrets-first-seen.json"
_KEPT_MAX = 8
_SALT_DIGITS = 32
_BYTES_MAX = 1_048_576
_Stamp = tuple[int, int, int]


class _Memory(msgspec.Struct, forbid_unknown_fields=True):
    """The file: a salt, and for each setting the POSIX time at which each content was seen first."""

    salt: Annotated[str, Meta(min_length=_SALT_DIGITS, max_length=_SALT_DIGITS)]
    first_seen: dict[str, dict[str, float]] = {}


class SecretAges:
    """Says since when each secret has been what it is: the earlier of its file's time and when it was first seen.

    `memory` is a file that may be missing, or None where the service keeps no state: then a restart forgets.
    """

    def __init__(self, memory: Path | None, *, now: Callable[[], float] = time.time) -> None:
        self._path = memory
        self._now = now
        self._memory = _read(memory)
        self._looked: dict[str, tuple[_Stamp, str]] = {}
        self._is_written = True

    def since(self, files: Mapping[str, Path]) -> dict[str, float]:
        """Return by setting the POSIX time since which its secret is the same; what cannot be read is left out."""
        found: dict[str, float] = {}
        for name, path in files.items():
            try:
                found[name] = self._since(name, path)
            except OSError:
                continue
        self._write()
        return found

    def _since(self, name: str, path: Path) -> float:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        looked = self._looked.get(name)
        digest = looked[1] if looked and looked[0] == stamp else self._digest(path)
        self._looked[name] = (stamp, digest)
        known = self._memory.first_seen.setdefault(name, {})
        since = min(stat.st_mtime, known.get(digest, self._now()))
        if known.get(digest) != since:
            others = {each: at for each, at in known.items() if each != digest}
            newest = sorted(others, key=others.__getitem__)[1 - _KEPT_MAX :]
            self._memory.first_seen[name] = {each: others[each] for each in newest} | {digest: since}
            self._is_written = False
        return since

    def _digest(self, path: Path) -> str:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX)
        return hashlib.blake2b(content, key=self._memory.salt.encode(), digest_size=16).hexdigest()

    def _write(self) -> None:
        """Write what is new, once the folder is there; a disk that takes nothing is tried again at the next look."""
        if self._path is None or self._is_written or not self._path.parent.is_dir():
            return
        try:
            write_durably(self._path, msgspec.json.encode(self._memory))
        except OSError:
            return
        self._is_written = True


def memory_of(places: Mapping[str, Path]) -> Path | None:
    """Return where a service with these places remembers its secrets: beside the state that it keeps anyway."""
    for name in ("state_folder", "key_folder"):
        if name in places:
            return places[name] / FILE_NAME
    if "database_file" in places:
        file = places["database_file"]
        return file.with_name(f"{file.name}.{FILE_NAME}")
    return None


def _read(path: Path | None) -> _Memory:
    """Return what is remembered; a file that is missing or damaged is begun anew."""
    try:
        if path is not None:
            return msgspec.json.decode(path.read_bytes(), type=_Memory)
    except (OSError, *DECODE_ERRORS):
        pass
    return _Memory(salt=secrets.token_hex(_SALT_DIGITS // 2))
