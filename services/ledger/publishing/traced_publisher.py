"""The publisher with a span for each new checkpoint. Used only where traces are on."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from services.call_context import CallContext
from services.ledger.publishing.publisher import Publisher
from services.persistence.postgres_session import Session
from services.tracing import Tracing


class TracedPublisher(Publisher):
    """Publishes as `Publisher` does; what was committed since is what a publication is part of."""

    def __init__(self, *arguments: Any, **parts: Any) -> None:
        super().__init__(*arguments, **parts)
        self._tracing: Tracing | None = None
        self._take_unpublished: Callable[[], Sequence[CallContext]] = tuple

    def trace(self, tracing: Tracing, take_unpublished: Callable[[], Sequence[CallContext]]) -> None:
        """Make spans by `tracing` from now on; `take_unpublished` gives the batches that the next one is part of."""
        self._tracing, self._take_unpublished = tracing, take_unpublished

    async def publish_once(self, connection: Session) -> None:
        """Publish and raise as `Publisher.publish_once`; the same checkpoint again is no span."""
        size, started_ns = self._publication.size, time.time_ns()
        error: BaseException | None = None
        try:
            await super().publish_once(connection)
        except BaseException as raised:
            error = raised
            raise
        finally:
            if self._tracing is not None and (error is not None or self._publication.size > size):
                self._tracing.record(
                    "publish",
                    started_ns=started_ns,
                    parents=self._take_unpublished(),
                    attributes={"credentify.tree_size": self._publication.size},
                    error=error,
                )
