"""SQL of what documents have in common, kept once by its digest. Nothing personal, nothing sealed."""

from collections.abc import Mapping

from services.persistence.postgres import Connection


async def keep(connection: Connection, parts: Mapping[bytes, bytes]) -> None:
    """Keep parts that are not there yet; in the order of their digests, so that two cannot wait for each other."""
    digests = sorted(parts)
    await connection.execute(
        """INSERT INTO document_part (digest, content)
           SELECT digest, content FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS new (digest, content, place)
           WHERE NOT EXISTS (SELECT FROM document_part AS kept WHERE kept.digest = new.digest)
           ORDER BY place
           ON CONFLICT DO NOTHING""",
        digests,
        [parts[digest] for digest in digests],
    )
