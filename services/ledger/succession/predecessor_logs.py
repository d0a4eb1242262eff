"""The logs that this one continues, read by their tiles when a bundle is asked for. Proves what it hands out.

A log that is continued is frozen, so its last tree is known from the opening of the next log, and nothing of it ever
changes: a mirror of it serves as well as its ledger, and what was proven once is kept.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby

from proto.bundles.bundle import BundledEntry, BundlePart, bundled
from proto.envelope import open_envelope
from proto.events import LogOpened, Predecessor
from proto.ids import LeafIndex
from proto.lifecycle import Stamp
from proto.log import entry as entries
from proto.log.checkpoint import open_checkpoint
from proto.log.entry import Entry
from proto.log.merkle import Hash, check_inclusion, leaf_hash
from proto.log.note_key import VerifierKey
from proto.log.tile import TILE_WIDTH
from proto.log.tile_proof import inclusion_proof, tiles_for_inclusion
from proto.problem import Problem
from services.clients.log_client import LogAnswerProblem
from services.clients.tile_client import TileClient

ASK_SECONDS = 15.0
KEPT_ENTRIES_MAX = 4_096
_OPENING = LeafIndex(0)


class InheritedBundleProblem(Problem):
    """What a credential rests on stands on an earlier log too, and the ledger was not told where that one is read."""

    slug = "bundle-inherited"
    title = "The log that this one continues is not configured"
    status = 422


class OlderLog:
    """A log that ended with a known tree; safe to use from many tasks."""

    def __init__(self, client: TileClient, verifier: VerifierKey) -> None:
        self.verifier = verifier
        self._client = client
        self._opening = asyncio.Lock()
        self._end: Predecessor | None = None
        self._note = b""
        self._kept: dict[LeafIndex, BundledEntry] = {}

    async def open(self, end: Predecessor) -> None:
        """Make sure that this log shows the tree that the next log's opening names; asks once.

        Raises `LogAnswerProblem` where it shows another one, and what the client raises.
        """
        async with self._opening:
            if self._end is not None:
                return
            note = await self._client.refresh()
            try:
                shown = open_checkpoint(note, self.verifier).checkpoint
            except Problem as problem:
                raise LogAnswerProblem(f"The log at {self._client.url}: {problem.detail}") from problem
            if (shown.size, shown.root_hash.hex()) != (end.size, end.root_hash):
                raise LogAnswerProblem(
                    f"{end.origin} at {self._client.url} shows {shown.size} entries with the root "
                    f"{shown.root_hash.hex()}; it was continued after {end.size} with the root {end.root_hash}"
                )
            self._note, self._end = note, end

    async def part(self, indices: Sequence[LeafIndex]) -> BundlePart:
        """Return these entries with their proofs, each verified, under the last checkpoint; in the order given.

        What a call proves is kept, so that one that is cut short leaves less to the next.
        """
        found = {index: self._kept[index] for index in indices if index in self._kept}
        missing = sorted(set(indices) - found.keys())
        if len(self._kept) + len(missing) > KEPT_ENTRIES_MAX:
            self._kept.clear()
        for number, group in groupby(missing, key=lambda index: index // TILE_WIDTH):
            data = await self._client.bundle(number)
            for index in group:
                found[index] = self._kept[index] = await self._proven(index, data[index % TILE_WIDTH])
        return BundlePart(checkpoint=self._note.decode(), entries=tuple(found[index] for index in indices))

    async def opening(self, first: int) -> tuple[Stamp, Predecessor | None]:
        """Return the stamp of entry 0, counted from `first`, and the end of the log that this one continues itself."""
        (item,) = (await self.part([_OPENING])).entries
        opened = open_envelope(item.entry.envelope)
        stamp = Stamp(
            index=LeafIndex(first), event_id=opened.event_id, key_id=opened.key_id, received_at=item.entry.received_at
        )
        named = opened.event.predecessor if isinstance(opened.event, LogOpened) else None
        return stamp, named or None

    async def _proven(self, index: LeafIndex, data: bytes) -> BundledEntry:
        end = self._end
        assert end is not None, "opened before it is read"
        tiles = await self._client.tiles(tiles_for_inclusion(index, end.size))
        try:
            proof = inclusion_proof(index, end.size, tiles)
            check_inclusion(index, end.size, leaf_hash(data), proof, Hash(bytes.fromhex(end.root_hash)))
            entry: Entry = entries.decode(data)
        except Problem as problem:
            self._client.forget_tiles()
            raise LogAnswerProblem(
                f"Entry {index} of {end.origin}, as {self._client.url} has it, is not under its last checkpoint: "
                f"{problem.detail}"
            ) from problem
        return bundled(entry, proof)


class OlderLogs:
    """All configured logs that come before this one."""

    def __init__(self, logs: Sequence[OlderLog]) -> None:
        self._logs = {log.verifier.name: log for log in logs}

    async def before(self, end: Predecessor | None, first: int) -> tuple[list[OlderLog], list[Stamp]]:
        """Return the logs that lead to this one, oldest first, and the stamps of their openings.

        `end` is what this log's opening continues and `first` the count of entries before it. Raises
        `InheritedBundleProblem` for one that is not configured, and what `OlderLog` raises.
        """
        logs: list[OlderLog] = []
        stamps: list[Stamp] = []
        while end is not None:
            log = self._logs.get(end.origin)
            if log is None:
                raise InheritedBundleProblem(
                    f"What a credential of this log rests on stands on {end.origin} too: set "
                    "CREDENTIFY_LEDGER_PREDECESSORS to that log's address, a blank and its verifier key"
                )
            await log.open(end)
            first -= end.size
            stamp, end = await log.opening(first)
            logs.append(log)
            stamps.append(stamp)
        return logs[::-1], stamps[::-1]

    async def parts(self, logs: Sequence[OlderLog], indices: Sequence[Sequence[LeafIndex]]) -> tuple[BundlePart, ...]:
        """Return the parts of these logs; raises what `OlderLog` raises."""
        return tuple([await log.part(found) for log, found in zip(logs, indices, strict=True)])
