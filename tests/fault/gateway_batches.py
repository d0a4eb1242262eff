"""Batches in the background in virtual time: what is committed of them, their keys' folder, and what their rows do.

Speaks the interface of `services.issuer_gateway.batches.batch_storage`, so the real batch worker runs on it.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Protocol, cast

import asyncpg
import msgspec

from proto.envelope import Opened
from proto.ids import BatchId, BatchKeyId, CredentialId, EventId, InstitutionId
from proto.problem import UnavailableProblem
from proto.wire.batches import BatchState
from services.issuer_gateway.batches.batch_storage import RowCounts
from services.issuer_gateway.batches.batch_upload import BatchPart, part_name
from services.issuer_gateway.batches.part_work import PreparedPart
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.batch_keys import BatchKey, BatchKeys
from services.issuer_gateway.keys.keystore import KEY_BYTES, Keystore
from services.issuer_gateway.keys.vault import KeyFolderUnavailableProblem, Vault
from services.issuer_gateway.store.batches import BackgroundBatch, RowResult
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import DATABASE_ERRORS
from tests.fault.gateway_storage import FakeDatabase, FakeStorage, Gate, Session, session_of

ISSUE, REFUSED, BROKEN = b"issue", b"refused", b"broken"
"""What rows hold: one to issue, one that the gateway refuses, and one that breaks whoever reads it."""
_ENCODE_PART = msgspec.msgpack.Encoder().encode


class BatchRow(msgspec.Struct):
    """One row of the table of batches, with what hangs on it."""

    batch: BackgroundBatch
    content: list[list[bytes]]
    """The rows that were sent, by part."""
    parts: dict[int, bytes]
    results: dict[int, RowResult]
    counts: RowCounts
    worked_at: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing more is done for it."""
        return self.batch.is_over


class BatchTables:
    """What is committed of batches, and the keys in the folder beside the database."""

    def __init__(self) -> None:
        self.batches: dict[BatchId, BatchRow] = {}
        self.ended_keys: set[BatchKeyId] = set()
        self.vault: dict[BatchKeyId, bytes] = {}

    def add(self, number: int, content: list[list[bytes]], institution_id: InstitutionId, keystore: Keystore) -> None:
        """Let a batch be worked on, as its upload does: its key is in the folder, its parts are sealed."""
        batch_id, key_id = BatchId(f"batch-{number}"), BatchKeyId(f"key-{number}")
        key = BatchKey(bytes([number]) * 2 * KEY_BYTES, key_id=key_id)
        self.vault[key_id] = keystore.seal(key.secret, "batch-key", key_id)
        sealed, line = {}, 0
        for part, rows in enumerate(content):
            records = tuple((line + place, row) for place, row in enumerate(rows, start=1))
            line += len(rows)
            data = _ENCODE_PART(BatchPart((), records))
            sealed[part] = key.data.seal(data, "batch-part", part_name(batch_id, part))
        batch = BackgroundBatch(
            batch_id=batch_id,
            institution_id=institution_id,
            request_fingerprint=b"",
            row_count=line,
            kind="awards",
            is_background=True,
            is_dry_run=False,
            media_type="ndjson",
            may_issue=True,
            state="waiting",
            key_id=key_id,
            accepted_count=0,
            refused_count=0,
            repeated_count=0,
            on_repeat=None,
            may_revoke=True,
            api_key_id=None,
            reading=None,
        )
        none = RowCounts(accepted=0, refused=0, repeated=0)
        self.batches[batch_id] = BatchRow(batch=batch, content=content, parts=sealed, results={}, counts=none)

    def are_over(self) -> bool:
        """Tell whether no batch waits any more."""
        return all(row.is_over for row in self.batches.values())

    def judged(self, said: dict[EventId, str]) -> list[str]:
        """Return what is wrong with the batches in words; `said` tells for each event of the outbox what it is for."""
        found = [fault for row in self.batches.values() for fault in _judged(row, said)]
        if self.vault.keys() - self.ended_keys:
            found.append("the key of a batch that is over is neither destroyed nor noted")
        return found


def _judged(row: BatchRow, said: dict[EventId, str]) -> Iterator[str]:
    batch_id = row.batch.batch_id
    breaks_at = next((part for part, rows in enumerate(row.content) if BROKEN in rows), len(row.content))
    expected = "failed" if breaks_at < len(row.content) else "finished"
    if row.batch.state != expected:
        yield f"{batch_id} is {row.batch.state}, and should be {expected}"
    rows = dict(enumerate((each for part in row.content[:breaks_at] for each in part), start=1))
    if row.results.keys() != rows.keys():
        yield f"{batch_id} has results for {sorted(row.results)}, and should have them for {sorted(rows)}"
    events = Counter(name for name in said.values() if name.startswith(f"{batch_id}/"))
    taken = {line for line, content in rows.items() if content == ISSUE}
    if events != Counter({f"{batch_id}/{line}": 2 for line in taken}):
        yield f"{batch_id}: its rows said {dict(events)}"
    for line, result in row.results.items():
        is_done = result.event_id is not None and said.get(result.event_id) == f"{batch_id}/{line}"
        if is_done != (line in taken) or (result.sealed_problem is None) != (line in taken):
            yield f"{batch_id}: the result of line {line} is not what became of it"
    if row.counts != RowCounts.of(list(row.results.values())):
        yield f"{batch_id} counts {row.counts}"
    if row.parts:
        yield f"{batch_id} is over, and parts of it are left"


class FakeBatchStorage(FakeStorage):
    """The tables of batches as one process sees them, through its gate."""

    def __init__(self, database: FakeDatabase, gate: Gate, tables: BatchTables) -> None:
        super().__init__(database, gate)
        self._tables = tables

    @contextlib.asynccontextmanager
    async def kept_alive(self, connection: Connection) -> AsyncIterator[None]:
        """Be heard of while the block works."""
        session = session_of(connection)
        session.is_kept_alive = True
        yield
        session.hear()
        session.is_kept_alive = False

    async def take(self, connection: Connection, *, but: Sequence[BatchId] = ()) -> BackgroundBatch | None:
        """Take the batch that waited longest, that no other transaction works on, and that is none of `but`."""
        await self._gate.at("take")
        for row in sorted(self._tables.batches.values(), key=lambda row: row.worked_at):
            name = "batch", row.batch.batch_id
            if row.batch.batch_id not in but and not row.is_over and name not in self._database.holders:
                await self._database.lock(session_of(connection), name)
                return row.batch
        return None

    async def next_parts(self, connection: Connection, batch_id: BatchId) -> list[tuple[int, bytes]]:
        """Return the first two parts that are left."""
        await self._gate.at("next part")
        assert not session_of(connection).is_ended, "a process reads on in its own transaction"
        return sorted(self._tables.batches[batch_id].parts.items())[:2]

    async def keep_results(
        self, connection: Connection, batch_id: BatchId, part: int, results: Sequence[RowResult]
    ) -> None:
        """Write results in the part's place; a line has one."""
        await self._gate.at("results")
        await self.write_results(session_of(connection), batch_id, results)
        await self.drop_part(session_of(connection), batch_id, part)

    async def write_results(self, session: Session, batch_id: BatchId, results: Sequence[RowResult]) -> None:
        """Add the results of rows to a batch."""
        row, counts = self._tables.batches[batch_id], RowCounts.of(results)
        if row.results.keys() & {result.line for result in results}:
            raise asyncpg.UniqueViolationError("duplicate key value violates unique constraint")
        now = asyncio.get_running_loop().time()

        def committed() -> None:
            row.results |= {result.line: result for result in results}
            row.counts = RowCounts(
                accepted=row.counts.accepted + counts.accepted,
                refused=row.counts.refused + counts.refused,
                repeated=row.counts.repeated + counts.repeated,
            )
            row.batch, row.worked_at = msgspec.structs.replace(row.batch, state="running"), now

        session.effects.append(committed)

    async def drop_part(self, session: Session, batch_id: BatchId, part: int) -> None:
        """Take a part away."""
        parts = self._tables.batches[batch_id].parts
        session.effects.append(lambda: cast(None, parts.pop(part, None)))

    async def end(self, connection: Connection, batch_id: BatchId, state: BatchState) -> None:
        """End a batch; one that is over stays as it is."""
        await self._gate.at("end")
        row, session = self._tables.batches[batch_id], session_of(connection)
        await self._database.lock(session, ("batch", batch_id))

        def committed() -> None:
            if not row.is_over:
                assert row.batch.key_id is not None, "who waits has a key"
                self._tables.ended_keys.add(row.batch.key_id)
                row.batch = msgspec.structs.replace(row.batch, state=state, key_id=None)
            row.parts.clear()

        session.effects.append(committed)

    async def sweep(self, *, hours: int) -> None:
        """Nothing here is old."""
        assert hours > 0, "a bound"
        await self._gate.at("sweep")

    async def ended_keys(self, *, limit: int) -> list[BatchKeyId]:
        """Return which keys nothing needs any more."""
        await self._gate.at("ended keys")
        return sorted(self._tables.ended_keys)[:limit]

    async def forget_ended_keys(self, key_ids: Sequence[BatchKeyId]) -> None:
        """Note that keys are destroyed, in a statement of its own."""
        await self._gate.at("forget keys: before")
        if self._tables.vault.keys() & set(key_ids):
            raise AssertionError("a key is called destroyed that is there")
        self._tables.ended_keys -= set(key_ids)
        await self._gate.at("forget keys: after")

    async def needed_keys(self, key_ids: Sequence[BatchKeyId]) -> list[BatchKeyId]:
        """Return which of the keys are still needed, or noted."""
        await self._gate.at("needed keys")
        needed = {row.batch.key_id for row in self._tables.batches.values()} | self._tables.ended_keys
        return [key_id for key_id in key_ids if key_id in needed]


class FakeVault:
    """The key folder as one process sees it; what is away for a moment has changed nothing, or everything."""

    def __init__(self, tables: BatchTables, gate: Gate) -> None:
        self._tables = tables
        self._gate = gate

    async def batch_key(self, key_id: BatchKeyId) -> bytes | None:
        """Return the sealed key."""
        with _away():
            await self._gate.at("read key")
        return self._tables.vault.get(key_id)

    async def destroy_batch_keys(self, key_ids: Iterable[BatchKeyId]) -> None:
        """Destroy keys."""
        with _away():
            await self._gate.at("destroy keys: before")
            for key_id in key_ids:
                self._tables.vault.pop(key_id, None)
            await self._gate.at("destroy keys: after")

    async def old_batch_keys(self, *, hours: int) -> list[BatchKeyId]:
        """Nothing here is old."""
        assert hours > 0, "a bound"
        with _away():
            await self._gate.at("old keys")
        return []


@contextlib.contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except DATABASE_ERRORS as error:
        raise KeyFolderUnavailableProblem("The keys are away for a moment") from error


def batch_keys(tables: BatchTables, gate: Gate, keystore: Keystore) -> BatchKeys:
    """Return the keys of batches over such a folder."""
    return BatchKeys(cast(Vault, FakeVault(tables, gate)), keystore)


class Issuing(Protocol):
    """Who makes events for rows."""

    def is_followed(self) -> bool:
        """Tell whether the log is followed now."""
        ...

    def issued(self, name: str) -> tuple[CredentialId, Sequence[Opened]]:
        """Return a fresh credential for a row of that name, and the events about it in their order."""
        ...


class FakeRows:
    """Does rows: says two events about a new credential each, or refuses, or breaks."""

    def __init__(
        self,
        issuing: Issuing,
        writer: LogWriter,
        tenant: Tenant,
        at: Callable[[str], Awaitable[None]],
        *,
        prepare_seconds: float,
    ) -> None:
        self._prepare_seconds = prepare_seconds
        self._issuing = issuing
        self._writer = writer
        self._tenant = tenant
        self._at = at
        self._is_asked = False

    def check_followed(self) -> None:
        """Raise where nothing is said to the log now."""
        if not self._issuing.is_followed():
            raise UnavailableProblem("The log is not followed")
        self._is_asked = True

    async def prepare(self, batch: BackgroundBatch, part: BatchPart, key: bytes) -> PreparedPart:
        """Read the rows of a part, perhaps while the one before is at work."""
        assert len(key) == KEY_BYTES, "fingerprints have a key of their own"
        assert batch.key_id is not None, "a batch with parts has a key"
        await self._at("rows ahead")
        await asyncio.sleep(self._prepare_seconds)
        return PreparedPart(part=part, key=key, tenant=self._tenant)

    async def results(self, connection: Connection, batch: BackgroundBatch, prepared: PreparedPart) -> list[RowResult]:
        """Do the rows of a part: whether the log is followed was asked for this part."""
        assert self._is_asked, "rows are decided by what the log says"
        self._is_asked = False
        await self._at("rows")
        found = []
        for line, content in prepared.part.records:
            if content == BROKEN:
                raise ValueError(line)
            if content == REFUSED:
                found.append(RowResult(line=line, sealed_problem=b"why"))
                continue
            credential_id, opened = self._issuing.issued(f"{batch.batch_id}/{line}")
            said = [OutboxEvent(opened=each, stream=credential_id) for each in opened]
            await self._writer.enqueue(connection, self._tenant, said)
            found.append(RowResult(line=line, credential_id=credential_id, event_id=opened[0].event_id))
        return found

    def call_relay(self) -> None:
        """Have what the rows said sent now."""
        self._writer.call_relay()

    async def rest(self) -> None:
        """Keep nothing: there is nothing to keep."""
