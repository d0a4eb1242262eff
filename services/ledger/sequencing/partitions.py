"""Keeps room for entries: the next partition is made when the last is half full. Appends nothing.

The tables belong to the owner's role; the running role may only call the function that makes the next one.
"""

import asyncio
import contextlib

from services.edge.log import Log
from services.ledger import store
from services.ledger.store import Reader
from services.persistence.postgres import Pool
from services.persistence.postgres_errors import DATABASE_ERRORS

LOOK_EVERY_SECONDS = 60.0
_MAKE_ROOM = "SELECT make_room($1)"


async def make_room(reader: Reader) -> int:
    """Make the next partition if it is time, and return how many entries there is room for beyond the head."""
    head = await store.head(reader)
    return int(await reader.fetchval(_MAKE_ROOM, head.size if head else 0))


async def keep_room(pool: Pool, log: Log) -> None:
    """Look again and again, for ever; half a partition is a long time even for a busy log."""
    while True:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        try:
            await make_room(pool)
        except DATABASE_ERRORS as error:
            with contextlib.suppress(OSError):
                log.failure("no_room_made", error)
