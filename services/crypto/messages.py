"""Messages between us and processes of our own: msgpack with its length before it, one answer for each question."""

import os
import signal
import sys
from collections.abc import Callable

import msgspec

LENGTH_BYTES = 4
"""Before each message in both directions: how many bytes of msgpack follow, big-endian."""


def framed(value: object) -> bytes:
    """Return a message with its length before it."""
    data = msgspec.msgpack.encode(value)
    return len(data).to_bytes(LENGTH_BYTES) + data


def answer_parent(greeting: object, answer: Callable[[bytes], object]) -> None:
    """Say the greeting, then what `answer` makes of each message on standard input; returns when that ends.

    So a process never outlives its parent, however that ended. Ctrl-C goes to the parent, too, and is left to it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    received, sent = sys.stdin.buffer, sys.stdout.buffer
    said = framed(greeting)
    while True:
        try:
            sent.write(said)
            sent.flush()
        except BrokenPipeError:
            os._exit(0)  # the parent is gone, and nothing is to be tidied up
        head = received.read(LENGTH_BYTES)
        if len(head) < LENGTH_BYTES:
            return
        said = framed(answer(received.read(int.from_bytes(head))))
