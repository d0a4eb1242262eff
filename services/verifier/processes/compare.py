"""Compares what the log shows here with what it has shown to others: without witnesses the one way to find a fork.

Others are verifiers (or mirrors): each is asked for the checkpoint that its answers rest on. What counts is what the
log signed, so nobody has to be believed; who shows nothing, or what the log did not sign, is passed over and said.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from proto.ids import TreeSize
from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint
from proto.log.merkle import Hash
from proto.log.note_key import VerifierKey
from proto.log.tile_proof import frontier_of_tiles, tiles_for_root
from proto.moment import Moment
from proto.problem import Problem
from services.clients.log_client import LogClient
from services.edge import Log
from services.follow import Evidence, Position
from services.verifier.projection.store import Store

_FORKED = "The log signed two different trees: what it showed here contradicts what it showed at {source}"


class Accused(Protocol):
    """Who follows the log, and stops at evidence against it."""

    async def accuse(self, evidence: Evidence) -> None:
        """Hold the evidence against the log."""


async def own_root(store: Store, size: TreeSize) -> Hash:
    """Return the root of the first `size` entries of the projection, at least one."""
    return await store.read(
        lambda own: frontier_of_tiles(size, {tile: own.tile(tile) for tile in tiles_for_root(size)}).root()
    )


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
        self._ahead: dict[str, OpenedCheckpoint] = {}
        """What was shown elsewhere of a larger tree than ours: compared once ours has grown there."""
        self._said: dict[str, str] = {}

    async def run(self, *, interval_seconds: float) -> None:
        """Compare for ever; ends once a fork was found."""
        while True:
            if await self.step():
                return
            await asyncio.sleep(interval_seconds)

    async def step(self) -> bool:
        """Compare with each once, also with what was ahead of us before; tell whether a fork was found."""
        for source, client in self._others:
            for opened in [self._ahead.pop(source, None), await self._shown(source, client)]:
                if opened is not None and await self._is_fork(source, opened):
                    return True
        return False

    async def _shown(self, source: str, client: LogClient) -> OpenedCheckpoint | None:
        try:
            return open_checkpoint(await client.checkpoint(), self._key)
        except Problem as problem:
            self._say(source, "comparison_failed", problem.detail)
            return None

    async def _is_fork(self, source: str, opened: OpenedCheckpoint) -> bool:
        shown, position = opened.checkpoint, await self._store.read(lambda own: own.position)
        if shown.size > position.size:
            self._ahead[source] = opened
            self._say(source, "comparison_waits", "The log has shown a larger tree there than here")
            return False
        if shown.size and await own_root(self._store, shown.size) != shown.root_hash:
            await self._follower.accuse(self._evidence(source, opened, position))
            return True
        self._say(source, "compared", "")
        return False

    def _evidence(self, source: str, opened: OpenedCheckpoint, position: Position) -> Evidence:
        return Evidence(
            kind="fork",
            detail=_FORKED.format(source=source),
            found_at=self._clock(),
            is_conclusive=True,
            checkpoints=(opened.encoded, position.checkpoint),
        )

    def _say(self, source: str, event: str, detail: str) -> None:
        """Write one line when what is said of an address changes."""
        if self._said.get(source) == f"{event} {detail}":
            return
        self._said[source] = f"{event} {detail}"
        if detail:
            self._log.warning(event, source=source, detail=detail)
        else:
            self._log.event(event, source=source)
