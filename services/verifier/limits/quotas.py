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
_PLACE = struct.Struct("<Qdq")  # whose, begun at (seconds of the machine's monotonic clock), used


class Usage:
    """A table of windows; in a file for several processes, else in this one's memory. Nothing is ever removed."""

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

    def place(self, name: str) -> int:
        """Return where the window of this name is counted."""
        whose = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1
        at = whose % PLACES
        with self.alone():
            while (found := _PLACE.unpack_from(self._map, at * _PLACE.size)[0]) not in (0, whose):
                at = (at + 1) % PLACES
            if not found:
                _PLACE.pack_into(self._map, at * _PLACE.size, whose, 0.0, 0)
        return at

    def read(self, place: int) -> tuple[float, int]:
        """Return when a window was begun, and how much of it is used."""
        _, begun, used = _PLACE.unpack_from(self._map, place * _PLACE.size)
        return begun, used

    def write(self, place: int, begun: float, used: int) -> None:
        """Set when a window was begun, and how much of it is used."""
        whose = _PLACE.unpack_from(self._map, place * _PLACE.size)[0]
        _PLACE.pack_into(self._map, place * _PLACE.size, whose, begun, used)


class Window:
    """How much of a quota is used in the window that runs now: `seconds` long, begun by whoever came first."""

    __slots__ = ("_place", "_usage", "limit", "seconds")

    def __init__(self, usage: Usage, name: str, limit: int, seconds: int) -> None:
        self.limit, self.seconds = limit, seconds
        self._usage = usage
        self._place = usage.place(f"{name} {limit} {seconds}")

    def charge(self, count: int, now: float) -> float:
        """Count so many and return 0.0; where that is more than is left, count nothing and return the seconds left."""
        with self._usage.alone():
            begun, used = self._usage.read(self._place)
            if now >= begun + self.seconds:
                begun, used = now, 0
            is_enough = used + count <= self.limit
            if is_enough:
                self._usage.write(self._place, begun, used + count)
        return 0.0 if is_enough else self._left_seconds(begun, now)

    def left(self, now: float) -> int:
        """Return how much of the quota is left."""
        begun, used = self._usage.read(self._place)
        return self.limit if now >= begun + self.seconds else self.limit - used

    def left_seconds(self, now: float) -> float:
        """Return the seconds until the next window begins, at least one."""
        return self._left_seconds(self._usage.read(self._place)[0], now)

    def _left_seconds(self, begun: float, now: float) -> float:
        return max(1.0, begun + self.seconds - now)

    def words(self, name: str, now: float) -> str:
        """Return an item of the `RateLimit` header (draft-ietf-httpapi-ratelimit-headers)."""
        begun, _ = self._usage.read(self._place)
        seconds_left = self.seconds if now >= begun + self.seconds else round(self._left_seconds(begun, now))
        return f'"{name}";r={self.left(now)};t={seconds_left}'
