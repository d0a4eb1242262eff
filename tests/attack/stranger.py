"""A stranger's side of an attack: raw connections from addresses of their own on loopback, each with an end."""

import contextlib
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec

HOST = "127.0.0.1"
SOURCE = "127.0.0.2"
_PIECE_BYTES = 262_144


class Target(msgspec.Struct, frozen=True):
    """What is attacked: the service's port, a public credential and event, and until when at the latest."""

    port: int
    seed: int
    until: float
    envelope: bytes = b""
    """One envelope that is on the log, which anybody may send again."""
    credential_id: str = ""
    """The credential that it is about."""
    api_key: str = ""
    """Of the institution at the gateway, for those who have one."""
    achievement: str = ""
    """What that institution awards."""

    @property
    def left_seconds(self) -> float:
        """How long the attack may still go on."""
        return max(0.05, self.until - time.time())

    @property
    def dice(self) -> random.Random:
        """Chance, the same for the same seed."""
        return random.Random(self.seed)


def connection(target: Target, source: str = SOURCE) -> socket.socket:
    """Return an open connection; its waits end with the attack."""
    opened = socket.create_connection((HOST, target.port), timeout=target.left_seconds, source_address=(source, 0))
    opened.settimeout(target.left_seconds)
    return opened


def head(method: str, path: str, *lines: str, length: int | None = None) -> bytes:
    """Return the head of a request."""
    more = [f"Content-Length: {length}"] if length is not None else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, *more, "", ""]).encode()


def post(target: Target, path: str, body: bytes, media_type: str, *lines: str, source: str = SOURCE) -> str:
    """Send one body and return the status of its answer, or why there is none."""
    with trouble() as said, connection(target, source) as opened:
        opened.sendall(head("POST", path, f"Content-Type: {media_type}", "Connection: close", *lines, length=len(body)))
        with contextlib.suppress(ConnectionError):  # an answer may come before the body has gone
            for start in range(0, len(body), _PIECE_BYTES):
                opened.sendall(body[start : start + _PIECE_BYTES])
        said.append(opened.recv(64).split(b"\r\n")[0].decode("ascii", "replace")[9:12] or "closed")
    return said[-1]


def get(target: Target, path: str, *lines: str, source: str = SOURCE) -> str:
    """Ask for one path and return the status of the answer, or why there is none."""
    with trouble() as said, connection(target, source) as opened:
        opened.sendall(head("GET", path, "Connection: close", *lines))
        said.append(opened.recv(64)[9:12].decode("ascii", "replace") or "closed")
    return said[-1]


@contextlib.contextmanager
def trouble() -> Iterator[list[str]]:
    """Give a list of what was said; a connection that breaks adds why."""
    said: list[str] = []
    try:
        yield said
    except TimeoutError:
        said.append("no answer")
    except OSError as error:
        said.append(type(error).__name__)


def at_once(count: int, work: Callable[[int], str]) -> str:
    """Do the same so many times at once and return what was answered how often."""
    with ThreadPoolExecutor(count) as threads:
        return summed(threads.map(work, range(count)))


def summed(answers: Iterable[str]) -> str:
    """Return how often each answer came."""
    counts: dict[str, int] = {}
    for answer in answers:
        counts[answer] = counts.get(answer, 0) + 1
    return ", ".join(f"{count} of {answer}" for answer, count in sorted(counts.items()))


def held(target: Target, opened: list[socket.socket]) -> str:
    """Keep connections open to the end of the attack, and return how many were closed by the service."""
    time.sleep(target.left_seconds)
    closed = 0
    for each in opened:
        each.setblocking(False)
        closed += _is_closed(each)
        each.close()
    return f"{closed} of {len(opened)} closed"


def _is_closed(opened: socket.socket) -> bool:
    """Tell whether the other side has closed a connection, after reading what it sent before."""
    try:
        while opened.recv(_PIECE_BYTES):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
