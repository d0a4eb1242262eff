"""SQL of what rows of a batch are known again by: fingerprints, under the key of the batch.

Each is looked up by itself, which `OFFSET 0` keeps so: asked for all at once, PostgreSQL reads the batch from its first
row on, part after part, as long as it does not know how many rows there are. What every part asks goes to where a
fingerprint stands or would stand: of a batch that came after the table's statistics PostgreSQL thinks that it has no
rows, so that either index seems as good for an equal one, and the other one leads through all of the batch.
"""

from collections.abc import Sequence

from proto.ids import BatchId
from services.persistence.postgres import Connection


async def repeated(connection: Connection, batch_id: BatchId, fingerprints: Sequence[bytes]) -> dict[bytes, int]:
    """Return which of these fingerprints the batch has met, with the line of the first row of each."""
    rows = await connection.fetch(
        """SELECT asked AS fingerprint, line FROM unnest($2::bytea[]) AS asked CROSS JOIN LATERAL (
               SELECT batch_id, fingerprint FROM batch_row
               WHERE fingerprint IS NOT NULL AND (batch_id, fingerprint) >= ($1, asked)
               ORDER BY batch_id, fingerprint LIMIT 1
           ) AS nearest CROSS JOIN LATERAL (
               SELECT min(line) AS line FROM batch_row AS same
               WHERE same.batch_id = nearest.batch_id AND same.fingerprint = nearest.fingerprint
           ) AS first
           WHERE nearest.batch_id = $1 AND nearest.fingerprint = asked""",
        batch_id,
        list(fingerprints),
    )
    return {row["fingerprint"]: row["line"] for row in rows}


async def held(connection: Connection, batch_id: BatchId, fingerprints: Sequence[bytes]) -> list[bytes]:
    """Return those of the fingerprints that earlier rows of a dry run have left: what they would give."""
    rows = await connection.fetch(
        """SELECT DISTINCT asked FROM unnest($2::bytea[]) AS asked CROSS JOIN LATERAL
               (SELECT line FROM batch_row WHERE batch_id = $1 AND held_fingerprint = asked OFFSET 0) AS found""",
        batch_id,
        list(fingerprints),
    )
    return [row["asked"] for row in rows]


async def held_pairs(connection: Connection, batch_id: BatchId, fingerprints: Sequence[bytes]) -> list[bytes]:
    """Return those of the fingerprints of learner and achievement that earlier rows of a dry run would award."""
    rows = await connection.fetch(
        """SELECT DISTINCT asked FROM unnest($2::bytea[]) AS asked CROSS JOIN LATERAL
               (SELECT is_checked FROM batch_row WHERE batch_id = $1 AND pair_fingerprint = asked OFFSET 0) AS found
           WHERE is_checked""",
        batch_id,
        list(fingerprints),
    )
    return [row["asked"] for row in rows]
