"""A copy of the published log in a folder, as files that any web server or CDN can serve (C2SP tlog-tiles).

Everything is put if absent: a file that is there with other bytes is a conflict, which ends the process, because one of
the two was signed. Partial tiles go when their full one is there. Signs nothing; asks the database for published tiles.
"""

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg

from proto.checkpoint import open_checkpoint
from proto.ids import TreeSize
from proto.merkle import leaf_hash
from proto.note_key import VerifierKey
from proto.problem import Problem
from proto.tile import BundleId, TileId, encode_bundle, full_count, level_count, partial_width
from services.edge.log import Log
from services.ledger import store
from services.ledger.publication import Publication, Published
from services.ledger.store import MissingRowsError
from services.postgres import Pool

WAIT_SECONDS = 30.0
RETRY_SECONDS = 1.0
CHECKPOINT = "checkpoint"
_READABLE = 0o644
_FOLDER_MODE = 0o755


class MirrorConflictProblem(Problem):
    """The mirror holds other bytes, or a larger tree, than the log is about to put there."""

    slug = "mirror-conflict"
    title = "The mirror contradicts the log"
    status = 500


class MirrorFolder:
    """The files of one log under `folder`; one process writes, anybody reads."""

    def __init__(self, folder: Path, verifier: VerifierKey) -> None:
        self.folder = folder
        self._verifier = verifier

    def published(self) -> Published | None:
        """Return what the mirror shows, whose tiles are all there; None for an empty one. Raises for another log's."""
        try:
            note = (self.folder / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None
        try:
            found = open_checkpoint(note, self._verifier).checkpoint
        except Problem as problem:
            raise MirrorConflictProblem(f"{self.folder} mirrors another log: {problem.detail}") from problem
        return Published(size=found.size, root_hash=found.root_hash, note=note)

    def put(self, name: str, data: bytes) -> None:
        """Write a file unless it is there, durably; raises `MirrorConflictProblem` if it is there with other bytes."""
        path = self.folder / name
        if path.exists():
            if path.read_bytes() != data:
                raise MirrorConflictProblem(
                    f"{path} holds other bytes (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}) than the log "
                    f"({hashlib.sha256(data).hexdigest()}) (RUNBOOK.md: mirror-conflict)"
                )
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        self._write(path, data)

    def drop_partials(self, full: TileId | BundleId) -> None:
        """Remove the partial forms of a tile that is there in full (tlog-tiles, section Partial Tiles)."""
        shutil.rmtree(self.folder / f"{full.path}.p", ignore_errors=True)

    def show(self, published: Published) -> None:
        """Replace the checkpoint, once all that it covers is there; raises where the mirror shows a larger tree."""
        shown = self.published()
        if shown is not None:
            refuse_smaller(self.folder, shown, published)
        self._write(self.folder / CHECKPOINT, published.note)

    def _write(self, path: Path, data: bytes) -> None:
        """Write a whole file under its name or none of it: temporary sibling, fsync, rename, fsync of the folder."""
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), _READABLE)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def refuse_smaller(folder: Path, shown: Published, ours: Published) -> None:
    """Raise `MirrorConflictProblem` if the mirror shows more than, or something else than, what we published."""
    if shown.size > ours.size:
        raise MirrorConflictProblem(
            f"{folder} shows {shown.size} entries, the log has published {ours.size}: the database is an earlier state "
            "of the log (RUNBOOK.md: older-database)"
        )
    if shown.size == ours.size and shown.root_hash != ours.root_hash:
        raise MirrorConflictProblem(
            f"{folder} shows another root for {ours.size} entries (RUNBOOK.md: mirror-conflict)"
        )


async def keep_mirror(
    mirror: MirrorFolder, pool: Pool, publication: Publication, stopping: asyncio.Event, log: Log
) -> None:
    """Copy what is published, for ever; raises `MirrorConflictProblem`, which nothing repairs.

    A disk or a database that is away for a while delays the mirror and nothing else.
    """
    shown = await asyncio.to_thread(mirror.published)
    while shown is not None and not publication.size and not stopping.is_set():
        await publication.larger_than(0, wait_seconds=WAIT_SECONDS, stopping=stopping)
    if shown is not None and publication.size:
        refuse_smaller(mirror.folder, shown, publication.now)
    size = shown.size if shown else TreeSize(0)
    while not stopping.is_set():
        published = await publication.larger_than(size, wait_seconds=WAIT_SECONDS, stopping=stopping)
        if published is None:
            continue
        try:
            await copy_growth(mirror, pool, size, published)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.failure("mirror_delayed", error, size=size)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            size = published.size
    await stopping.wait()


async def copy_growth(mirror: MirrorFolder, pool: Pool, size: TreeSize, published: Published) -> None:
    """Copy what the tree of `size` lacks of the published one: (1) bundles and tiles, (2) the checkpoint over them.

    A crash between two files leaves more than the checkpoint shows, which the next run finds to be the same.
    """
    async for name, data in _growth(pool, size, published.size):  # (1)
        await asyncio.to_thread(mirror.put, name.path, data)
        if name.is_full:
            await asyncio.to_thread(mirror.drop_partials, name)
    await asyncio.to_thread(mirror.show, published)  # (2)


async def _growth(pool: Pool, old: TreeSize, new: TreeSize) -> AsyncIterator[tuple[TileId | BundleId, bytes]]:
    """Yield the bundles and tiles that a tree of `new` has and one of `old` has not; entries hashed again."""
    for level in range(level_count(new)):
        for tile in _new_tiles(old, new, level):
            data = (await store.tiles(pool, [tile]))[tile]
            if level == 0:
                entries = await store.bundle(pool, tile.index, tile.width)
                if b"".join(map(leaf_hash, entries)) != data:
                    raise MissingRowsError(f"The entries of {tile.path} are not those of the tile")
                yield BundleId(tile.index, tile.width), encode_bundle(entries)
            yield tile, data


def _new_tiles(old: TreeSize, new: TreeSize, level: int) -> list[TileId]:
    full = full_count(new, level)
    found = [TileId(level, index) for index in range(full_count(old, level), full)]
    width = partial_width(new, level)
    return [*found, TileId(level, full, width)] if width else found
