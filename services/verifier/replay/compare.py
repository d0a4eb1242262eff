"""Compares what the log shows here with what it has shown to others: without witnesses the one way to find a fork.

Others are verifiers (or mirrors): each is asked for the checkpoint that its answers rest on. What counts is what the
log signed, so nobody has to be believed; who shows nothing, or what the log did not sign, is passed over and said.
What is of a larger tree than ours is handed to who follows the log, who keeps it over restarts until it is compared: a
log that keeps others ahead of us for ever has signed what we come to in the end.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from proto.ids import TreeSize
from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint
from proto.log.note_key import VerifierKey
from proto.moment import Moment
from proto.problem import Problem
from services.clients.log_client import LogClient
from services.edge import Log
from services.follow import LogEvidence, Position, SinkUnavailableProblem
from services.follow.suspects import OwnRoot
from services.verifier.projection.comparisons import Compared
from services.verifier.projection.store import Store

_FORKED = "The log signed two different trees: what it showed here contradicts what it showed at {source}"


class Accused(Protocol):
    """Who follows the log, keeps what is to be compared, and stops at evidence against it."""

    def suspect(self, opened: OpenedCheckpoint) -> None:
        """Compare a checkpoint when the tree that is followed has its size, however long that takes."""

    async def accuse(self, evidence: LogEvidence) -> None:
        """Hold the evidence against the log."""


class Comparison:
    """Asks each address again and again; belongs to the process that replays."""

    def __init__(
        self,
        store: Store,
        follower: Accused,
        others: Sequence[tuple[str, LogClient]],
        *,
        key: VerifierKey,
        clock: Callable[[], Moment],
        log: Log,
    ) -> None:
        self._store = store
        self._follower = follower
        self._others = others
        self._key = key
        self._clock = clock
        self._log = log
        self._said: dict[str, str] = {}
        self._found: dict[str, Compared] = {}

    async def run(self, *, interval_seconds: float) -> None:
        """Compare for ever; ends once a fork was found."""
        while True:
            try:
                if await self.step():
                    return
            except SinkUnavailableProblem as problem:  # the follower says and survives the same
                self._log.warning("comparison_not_kept", problem=problem.slug, detail=problem.detail)
            await asyncio.sleep(interval_seconds)

    async def step(self) -> bool:
        """Compare with each once; tell whether a fork was found."""
        for source, client in self._others:
            opened = await self._shown(source, client)
            if opened is not None and await self._is_fork(source, opened):
                return True
        await self._store.keep_comparisons(self._found)
        return False

    async def _shown(self, source: str, client: LogClient) -> OpenedCheckpoint | None:
        try:
            return open_checkpoint(await client.checkpoint(), self._key)
        except Problem as problem:
            self._say(source, "comparison_failed", problem.detail)
            self._find(source, "failed", None)
            return None

    async def _is_fork(self, source: str, opened: OpenedCheckpoint) -> bool:
        shown = opened.checkpoint
        position, own = await self._store.read(lambda records: (records.position, records.root_of(shown.size)))
        if shown.size == 0:
            return False
        if own is None or own.root_hash != shown.root_hash:
            signed = open_checkpoint(position.checkpoint, self._key).checkpoint if position.checkpoint else None
            if own is None or signed is None or signed.size != own.size:  # ours is smaller, or on its way
                self._follower.suspect(opened)
                self._say(source, "comparison_waits", "The log has shown a larger tree there than here")
                self._find(source, "ahead", shown.size)
                return False
            await self._follower.accuse(self._evidence(source, opened, position, own))
            return True
        self._say(source, "compared", "")
        self._find(source, "same", shown.size)
        return False

    def _evidence(self, source: str, opened: OpenedCheckpoint, position: Position, own: OwnRoot) -> LogEvidence:
        """Return what anybody can check: both checkpoints and, of two sizes, what our tree was at the smaller one."""
        return LogEvidence(
            kind="fork",
            detail=_FORKED.format(source=source),
            found_at=self._clock(),
            is_conclusive=True,
            checkpoints=(opened.encoded, position.checkpoint),
            roots=(own.root_hash, *own.consistency) if own.size > opened.checkpoint.size else (),
        )

    def _find(self, source: str, state: Literal["same", "ahead", "failed"], size: TreeSize | None) -> None:
        self._found[source] = Compared(state=state, size=size, at=self._clock())

    def _say(self, source: str, event: str, detail: str) -> None:
        """Write one line when what is said of an address changes."""
        if self._said.get(source) == f"{event} {detail}":
            return
        self._said[source] = f"{event} {detail}"
        if detail:
            self._log.warning(event, source=source, detail=detail)
        else:
            self._log.event(event, source=source)
