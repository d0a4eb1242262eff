"""One JSON object a line: the only module that writes the log. Knows of requests only the values it is given."""

import asyncio
import threading
import traceback
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec

from services.edge.log_stream import line_stream

_ENCODER = msgspec.json.Encoder(enc_hook=str)
FLUSH_LINES = 256  # request lines are written at the latest when there are this many,
FLUSH_SECONDS = 0.25  # or the first is this old


def fault_values(error: BaseException) -> dict[str, str]:
    """Return what a line says of a fault over a stranger's request: its kinds and where, without words.

    The words of a `ValueError` or of a database quote what was sent: a name, a mail address, a key.
    """
    found: list[BaseException] = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None and cause not in found:
        found.append(cause)
    where = "".join("".join(traceback.format_tb(each.__traceback__)) for each in reversed(found))
    return {"error": " from ".join(type(each).__qualname__ for each in found), "traceback": where}


class RequestLine(msgspec.Struct, gc=False, omit_defaults=True):
    """The log line of one request: no query string, no body, no id of a thing and no name is in it."""

    time: datetime
    level: str
    service: str
    event: str
    method: str
    route: str
    status: int
    duration_ms: float
    sent_bytes: int = msgspec.field(name="bytes")
    request_id: str
    problem: str | None = None


class Log:
    """A stream of JSON lines of one service; safe to use from any thread, and before and after the event loop runs.

    Every line has `time` (RFC 3339, UTC), `level`, `service` and `event`, then the values given, which hold no name,
    mail address, credential id or content of a document. A stream that fails, or a pipe that nobody reads, loses lines
    (`lost_count`), never service.
    """

    def __init__(self, service: str, stream: BinaryIO) -> None:
        self.service = service
        self._stream = line_stream(stream)
        self._unwritable_count = 0
        self._lines: list[RequestLine | dict[str, Any]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._lock = threading.Lock()

    @property
    def lost_count(self) -> int:
        """How many lines could not be written."""
        return self._unwritable_count + self._stream.lost_count

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

    def request(self, line: RequestLine, values: dict[str, Any] | None = None) -> None:
        """Write one request's line, and what a handler added to it; to be called on the event loop.

        Lines are kept for `FLUSH_SECONDS`, or until there are `FLUSH_LINES`, and encoded together.
        """
        with self._lock:
            self._lines.append(
                line if values is None else msgspec.to_builtins(line, builtin_types=(datetime,)) | values
            )
        if len(self._lines) >= FLUSH_LINES:
            self._hand_over()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_on_time)

    def flush(self) -> None:
        """Write all that is buffered, and wait shortly for who reads it: for a process that ends."""
        self._hand_over()
        self._stream.drain()

    def _hand_over(self) -> None:
        with self._lock:
            self._write()

    def _flush_on_time(self) -> None:
        self._timer = None
        self._hand_over()

    def _write_now(self, level: str, name: str, values: dict[str, Any]) -> None:
        line = {"time": datetime.now(UTC), "level": level, "service": self.service, "event": name, **values}
        with self._lock:
            self._lines.append(line)
            self._write()

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            encoded = _ENCODER.encode_lines(lines)
        except ValueError:  # a text that is no Unicode: the service goes on
            self._unwritable_count += len(lines)
            return
        self._stream.write(encoded, len(lines))
