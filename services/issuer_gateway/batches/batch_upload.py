"""Takes a batch in as it arrives: small ones whole, large ones into sealed parts. Issues and changes nothing.

What is true if we crash here: before the last step there are parts without a batch, whose key is lost with the process;
they are swept. After it there is a batch, and the worker does it, whoever asked for it.
"""

import asyncio
import dataclasses
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Literal

import msgspec

from proto.documents.fields import OnRepeat
from proto.ids import ApiKeyId, BatchId
from proto.problem import InvalidProblem, MalformedProblem
from proto.tables.reading import Reading
from proto.tables.records import FileRecord
from proto.wire.batches import BATCH_ROWS_MAX
from services.issuer_gateway.batches.row_order import shuffled, whose_row
from services.issuer_gateway.batches.table import TableFile, Written
from services.issuer_gateway.batches.workbooks.workbook import Workbooks
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.batch_keys import BatchKey, BatchKeys
from services.issuer_gateway.store import batches
from services.issuer_gateway.unit_of_work.idempotency import KeyedRequest, OtherRequestProblem
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.issuer_gateway.waiting.signals import Signal
from services.persistence.postgres import Connection, Pool

JSON_LIST = "application/json"
_ENCODE_PART = msgspec.msgpack.Encoder().encode


class TooManyRowsProblem(InvalidProblem):
    """The batch has more rows than one batch may have."""

    slug = "too-many-rows"
    title = "The batch has too many rows"
    status = 413


class BatchPart(msgspec.Struct, frozen=True, array_like=True):
    """Some records of a file, and the names of its columns where it is CSV; sealed as msgpack."""

    header: tuple[str, ...]
    records: tuple[tuple[int, bytes], ...]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked to be done with a file."""

    kind: batches.Kind
    written: Written
    is_dry_run: bool
    may_issue: bool
    may_revoke: bool
    on_repeat: OnRepeat | None
    """What rows mean that do not say it themselves."""
    api_key_id: ApiKeyId
    may_be_held: bool
    """Whether a small file is handed back whole, to be answered at once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchUploads:
    """What uploads use. `called` tells the worker of a batch; one has at most `rows_max` rows."""

    pool: Pool
    unit_of_work: UnitOfWork
    writer: LogWriter
    batch_keys: BatchKeys
    workbooks: Workbooks
    called: Signal
    rows_max: int

    def begin(self, tenant: Tenant, request: Request) -> "Upload":
        """Return a file that is about to arrive."""
        return Upload(self, tenant, request)


class Upload:
    """One file that arrives: `receive` it, then `finish` with the request's fingerprint."""

    def __init__(self, by: "BatchUploads", tenant: Tenant, request: Request) -> None:
        self._by = by
        self._tenant = tenant
        self._request = request
        self._form: Literal["csv", "ndjson"] = "csv" if request.written.is_table else "ndjson"
        self._file = TableFile(request.kind, request.written, by.workbooks)
        self._digest = hashlib.sha256()
        self._records: list[FileRecord] = []
        self._records_bytes = 0
        self._is_held = request.may_be_held
        self._held = bytearray()
        self._key = BatchKey.fresh()
        self._sealed: list[bytes] = []
        self._part_count = 0
        self.batch_id = BatchId(str(uuid.uuid4()))
        self.row_count = 0

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole file."""
        return self._digest.digest()

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of a table."""
        return self._file.header

    @property
    def reading(self) -> Reading:
        """How the cells of a table are to be read, once it is received."""
        return self._file.reading

    @property
    def records(self) -> Sequence[FileRecord]:
        """The rows of a file that is held."""
        return self._records

    async def receive(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        """Take the file in; return it where it is small enough to be answered at once, else None.

        Raises `TooManyRowsProblem`, `MalformedProblem` where it has no rows, and what `TableFile.records` raises:
        nothing is left of the file then.
        """
        try:
            async for records in self._file.records(self._watched(chunks)):
                await self._take(records)
            self._check_rows()
            if self._is_held:
                return bytes(self._held)
            await self._store_records()
            await self._store_parts()
        except BaseException:
            await self.forget()
            raise
        return None

    async def _watched(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield a file's chunks; count them into the digest, and hold them while there are few."""
        async for chunk in chunks:
            self._digest.update(chunk)
            if self._is_held:
                self._held += chunk
                self._is_held = len(self._held) <= LIMITS.batch_held_bytes_max
            yield chunk
            if not self._is_held:
                self._held.clear()

    async def _take(self, records: Sequence[FileRecord]) -> None:
        for record in records:
            self.row_count += 1
            if self.row_count > self._by.rows_max:
                raise TooManyRowsProblem(f"A batch has at most {self._by.rows_max} rows, this one has more: divide it")
            self._is_held = self._is_held and self.row_count <= BATCH_ROWS_MAX
            self._records.append(record)
            self._records_bytes += len(record.content)
            if not self._is_held and self._records_bytes >= LIMITS.batch_shuffled_bytes_max:
                await self._store_records()

    def _check_rows(self) -> None:
        if self.row_count == 0:
            raise MalformedProblem("The batch has no rows")

    async def _store_records(self) -> None:
        """Seal the records that have gathered, by lot, in parts that are worked on in one transaction each."""
        header = self._file.header
        ordered = await asyncio.to_thread(shuffled, self._records, lambda record: whose_row(header, record))
        for some in in_parts(ordered):
            part = BatchPart(self._file.header, tuple((record.line, record.content) for record in some))
            number = self._part_count + len(self._sealed)
            self._sealed.append(self._key.data.seal(_ENCODE_PART(part), "batch-part", part_name(self.batch_id, number)))
            if len(self._sealed) >= LIMITS.batch_parts_stored_at_once:
                await self._store_parts()
        self._records.clear()
        self._records_bytes = 0

    async def _store_parts(self) -> None:
        if self._sealed:
            first, self._part_count = self._part_count, self._part_count + len(self._sealed)
            await batches.add_parts(self._by.pool, self.batch_id, first, self._sealed)
            self._sealed.clear()

    async def forget(self) -> None:
        """Take away what was stored of the file."""
        if self._part_count:
            await batches.drop_parts(self._by.pool, self.batch_id)

    async def finish(self, keyed: KeyedRequest) -> batches.BackgroundBatch:
        """Let the batch be worked on and return it, or the one that the same request has made already.

        Raises `OtherRequestProblem` where the key belongs to another request, and what `require_admitted` raises:
        nothing is left of the file then.
        """
        try:
            await self._by.writer.require_admitted(self._tenant)
        except BaseException:
            await self.forget()
            raise
        new = batches.NewBatch(
            batch_id=self.batch_id,
            institution_id=self._tenant.institution_id,
            key_fingerprint=keyed.key_fingerprint,
            request_fingerprint=keyed.request_fingerprint,
            row_count=self.row_count,
            kind=self._request.kind,
            is_dry_run=self._request.is_dry_run,
            media_type=self._form,
            may_issue=self._request.may_issue,
            api_key_id=self._request.api_key_id,
            on_repeat=self._request.on_repeat,
            may_revoke=self._request.may_revoke,
            key_id=self._key.key_id,
            reading=batches.reading_text(self._file.reading),
        )

        async def work(connection: Connection) -> tuple[bool, batches.BackgroundBatch | None]:
            is_new = await batches.add(connection, new)
            return is_new, await batches.by_key(connection, new.institution_id, new.key_fingerprint)

        await self._by.batch_keys.keep(self._key)
        is_new, batch = await self._by.unit_of_work.in_transaction(work)
        assert batch is not None, "it was added, or was there"
        if not is_new:
            await self.forget()
            await self._by.batch_keys.destroy([self._key.key_id])
        if batch.request_fingerprint != keyed.request_fingerprint:
            raise OtherRequestProblem(
                "The key was sent before, with another batch or by another API key; take a new key for a new batch"
            )
        self._by.called.fire()
        return batch


def in_parts(records: Sequence[FileRecord]) -> Iterator[list[FileRecord]]:
    """Yield records, in their order, in parts that have a bounded number of rows and of bytes, of at least one each."""
    part: list[FileRecord] = []
    bytes_left = LIMITS.batch_part_bytes_max
    for record in records:
        if part and (len(part) == LIMITS.batch_part_rows or len(record.content) > bytes_left):
            yield part
            part, bytes_left = [], LIMITS.batch_part_bytes_max
        part.append(record)
        bytes_left -= len(record.content)
    if part:
        yield part


def part_name(batch_id: BatchId, number: int) -> str:
    """Return what a part is sealed for."""
    return f"{batch_id}\n{number}"
