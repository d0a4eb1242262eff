"""The rows of a part of a file: read and prepared before its transaction, decided on and stored within it."""

import asyncio
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from proto.moment import Moment
from proto.problem import MalformedProblem, Problem
from proto.tables.changes_csv import ChangeRow, NumberedChange
from proto.tables.records import FileRecord
from services.edge.body import Turns
from services.issuer_gateway.batches.batch_changes import ChangeMany
from services.issuer_gateway.batches.batch_dry_run import DryRun
from services.issuer_gateway.batches.batch_upload import BatchPart
from services.issuer_gateway.batches.prepare_apart import PrepareApart, ReadyRow
from services.issuer_gateway.batches.row_problems import document_of
from services.issuer_gateway.batches.rows import award_row, change_row, meant
from services.issuer_gateway.batches.small_batch import found_before, row_repeated
from services.issuer_gateway.credentials.decide_awards import DecideAwards
from services.issuer_gateway.credentials.earlier_awards import content_of
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.prepare_rows import ROWS_AT_A_TIME, PrepareRows, ReadRow
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain.issuing import COMMITMENTS_FROM
from services.issuer_gateway.domain.places_at_hand import lending
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.store import batch_fingerprints, batches, tenants
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.persistence.postgres import Connection, Pool

_ENCODE = msgspec.json.Encoder().encode
_FINGERPRINT_BYTES = 16


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
    prepare_apart: PrepareApart

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
        now = self.writer.now()
        apart = await self._apart(batch, tenant, part, now=now)
        rows: list[ReadRow] = []
        said = {line: row.said for line, row in apart.items()}
        records = [record for record in records if record.line not in apart]
        for start in range(0, len(records), ROWS_AT_A_TIME):
            await asyncio.sleep(0)
            some = [award_row(part.header, record, reading) for record in records[start : start + ROWS_AT_A_TIME]]
            some = meant(some, on_repeat=batch.on_repeat, may_revoke=batch.may_revoke)
            said |= {row.line: content_of(row.award, tenant.zone) for row in some if row.award is not None}
            rows += some
        items, refused = await self.rows.prepare(
            tenant, rows, now, is_dry=batch.is_dry_run, api_key_id=batch.api_key_id
        )
        items |= {line: row.item for line, row in apart.items()}
        return PreparedPart(
            part=part,
            key=key,
            tenant=tenant,
            fingerprints={line: _fingerprint(content, key) for line, content in said.items()},
            items={line: items[line] for line, _ in part.records if line in items},
            refused=refused,
        )

    async def _apart(
        self, batch: batches.BackgroundBatch, tenant: Tenant, part: BatchPart, *, now: Moment
    ) -> dict[int, ReadyRow]:
        """Return by line the rows that another process has prepared; by rules version 1 a row is signed here."""
        if self.writer.rules_version < COMMITMENTS_FROM:
            return {}
        return await self.prepare_apart.rows(batch, tenant, part, now=now)

    async def results(
        self, connection: Connection, batch: batches.BackgroundBatch, prepared: PreparedPart
    ) -> list[batches.RowResult]:
        """Do the rows of a part in this transaction; return a result for each, by line."""
        return await _Work(self, connection, batch, prepared).done()

    def call_relay(self) -> None:
        """Have what the rows said sent now, and wait for nothing."""
        self.writer.call_relay()

    async def rest(self) -> None:
        """Keep nothing that only work needs: there is none now."""
        await self.prepare_apart.close()


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
