"""Proofs for witnesses, made from the stored tiles. Knows no witness and no HTTP."""

from proto.ids import TreeSize
from proto.log.merkle import Hash
from proto.log.tile_proof import consistency_proof, frontier_of_tiles, tiles_for_consistency, tiles_for_root
from proto.problem import UnavailableProblem
from services.ledger import store
from services.ledger.store import MissingRowsError
from services.persistence.postgres import Pool
from services.persistence.postgres_errors import DATABASE_ERRORS


class Proofs:
    """Makes proofs about the committed tree; each method raises `UnavailableProblem` while the database is away.

    So also where it holds less than was signed: the signer looks itself, and ends with the reason.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def consistency(self, old: TreeSize, new: TreeSize) -> tuple[Hash, ...]:
        """Return the proof from one size to another; empty where there is nothing to prove (0, or the same size)."""
        if old in {0, new}:
            return ()
        try:
            tiles = await store.tiles(self._pool, tiles_for_consistency(old, new))
        except (*DATABASE_ERRORS, MissingRowsError) as error:
            raise UnavailableProblem(f"No proof for a witness could be made: {error}") from error
        return tuple(consistency_proof(old, new, tiles))

    async def root(self, size: TreeSize) -> Hash:
        """Return the root of the first `size` entries as they are stored now."""
        try:
            tiles = await store.tiles(self._pool, tiles_for_root(size))
        except (*DATABASE_ERRORS, MissingRowsError) as error:
            raise UnavailableProblem(f"No root for a witness could be computed: {error}") from error
        return frontier_of_tiles(size, tiles).root()
