"""Where the lines of the log go: a file is written at once; a pipe, which somebody must read, by a thread of its own.

A pipe that nobody reads takes some 64 KB, then every write waits for ever. Only the thread waits: what it has not
written by then is held up to `HELD_BYTES_MAX`, and what comes after that is lost, and counted.
"""

import atexit
import contextlib
import io
import os
import select
import stat
import threading
import time
from collections import deque
from typing import BinaryIO, Protocol

HELD_BYTES_MAX = 1_048_576
DRAIN_SECONDS = 1.0
"""How long a process that ends waits for its last lines to be read."""
POLL_SECONDS = 1.0


class LineStream(Protocol):
    """Takes encoded lines."""

    lost_count: int

    def write(self, data: bytes, line_count: int) -> None:
        """Take lines; never raises, and never waits for a reader."""

    def drain(self) -> None:
        """Wait shortly until all that was taken is written."""


class DirectStream:
    """A file, or memory: written by whoever has something to say."""

    def __init__(self, stream: BinaryIO) -> None:
        self.lost_count = 0
        self._stream = stream

    def write(self, data: bytes, line_count: int) -> None:
        """Write lines; a file that fails loses them."""
        try:
            self._stream.write(data)
            self._stream.flush()
        except (OSError, ValueError):  # full, or closed
            self.lost_count += line_count

    def drain(self) -> None:
        """Nothing is held."""


class PipeStream:
    """A pipe, a socket or a terminal: written by one thread, which alone waits for whoever reads it.

    It writes to a descriptor of its own: who closes the stream while lines are held gives the number free, and they
    would go into whatever is opened next.
    """

    def __init__(self, descriptor: int, *, held_bytes_max: int = HELD_BYTES_MAX) -> None:
        self.lost_count = 0
        self._descriptor = os.dup(descriptor)
        self._held: deque[tuple[bytes, int]] = deque()
        self._held_bytes = 0
        self._is_unread = False
        self._held_bytes_max = held_bytes_max
        self._changed = threading.Condition()
        self._writer: threading.Thread | None = None

    def write(self, data: bytes, line_count: int) -> None:
        """Hold lines for the thread; where it holds too many already, they are lost."""
        with self._changed:
            if self._held_bytes + len(data) > self._held_bytes_max:
                self.lost_count += line_count
                return
            self._held.append((data, line_count))
            self._held_bytes += len(data)
            if self._writer is None:  # not before the first line: a process may be forked until then
                self._writer = threading.Thread(target=self._write_all, name="log", daemon=True)
                self._writer.start()
                atexit.register(self.drain)
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until all is written, for `DRAIN_SECONDS` at most; once nobody has read for so long, no more."""
        until = time.monotonic() + (0.0 if self._is_unread else DRAIN_SECONDS)
        with self._changed:
            while self._held and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            self._is_unread = bool(self._held)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._held:
                    self._changed.wait()
                data, line_count = self._held[0]
            is_written = self._written(data)
            with self._changed:
                self._held.popleft()
                self._held_bytes -= len(data)
                self.lost_count += 0 if is_written else line_count
                self._changed.notify_all()

    def _written(self, data: bytes) -> bool:
        """Write all of it, as slowly as it is read; False where nobody will ever read it."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody who shares the pipe has told it not to wait
                select.select((), (self._descriptor,), (), POLL_SECONDS)
            except OSError:
                return False
        return True


def line_stream(stream: BinaryIO) -> LineStream:
    """Return how to write to `stream`; raises nothing, also where it is closed already."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
        descriptor = stream.fileno()
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return PipeStream(descriptor)
    return DirectStream(stream)
