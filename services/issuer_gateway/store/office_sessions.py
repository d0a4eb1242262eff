"""SQL of sessions of the office's pages that were signed out of. Keeps none that still goes on."""

from datetime import datetime

from services.persistence.postgres import Connection, Pool


async def end(connection: Connection | Pool, token_hash: bytes, ends_at: datetime) -> None:
    """Note that a session is over, until its cookie ends by itself; and forget those whose cookies have."""
    await connection.execute(
        """WITH forgotten AS (DELETE FROM ended_office_session WHERE ends_at <= now())
           INSERT INTO ended_office_session (token_hash, ends_at) VALUES ($1, $2) ON CONFLICT DO NOTHING""",
        token_hash,
        ends_at,
    )


async def is_over(connection: Connection | Pool, token_hash: bytes) -> bool:
    """Return whether a session was signed out of."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM ended_office_session WHERE token_hash = $1)", token_hash
    )
    return found
