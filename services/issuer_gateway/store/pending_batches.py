"""SQL of what waits in batches in the background: their keys' names, their parts, and what an erasure takes out."""

from collections.abc import Sequence

from proto.ids import BatchId, BatchKeyId, InstitutionId
from services.issuer_gateway.store.batches import BackgroundBatch, select_batches
from services.persistence.postgres import Connection, Pool


async def lock(connection: Connection, institution_id: InstitutionId) -> list[BackgroundBatch]:
    """Return the institution's batches that are not over, and let nobody work on them until the transaction ends."""
    return await select_batches(
        connection,
        """WHERE institution_id = $1 AND is_background AND state IN ('waiting', 'running')
           ORDER BY batch_id FOR UPDATE""",
        institution_id,
    )


async def parts(connection: Connection, batch_id: BatchId, *, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Return parts that wait, by number, behind `after`."""
    rows = await connection.fetch(
        "SELECT part, sealed FROM batch_part WHERE batch_id = $1 AND part > $2 ORDER BY part LIMIT $3",
        batch_id,
        after,
        limit,
    )
    return [(row["part"], row["sealed"]) for row in rows]


async def replace_parts(connection: Connection, batch_id: BatchId, sealed: Sequence[tuple[int, bytes]]) -> None:
    """Put parts that were sealed anew in place of the old ones."""
    await connection.execute(
        """UPDATE batch_part SET sealed = new.sealed
           FROM unnest($2::integer[], $3::bytea[]) AS new (part, sealed)
           WHERE batch_part.batch_id = $1 AND batch_part.part = new.part""",
        batch_id,
        [part for part, _ in sealed],
        [content for _, content in sealed],
    )


async def change_key(connection: Connection, batch_id: BatchId, old_key_id: BatchKeyId, new_key_id: BatchKeyId) -> None:
    """Name the key under which all parts of a batch lie now, and note that the old one is to be destroyed."""
    await connection.execute("UPDATE batch SET key_id = $2 WHERE batch_id = $1", batch_id, new_key_id)
    await connection.execute("INSERT INTO batch_key_ended (key_id) VALUES ($1) ON CONFLICT DO NOTHING", old_key_id)


async def ended_keys(connection: Connection | Pool, *, limit: int) -> list[BatchKeyId]:
    """Return names of keys that nothing needs any more, and that may still be in the key folder."""
    rows = await connection.fetch("SELECT key_id::text FROM batch_key_ended ORDER BY key_id LIMIT $1", limit)
    return [row["key_id"] for row in rows]


async def forget_ended_keys(connection: Connection | Pool, key_ids: Sequence[BatchKeyId]) -> None:
    """Note that these keys are destroyed."""
    await connection.execute("DELETE FROM batch_key_ended WHERE key_id = ANY($1::uuid[])", list(key_ids))


async def needed_keys(connection: Connection | Pool, key_ids: Sequence[BatchKeyId]) -> list[BatchKeyId]:
    """Return those of the keys that a batch needs, or whose end is noted."""
    rows = await connection.fetch(
        """SELECT key_id::text FROM batch WHERE key_id = ANY($1::uuid[])
           UNION SELECT key_id::text FROM batch_key_ended WHERE key_id = ANY($1::uuid[])""",
        list(key_ids),
    )
    return [row["key_id"] for row in rows]


async def keys_in_database(connection: Connection | Pool, *, limit: int) -> dict[BatchId, bytes]:
    """Return by batch the sealed keys that an earlier version kept in the database."""
    rows = await connection.fetch(
        "SELECT batch_id::text, sealed_key FROM batch WHERE sealed_key IS NOT NULL ORDER BY batch_id LIMIT $1", limit
    )
    return {row["batch_id"]: row["sealed_key"] for row in rows}


async def move_key(connection: Connection | Pool, batch_id: BatchId, key_id: BatchKeyId) -> None:
    """Note under which name a batch's key lies outside the database now."""
    await connection.execute(
        "UPDATE batch SET key_id = $2, sealed_key = NULL WHERE batch_id = $1 AND sealed_key IS NOT NULL",
        batch_id,
        key_id,
    )


async def that_may_quote(connection: Connection | Pool, *, limit: int) -> list[BatchId]:
    """Return batches whose refusals were kept by a version that quoted rows in them."""
    rows = await connection.fetch(
        "SELECT batch_id::text FROM batch WHERE may_quote_rows ORDER BY batch_id LIMIT $1", limit
    )
    return [row["batch_id"] for row in rows]


async def replace_problems(
    connection: Connection | Pool, batch_id: BatchId, sealed: Sequence[tuple[int, bytes]]
) -> None:
    """Put refusals that were sealed anew in place of the old ones."""
    await connection.execute(
        """UPDATE batch_row SET sealed_problem = new.sealed
           FROM unnest($2::integer[], $3::bytea[]) AS new (line, sealed)
           WHERE batch_row.batch_id = $1 AND batch_row.line = new.line""",
        batch_id,
        [line for line, _ in sealed],
        [content for _, content in sealed],
    )


async def note_quotes_nothing(connection: Connection | Pool, batch_id: BatchId) -> None:
    """Note that no refusal of a batch quotes a row any more; what its dry run noted goes."""
    await connection.execute(
        "UPDATE batch_row SET sealed_notes = NULL WHERE batch_id = $1 AND sealed_notes IS NOT NULL", batch_id
    )
    await connection.execute("UPDATE batch SET may_quote_rows = false WHERE batch_id = $1", batch_id)
