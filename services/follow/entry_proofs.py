"""The proof that an entry is one that the log signed, made of what a follower has in hand. Asks nobody, stores nothing.

A follower keeps no entries, only the tree's right edge; what it has just read goes on from there, so that for each of
these entries the way to the root is known. The last one is remembered, for many a fault is one of two entries.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from proto.ids import LeafIndex
from proto.log.merkle import Frontier, Hash, NodeReader, check_inclusion, inclusion_proof, reader_beyond
from services.follow.interface import EntryProof, FaultyLogProblem


class ReadEntries(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that lie one behind the other after the tree `before`, and the way from theirs to the signed tree."""

    before: Frontier
    lines: Sequence[bytes]
    leaves: Sequence[Hash]
    consistency: tuple[Hash, ...]

    def accused(self, problem: FaultyLogProblem, note: bytes) -> FaultyLogProblem:
        """Return a fault of one of these entries with the signed checkpoint and the proof that it is under that."""
        evidence = problem.evidence
        if evidence.index is None:
            return problem
        after = self.before.extend(self.leaves)
        read = reader_beyond(self.before, self.leaves)
        shown = evidence.checkpoints if note in evidence.checkpoints else (*evidence.checkpoints, note)
        proof = self._proof(LeafIndex(evidence.index), after, read)
        previous = self._proof(LeafIndex(evidence.index - 1), after, read)
        return FaultyLogProblem(replace(evidence, checkpoints=shown, proof=proof, previous=previous))

    def _proof(self, index: LeafIndex, after: Frontier, read: NodeReader) -> EntryProof | None:
        place = index - self.before.size
        if not 0 <= place < len(self.lines):
            return None
        inclusion = tuple(inclusion_proof(index, after.size, read))
        check_inclusion(index, after.size, self.leaves[place], inclusion, after.root())
        return EntryProof(
            index=index,
            entry=self.lines[place],
            size=after.size,
            root_hash=after.root(),
            inclusion=inclusion,
            consistency=self.consistency,
        )


class LastEntry:
    """Belongs to one follower: the entry that was read last, and the tree before it."""

    def __init__(self) -> None:
        self._before = Frontier()
        self._line: bytes | None = None
        self._leaf = Hash(b"")

    def read(
        self, tree: Frontier, lines: Sequence[bytes], leaves: Sequence[Hash], consistency: Sequence[Hash]
    ) -> ReadEntries:
        """Return what was read after a tree, with the entry before it where it is known; remember its last."""
        before, kept_lines, kept_leaves = tree, list(lines), list(leaves)
        if self._line is not None and self._before.size + 1 == tree.size:
            before, kept_lines, kept_leaves = self._before, [self._line, *lines], [self._leaf, *leaves]
        self._before, self._line, self._leaf = tree.extend(leaves[:-1]), lines[-1], leaves[-1]
        return ReadEntries(before=before, lines=kept_lines, leaves=kept_leaves, consistency=tuple(consistency))
