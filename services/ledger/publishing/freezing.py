"""The end of a log's growth: nothing is appended any more, the last checkpoint stays. Signs and appends nothing.

The row that says so is written while the head of the log is locked, so no batch is under way, and a trigger on the head
refuses what any sequencer tries afterwards. There is no way back: a successor may have begun with what is here. So
nobody is told of an end that a failover could still undo: the old log would grow on behind its successor's back.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec

from proto.ids import TreeSize
from proto.problem import ConflictProblem, UnavailableProblem
from services.ledger import store
from services.ledger.config import Config, pool_limits
from services.ledger.store import Reader, StoredCheckpoint
from services.persistence import postgres
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_errors import RESTRICTED_ERRORS, CommitUnknownError, NotConfirmedProblem

POLL_SECONDS = 0.1
_FROZEN = "SELECT successor FROM frozen"
_FREEZE = """
    INSERT INTO frozen (successor) VALUES ($1)
    ON CONFLICT (is_only) DO UPDATE SET successor = coalesce(excluded.successor, frozen.successor)"""


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """The log takes nothing more; `successor` is what the operator said of where it goes on, if anything."""

    successor: str | None


class LogFrozenProblem(ConflictProblem):
    """The log was frozen: no event can be appended to it ever again."""

    slug = "log-frozen"
    title = "The log is closed for new entries"

    def __init__(self, frozen: Frozen) -> None:
        where = (
            f"It is continued by {frozen.successor}: sign the event anew for that log"
            if frozen.successor
            else "Its operator has not said yet which log continues it"
        )
        members = {"final": True} | ({"successor": frozen.successor} if frozen.successor else {})
        super().__init__(f"This log was frozen and stays readable. {where}", members=members)


class LastCheckpointProblem(UnavailableProblem):
    """The log is frozen, but its last entries are not published yet."""

    slug = "last-checkpoint"
    title = "The last checkpoint is not published yet"


class FreezeNotConfirmedProblem(UnavailableProblem):
    """The log is frozen on the primary of its database alone, if at all, so a failover could undo it."""

    slug = "freeze-not-confirmed"
    title = "The end of the log is not confirmed yet"

    def __init__(self) -> None:
        super().__init__(
            "No synchronous standby has confirmed that the log ends here, so a failover could undo it. Open no "
            "successor yet; run this again once a standby answers"
        )


async def frozen(reader: Reader) -> Frozen | None:
    """Return that the log is frozen, or None while it grows."""
    row = await reader.fetchrow(_FROZEN)
    return Frozen(successor=row["successor"]) if row else None


@contextlib.asynccontextmanager
async def refused_if_frozen(pool: Pool) -> AsyncIterator[None]:
    """Say of a batch that the database refused why it did: raises `LogFrozenProblem` if the log was frozen.

    Asked afterwards only, so a log that grows pays nothing for it.
    """
    try:
        yield
    except RESTRICTED_ERRORS as error:
        if found := await frozen(pool):
            raise LogFrozenProblem(found) from error
        raise


async def freeze(config: Config, *, successor: str | None, wait_seconds: float) -> StoredCheckpoint:
    """Freeze the log, now and for ever, and return its last checkpoint once the signer has published it.

    Freezing again names the successor. Raises `FreezeNotConfirmedProblem` where no standby confirms in time, and
    `LastCheckpointProblem` where nobody signs within `wait_seconds`: the log is frozen then all the same.
    """
    async with postgres.connected(
        config.database_url, application_name="credentify-freeze", limits=pool_limits(config)
    ) as connection:
        try:
            # (1) The row, behind the last entry: after a crash the log is frozen, or it grows on.
            async with postgres.session_transaction(connection):
                head, _ = await store.locked_head(connection)
                await connection.execute(_FREEZE, successor)
            # (2) A COMMIT whose wait was cut off may be there, and be lost: only what is confirmed is an end.
            await postgres.confirm_commits(connection)
        except (CommitUnknownError, NotConfirmedProblem) as error:
            raise FreezeNotConfirmedProblem from error
        # (3) The signer publishes what is committed; asked again after a crash, it is there.
        return await _last_checkpoint(connection, head.size, wait_seconds=wait_seconds)


async def _last_checkpoint(connection: Connection, size: TreeSize, *, wait_seconds: float) -> StoredCheckpoint:
    deadline = time.monotonic() + wait_seconds
    while True:
        published = await store.last_checkpoint(connection)
        if published is not None and published.size == size:
            return published
        if time.monotonic() >= deadline:
            raise LastCheckpointProblem(
                f"The log is frozen at {size} entries, of which {published.size if published else 0} are published. "
                "Start the ledger that holds the log's key, then run this again"
            )
        await asyncio.sleep(POLL_SECONDS)
