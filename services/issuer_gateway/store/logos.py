"""SQL of institutions' logos. Knows no picture's form."""

from proto.ids import InstitutionId
from services.persistence.postgres import Connection, Pool


async def exists(connection: Connection | Pool, institution_id: InstitutionId) -> bool:
    """Tell whether an institution has a logo."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM institution_logo WHERE institution_id = $1)", institution_id
    )
    return found


async def get(connection: Connection | Pool, institution_id: InstitutionId) -> bytes | None:
    """Return an institution's logo."""
    found: bytes | None = await connection.fetchval(
        "SELECT content FROM institution_logo WHERE institution_id = $1", institution_id
    )
    return found


async def keep(connection: Connection | Pool, institution_id: InstitutionId, content: bytes) -> None:
    """Keep a logo in place of the one before."""
    await connection.execute(
        """INSERT INTO institution_logo (institution_id, content) VALUES ($1, $2)
           ON CONFLICT (institution_id) DO UPDATE SET content = excluded.content, changed_at = now()""",
        institution_id,
        content,
    )


async def forget(connection: Connection | Pool, institution_id: InstitutionId) -> None:
    """Take an institution's logo away."""
    await connection.execute("DELETE FROM institution_logo WHERE institution_id = $1", institution_id)
