"""A copy of the published log elsewhere, as files or objects that anybody can serve (C2SP tlog-tiles).

Everything is put if absent: what is there with other bytes is a conflict, which ends the process, because one of the
two was signed. Partial tiles go when their full one is there. Signs nothing; asks the database for published tiles, and
puts only what leads to the signed root: a database that lost what was published delays the mirror.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from proto.ids import TreeSize
from proto.log.checkpoint import open_checkpoint
from proto.log.merkle import leaf_hash
from proto.log.note_key import VerifierKey
from proto.log.tile import TILE_WIDTH, BundleId, TileId, encode_bundle, full_count, split_tile
from proto.log.tile_edge import fold_hashes
from proto.log.tile_proof import frontier_of_tiles, tiles_for_root
from proto.problem import Problem, UnavailableProblem
from services.edge.log import Log
from services.ledger import store
from services.ledger.publishing.publication import Publication, Published
from services.ledger.store import MissingRowsError
from services.operator_fault import OperatorFault
from services.persistence.postgres import Pool
from services.persistence.postgres_errors import DATABASE_ERRORS

WAIT_SECONDS = 30.0
RETRY_SECONDS = 1.0
PUTS_AT_ONCE = 16
CHECKPOINT = "checkpoint"
_TROUBLES = (*DATABASE_ERRORS, UnavailableProblem)


class MirrorConflictFault(OperatorFault):
    """The mirror holds other bytes, or a larger tree, than the log is about to put there."""

    title = "The mirror contradicts the log"

    @classmethod
    def of(cls, place: str, there: bytes, ours: bytes) -> "MirrorConflictFault":
        """Return the problem of other bytes at a place."""
        return cls(
            f"{place} holds other bytes (SHA-256 {hashlib.sha256(there).hexdigest()}) than the log "
            f"({hashlib.sha256(ours).hexdigest()}) (RUNBOOK.md: mirror-conflict)"
        )


class MirrorUnfitFault(OperatorFault):
    """Nothing can be mirrored there in a way that shows conflicts."""

    title = "The mirror's store cannot be used"


class UnlikePublishedProblem(UnavailableProblem):
    """The database does not hold the tree that was published: it lost commits, or holds others in their place."""

    slug = "unlike-published"
    title = "The database holds another tree than was published"

    @classmethod
    def of(cls, size: TreeSize) -> "UnlikePublishedProblem":
        """Return the problem, with what to do."""
        return cls(
            f"The database does not hold the {size} entries that were published: it is an earlier state of the log, "
            "perhaps after a failover that lost commits. Nothing is mirrored until they are back "
            "(RUNBOOK.md: older-database)"
        )


class Mirror(Protocol):
    """Where a log is copied to; `place` names it for operators.

    All raise what `keep_mirror` tries again after, and `MirrorConflictFault` where trying again heals nothing.
    """

    place: str

    async def begin(self) -> None:
        """Raise `MirrorUnfitFault` where the place does not keep what the others promise."""

    async def published(self) -> Published | None:
        """Return what the mirror shows, whose tiles are all there; None for an empty one. Raises for another log's."""

    async def put(self, name: TileId | BundleId, data: bytes) -> None:
        """Put bytes under a name unless they are there."""

    async def drop_partials(self, full: TileId | BundleId) -> None:
        """Remove the partial forms of a tile that is there in full."""

    async def show(self, published: Published) -> None:
        """Replace the checkpoint, once all that it covers is there; raises where the mirror shows a larger tree."""


def shown_by(place: str, note: bytes, verifier: VerifierKey) -> Published:
    """Return what a mirror's checkpoint says; raises `MirrorConflictFault` where this log did not sign it."""
    try:
        found = open_checkpoint(note, verifier).checkpoint
    except Problem as problem:
        raise MirrorConflictFault(f"{place} mirrors another log: {problem.detail}") from problem
    return Published(size=found.size, root_hash=found.root_hash, note=note)


def refuse_smaller(place: str, shown: Published, ours: Published) -> None:
    """Raise `MirrorConflictFault` if the mirror shows more than, or something else than, what we published."""
    if shown.size > ours.size:
        raise MirrorConflictFault(
            f"{place} shows {shown.size} entries, the log has published {ours.size}: the database is an earlier state "
            "of the log (RUNBOOK.md: older-database)"
        )
    if shown.size == ours.size and shown.root_hash != ours.root_hash:
        raise MirrorConflictFault(f"{place} shows another root for {ours.size} entries (RUNBOOK.md: mirror-conflict)")


async def keep_mirror(mirror: Mirror, pool: Pool, publication: Publication, stopping: asyncio.Event, log: Log) -> None:
    """Copy what is published, for ever; raises `MirrorConflictFault` and `MirrorUnfitFault`, which nothing repairs.

    A disk, a store or a database that is away for a while delays the mirror and nothing else.
    """
    size: TreeSize | None = None
    while not stopping.is_set():
        try:
            if size is None:
                size = await _begun(mirror, publication, stopping)
            published = await publication.larger_than(size, wait_seconds=WAIT_SECONDS, stopping=stopping)
            if published is not None:
                await copy_growth(mirror, pool, size, published)
                size = published.size
        except _TROUBLES as error:
            log.failure("mirror_delayed", error, place=mirror.place, size=size)
            await asyncio.sleep(RETRY_SECONDS)
    await stopping.wait()


async def _begun(mirror: Mirror, publication: Publication, stopping: asyncio.Event) -> TreeSize:
    """Return how much the mirror has, once it was compared with what is published."""
    await mirror.begin()
    shown = await mirror.published()
    while shown is not None and not publication.size and not stopping.is_set():
        await publication.larger_than(0, wait_seconds=WAIT_SECONDS, stopping=stopping)
    if shown is not None and publication.size:
        refuse_smaller(mirror.place, shown, publication.now)
    return shown.size if shown else TreeSize(0)


async def copy_growth(mirror: Mirror, pool: Pool, size: TreeSize, published: Published) -> None:
    """Copy what the tree of `size` lacks of the published one: (1) bundles and tiles, (2) the checkpoint over them.

    A crash between two files leaves more than the checkpoint shows, which the next run finds to be the same.
    """
    async for group in _growth(pool, size, published):  # (1)
        await _all(mirror, group)
    await mirror.show(published)  # (2)


_Piece = tuple[TileId | BundleId, bytes]


async def _all(mirror: Mirror, pieces: Sequence[_Piece]) -> None:
    """Put some pieces at once; of several troubles the one that nothing repairs is raised."""
    ended = await asyncio.gather(*(_put(mirror, name, data) for name, data in pieces), return_exceptions=True)
    errors = [error for error in ended if error is not None]
    if errors:
        raise next((error for error in errors if isinstance(error, MirrorConflictFault)), errors[0])


async def _put(mirror: Mirror, name: TileId | BundleId, data: bytes) -> None:
    await mirror.put(name, data)
    if name.is_full:
        await mirror.drop_partials(name)


async def _growth(pool: Pool, old: TreeSize, published: Published) -> AsyncIterator[list[_Piece]]:
    """Yield the bundles and tiles that the published tree has and one of `old` has not, some at a time.

    Each is held against the signed root before it is yielded: (1) the right edge gives that root, (2) every tile is the
    one that the tile above it names, (3) entries are those of their tile. So it is the published tree that is copied,
    or nothing, whatever the database holds by now. Raises `UnlikePublishedProblem`.
    """
    try:
        tiles = await store.tiles(pool, tiles_for_root(published.size))
        if frontier_of_tiles(published.size, tiles).root() != published.root_hash:  # (1)
            raise UnlikePublishedProblem.of(published.size)
        group: list[_Piece] = []
        for tile in sorted(tiles, reverse=True):
            async for name, data in _under(pool, tile, tiles[tile], old):
                group += [(name, data)] if name.level else await _with_entries(pool, name, data)
                if len(group) >= PUTS_AT_ONCE:
                    yield group
                    group = []
        yield group
    except MissingRowsError as error:
        raise UnlikePublishedProblem.of(published.size) from error


async def _under(pool: Pool, tile: TileId, data: bytes, old: TreeSize) -> AsyncIterator[tuple[TileId, bytes]]:
    """Yield a tile that was proven, and all beneath it that a tree of `old` has not, each proven by the one above."""
    yield tile, data
    if tile.level == 0:
        return
    begin = full_count(old, tile.level - 1)
    for index, node in enumerate(split_tile(tile, data), tile.index * TILE_WIDTH):
        if index >= begin:
            child = TileId(tile.level - 1, index)
            hashes = (await store.tiles(pool, [child]))[child]
            if fold_hashes(hashes) != node:  # (2)
                raise MissingRowsError(f"{child.path} is not what the tile above it names")
            async for each in _under(pool, child, hashes, old):
                yield each


async def _with_entries(pool: Pool, tile: TileId, data: bytes) -> list[_Piece]:
    """Return a tile of leaves and its entries, which are hashed again."""
    entries = await store.bundle(pool, tile.index, tile.width)
    if b"".join(map(leaf_hash, entries)) != data:  # (3)
        raise MissingRowsError(f"The entries of {tile.path} are not those of the tile")
    return [(BundleId(tile.index, tile.width), encode_bundle(entries)), (tile, data)]
