"""SQL of locks on whatever has a name, held until the transaction ends. Knows no table.

All that one call names is taken in one fixed order, so that two who name the same cannot wait for each other.
"""

import hashlib
from collections.abc import Iterable

from services.persistence.postgres import Connection

_KEY_BYTES = 8
_LOCK = "SELECT pg_advisory_xact_lock(key) FROM (SELECT unnest($1::bigint[]) AS key ORDER BY 1) AS ordered"
_SHARE = "SELECT pg_advisory_xact_lock_shared(key) FROM (SELECT unnest($1::bigint[]) AS key ORDER BY 1) AS ordered"


def digest_of(*words: str) -> bytes:
    """Return the name of a lock: the first word says what is locked, the others which."""
    return hashlib.sha256("\n".join(words).encode()).digest()


async def lock(connection: Connection, names: Iterable[bytes]) -> None:
    """Let nobody else lock or share these until the transaction ends. Names are digests, or begin as one does."""
    await connection.execute(_LOCK, _keys(names))


async def share(connection: Connection, names: Iterable[bytes]) -> None:
    """Let nobody lock these until the transaction ends; others may share them. Names are as in `lock`."""
    await connection.execute(_SHARE, _keys(names))


def _keys(names: Iterable[bytes]) -> list[int]:
    return sorted({int.from_bytes(name[:_KEY_BYTES], signed=True) for name in names})
