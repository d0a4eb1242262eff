"""Ports for services that are told theirs before they start: none that the system gives to somebody else meanwhile."""

import secrets
import socket
from collections.abc import Iterator

LOWEST, HIGHEST = 20_000, 32_767
"""Below those that Linux takes for connections, and for whoever asks for any port (32,768 and up)."""


def _candidates() -> Iterator[int]:
    """Yield one port after the other, from anywhere on: another process of tests is somewhere else."""
    begin = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
    while True:
        yield from range(begin, HIGHEST + 1)
        begin = LOWEST


_NEXT = _candidates()


def free_port() -> int:
    """Return a port of this machine that nobody listens on, and that no other call here returns for a long time."""
    for port in _NEXT:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is always a next one")
