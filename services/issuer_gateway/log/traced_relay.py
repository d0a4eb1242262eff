"""The relay with a span for each submission. Used only where traces are on."""

from collections.abc import Sequence
from typing import Any

from proto.wire.ledger import AppendLine
from services.issuer_gateway.log.relay import Relay, SubmitClient
from services.issuer_gateway.log.relay_storage import RelayStorage
from services.issuer_gateway.store import outbox
from services.tracing import Tracing


class TracedRelay(Relay):
    """Sends as `Relay` does, as part of the traces of the requests that put the events into the outbox."""

    def __init__(self, tracing: Tracing, storage: RelayStorage, client: SubmitClient, **parts: Any) -> None:
        super().__init__(storage, client, **parts)
        self._tracing = tracing

    async def _submit(self, waiting: Sequence[outbox.Pending]) -> list[AppendLine]:
        parents = self._origins.of(item.event_id for item in waiting)
        counts = {"credentify.events": len(waiting)}
        with self._tracing.span("relay outbox", parents=parents, attributes=counts):
            return await super()._submit(waiting)
