"""What the batch worker asks of its storage, and PostgreSQL as that storage. Reads no row of a list.

The simulation of faults (tests/fault) puts another storage under the same worker, so this is all that it touches.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from proto.ids import BatchId
from proto.wire.batches import BatchState
from services.issuer_gateway.keys.batch_keys import EndedKeys, PostgresEndedKeys
from services.issuer_gateway.store import batches
from services.issuer_gateway.store.batches import BackgroundBatch, RowResult
from services.persistence.postgres import Connection, Pool, kept_alive, transaction


class BatchStorage(EndedKeys, Protocol):
    """Where batches wait: all of a transaction is kept or nothing, and what is committed stays."""

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Run the block in one transaction; raises what `postgres.transaction` raises."""
        ...

    def kept_alive(self, connection: Connection) -> AbstractAsyncContextManager[None]:
        """Keep the transaction while the block works, which leaves the connection alone, however slow the machine."""
        ...

    async def take(self, connection: Connection, *, but: Sequence[BatchId] = ()) -> BackgroundBatch | None:
        """Return the batch that waited longest for its turn, for this transaction alone; None where there is none.

        Those of `but` are passed over.
        """
        ...

    async def next_parts(self, connection: Connection, batch_id: BatchId) -> list[tuple[int, bytes]]:
        """Return the first two parts that are left, with their numbers."""
        ...

    async def keep_results(
        self, connection: Connection, batch_id: BatchId, part: int, results: Sequence[RowResult]
    ) -> None:
        """Put the results of a part's rows in its place, count them, and give the next batch its turn."""
        ...

    async def end(self, connection: Connection, batch_id: BatchId, state: BatchState) -> None:
        """End a batch that is not over; what is left of its input goes, and its key is noted to be destroyed."""
        ...

    async def sweep(self, *, hours: int) -> None:
        """Take away parts of uploads that broke off so many hours ago."""
        ...


class PostgresBatchStorage(PostgresEndedKeys):
    """The database of the gateway as that storage."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._pool = pool

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Run the block in one transaction; raises what `postgres.transaction` raises."""
        return transaction(self._pool)

    def kept_alive(self, connection: Connection) -> AbstractAsyncContextManager[None]:
        """Keep the transaction while the block works, which leaves the connection alone, however slow the machine."""
        return kept_alive(connection)

    async def take(self, connection: Connection, *, but: Sequence[BatchId] = ()) -> BackgroundBatch | None:
        """Return the batch that waited longest for its turn, for this transaction alone; None where there is none."""
        return await batches.take(connection, but=but)

    async def next_parts(self, connection: Connection, batch_id: BatchId) -> list[tuple[int, bytes]]:
        """Return the first two parts that are left, with their numbers."""
        return await batches.next_parts(connection, batch_id)

    async def keep_results(
        self, connection: Connection, batch_id: BatchId, part: int, results: Sequence[RowResult]
    ) -> None:
        """Put the results of a part's rows in its place, count them, and give the next batch its turn."""
        counts = RowCounts.of(results)
        await batches.add_results(connection, batch_id, results)
        await batches.count(
            connection, batch_id, accepted=counts.accepted, refused=counts.refused, repeated=counts.repeated
        )
        await batches.drop_part(connection, batch_id, part)

    async def end(self, connection: Connection, batch_id: BatchId, state: BatchState) -> None:
        """End a batch that is not over; what is left of its input goes, and its key is noted to be destroyed."""
        await batches.end(connection, batch_id, state)
        await batches.drop_parts(connection, batch_id)

    async def sweep(self, *, hours: int) -> None:
        """Take away parts of uploads that broke off so many hours ago."""
        await batches.sweep(self._pool, hours=hours)


class RowCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were taken, refused, and found to be done before."""

    accepted: int
    refused: int
    repeated: int

    @classmethod
    def of(cls, results: Sequence[RowResult]) -> "RowCounts":
        """Count the results of rows."""
        refused = sum(result.sealed_problem is not None for result in results)
        repeated = sum(result.is_repeated for result in results)
        return cls(accepted=len(results) - refused - repeated, refused=refused, repeated=repeated)
