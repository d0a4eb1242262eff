"""A process that checks Ed25519 signatures for its parent, from its standard input to its output. Knows nothing else.

It ends when its input does, so that it never outlives the parent, however that ended. Imports as little as it can: it
is started in the middle of work.
"""

import os
import signal
import sys
from collections.abc import Sequence

import msgspec

from proto.keys import is_signature

LENGTH_BYTES = 4
"""Before each message in both directions: how many bytes of msgpack follow, big-endian."""
Item = tuple[bytes, bytes, bytes]
"""32 bytes of public key, the message, 64 bytes of signature."""
_ITEMS = msgspec.msgpack.Decoder(list[Item])


def bad_places(items: Sequence[Item]) -> list[int]:
    """Return the places of the signatures that do not verify; libsodium releases the GIL during each."""
    return [place for place, (key, message, signature) in enumerate(items) if not is_signature(key, message, signature)]


def framed(value: object) -> bytes:
    """Return a message with its length before it."""
    data = msgspec.msgpack.encode(value)
    return len(data).to_bytes(LENGTH_BYTES) + data


def main() -> None:
    """Say that we are there (no bad places), then answer each list of items with its bad places, in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, too, and our input ends when it goes
    received, sent = sys.stdin.buffer, sys.stdout.buffer
    answer = framed([])
    while True:
        try:
            sent.write(answer)
            sent.flush()
        except BrokenPipeError:
            os._exit(0)  # the parent is gone, and nothing is to be tidied up
        head = received.read(LENGTH_BYTES)
        if len(head) < LENGTH_BYTES:
            return
        data = received.read(int.from_bytes(head))
        answer = framed(bad_places(_ITEMS.decode(data)))


if __name__ == "__main__":
    main()
