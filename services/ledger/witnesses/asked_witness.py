"""One witness as the publisher deals with it: its size, what each of its answers leads to, when it is asked again.

The state machine of C2SP tlog-witness v1.0.0. Verifies every cosignature. Knows no HTTP, no SQL and no quorum.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from proto.ids import Origin, TreeSize
from proto.log.checkpoint import OpenedCheckpoint, cosigned_at, open_checkpoint, with_cosignatures
from proto.log.merkle import Hash
from proto.log.note import SignatureLine, SignatureProblem
from proto.log.note_key import VerifierKey
from proto.log.policy import PolicyWitness
from proto.log.witness import AddCheckpoint
from proto.problem import MalformedProblem, UnavailableProblem
from services.edge.log import Log
from services.ledger.signer import InconsistentTreeError
from services.ledger.witnesses.witness_client import Contradicted, Cosigned, Failed, OtherSize, Outcome, Refused
from services.ledger.witnesses.witness_metrics import WitnessMetrics

TRIES_MAX = 3
_OUTCOMES: dict[type[Outcome], str] = {
    Cosigned: "cosigned",
    OtherSize: "other_size",
    Contradicted: "contradicted",
    Refused: "refused",
    Failed: "failed",
}
_LIED = "lied"


class Client(Protocol):
    """What is asked of a witness (`services.ledger.witnesses.witness_client`)."""

    async def add_checkpoint(self, request: AddCheckpoint) -> Outcome:
        """Return what became of the request."""

    async def last_cosigned(self, origin: Origin) -> bytes | None:
        """Return the checkpoint that the witness shows as cosigned last, unverified."""


class Prover(Protocol):
    """What our own tree is asked (`services.ledger.witnesses.witness_proofs`)."""

    async def consistency(self, old: TreeSize, new: TreeSize) -> tuple[Hash, ...]:
        """Return the proof between two sizes; raises `UnavailableProblem`."""

    async def root(self, size: TreeSize) -> Hash:
        """Return the root at a size; raises `UnavailableProblem`."""


class AskingBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds between tries, and between rounds of tries that failed; all with jitter, each doubling up to its most."""

    backoff_seconds_min: float = 0.01
    backoff_seconds_max: float = 0.25
    rest_seconds_min: float = 0.25
    rest_seconds_max: float = 5.0
    refused_rest_seconds: float = 30.0


class AskedWitness:
    """Used by one task at a time. `size` is what it cosigned last, as far as is known; `stopped` says why it is out."""

    def __init__(
        self,
        witness: PolicyWitness,
        client: Client,
        *,
        log_key: VerifierKey,
        prover: Prover,
        metrics: WitnessMetrics,
        log: Log,
        bounds: AskingBounds | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = witness.name
        self.key = witness.key
        self.size = TreeSize(0)
        self.stopped: str | None = None
        self._client = client
        self._log_key = log_key
        self._prover = prover
        self._metrics = metrics
        self._log = log
        self._bounds = bounds or AskingBounds()
        self._sleep = sleep
        self._failed_rounds = 0
        self._rests_until = 0.0
        metrics.stopped.labels(self.name).set(0)
        for outcome in (*_OUTCOMES.values(), _LIED):
            metrics.requests.labels(self.name, outcome)

    @property
    def is_ready(self) -> bool:
        """Whether it may be asked now: neither stopped nor resting after failures."""
        return self.stopped is None and time.monotonic() >= self._rests_until

    async def rest(self) -> None:
        """Return once it may be asked again; never for one that is stopped."""
        if self.stopped is not None:
            await asyncio.Event().wait()
        await self._sleep(max(0.0, self._rests_until - time.monotonic()))

    async def compare(self, signed: OpenedCheckpoint) -> None:
        """Hold what the witness shows as cosigned last against our tree, and remember its size.

        Raises `InconsistentTreeError` for a checkpoint with our own signature that the tree of `signed` does not
        continue: then we are an earlier state of the log, or another one. A mere claim, or silence, proves nothing.
        """
        shown = await self._client.last_cosigned(Origin(self._log_key.name))
        try:
            theirs = open_checkpoint(shown, self._log_key).checkpoint if shown else None
        except (MalformedProblem, SignatureProblem):
            return
        if theirs is None:
            return
        ours = signed.checkpoint
        if theirs.size > ours.size:
            raise InconsistentTreeError(
                f"The witness {self.name} holds a checkpoint of {theirs.size} entries with this log's signature; the "
                f"signer remembers {ours.size}: this is an earlier state of the log, perhaps from a backup. Bring the "
                "missing entries back; signing now would fork the log"
            )
        root = ours.root_hash if theirs.size == ours.size else await self._prover.root(theirs.size)
        if theirs.root_hash != root:
            raise InconsistentTreeError(
                f"The witness {self.name} holds a checkpoint of {theirs.size} entries with this log's signature and "
                f"the root {theirs.root_hash.hex()}; here it is {root.hex()}. Signing now would fork the log"
            )
        self.size = theirs.size

    async def cosignature(self, signed: OpenedCheckpoint) -> SignatureLine | None:
        """Return the witness's verified cosignature of our checkpoint, or None after at most `TRIES_MAX` requests.

        Raises `InconsistentTreeError` as `compare` does, where the witness contradicts us and can show why.
        """
        outcome: Outcome = Failed()
        for number in range(TRIES_MAX):
            if number and isinstance(outcome, Failed):
                await self._sleep(self._backoff_seconds(number, outcome))
            outcome = await self._asked(signed)
            match outcome:
                case Cosigned():
                    return self._verified(signed, outcome)
                case OtherSize(size=size) if size <= signed.checkpoint.size:
                    self.size = size
                case OtherSize() | Contradicted():
                    await self._contradicted(signed, outcome)
                    return None
                case Refused() | Failed(is_slow=True):
                    break
        self._gave_up(outcome)
        return None

    async def _asked(self, signed: OpenedCheckpoint) -> Outcome:
        new = signed.checkpoint.size
        try:
            proof = await self._prover.consistency(self.size, new)
        except UnavailableProblem as problem:
            return Failed(words=problem.detail)
        begun = time.monotonic()
        outcome = await self._client.add_checkpoint(AddCheckpoint(old_size=self.size, proof=proof, note=signed.note))
        self._metrics.seconds.labels(self.name).observe(time.monotonic() - begun)
        self._metrics.requests.labels(self.name, _OUTCOMES[type(outcome)]).inc()
        return outcome

    def _verified(self, signed: OpenedCheckpoint, outcome: Cosigned) -> SignatureLine | None:
        try:
            line = with_cosignatures(signed.note, outcome.lines, self.key).signatures[-1]
        except (MalformedProblem, SignatureProblem) as problem:
            self._metrics.requests.labels(self.name, _LIED).inc()
            self._gave_up(Refused(words=problem.detail))
            return None
        if self._failed_rounds:
            self._log.event("witness_recovered", witness=self.name)
        self.size, self._failed_rounds = signed.checkpoint.size, 0
        self._metrics.cosigned_size.labels(self.name).set(self.size)
        self._metrics.cosigned_at.labels(self.name).set(cosigned_at(line))
        return line

    async def _contradicted(self, signed: OpenedCheckpoint, outcome: Outcome) -> None:
        """Stop asking for good; where the witness can show that we are at fault, stop signing instead.

        Proofs of a database that has become another one since this was signed accuse nobody: the signer looks itself.
        """
        try:
            await self._proofs_are_of(signed)
            await self.compare(signed)
        except UnavailableProblem as problem:
            self._gave_up(Failed(words=problem.detail))
            return
        claim = "It claims to have cosigned more entries than this log has, and does not show such a checkpoint. "
        words = (claim if isinstance(outcome, OtherSize) else "") + outcome.words
        self.stopped = words
        self._metrics.stopped.labels(self.name).set(1)
        self._log.failure("witness_stopped", witness=self.name, size=signed.checkpoint.size, words=words)

    async def _proofs_are_of(self, signed: OpenedCheckpoint) -> None:
        """Raise `UnavailableProblem` unless our tree is, now, the one that was signed."""
        if await self._prover.root(signed.checkpoint.size) != signed.checkpoint.root_hash:
            raise UnavailableProblem("The database does not hold the tree that was signed, so no proof was right")

    def _gave_up(self, outcome: Outcome) -> None:
        """Let the witness rest, the longer the more often it failed, and longest where it refuses."""
        bounds = self._bounds
        if self._failed_rounds == 0:
            self._log.warning("witness_failing", witness=self.name, words=outcome.words)
        self._failed_rounds += 1
        if isinstance(outcome, Failed):
            most = min(bounds.rest_seconds_max, bounds.rest_seconds_min * 2 ** min(self._failed_rounds - 1, 10))
            asked = min(outcome.retry_after_seconds or 0.0, bounds.refused_rest_seconds)
            seconds = max(asked, random.uniform(most / 2, most))
        else:
            seconds = bounds.refused_rest_seconds
        self._rests_until = time.monotonic() + seconds

    def _backoff_seconds(self, number: int, outcome: Failed) -> float:
        """Return the pause before the next try; a witness that asks for a longer one is asked in a later round."""
        most = min(self._bounds.backoff_seconds_max, self._bounds.backoff_seconds_min * 5 ** (number - 1))
        asked = outcome.retry_after_seconds or 0.0
        return min(self._bounds.backoff_seconds_max, max(asked, random.uniform(most / 2, most)))
