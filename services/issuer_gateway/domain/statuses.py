"""What a status list says of a credential, and where lists stand. Pure: the log's states and moments are arguments."""

from proto.lifecycle import Book, Credential, effective, life_of
from proto.moment import Moment

_WITHDRAWN = frozenset({"void", "revoked", "suspended"})


def list_url(own_prefix: str, number: int) -> str:
    """Return where a status list of an institution stands for good; `own_prefix` ends in `/`."""
    return f"{own_prefix}status/{number}"


def is_withdrawn(book: Book, credential: Credential, *, at: Moment) -> bool:
    """Tell whether a credential's bit is set: it is void, revoked or suspended, or a part of it is, at any level.

    `at` is the log's own time. What passes with time alone (a credential, or a part, that begins or ends) sets no bit:
    every document says it of itself. Needs the parts of a stack in the book.
    """
    state = effective(book, credential, at=at)
    life = life_of(book, credential)
    if state is None or life is None:
        return False
    if state.state in _WITHDRAWN:
        return True
    parts = [book.credential(part) for part in life.components]
    return any(part is None or is_withdrawn(book, part, at=at) for part in parts)
