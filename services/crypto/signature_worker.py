"""A process that checks Ed25519 signatures for its parent, from its standard input to its output. Knows nothing else.

It ends when its input does, so that it never outlives the parent, however that ended. Imports as little as it can: it
is started in the middle of work.
"""

from collections.abc import Sequence

import msgspec

from proto.keys import is_signature
from services.crypto.messages import answer_parent

Item = tuple[bytes, bytes, bytes]
"""32 bytes of public key, the message, 64 bytes of signature."""
_ITEMS = msgspec.msgpack.Decoder(list[Item])


def bad_places(items: Sequence[Item]) -> list[int]:
    """Return the places of the signatures that do not verify; libsodium releases the GIL during each."""
    return [place for place, (key, message, signature) in enumerate(items) if not is_signature(key, message, signature)]


def main() -> None:
    """Say that we are there (no bad places), then answer each list of items with its bad places, in order."""
    answer_parent([], lambda data: bad_places(_ITEMS.decode(data)))


if __name__ == "__main__":
    main()
