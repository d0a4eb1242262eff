"""All witnesses of a log: each is asked on its own, and a checkpoint is published once the policy's quorum cosigned.

Fails closed unless configured otherwise: without a quorum in time nothing new is published, and what was published
last stays. Knows no HTTP and no SQL.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from proto.log.checkpoint import OpenedCheckpoint
from proto.log.note import Note, SignatureLine
from proto.log.note_key import VerifierKey
from proto.log.policy import Policy
from services.edge.log import Log
from services.ledger.signer import InconsistentTreeError
from services.ledger.witnesses.asked_witness import AskedWitness
from services.ledger.witnesses.witness_metrics import WitnessMetrics


class Witnesses:
    """Asks every witness for the newest checkpoint only; a slow one that answers late is handed the newest then.

    `run` must be running while `cosigned` is awaited; the publisher alone calls the other methods.
    """

    def __init__(
        self,
        policy: Policy,
        asked: Sequence[AskedWitness],
        *,
        wait_seconds: float,
        is_fail_open: bool,
        metrics: WitnessMetrics,
        log: Log,
    ) -> None:
        self._policy = policy
        self._asked = tuple(asked)
        self._wait_seconds = wait_seconds
        self._is_fail_open = is_fail_open
        self._metrics = metrics
        self._log = log
        self._target: OpenedCheckpoint | None = None
        self._held: dict[VerifierKey, SignatureLine] = {}
        """Cosignatures of the target, the newest of each witness."""
        self._fresh: set[VerifierKey] = set()
        """Who has cosigned since the target was offered last."""
        self._pending: set[VerifierKey] = set()
        """Who may still answer this offer without a rest before."""
        self._offers = {witness.key: asyncio.Event() for witness in self._asked}
        self._changed = asyncio.Event()
        self._fault: InconsistentTreeError | None = None
        self._handed_out: bytes | None = None
        self._had_quorum = True

    @property
    def is_empty(self) -> bool:
        """Whether there is nobody to ask."""
        return not self._asked

    async def run(self) -> None:
        """Ask for ever, each witness in a task of its own; ends by cancellation only, or by a fault of ours."""
        async with asyncio.TaskGroup() as group:
            for witness in self._asked:
                group.create_task(self._ask_for_ever(witness), name=f"witness {witness.name}")
            await asyncio.Event().wait()

    async def compare(self, signed: OpenedCheckpoint) -> None:
        """Hold what the witnesses show against our tree, before anything is signed (DESIGN 5.5).

        Raises `InconsistentTreeError` where one can show that we are an earlier state of the log, or another log, and
        `UnavailableProblem` while the database is away.
        """
        await asyncio.gather(*(witness.compare(signed) for witness in self._asked))

    async def cosigned(self, signed: OpenedCheckpoint) -> bytes | None:
        """Return the note to publish, or None where too few witnesses cosigned in time and we fail closed.

        Returns as soon as the quorum has cosigned anew. Raises `InconsistentTreeError` where a witness shows that we
        forked.
        """
        if self._target is None or self._target.note.text != signed.note.text:
            self._held, self._handed_out = {}, None
        self._target, self._fresh = signed, set()
        self._pending = {witness.key for witness in self._asked if witness.is_ready}
        for offer in self._offers.values():
            offer.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._wait_seconds):
                await self._until_settled()
        self._raise_fault()
        self._say_quorum(signed)
        if self._is_fail_open or self._policy.is_quorum(self._held):
            return self._hand_out(signed)
        return None

    def later(self) -> bytes | None:
        """Return the note handed out last with cosignatures that came since, or None where none came.

        Raises `InconsistentTreeError` as `cosigned` does.
        """
        self._raise_fault()
        if self._target is None or self._handed_out in {None, self._note(self._target)}:
            return None
        return self._hand_out(self._target)

    async def _until_settled(self) -> None:
        """Return once the quorum cosigned this offer, or nobody is left who may still answer it."""
        while self._fault is None and self._pending and not self._policy.is_quorum(self._fresh):
            self._changed.clear()
            await self._changed.wait()

    async def _ask_for_ever(self, witness: AskedWitness) -> None:
        offer = self._offers[witness.key]
        while True:
            await offer.wait()
            await witness.rest()
            offer.clear()
            signed = self._target
            assert signed is not None, "an offer has a target"
            try:
                line = await witness.cosignature(signed)
            except InconsistentTreeError as error:
                self._fault = error
                line = None
            self._received(witness.key, signed, line)

    def _received(self, key: VerifierKey, signed: OpenedCheckpoint, line: SignatureLine | None) -> None:
        """Keep the cosignature if it is of the target; one of an older checkpoint came too late for it."""
        is_current = self._target is not None and self._target.note.text == signed.note.text
        if is_current and line is not None:
            self._held[key] = line
            self._fresh.add(key)
        if is_current or line is None:
            self._pending.discard(key)
        self._changed.set()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _note(self, signed: OpenedCheckpoint) -> bytes:
        lines = tuple(self._held[witness.key] for witness in self._asked if witness.key in self._held)
        return Note(text=signed.note.text, signatures=(*signed.note.signatures, *lines)).encode()

    def _hand_out(self, signed: OpenedCheckpoint) -> bytes:
        self._handed_out = self._note(signed)
        return self._handed_out

    def _say_quorum(self, signed: OpenedCheckpoint) -> None:
        """Count and say that the quorum was missed, or is back; a log line only where that changed."""
        has_quorum = self._policy.is_quorum(self._fresh)
        if not has_quorum:
            self._metrics.quorum_missed.inc()
        if has_quorum != self._had_quorum:
            names = [witness.name for witness in self._asked if witness.key in self._fresh]
            say = self._log.event if has_quorum else self._log.warning
            say("quorum_back" if has_quorum else "quorum_missed", size=signed.checkpoint.size, cosigned_by=names)
        self._had_quorum = has_quorum
