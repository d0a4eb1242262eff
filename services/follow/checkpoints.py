"""What the checkpoints of one log are worth: signed, cosigned, grown from each other, or forked (DESIGN 5.6).

Asks the log for consistency proofs (RFC 9162 section 2.1.4.2); applies nothing and stores nothing.
"""

import contextlib
import random
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from proto.log.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from proto.log.merkle import Frontier, Hash, ProofProblem, check_consistency
from proto.log.note import SignatureProblem
from proto.log.note_key import VerifierKey
from proto.log.policy import Policy, QuorumProblem
from proto.moment import Moment
from proto.problem import InvalidProblem, MalformedProblem
from services.clients.log_client import LogAnswerProblem, LogClient, LogProblem, LogUnreachableProblem
from services.follow.interface import FaultKind, FaultyLogProblem, ForeignPositionProblem, LogEvidence, Position
from services.follow.suspects import RootOf, Suspects

LOG_TROUBLES = (LogUnreachableProblem, LogProblem, LogAnswerProblem, QuorumProblem)
"""What a log, or the way to it, may be in for a while."""
PROOFS_AT_ONCE = 4
"""So many old checkpoints are asked about in one step."""


class Checkpoints:
    """Judges the checkpoints of one log; `suspects` are those that could not be shown to be consistent yet."""

    def __init__(
        self,
        client: LogClient,
        *,
        key: VerifierKey,
        policy: Policy,
        clock: Callable[[], Moment],
        suspects: Iterable[bytes] = (),
        root_of: RootOf | None = None,
    ) -> None:
        """Take what earlier runs could not compare, and how our own tiles are asked for an older root."""
        self._client = client
        self._key = key
        self._policy = policy
        self._clock = clock
        self._root_of = root_of
        self.suspects = Suspects(key, suspects)

    def check_own(self, position: Position) -> None:
        """Refuse to continue what another log, or nobody, made."""
        if position.size == 0 and position.inherited is not None:
            return  # handed over; entry 0 has to name what was inherited
        try:
            is_sound = position.tree().root() == position.root_hash
            signed = open_checkpoint(position.checkpoint, self._key).checkpoint
        except (MalformedProblem, InvalidProblem, SignatureProblem) as problem:
            raise ForeignPositionProblem(
                f"The projection was not made from the log {self._key.name}: {problem.detail}. "
                "Set the right key of the log, or begin with an empty database"
            ) from problem
        is_signed = signed.root_hash == position.root_hash if signed.size == position.size else True
        if not is_sound or not is_signed or signed.size < position.size:
            raise ForeignPositionProblem(
                "The projection's stored position is damaged: begin with an empty database, it is filled from the log"
            )

    def opened(self, note: bytes) -> OpenedCheckpoint:
        """Return the checkpoint in a signed note of the log; raises `FaultyLogProblem` and `QuorumProblem`."""
        try:
            opened = open_checkpoint(note, self._key, self._policy.witness_keys)
        except (MalformedProblem, InvalidProblem, SignatureProblem) as problem:
            words = f"The log's checkpoint cannot be trusted: {problem.detail}"
            raise self._fault("checkpoint", words, note) from problem
        if not self._policy.is_quorum(opened.cosigned_at):
            self.suspects.add(opened)
            raise QuorumProblem(
                f"{len(opened.cosigned_at)} of the known witnesses cosigned the log's checkpoint of size "
                f"{opened.checkpoint.size}, which does not satisfy the quorum {self._policy.quorum!r}"
            )
        return opened

    async def compare_older(self, position: Position) -> None:
        """Compare what could not be compared before, as far as our tree has passed it: with our own tiles.

        Who has none asks the log for proofs, a few each time. What it does not prove stays to be compared.
        """
        older = self.suspects.older(position.size)
        if self._root_of is not None:
            for note, each in older:
                await self._compare_own(position, note, each)
            return
        for note, each in random.sample(older, min(PROOFS_AT_ONCE, len(older))):
            with contextlib.suppress(*LOG_TROUBLES):
                await self._prove_older(position, note, each)

    async def check_older(self, position: Position, opened: OpenedCheckpoint) -> None:
        """A smaller checkpoint that is consistent is merely old; nothing becomes fresher by it."""
        older = opened.checkpoint
        if older.size == 0 or await self._compare_own(position, opened.encoded, older):
            return
        try:
            await self._prove_older(position, opened.encoded, older)
        except LOG_TROUBLES:  # an old copy of the log does not know our size: neither proven nor disproven
            self.suspects.add(opened)
        except FaultyLogProblem:  # the proof may be bad, or the log forked
            self.suspects.add(opened)
            raise

    async def _prove_older(self, position: Position, note: bytes, older: Checkpoint) -> None:
        """Forget a smaller checkpoint that the log shows to be of our history; raises `FaultyLogProblem`."""
        proof = await self._client.consistency(older.size, position.size)
        try:
            check_consistency(older.size, position.size, older.root_hash, position.root_hash, _hashes(proof))
        except ProofProblem as problem:
            raise self._ungrown(problem, position.checkpoint, note) from problem
        self.suspects.forget(older)

    async def _compare_own(self, position: Position, note: bytes, older: Checkpoint) -> bool:
        """Tell whether our own tiles show that a smaller checkpoint is merely old; they convict one that is not."""
        own = await self._root_of(older.size) if self._root_of else None
        if own is None or own.size != position.size:
            return False
        if own.root_hash == older.root_hash:
            self.suspects.forget(older)
            return True
        signed = open_checkpoint(position.checkpoint, self._key).checkpoint
        if signed.size != own.size:  # our tree is on its way to that checkpoint: compared when it is there
            return False
        raise self._fork(note, position.checkpoint, (own.root_hash, *own.consistency))

    async def check_newer(self, position: Position, opened: OpenedCheckpoint) -> None:
        """Raise `FaultyLogProblem` unless the checkpoint's tree is the known one, or shown to have grown from it."""
        newer = opened.checkpoint
        if position.size == 0:
            return
        if newer.size == position.size:
            if newer.root_hash != position.root_hash:
                raise self._fork(position.checkpoint, opened.encoded)
            return
        try:
            proof = await self._client.consistency(position.size, newer.size)
        except LOG_TROUBLES:  # it signed this, and does not show where it comes from
            self.suspects.add(opened)
            raise
        try:
            check_consistency(position.size, newer.size, position.root_hash, newer.root_hash, _hashes(proof))
        except ProofProblem as problem:
            raise self._inconsistent(position, opened, problem) from problem

    async def prove(self, tree: Frontier, position: Position, opened: OpenedCheckpoint) -> list[Hash]:
        """Show that the tree is a prefix of the signed one; where they are of one size, that they are the same.

        Return the consistency proof from the tree to the signed one.
        """
        signed, proof = opened.checkpoint, list[bytes]()
        if tree.size < signed.size:
            proof = await self._client.consistency(tree.size, signed.size)
        try:
            check_consistency(tree.size, signed.size, tree.root(), signed.root_hash, _hashes(proof))
        except ProofProblem as problem:
            words = f"The entries {position.size} to {tree.size - 1} are not those that the log signed"
            raise self._fault("altered", f"{words}: {problem.detail}", opened.encoded) from problem
        return _hashes(proof)

    def compare_with_suspects(self, tree: Frontier, opened: OpenedCheckpoint, consistency: Sequence[Hash]) -> None:
        """Compare, where the tree has the size of a checkpoint that had not been shown to be consistent.

        `consistency` leads from the tree to the checkpoint that is looked at.
        """
        suspect = self.suspects.compare(tree)
        if suspect is not None:
            is_larger = opened.checkpoint.size > tree.size
            raise self._fork(suspect, opened.encoded, (tree.root(), *consistency) if is_larger else ())

    def _inconsistent(self, position: Position, opened: OpenedCheckpoint, problem: ProofProblem) -> FaultyLogProblem:
        """The proof may be bad, or the log forked: compare again when the projection has grown to that size."""
        self.suspects.add(opened)
        return self._ungrown(problem, position.checkpoint, opened.encoded)

    def _ungrown(self, problem: ProofProblem, *checkpoints: bytes) -> FaultyLogProblem:
        return self._fault("fork", f"The log cannot show that it only grew: {problem.detail}", *checkpoints)

    def _fork(self, earlier: bytes, later: bytes, roots: tuple[Hash, ...] = ()) -> FaultyLogProblem:
        words = "The log signed two different trees of the same entries: its two checkpoints contradict each other"
        found = self._fault("fork", words, earlier, later, is_conclusive=True)
        return FaultyLogProblem(replace(found.evidence, roots=roots))

    def _fault(
        self, kind: FaultKind, detail: str, *checkpoints: bytes, is_conclusive: bool = False
    ) -> FaultyLogProblem:
        return FaultyLogProblem(
            LogEvidence(
                kind=kind,
                detail=detail,
                found_at=self._clock(),
                is_conclusive=is_conclusive,
                checkpoints=checkpoints,
            )
        )


def _hashes(proof: list[bytes]) -> list[Hash]:
    return [Hash(item) for item in proof]
