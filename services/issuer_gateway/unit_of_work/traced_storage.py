"""The storage of requests with spans for their transactions. Used only where traces are on."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from services.issuer_gateway.store.outbox import NewOutboxRow
from services.issuer_gateway.unit_of_work.storage import PostgresStorage
from services.persistence.postgres import Connection, Pool
from services.tracing import Tracing


class TracedRequestStorage(PostgresStorage):
    """The database of the gateway, with a span for each transaction and for what is put into the outbox."""

    def __init__(self, pool: Pool, tracing: Tracing) -> None:
        super().__init__(pool)
        self._tracing = tracing

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Run the block in one transaction; raises as `PostgresStorage.transaction`."""
        with self._tracing.span("database transaction"):
            async with super().transaction() as connection:
                yield connection

    async def enqueue(self, connection: Connection, rows: Sequence[NewOutboxRow]) -> None:
        """Put events into the outbox, in this order."""
        with self._tracing.span("outbox", attributes={"credentify.events": len(rows)}):
            await super().enqueue(connection, rows)
