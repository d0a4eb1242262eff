"""How much of each quota is used, in memory that all processes of one verifier share. Knows no key and no HTTP."""

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PLACES = 65_536
"""More windows than any file of keys asks for; each has 24 bytes."""
PROBES_MAX = 64
"""So many places are looked at for one window. Files of keys change while the table lives: where all of these are
taken, the window among them that was begun first gives way, which is long over or was never used."""
_PLACE = struct.Struct("<Qdq")  # whose, begun at (seconds of the machine's monotonic clock), used


class Usage:
    """A table of windows; in a file for several processes, else in this one's memory. Old ones give way to new ones."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the table of a file that `make` made, or make one in memory."""
        self._file: IO[bytes] | None = path.open("r+b") if path else None
        self._map = mmap.mmap(self._file.fileno() if self._file else -1, PLACES * _PLACE.size)

    @staticmethod
    def make(path: Path) -> None:
        """Make the file of an empty table; raises `OSError` where there is no room."""
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, PLACES * _PLACE.size)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process read or write the table while the block runs, which never waits for anything."""
        if self._file is None:
            yield
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def place(self, whose: int) -> int:
        """Return where the window of this number is counted, from now on if it was not yet; call it `alone`."""
        oldest, oldest_begun = whose % PLACES, float("inf")
        for step in range(PROBES_MAX):
            at = (whose + step) % PLACES
            found, begun, _ = _PLACE.unpack_from(self._map, at * _PLACE.size)
            if found == whose:
                return at
            if not found:
                oldest = at
                break
            if begun < oldest_begun:
                oldest, oldest_begun = at, begun
        _PLACE.pack_into(self._map, oldest * _PLACE.size, whose, 0.0, 0)
        return oldest

    def read(self, place: int, whose: int) -> tuple[float, int] | None:
        """Return when a window was begun, and how much of it is used; None where another one has its place now."""
        found, begun, used = _PLACE.unpack_from(self._map, place * _PLACE.size)
        return (begun, used) if found == whose else None

    def write(self, place: int, whose: int, begun: float, used: int) -> None:
        """Set when a window was begun, and how much of it is used."""
        _PLACE.pack_into(self._map, place * _PLACE.size, whose, begun, used)


def _number_of(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1


class Window:
    """How much of a quota is used in the window that runs now: `seconds` long, begun by whoever came first."""

    __slots__ = ("_place", "_usage", "_whose", "limit", "seconds")

    def __init__(self, usage: Usage, name: str, limit: int, seconds: int) -> None:
        self.limit, self.seconds = limit, seconds
        self._usage = usage
        self._whose = _number_of(f"{name} {limit} {seconds}")
        with usage.alone():
            self._place = usage.place(self._whose)

    def charge(self, count: int, now: float) -> float:
        """Count so many and return 0.0; where that is more than is left, count nothing and return the seconds left."""
        with self._usage.alone():
            begun, used = self._counted()
            if now >= begun + self.seconds:
                begun, used = now, 0
            is_enough = used + count <= self.limit
            if is_enough:
                self._usage.write(self._place, self._whose, begun, used + count)
        return 0.0 if is_enough else self._left_seconds(begun, now)

    def _counted(self) -> tuple[float, int]:
        """Return when this window was begun and how much is used; where others have its place, it gets another."""
        found = self._usage.read(self._place, self._whose)
        if found is None:
            self._place = self._usage.place(self._whose)
            found = self._usage.read(self._place, self._whose)
        return found or (0.0, 0)

    def _seen(self) -> tuple[float, int]:
        return self._usage.read(self._place, self._whose) or (0.0, 0)

    def left(self, now: float) -> int:
        """Return how much of the quota is left."""
        begun, used = self._seen()
        return self.limit if now >= begun + self.seconds else self.limit - used

    def left_seconds(self, now: float) -> float:
        """Return the seconds until the next window begins, at least one."""
        return self._left_seconds(self._seen()[0], now)

    def _left_seconds(self, begun: float, now: float) -> float:
        return max(1.0, begun + self.seconds - now)

    def words(self, name: str, now: float) -> str:
        """Return an item of the `RateLimit` header (draft-ietf-httpapi-ratelimit-headers)."""
        begun, _ = self._seen()
        seconds_left = self.seconds if now >= begun + self.seconds else round(self._left_seconds(begun, now))
        return f'"{name}";r={self.left(now)};t={seconds_left}'
