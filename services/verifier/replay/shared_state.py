"""What the process that replays knows, in a small file that those which answer have mapped. Knows no HTTP and no SQL.

One writes, any number read, and nobody waits: a sequence number is odd while the record is being written, and a record
counts only if that number was even and the same before and after it was copied, and its checksum fits. Whoever cannot
read it goes on with what was known before, which grows older, and in time too old to answer from.
"""

import mmap
import os
import struct
import zlib
from pathlib import Path

import msgspec
from msgspec.structs import replace

from proto.ids import Origin
from services.follow import FollowerKnowledge, Health, HealthPolicy
from services.verifier.answers.answer_cache import AnswerCache

CAPACITY_BYTES = 4 * 1024 * 1024
"""Evidence holds at most an entry and two checkpoints."""
_HEAD = struct.Struct("<QII")  # sequence, length, CRC-32
_SEQUENCE = struct.Struct("<Q")
_ATTEMPTS = 20
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(FollowerKnowledge).decode


class SharedState:
    """The writing end; there is one for a file."""

    def __init__(self, path: Path) -> None:
        """Make the file; raises `OSError` where there is no room."""
        with path.open("w+b") as file:
            os.posix_fallocate(file.fileno(), 0, CAPACITY_BYTES)  # a full disk is found out here, not by a signal
            self._map = mmap.mmap(file.fileno(), CAPACITY_BYTES)
        self._sequence = 0

    def write(self, known: FollowerKnowledge) -> None:
        """Show what is known from now on."""
        data = _ENCODE(known)
        if len(data) > CAPACITY_BYTES - _HEAD.size and known.evidence is not None:  # it is in the log and in the store
            data = _ENCODE(replace(known, evidence=replace(known.evidence, entry=None, checkpoints=())))
        _SEQUENCE.pack_into(self._map, 0, self._sequence + 1)
        self._map[_HEAD.size : _HEAD.size + len(data)] = data
        self._sequence += 2
        _HEAD.pack_into(self._map, 0, self._sequence - 1, len(data), zlib.crc32(data))
        _SEQUENCE.pack_into(self._map, 0, self._sequence)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()


class SharedStateReader:
    """A reading end."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), CAPACITY_BYTES, access=mmap.ACCESS_READ)
        self._seen = 0

    def news(self) -> FollowerKnowledge | None:
        """Return what is known, if that is not what was returned last and can be read now."""
        for _ in range(_ATTEMPTS):
            sequence, length, checksum = _HEAD.unpack_from(self._map)
            if sequence == self._seen:
                return None
            data = self._map[_HEAD.size : _HEAD.size + min(length, CAPACITY_BYTES)]
            if sequence % 2 or _HEAD.unpack_from(self._map) != (sequence, length, checksum):
                continue
            if zlib.crc32(data) == checksum:
                self._seen = sequence
                return _DECODE(data)
        return None

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()


class RemoteHealth:
    """The health source (`answers.questions`) of a process that does not replay, and mover of its cache."""

    def __init__(
        self, reader: SharedStateReader, health_policy: HealthPolicy, cache: AnswerCache, origin: Origin
    ) -> None:
        self.origin = origin
        self.known = FollowerKnowledge()
        self._reader = reader
        self._health_policy = health_policy
        self._cache = cache

    def health(self) -> Health:
        """Return how far the records can be relied on now, and drop what was made of older ones."""
        if (news := self._reader.news()) is not None:
            self.known = news
            position = news.position
            if position is None or not self._cache.is_at(position):
                self._cache.on_replaced(position)
            self._cache.position = position
        return self._health_policy.health(self.known)
