"""A mirror that is a folder of an S3-compatible bucket: the same names, each put if absent by the store itself."""

from proto.log.note_key import VerifierKey
from proto.log.tile import BundleId, TileId
from services.ledger.mirrors.mirror import (
    CHECKPOINT,
    MirrorConflictFault,
    MirrorUnfitFault,
    refuse_smaller,
    shown_by,
)
from services.ledger.publishing.publication import Published
from services.persistence.bucket import Bucket, BucketProblem

_PROBE = "put-if-absent"
_PROBE_BYTES = b"Shows at each start of the ledger that this store refuses to write over what is there.\n"
_TEXT = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache"}
_TILE = {"Content-Type": "application/octet-stream", "Cache-Control": "public, max-age=31536000, immutable"}
"""As the ledger itself serves them (`services.ledger.http.tlog_routes`), for whoever reads the bucket through a CDN."""


class BucketMirror:
    """The objects of one log in a bucket; one process writes, anybody who may read reads."""

    def __init__(self, bucket: Bucket, verifier: VerifierKey) -> None:
        self.place = bucket.url
        self._bucket = bucket
        self._verifier = verifier

    async def begin(self) -> None:
        """Raise `MirrorUnfitFault` where the store writes over what is there: then no conflict would be seen."""
        await self._bucket.create(_PROBE, _PROBE_BYTES, _TEXT)
        if await self._bucket.create(_PROBE, _PROBE_BYTES, _TEXT):
            raise MirrorUnfitFault(
                f"{self.place}: the store does not refuse to write over an object (If-None-Match: *), so a conflict "
                "would go unnoticed. Use a newer version of it, another store, or a folder"
            )

    async def published(self) -> Published | None:
        """Return what the mirror shows; None for an empty one. Raises `MirrorConflictFault` for another log's."""
        found = await self._bucket.read(CHECKPOINT)
        return shown_by(self.place, found.data, self._verifier) if found else None

    async def put(self, name: TileId | BundleId, data: bytes) -> None:
        """Put an object unless it is there; raises `MirrorConflictFault` if it is there with other bytes."""
        if await self._bucket.create(name.path, data, _TILE):
            return
        there = await self._bucket.read(name.path)
        if there is None:
            raise BucketProblem(f"{self.place}/{name.path} was there and is gone: somebody removes objects")
        if there.data != data:
            raise MirrorConflictFault.of(f"{self.place}/{name.path}", there.data, data)

    async def drop_partials(self, full: TileId | BundleId) -> None:
        """Remove the partial forms of a tile that is there in full (tlog-tiles, section Partial Tiles)."""
        await self._bucket.remove_under(f"{full.path}.p")

    async def show(self, published: Published) -> None:
        """Replace the checkpoint, once all that it covers is there; raises where the mirror shows a larger tree.

        Where somebody else has replaced it meanwhile, that one is looked at by the next try (`BucketProblem`).
        """
        was = await self._bucket.read(CHECKPOINT)
        if was is not None:
            refuse_smaller(self.place, shown_by(self.place, was.data, self._verifier), published)
        if not await self._bucket.replace(CHECKPOINT, published.note, _TEXT, was=was):
            raise BucketProblem(
                f"{self.place}/{CHECKPOINT} was replaced by somebody else: one ledger alone mirrors there"
            )
