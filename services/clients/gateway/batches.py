"""The gateway's batches, as calls: sent as a stream, followed, their results read as a stream."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, Literal

from proto.documents.fields import OnRepeat
from proto.ids import BatchId
from proto.tables.day_order import DayOrder
from proto.tables.dialect import Encoding
from proto.wire.batches import BatchAnswer, BatchPage, BatchProgress, BatchRow
from services.clients.http_client import HttpClient

BatchMedia = Literal[
    "text/csv",
    "application/x-ndjson",
    "application/json",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
]
_DATA = b"data: "


class BatchCalls(HttpClient):
    """Calls about batches. The same file under the same key goes on where it stopped; nothing is done twice."""

    async def issue_batch(
        self,
        rows: bytes | AsyncIterable[bytes],
        *,
        media_type: BatchMedia,
        key: str,
        is_dry_run: bool = False,
        on_repeat: OnRepeat | None = None,
        dates: DayOrder | None = None,
        encoding: Encoding | None = None,
    ) -> BatchAnswer:
        """Issue a list of awards: a result for each row, or where they will be (`rows_at`)."""
        query = {"dry_run": is_dry_run or None, "on_repeat": on_repeat, "dates": dates, "encoding": encoding}
        return await self._send("/v1/batches", rows, media_type=media_type, key=key, query=query)

    async def change_batch(
        self,
        rows: bytes | AsyncIterable[bytes],
        *,
        media_type: BatchMedia,
        key: str,
        is_dry_run: bool = False,
        dates: DayOrder | None = None,
        encoding: Encoding | None = None,
    ) -> BatchAnswer:
        """Revoke, suspend, reinstate and reissue a list of credentials."""
        query = {"dry_run": is_dry_run or None, "dates": dates, "encoding": encoding}
        return await self._send("/v1/batches/changes", rows, media_type=media_type, key=key, query=query)

    async def _send(
        self, path: str, rows: bytes | AsyncIterable[bytes], *, media_type: str, key: str, query: Mapping[str, Any]
    ) -> BatchAnswer:
        pieces = _one(rows) if isinstance(rows, bytes) else rows
        return await self.send_stream(path, BatchAnswer, pieces, media_type=media_type, key=key, query=query)

    async def batches(self, *, cursor: str | None = None, limit: int | None = None) -> BatchPage:
        """Return a page of the batches that were sent, the newest first."""
        return await self.call("GET", "/v1/batches", BatchPage, query={"cursor": cursor, "limit": limit})

    async def batch(self, batch_id: BatchId) -> BatchAnswer:
        """Return how far a batch is."""
        return await self.call("GET", f"/v1/batches/{batch_id}", BatchAnswer)

    async def cancel_batch(self, batch_id: BatchId) -> BatchAnswer:
        """Cancel a batch: what is done stays done."""
        return await self.call("DELETE", f"/v1/batches/{batch_id}", BatchAnswer)

    async def batch_rows(self, batch_id: BatchId, *, after: int | None = None) -> AsyncIterator[BatchRow]:
        """Yield the result of each row that is done, by line."""
        path = f"/v1/batches/{batch_id}/rows"
        async for line in self.lines("GET", path, query={"after": after}):
            yield self.decoded(line, BatchRow, path)

    async def batch_progress(self, batch_id: BatchId) -> AsyncIterator[BatchProgress]:
        """Yield how far a batch is whenever that changes (server-sent events, HTML Living Standard 9.2)."""
        path = f"/v1/batches/{batch_id}/events"
        async for line in self.lines("GET", path):
            if line.startswith(_DATA) and (data := line.removeprefix(_DATA).strip()) != b"{}":
                yield self.decoded(data, BatchProgress, path)


async def _one(rows: bytes) -> AsyncIterator[bytes]:
    yield rows
