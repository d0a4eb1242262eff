"""What the write path asks of its storage, and PostgreSQL as that storage. Decides nothing and knows no HTTP.

The simulation of faults (tests/fault) puts another storage under the same sequencer, so this is all that it touches.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from proto.envelope import Opened
from proto.ids import Did, EventId
from proto.lifecycle import Book, Needs
from proto.log.tile_edge import Growth
from proto.wire.ledger import Appended
from services.ledger import store
from services.ledger.domain import Head, NewEntry
from services.ledger.publishing.freezing import refused_if_frozen
from services.ledger.store import Tail
from services.persistence import postgres, postgres_states
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_errors import DATABASE_ERRORS


class Transaction(Protocol):
    """One transaction of the write path, in the order in which the sequencer uses it."""

    async def locked_head(self) -> tuple[Head, int]:
        """Lock the end of the log until the transaction ends; return it, and the storage's clock in milliseconds."""
        ...

    async def clock_ms(self) -> int:
        """Return the storage's clock in milliseconds; whoever asks is known to move, and keeps the end of the log."""
        ...

    async def tail(self) -> Tail:
        """Return the right edge of the tree and the last entry."""
        ...

    async def load_all(self, book: Book, batch: Sequence[Opened]) -> None:
        """Put everything that deciding the batch reads into the book."""
        ...

    async def places(self, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
        """Return where those of the events stand that are on the log."""
        ...

    async def append(self, entries: Sequence[NewEntry], growth: Growth, received_at_ms: int) -> None:
        """Write the entries, the tiles that became full, the right edge and the head."""
        ...

    async def save(self, book: Book) -> None:
        """Write the states that changed in the book."""
        ...


class Storage(Protocol):
    """Where the log is kept: all of a transaction is kept or nothing, and what is committed stays."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Run the block in one transaction; raises what `postgres.transaction` raises."""
        ...

    async def places(self, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
        """Return where those of the events stand that are on the log, and stay there whatever happens.

        Raises `NotConfirmedProblem` where that is not known: whoever is told a place relies on it.
        """
        ...

    async def load_issuers(self, book: Book, owners: set[Did]) -> None:
        """Put these issuers into the book."""
        ...


class PostgresStorage:
    """The ledger's database. A session that holds the head and has waited `frozen_after_ms` for its client is ended."""

    def __init__(self, pool: Pool, *, frozen_after_ms: int) -> None:
        self._pool = pool
        self._frozen_after_ms = frozen_after_ms

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run the block in one transaction on a connection of the pool; raises `LogFrozenProblem` at a frozen log."""
        async with refused_if_frozen(self._pool), postgres.transaction(self._pool) as connection:
            yield _PostgresTransaction(self._pool, connection, self._frozen_after_ms)

    async def places(self, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
        """Return where those of the events stand that are on the log; raises what `store.kept_places` raises."""
        return await store.kept_places(self._pool, event_ids)

    async def load_issuers(self, book: Book, owners: set[Did]) -> None:
        """Put these issuers into the book."""
        async with self._pool.acquire() as connection:
            await postgres_states.load(connection, book, Needs(issuers=owners))


class _PostgresTransaction:
    """The tables through one connection that is in a transaction."""

    def __init__(self, pool: Pool, connection: Connection, frozen_after_ms: int) -> None:
        self._pool = pool
        self._connection = connection
        self._frozen_after_ms = frozen_after_ms

    async def locked_head(self) -> tuple[Head, int]:
        """Lock the head, and meanwhile end the session of a holder whose process does not move.

        The server's own time-out ends a session that is idle in its transaction, but none that is stuck in sending a
        large answer to a frozen process: only `pg_terminate_backend` reaches that one.
        """
        watching = asyncio.create_task(self._end_frozen_holders(postgres.backend_pid(self._connection)))
        try:
            return await store.locked_head(self._connection)
        finally:
            watching.cancel()  # and not waited for: from here on others wait for us

    async def _end_frozen_holders(self, pid: int) -> None:
        """Look again and again, on another connection, at who blocks the session `pid`."""
        while True:
            await asyncio.sleep(self._frozen_after_ms / 4_000)
            with contextlib.suppress(*DATABASE_ERRORS):
                await store.end_frozen(self._pool, blocked_pid=pid, frozen_after_ms=self._frozen_after_ms)

    async def clock_ms(self) -> int:
        """Return the storage's clock in milliseconds; whoever asks is known to move, and keeps the end of the log."""
        return await store.clock_ms(self._connection)

    async def tail(self) -> Tail:
        """Return the right edge of the tree and the last entry."""
        return await store.tail(self._connection)

    async def load_all(self, book: Book, batch: Sequence[Opened]) -> None:
        """Put everything that deciding the batch reads into the book."""
        await postgres_states.load_all(self._connection, book, batch)

    async def places(self, event_ids: Iterable[EventId]) -> dict[EventId, Appended]:
        """Return where those of the events stand that are on the log."""
        return await store.places(self._connection, event_ids)

    async def append(self, entries: Sequence[NewEntry], growth: Growth, received_at_ms: int) -> None:
        """Write the entries, the tiles that became full, the right edge and the head."""
        await store.append(self._connection, entries, growth, received_at_ms)

    async def save(self, book: Book) -> None:
        """Write the states that changed in the book."""
        await postgres_states.save(self._connection, book, with_events=False)
