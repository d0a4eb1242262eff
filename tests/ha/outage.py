"""How long writing stood still while a fault went on: in the database alone, at the ledgers, and in what is published.

What the ledgers add to the database, and the signer to the ledgers, is ours. Brings nothing about, and judges nothing.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Sequence

import asyncpg
import msgspec

from services.persistence.postgres_errors import OUTAGE_ERRORS
from tests.ha.database import Database, Node

EVERY_SECONDS = 0.25
ASK_SECONDS = 2.0
COMMIT = "SELECT pg_logical_emit_message(true, 'outage', '') WHERE NOT pg_is_in_recovery()"


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """The longest stretch of seconds within a round in which nothing went through, by where it was looked at."""

    database_seconds: float
    """No commit was acknowledged to a client that asks all three nodes all the time."""
    appended_seconds: float
    """No ledger acknowledged an append."""
    published_seconds: float
    """No ledger showed a greater checkpoint."""


def longest_gap(moments: Sequence[float], began: float, ended: float) -> float:
    """Return the longest stretch without any of these moments between two others, in seconds."""
    marks = [began, *sorted(each for each in moments if began < each < ended), ended]
    return round(max(after - before for before, after in itertools.pairwise(marks)), 2)


@contextlib.asynccontextmanager
async def commits_watched(database: Database) -> AsyncIterator[list[float]]:
    """Commit all the time at whichever node takes it while the block runs; the list holds when one was acknowledged."""
    acknowledged: list[float] = []
    watching = [asyncio.create_task(_commit_at(database, node, acknowledged)) for node in database.nodes.values()]
    try:
        yield acknowledged
    finally:
        for each in watching:
            each.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def _commit_at(database: Database, node: Node, acknowledged: list[float]) -> None:
    while True:
        with contextlib.suppress(*OUTAGE_ERRORS, TimeoutError):
            connection = await asyncpg.connect(
                database.node_url(node), timeout=ASK_SECONDS, command_timeout=ASK_SECONDS
            )
            try:
                while True:
                    if await connection.fetchval(COMMIT) is not None:
                        acknowledged.append(time.monotonic())
                    await asyncio.sleep(EVERY_SECONDS)
            finally:
                connection.terminate()
        await asyncio.sleep(EVERY_SECONDS)
