"""A mirror that is a folder, as any web server serves it. Written by one process, durably, and read by anybody."""

import asyncio
import shutil
from pathlib import Path

from proto.log.note_key import VerifierKey
from proto.log.tile import BundleId, TileId
from services.ledger.mirrors.mirror import CHECKPOINT, MirrorConflictFault, refuse_smaller, shown_by
from services.ledger.publishing.publication import Published
from services.persistence.durable_file import READABLE, write_durably

_FOLDER_MODE = 0o755


class FolderMirror:
    """The files of one log under `folder`."""

    def __init__(self, folder: Path, verifier: VerifierKey) -> None:
        self.folder = folder
        self.place = str(folder)
        self._verifier = verifier

    async def begin(self) -> None:
        """Do nothing: a file system can be relied on to say whether a file is there."""

    async def published(self) -> Published | None:
        """Return what the mirror shows; None for an empty one. Raises `MirrorConflictFault` for another log's."""
        return await asyncio.to_thread(self._published)

    async def put(self, name: TileId | BundleId, data: bytes) -> None:
        """Write a file unless it is there; raises `MirrorConflictFault` if it is there with other bytes."""
        await asyncio.to_thread(self._put, self.folder / name.path, data)

    async def drop_partials(self, full: TileId | BundleId) -> None:
        """Remove the partial forms of a tile that is there in full (tlog-tiles, section Partial Tiles)."""
        await asyncio.to_thread(shutil.rmtree, self.folder / f"{full.path}.p", ignore_errors=True)

    async def show(self, published: Published) -> None:
        """Replace the checkpoint, once all that it covers is there; raises where the mirror shows a larger tree."""
        await asyncio.to_thread(self._show, published)

    def _published(self) -> Published | None:
        try:
            note = (self.folder / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None
        return shown_by(self.place, note, self._verifier)

    def _put(self, path: Path, data: bytes) -> None:
        if path.exists():
            if (there := path.read_bytes()) != data:
                raise MirrorConflictFault.of(str(path), there, data)
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        write_durably(path, data, mode=READABLE)

    def _show(self, published: Published) -> None:
        shown = self._published()
        if shown is not None:
            refuse_smaller(self.place, shown, published)
        write_durably(self.folder / CHECKPOINT, published.note, mode=READABLE)
