"""What a log shows, compared with what it signed before: nothing less, and nothing other. Fetches tiles as evidence."""

from proto.base64_strict import encode_base64
from proto.ids import TreeSize
from proto.log.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from proto.log.merkle import EMPTY_ROOT, Hash, Node, ProofProblem, check_consistency, range_hash, tree_range
from proto.log.tile import TILE_HEIGHT, TILE_WIDTH, TileId, tile_at
from proto.log.tile_proof import (
    consistency_proof,
    frontier_of_tiles,
    tile_reader,
    tiles_for_consistency,
    tiles_for_root,
)
from proto.problem import Problem
from services.auditor.finding import Accuser, LyingLogProblem
from services.auditor.state import AuditState
from services.clients.tile_client import TileClient
from services.follow import Position
from services.verifier.projection.store import Store

_FORKED = "The log signed two different trees: its two checkpoints contradict each other"


class History:
    """What one log signed before: the pinned checkpoint, and the tree of our own projection."""

    def __init__(self, client: TileClient, state: AuditState, store: Store, accuser: Accuser) -> None:
        self._client = client
        self._state = state
        self._store = store
        self._accuser = accuser

    async def compare(self, opened: OpenedCheckpoint, known: Position) -> None:
        """Raise `LyingLogProblem` if what is shown is smaller than what was signed, or another tree of its size."""
        shown, pinned = opened.checkpoint, self._state.pinned
        if known.size and shown.size <= known.size and shown.root_hash != await self._own_root(shown.size):
            raise await self._own_fork(opened, known)
        if pinned is not None and self._state.pin is not None:
            earlier = self._state.pin.checkpoint.encode()
            if shown.size == pinned.size and shown.root_hash != pinned.root_hash:
                raise self._accuser.accuse("fork", _FORKED, earlier, opened.encoded, is_conclusive=True)
            if shown.size < pinned.size:
                raise self._rollback(opened, earlier, pinned.size)
        if shown.size < known.size:
            raise self._rollback(opened, known.checkpoint, known.size)

    async def compare_other(self, opened: OpenedCheckpoint, known: Position) -> bool:
        """Raise `LyingLogProblem` if what the log showed somebody else is another tree than ours.

        False where it is larger than ours, and so cannot be compared yet.
        """
        shown = opened.checkpoint
        if shown.size > known.size:
            return False
        if shown.root_hash != await self._own_root(shown.size):
            raise await self._own_fork(opened, known)
        return True

    async def compare_pinned(self, opened: OpenedCheckpoint) -> None:
        """Raise `LyingLogProblem` if our tree, filled anew from a forked log, is not the one that is pinned."""
        pin, pinned = self._state.pin, self._state.pinned
        if pin is not None and pinned is not None and pinned.root_hash != await self._own_root(pinned.size):
            raise await self.concluded_fork(pin.checkpoint.encode(), pinned.size, pinned.root_hash, opened)

    def _rollback(self, opened: OpenedCheckpoint, earlier: bytes, size: TreeSize) -> LyingLogProblem:
        words = (
            f"The log shows {opened.checkpoint.size} entries after it signed {size}: an old copy, or it was set back"
        )
        return self._accuser.accuse("rollback", words, opened.encoded, earlier)

    async def _own_root(self, size: TreeSize) -> Hash:
        """Return the root of the first `size` entries of our own tree."""
        if size == 0:
            return EMPTY_ROOT
        return await self._store.read(
            lambda own: frontier_of_tiles(size, {tile: own.tile(tile) for tile in tiles_for_root(size)}).root()
        )

    async def _own_fork(self, opened: OpenedCheckpoint, known: Position) -> LyingLogProblem:
        """What is shown is no prefix of what was proven before: our own tree shows it to everybody."""
        old, signed = opened.checkpoint.size, open_checkpoint(known.checkpoint, self._accuser.key).checkpoint
        if old == signed.size:
            return self._accuser.accuse("fork", _FORKED, known.checkpoint, opened.encoded, is_conclusive=True)
        if old == 0 or signed.size != known.size:
            return self._accuser.accuse("fork", _FORKED, opened.encoded, known.checkpoint)
        wanted = tiles_for_consistency(old, known.size)
        own = await self._store.read(lambda own: {tile: own.tile(tile) for tile in wanted})
        proof = (await self._own_root(old), *consistency_proof(old, known.size, own))
        shown = tuple(map(encode_base64, proof))
        return self._accuser.accuse("fork", _FORKED, opened.encoded, known.checkpoint, is_conclusive=True, proof=shown)

    async def concluded_fork(
        self, earlier: bytes, size: TreeSize, root_hash: Hash, opened: OpenedCheckpoint
    ) -> LyingLogProblem:
        """Show from the log's own tiles that its new tree grew from another one than `root_hash` of that size.

        Where the tiles do not lead to the signed root it is they that are wrong, and no fork is proven.
        """
        new = opened.checkpoint
        try:
            other, proof = await self._grown_from(size, new)
        except Problem as problem:
            words = f"The log cannot show that it only grew: {problem.detail}"
            return self._accuser.accuse("fork", words, earlier, opened.encoded)
        is_signed = open_checkpoint(earlier, self._accuser.key).checkpoint.size == size
        return self._accuser.accuse(
            "fork",
            _FORKED,
            earlier,
            opened.encoded,
            is_conclusive=is_signed and other != root_hash,
            proof=tuple(map(encode_base64, (other, *proof))),
        )

    async def _grown_from(self, old: TreeSize, new: Checkpoint) -> tuple[Hash, list[Hash]]:
        """Return the root of the first `old` leaves in the served tree, and its proof to the signed root.

        Raises `ProofProblem` where the tiles do not lead there.
        """
        wanted = tiles_for_consistency(old, new.size) | {_tile_of(node, new.size) for node in tree_range(old).nodes()}
        served = await self._client.tiles(wanted)
        proof = consistency_proof(old, new.size, served)
        other = range_hash(tree_range(old), tile_reader(new.size, served))
        check_consistency(old, new.size, other, new.root_hash, proof)
        return other, proof


def _tile_of(node: Node, size: TreeSize) -> TileId:
    """Return the tile of the larger tree that holds a complete subtree of the smaller one."""
    level, height = divmod(node.height, TILE_HEIGHT)
    tile = tile_at(size, level, (node.index << height) // TILE_WIDTH)
    if tile is None:
        raise ProofProblem(f"A tree of {size} entries has no tile for this subtree")
    return tile
