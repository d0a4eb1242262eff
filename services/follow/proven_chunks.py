"""Fetches the entries up to a checkpoint in chunks, and proves each. Asks no rule, applies nothing and stores nothing.

The tree that the leaf hashes of a chunk lead to is shown to be a prefix of the signed one before anything in it is
looked at. If we crash here, nothing has happened: what was proven and not applied is fetched and proven again.
"""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from proto.ids import Origin
from proto.log.checkpoint import OpenedCheckpoint
from proto.moment import Moment
from services.clients.log_client import LogClient
from services.follow import chunk
from services.follow.checkpoints import Checkpoints
from services.follow.chunk import ProvenChunk
from services.follow.clocks import Clocks
from services.follow.download import Downloads
from services.follow.early import Begun, EarlyChecks
from services.follow.entry_proofs import LastEntry
from services.follow.interface import FollowBounds, Position

Ready = tuple[ProvenChunk, Begun] | Exception
"""A chunk that was proven, with the check of its signatures that was begun; or why there is none."""


class ProvenChunks:
    """Belongs to one follower, and remembers what of the last entry a proof needs."""

    def __init__(
        self,
        client: LogClient,
        *,
        origin: Origin,
        checkpoints: Checkpoints,
        clocks: Clocks,
        early: EarlyChecks,
        clock: Callable[[], Moment],
        bounds: FollowBounds,
    ) -> None:
        self._origin = origin
        self._checkpoints = checkpoints
        self._clocks = clocks
        self._early = early
        self._clock = clock
        self._entries_max = bounds.chunk_entries_max
        self._downloads = Downloads(client, bytes_max=bounds.chunk_bytes_max)
        self._last_entry = LastEntry()

    async def fetch(self, position: Position, opened: OpenedCheckpoint, ready: "asyncio.Queue[Ready]") -> None:
        """Hand over every chunk from a position up to the checkpoint, or up to what is wrong, which comes last."""
        try:
            while position.size < opened.checkpoint.size:
                proven = await self._next(position, opened)
                await ready.put((proven, self._early.begin(proven.candidates)))
                if proven.stop is not None:
                    return
                position = proven.after
        except Exception as error:  # noqa: BLE001 - it is raised where the chunks are applied
            await ready.put(error)

    async def _next(self, position: Position, opened: OpenedCheckpoint) -> ProvenChunk:
        """Fetch and prove the next entries, and look at their form."""
        # (4.1) The bytes, within bounds; they end where a suspect checkpoint can be compared.
        lines = await self._downloads.next(position.size, self._end(position, opened))
        leaves, tree = await asyncio.to_thread(chunk.hash_chunk, position.tree(), lines)
        # (4.2) The tree with these leaves is a prefix of the signed tree.
        consistency = await self._checkpoints.prove(tree, position, opened)
        read = self._last_entry.read(position.tree(), lines, leaves, consistency)
        self._checkpoints.compare_with_suspects(tree, opened, consistency)
        # (4.3) Form, chain and order; all of it was signed by the log. What they say of the time is a clock's.
        now = self._clock()
        candidates, stop = await asyncio.to_thread(chunk.open_chunk, position, self._origin, lines, leaves, now=now)
        if (wrong := self._clocks.first_wrong(candidates, opened)) is not None:
            place, stop = wrong
            candidates = candidates[: place + 1]
        received_at = candidates[-1].entry.received_at if candidates else position.last_received_at
        after = replace(
            position,
            size=tree.size,
            root_hash=tree.root(),
            frontier=tree.hashes,
            last_leaf_hash=leaves[-1],
            last_received_at=received_at,
        )
        return ProvenChunk(
            candidates=candidates, stop=stop, read=read, is_untimely=wrong is not None, now=now, after=after
        )

    def _end(self, position: Position, opened: OpenedCheckpoint) -> int:
        end = min(position.size + self._entries_max, opened.checkpoint.size)
        suspect = self._checkpoints.suspects.next_size(position.size)
        return suspect if position.size < suspect < end else end
