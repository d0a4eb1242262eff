"""Checkpoints that a log signed and did not show to be of one history with what is known. Asks nobody, stores nothing.

Each is compared when the follower's own tree has its size, however long that takes, and over restarts: a log that
shows somebody else's history once, for a moment, has signed it.
"""

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from proto.ids import TreeSize
from proto.log.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from proto.log.merkle import Frontier, Hash
from proto.log.note_key import VerifierKey
from proto.problem import Problem

SUSPECTS_MAX = 256
"""The oldest stay, and nothing is confirmed while there are so many: a log could sign more, to have one forgotten."""


class OwnRoot(msgspec.Struct, frozen=True, kw_only=True):
    """The root that our own tree had when it was of another's size, and the consistency proof from there to `size`."""

    root_hash: Hash
    size: TreeSize
    consistency: tuple[Hash, ...]


RootOf = Callable[[TreeSize], Awaitable[OwnRoot | None]]
"""From a size to the root of the first so many entries, by our own tiles; None where there are none."""


class Suspects:
    """Belongs to one follower; `notes` are what is to be kept."""

    def __init__(self, key: VerifierKey, notes: Iterable[bytes]) -> None:
        self._found: dict[tuple[int, Hash], bytes] = {}
        self._key = key
        for note in notes:
            self._take_up(note)

    @property
    def notes(self) -> tuple[bytes, ...]:
        """The signed checkpoints that are still to be compared."""
        return tuple(self._found.values())

    def add(self, opened: OpenedCheckpoint) -> bool:
        """Keep a checkpoint; tell whether it is new."""
        named = _name(opened.checkpoint)
        if named in self._found or opened.checkpoint.size == 0 or len(self._found) >= SUSPECTS_MAX:
            return False
        self._found[named] = opened.encoded
        return True

    @property
    def largest_size(self) -> int:
        """The size of the largest, or 0."""
        return max((size for size, _ in self._found), default=0)

    def words(self) -> str | None:
        """Return why nothing that the log says now is confirmed, where there is room for no more; else None."""
        if len(self._found) < SUSPECTS_MAX:
            return None
        return (
            f"The log has signed {len(self._found)} checkpoints that it did not show to be of one history with what is "
            "known here. Nothing that it says is confirmed until they are compared, each when our own tree has its "
            "size: ask the log's operator how they came about"
        )

    def next_size(self, size: int) -> int:
        """Return the smallest size beyond this at which there is something to compare, or 0."""
        return min((found for found, _ in self._found if found > size), default=0)

    def compare(self, tree: Frontier) -> bytes | None:
        """Return one that has another root than our own tree of its size; those that agree are forgotten."""
        size = int(tree.size)
        self._found.pop((size, tree.root()), None)
        return next((note for (found, _), note in self._found.items() if found == size), None)

    def older(self, size: int) -> list[tuple[bytes, Checkpoint]]:
        """Return those, each with its note, whose size our own tree has passed."""
        passed = [note for (found, _), note in self._found.items() if found < size]
        return [(note, open_checkpoint(note, self._key).checkpoint) for note in passed]

    def forget(self, checkpoint: Checkpoint) -> None:
        """Forget one that was found to be of the same history."""
        self._found.pop(_name(checkpoint), None)

    def _take_up(self, note: bytes) -> None:
        try:
            opened = open_checkpoint(note, self._key)
        except Problem:  # of another log, whose projection this was: it says nothing of ours
            return
        self.add(opened)


def _name(checkpoint: Checkpoint) -> tuple[int, Hash]:
    return int(checkpoint.size), checkpoint.root_hash
