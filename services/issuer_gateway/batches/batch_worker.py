"""Works on batches in the background, a part of one in each transaction, wherever the last process left off.

What is true if we crash here: a part and its rows' results change places in one transaction, together with the events
and documents that the rows made. Before its COMMIT none of its rows has happened, after it all have, and it is gone.
"""

import asyncio
import dataclasses
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from proto.ids import BatchId
from proto.problem import MalformedProblem, Problem, UnavailableProblem
from proto.tables.changes_csv import ChangeRow, NumberedChange
from proto.tables.records import FileRecord
from services.edge import Log
from services.edge.body import Turns
from services.edge.log import fault_values
from services.issuer_gateway.batches.batch_changes import ChangeMany
from services.issuer_gateway.batches.batch_dry_run import DryRun
from services.issuer_gateway.batches.batch_storage import BatchStorage, RowCounts
from services.issuer_gateway.batches.batch_upload import BatchPart, part_name
from services.issuer_gateway.batches.parts_ahead import PartsAhead
from services.issuer_gateway.batches.row_problems import document_of
from services.issuer_gateway.batches.rows import award_row, change_row, meant
from services.issuer_gateway.batches.small_batch import found_before, row_repeated
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.credentials.decide_awards import DecideAwards
from services.issuer_gateway.credentials.earlier_awards import content_of
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.prepare_rows import ROWS_AT_A_TIME, PrepareRows, ReadRow
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain.places_at_hand import lending
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.batch_keys import BatchKeys
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.metrics import AwardMetrics
from services.issuer_gateway.store import batch_fingerprints, batches, tenants
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.issuer_gateway.waiting.signals import Signal
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_errors import LASTING_ERRORS, OUTAGE_ERRORS

_DECODE_PART = msgspec.msgpack.Decoder(BatchPart).decode
_ENCODE = msgspec.json.Encoder().encode
_POLL_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_REST_SECONDS = 5.0
"""For which a batch that cannot be worked on now (its institution has no key, others hold its rows) lets others go."""
_SWEEP_SECONDS = 3_600.0
_FINGERPRINT_BYTES = 16
_PASSING = (*OUTAGE_ERRORS, UnavailableProblem)


class _BrokenBatchError(Exception):
    """A part cannot be worked on, and never will be."""

    def __init__(self, batch_id: BatchId) -> None:
        super().__init__(batch_id)
        self.batch_id = batch_id


class _RestingBatchError(Exception):
    """A part cannot be worked on now."""


class BatchWorker:
    """The one task of a process that works on batches; several processes share them by the rows' locks."""

    def __init__(
        self,
        storage: BatchStorage,
        parts: "RowWork",
        *,
        batch_keys: BatchKeys,
        called: Signal,
        moved: Signal,
        log: Log,
        metrics: AwardMetrics,
    ) -> None:
        self._storage = storage
        self._parts = parts
        self._batch_keys = batch_keys
        self._called = called
        self._moved = moved
        self._log = log
        self._metrics = metrics
        self._ahead = PartsAhead(self._prepared)
        self._swept_at = 0.0
        self._rests_until: dict[BatchId, float] = {}

    async def run(self) -> None:
        """Work for ever; ends by cancellation only. Outages are waited out, a batch that breaks us is ended."""
        try:
            while True:
                await self._turn()
        finally:
            await self._ahead.close()

    async def _turn(self) -> None:
        try:
            if not await self.step():
                await self._sweep()
                await self._called.wait(_POLL_SECONDS)
        except _BrokenBatchError as error:
            await self._give_up(error)
        except _RestingBatchError as error:
            self._log.failure("batch_waits", error.__cause__ if isinstance(error.__cause__, Exception) else error)
        except _PASSING as error:
            self._log.failure("batch_database", error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def step(self) -> bool:
        """Do the next part of the batch that waited longest; False where there is nothing to do."""
        started = time.perf_counter()
        async with self._storage.transaction() as connection:
            batch = await self._storage.take(connection, but=self._resting())
            if batch is None:
                return False
            try:
                results = await self._part(connection, batch)
            except Exception as error:
                if isinstance(error, OUTAGE_ERRORS) and not isinstance(error, LASTING_ERRORS):
                    raise
                if isinstance(error, UnavailableProblem):  # of this batch, perhaps: it must not hold up the others
                    self._rests_until[batch.batch_id] = asyncio.get_running_loop().time() + _REST_SECONDS
                    raise _RestingBatchError(batch.batch_id) from error
                raise _BrokenBatchError(batch.batch_id) from error
        await self._batch_keys.destroy_ended(self._storage)
        seconds = time.perf_counter() - started
        self._log.event("batch_part", kind=batch.kind, rows=len(results), milliseconds=round(seconds * 1000))
        if not batch.is_dry_run:
            self._count(RowCounts.of(results))
        self._parts.call_relay()
        self._moved.fire()
        return True

    def _resting(self) -> list[BatchId]:
        now = asyncio.get_running_loop().time()
        self._rests_until = {each: until for each, until in self._rests_until.items() if until > now}
        return list(self._rests_until)

    async def _part(self, connection: Connection, batch: batches.BackgroundBatch) -> list[batches.RowResult]:
        """Do one part, or end the batch where none is left; return what became of its rows."""
        found = await self._storage.next_parts(connection, batch.batch_id)
        if not found or batch.key_id is None:
            await self._storage.end(connection, batch.batch_id, "finished")
            return []
        self._parts.check_followed()
        async with self._storage.kept_alive(connection):
            prepared = await self._ahead.taken(batch, *found[0])
            for following in found[1:]:
                await self._ahead.begin(batch, *following)
        results = await self._parts.results(connection, batch, prepared)
        await self._storage.keep_results(connection, batch.batch_id, found[0][0], results)
        return results

    async def _prepared(self, batch: batches.BackgroundBatch, number: int, sealed: bytes) -> "PreparedPart":
        """Return a part with all that needs no transaction done; raises `_BrokenBatchError` without its key."""
        key = await self._batch_keys.of(batch.key_id) if batch.key_id is not None else None
        if key is None:  # the database is from before the key was destroyed: what the batch did since is on the log
            raise _BrokenBatchError(batch.batch_id)
        part = _DECODE_PART(key.data.open(sealed, "batch-part", part_name(batch.batch_id, number)))
        return await self._parts.prepare(batch, part, key.fingerprint_key)

    def _count(self, counts: RowCounts) -> None:
        self._metrics.batch_rows.labels("accepted").inc(counts.accepted)
        self._metrics.batch_rows.labels("refused").inc(counts.refused)
        self._metrics.batch_rows.labels("already-awarded").inc(counts.repeated)

    async def _give_up(self, error: _BrokenBatchError) -> None:
        """End a batch as failed: what was done stays done, and the others go on."""
        self._log.failure("batch_failed", **fault_values(error))
        try:
            async with self._storage.transaction() as connection:
                await self._storage.end(connection, error.batch_id, "failed")
            await self._batch_keys.destroy_ended(self._storage)
        except _PASSING as trouble:
            self._log.failure("batch_database", trouble)
            await asyncio.sleep(_PAUSE_SECONDS)
        self._moved.fire()

    async def _sweep(self) -> None:
        """Take away what uploads that broke off have left."""
        now = time.monotonic()
        if not self._swept_at or now - self._swept_at > _SWEEP_SECONDS:
            self._swept_at = now
            await self._storage.sweep(hours=LIMITS.batch_parts_kept_hours)
            await self._batch_keys.sweep(self._storage)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreparedPart:
    """A part with what could be done for its rows before anything is decided, by line; `key` is for fingerprints."""

    part: BatchPart
    key: bytes
    tenant: Tenant
    fingerprints: Mapping[int, bytes] = dataclasses.field(default_factory=dict)
    items: Mapping[int, PreparedAward] = dataclasses.field(default_factory=dict)
    changes: Mapping[int, ChangeRow] = dataclasses.field(default_factory=dict)
    refused: Mapping[int, Problem] = dataclasses.field(default_factory=dict)


class RowWork(Protocol):
    """What does the rows of parts."""

    def check_followed(self) -> None:
        """Raise `LogNotFollowedProblem` where nothing is said to the log now."""
        ...

    async def prepare(self, batch: batches.BackgroundBatch, part: BatchPart, key: bytes) -> PreparedPart:
        """Return a part with all that needs no transaction done; `key` is for fingerprints."""
        ...

    async def results(
        self, connection: Connection, batch: batches.BackgroundBatch, prepared: PreparedPart
    ) -> list[batches.RowResult]:
        """Do the rows of a part in this transaction; return a result for each, by line."""
        ...

    def call_relay(self) -> None:
        """Have what the rows said sent now, and wait for nothing."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartWork:
    """What the rows of parts use."""

    pool: Pool
    writer: LogWriter
    rows: PrepareRows
    decide: DecideAwards
    issue: IssueCredential
    changes: ChangeMany
    keystore: Keystore

    def check_followed(self) -> None:
        """Raise `LogNotFollowedProblem` where nothing is said to the log now."""
        self.writer.check_followed()

    async def prepare(self, batch: batches.BackgroundBatch, part: BatchPart, key: bytes) -> PreparedPart:
        """Return a part with its rows read and, of awards, with their documents made."""
        tenant = await tenants.by_id(self.pool, batch.institution_id)
        records = [FileRecord(line, content) for line, content in part.records]
        reading = batches.reading_of(batch.reading)
        if batch.kind == "changes":
            return _read_changes(batch, tenant, part, records, key=key)
        rows: list[ReadRow] = []
        said: dict[int, bytes] = {}
        for start in range(0, len(records), ROWS_AT_A_TIME):
            await asyncio.sleep(0)
            some = [award_row(part.header, record, reading) for record in records[start : start + ROWS_AT_A_TIME]]
            some = meant(some, on_repeat=batch.on_repeat, may_revoke=batch.may_revoke)
            said |= {row.line: content_of(row.award, tenant.zone) for row in some if row.award is not None}
            rows += some
        items, refused = await self.rows.prepare(
            tenant, rows, self.writer.now(), is_dry=batch.is_dry_run, api_key_id=batch.api_key_id
        )
        fingerprints = {line: _fingerprint(content, key) for line, content in said.items()}
        return PreparedPart(part=part, key=key, tenant=tenant, fingerprints=fingerprints, items=items, refused=refused)

    async def results(
        self, connection: Connection, batch: batches.BackgroundBatch, prepared: PreparedPart
    ) -> list[batches.RowResult]:
        """Do the rows of a part in this transaction; return a result for each, by line."""
        return await _Work(self, connection, batch, prepared).done()

    def call_relay(self) -> None:
        """Have what the rows said sent now, and wait for nothing."""
        self.writer.call_relay()


def _read_changes(
    batch: batches.BackgroundBatch, tenant: Tenant, part: BatchPart, records: Sequence[FileRecord], *, key: bytes
) -> PreparedPart:
    reading = batches.reading_of(batch.reading)
    changes: dict[int, ChangeRow] = {}
    refused: dict[int, Problem] = {}
    for row in (change_row(part.header, record, reading, tenant.zone) for record in records):
        if isinstance(row, NumberedChange):
            changes[row.line] = row.change
        else:
            refused[row.line] = row.problem or MalformedProblem("The row cannot be read")
    is_csv = batch.media_type == "csv"
    fingerprints = {record.line: _fingerprint(record.content, key) for record in records} if is_csv else {}
    return PreparedPart(part=part, key=key, tenant=tenant, fingerprints=fingerprints, changes=changes, refused=refused)


class _Work:
    """The rows of one part, from what was prepared to results."""

    def __init__(
        self, by: "PartWork", connection: Connection, batch: batches.BackgroundBatch, prepared: PreparedPart
    ) -> None:
        self._by = by
        self._connection = connection
        self._batch = batch
        self._prepared = prepared
        self._tenant = prepared.tenant
        self._contents = dict(prepared.part.records)
        self._results: dict[int, batches.RowResult] = {}

    async def done(self) -> list[batches.RowResult]:
        """Return a result for each record of the part, by line."""
        fingerprints = self._prepared.fingerprints
        repeated = await self._repeated(fingerprints)
        refused = self._prepared.refused
        await self._refuse({line: problem for line, problem in refused.items() if line not in repeated})
        if self._batch.kind == "awards":
            await self._issue({line: item for line, item in self._prepared.items.items() if line not in repeated})
        else:
            await self._change({line: row for line, row in self._prepared.changes.items() if line not in repeated})
        results = [self._results[line] for line in sorted(self._results)]
        return [
            each if each.fingerprint else msgspec.structs.replace(each, fingerprint=fingerprints.get(each.line))
            for each in results
        ]

    async def _repeated(self, fingerprints: Mapping[int, bytes]) -> set[int]:
        """Refuse rows that say what stood in the file before, and return their lines."""
        seen = await batch_fingerprints.repeated(self._connection, self._batch.batch_id, list(fingerprints.values()))
        found: dict[int, Problem] = {}
        for line, fingerprint in sorted(fingerprints.items()):
            first = seen.setdefault(fingerprint, line)
            if first != line:
                found[line] = row_repeated(first)
        self._by.rows.give_up(self._prepared.items[line] for line in found.keys() & self._prepared.items.keys())
        await self._refuse(found)
        return set(found)

    async def _refuse(self, problems: Mapping[int, Problem]) -> None:
        """Keep why rows are refused; others have their turn in between, as a row may have ten thousand cells."""
        turns, is_csv = Turns(), self._batch.media_type == "csv"
        for line, problem in problems.items():
            content = self._contents[line]
            document = document_of(problem, content, is_csv=is_csv)
            sealed = self._by.keystore.seal(_ENCODE(document), "problem", f"{self._batch.batch_id}\n{line}")
            self._results[line] = batches.RowResult(line=line, sealed_problem=sealed)
            await turns.worked(len(content))

    async def _issue(self, items: Mapping[int, PreparedAward]) -> None:
        refused: dict[int, Problem] = {}
        if items and self._batch.is_dry_run:
            dry = DryRun(
                self._by.decide,
                self._by.keystore,
                self._connection,
                self._tenant,
                self._batch.batch_id,
                key=self._prepared.key,
            )
            results, problems = await dry.results(items, now=self._by.writer.now())
            self._results |= results
            refused |= problems
        elif items:
            by_id = (await self._by.issue.issue_many(self._connection, self._tenant, list(items.values()))).refused
            refused |= {line: by_id[item.credential_id] for line, item in items.items() if item.credential_id in by_id}
        # What is refused is stored nowhere: if this transaction is undone, the part is prepared anew.
        self._by.rows.give_up(self._prepared.items[line] for line in refused)
        for line, credential_id in found_before(refused).items():
            self._results[line] = batches.RowResult(line=line, credential_id=credential_id, is_repeated=True)
        await self._refuse(refused)
        for line in items.keys() - self._results.keys():
            fingerprint = self._prepared.fingerprints.get(line)
            issued = items[line].credential_id
            self._results[line] = batches.RowResult(line=line, credential_id=issued, fingerprint=fingerprint)

    async def _change(self, changes: Mapping[int, ChangeRow]) -> None:
        if not changes:
            return
        batch = self._batch
        acts = self._by.changes.begin(
            self._connection, self._tenant, may_issue=batch.may_issue, api_key_id=batch.api_key_id
        )
        with lending():
            made, refused = await acts.make(changes, is_dry_run=self._batch.is_dry_run)
        await self._refuse(refused)
        for line, changed in made.items():
            self._results[line] = (
                batches.RowResult(line=line, is_checked=True)
                if self._batch.is_dry_run
                else batches.RowResult(
                    line=line,
                    credential_id=changed.credential_id,
                    event_id=changed.event_id,
                    changed=changes[line].credential_id,
                )
            )


def _fingerprint(content: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(content.strip(), key=key, digest_size=_FINGERPRINT_BYTES).digest()
