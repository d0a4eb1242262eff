"""One JSON object a line: the only module that writes the log. Knows of requests only the values it is given."""

import asyncio
import threading
import traceback
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec

_ENCODE = msgspec.json.Encoder(enc_hook=str).encode
FLUSH_BYTES = 65_536  # buffered request lines are written at the latest when they are this many bytes together,
FLUSH_SECONDS = 0.25  # or this old


class Log:
    """A stream of JSON lines of one service; safe to use from any thread, and before and after the event loop runs.

    Every line has `time` (RFC 3339, UTC), `level`, `service` and `event`, then the values given, which hold no name,
    mail address, credential id or content of a document. A stream that fails loses lines (`lost_count`), never service.
    """

    def __init__(self, service: str, stream: BinaryIO) -> None:
        self.service = service
        self.lost_count = 0
        self._stream = stream
        self._lines: list[bytes] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._lock = threading.Lock()

    def event(self, name: str, /, **values: Any) -> None:
        """Write that something happened, at once."""
        self._write_now("info", name, values)

    def warning(self, name: str, /, **values: Any) -> None:
        """Write that something needs a look before it becomes a failure, at once."""
        self._write_now("warning", name, values)

    def failure(self, name: str, error: BaseException | None = None, /, **values: Any) -> None:
        """Write that something failed, with the error's kind, words and traceback, at once."""
        if error is not None:
            values["error"] = type(error).__qualname__
            values["message"] = str(error)
            values["traceback"] = "".join(traceback.format_exception(error))
        self._write_now("error", name, values)

    def request(self, values: dict[str, Any]) -> None:
        """Write one request's line, buffered for `FLUSH_SECONDS` or `FLUSH_BYTES`; to be called on the event loop."""
        line = _ENCODE(
            {"time": datetime.now(UTC), "level": "info", "service": self.service, "event": "request", **values}
        )
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_on_time)

    def flush(self) -> None:
        """Write all that is buffered."""
        with self._lock:
            self._write(self._taken())

    def _flush_on_time(self) -> None:
        self._timer = None
        self.flush()

    def _write_now(self, level: str, name: str, values: dict[str, Any]) -> None:
        line = {"time": datetime.now(UTC), "level": level, "service": self.service, "event": name, **values}
        with self._lock:
            self._write([*self._taken(), _ENCODE(line)])

    def _taken(self) -> list[bytes]:
        lines, self._lines, self._bytes = self._lines, [], 0
        return lines

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        try:
            self._stream.write(b"\n".join(lines) + b"\n")
            self._stream.flush()
        except (OSError, ValueError):  # a closed pipe or file: the service goes on, and the metric says so
            self.lost_count += len(lines)
