"""SQL of batches in the background: their sealed parts, how far they are, and the results of their rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import asyncpg
import msgspec

from proto.documents.fields import OnRepeat
from proto.ids import ApiKeyId, BatchId, BatchKeyId, CredentialId, EventId, InstitutionId
from proto.tables.reading import READ_AS_USUAL, Reading
from proto.wire.batches import BatchState
from services.issuer_gateway.store.list_ends import LAST
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_rows import add_rows

Kind = Literal["awards", "changes"]
_DECODE_PROBLEM = msgspec.json.Decoder(dict[str, Any]).decode
_ROW_COLUMNS = (
    *("batch_id", "line", "credential_id", "event_id", "is_checked", "sealed_problem", "fingerprint", "sealed_notes"),
    *("held_fingerprint", "is_repeated", "pair_fingerprint", "changed"),
)
_SELECT = """
    SELECT batch_id::text, institution_id::text, request_fingerprint, row_count, kind, is_background, is_dry_run,
        media_type, may_issue, state, key_id::text, accepted_count, refused_count,
        repeated_count, on_repeat, may_revoke, api_key_id::text, reading
    FROM batch"""


class BackgroundBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch; one that was answered at once (`is_background` is false) has neither state nor counts that mean much."""

    batch_id: BatchId
    institution_id: InstitutionId
    request_fingerprint: bytes
    row_count: int
    kind: Kind
    is_background: bool
    is_dry_run: bool
    media_type: str | None
    may_issue: bool
    state: BatchState
    key_id: BatchKeyId | None
    accepted_count: int
    refused_count: int
    repeated_count: int
    on_repeat: OnRepeat | None
    may_revoke: bool
    api_key_id: ApiKeyId | None
    """The API key that sent it; None where that was not kept yet."""
    reading: str | None
    """How the cells of its table are read, as `reading_text` writes it; None of one that is read as usual."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is done for it."""
        return self.state not in {"waiting", "running"}

    @property
    def rows_left(self) -> int:
        """How many of its rows have no result yet."""
        return self.row_count - self.accepted_count - self.refused_count - self.repeated_count


class NewBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch whose parts are all stored and that is to be worked on."""

    batch_id: BatchId
    institution_id: InstitutionId
    key_fingerprint: bytes
    request_fingerprint: bytes
    row_count: int
    kind: Kind
    is_dry_run: bool
    media_type: str
    may_issue: bool
    key_id: BatchKeyId
    api_key_id: ApiKeyId | None
    on_repeat: OnRepeat | None
    may_revoke: bool
    reading: str | None


class RowResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a row: a credential, the event of a change, a check that it passed, or a sealed problem."""

    line: int
    credential_id: CredentialId | None = None
    """What was issued; it has the event that its credential has."""
    event_id: EventId | None = None
    changed: CredentialId | None = None
    """What the event of a change is about, perhaps with others."""
    refusal: dict[str, Any] | None = None
    """Why the log refused for good what was accepted here."""
    is_checked: bool = False
    sealed_problem: bytes | None = None
    fingerprint: bytes | None = None
    sealed_notes: bytes | None = None
    held_fingerprint: bytes | None = None
    is_repeated: bool = False
    """Whether the credential was issued before, and not by this batch."""
    pair_fingerprint: bytes | None = None


_COUNT_REFUSED_ISSUES = """
    UPDATE batch SET accepted_count = accepted_count - rows, refused_count = refused_count + rows
    FROM (SELECT batch_id, count(*)::integer AS rows FROM batch_row
          WHERE credential_id = ANY($1::bytea[]) AND NOT is_repeated AND event_id IS NULL GROUP BY 1) AS refused
    WHERE batch.batch_id = refused.batch_id AND is_background"""
_COUNT_REFUSED_CHANGES = """
    UPDATE batch SET accepted_count = accepted_count - rows, refused_count = refused_count + rows
    FROM (SELECT batch_id, count(*)::integer AS rows FROM batch_row
          WHERE event_id = $2 AND (changed = ANY($1::bytea[]) OR changed IS NULL) GROUP BY 1) AS refused
    WHERE batch.batch_id = refused.batch_id AND is_background"""


def reading_text(reading: Reading) -> str | None:
    """Return how a table is read as it is kept: as JSON, or None where it is read as usual."""
    return None if reading == READ_AS_USUAL else msgspec.json.encode(reading).decode()


def reading_of(text: str | None) -> Reading:
    """Return what `reading_text` wrote."""
    return READ_AS_USUAL if text is None else msgspec.json.decode(text, type=Reading)


def _batch(row: asyncpg.Record | None) -> BackgroundBatch | None:
    return BackgroundBatch(**dict(row)) if row else None


async def select_batches(connection: Connection | Pool, condition: str, *values: Any) -> list[BackgroundBatch]:
    """Return the batches that a condition in SQL of ours finds."""
    return [BackgroundBatch(**dict(row)) for row in await connection.fetch(f"{_SELECT} {condition}", *values)]


async def by_key(
    connection: Connection | Pool, institution_id: InstitutionId, key_fingerprint: bytes
) -> BackgroundBatch | None:
    """Return the batch of an idempotency key."""
    return _batch(
        await connection.fetchrow(
            f"{_SELECT} WHERE institution_id = $1 AND key_fingerprint = $2", institution_id, key_fingerprint
        )
    )


async def get(
    connection: Connection | Pool, institution_id: InstitutionId, batch_id: BatchId
) -> BackgroundBatch | None:
    """Return a batch of the institution."""
    return _batch(
        await connection.fetchrow(f"{_SELECT} WHERE institution_id = $1 AND batch_id = $2", institution_id, batch_id)
    )


async def listed(
    connection: Connection | Pool, institution_id: InstitutionId, *, before: tuple[datetime, str] | None, limit: int
) -> list[asyncpg.Record]:
    """Return batches of the institution with their counts, the newest first; those of few rows are counted by rows."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """SELECT batch_id::text, kind, is_dry_run, row_count, created_at,
               CASE WHEN is_background THEN state WHEN done < row_count THEN 'waiting' ELSE 'finished' END AS state,
               CASE WHEN is_background THEN accepted_count ELSE accepted END AS accepted_count,
               CASE WHEN is_background THEN refused_count ELSE refused END AS refused_count,
               CASE WHEN is_background THEN repeated_count ELSE repeated END AS repeated_count
           FROM (
               SELECT * FROM batch WHERE institution_id = $1 AND (created_at, batch_id) < ($2, $3::uuid)
               ORDER BY created_at DESC, batch_id DESC LIMIT $4
           ) AS batch LEFT JOIN LATERAL (
               SELECT count(*)::integer AS done,
                   count(*) FILTER (WHERE is_refused)::integer AS refused,
                   count(*) FILTER (WHERE is_repeated)::integer AS repeated,
                   count(*) FILTER (WHERE NOT is_refused AND NOT is_repeated)::integer AS accepted
               FROM (
                   SELECT is_repeated, sealed_problem IS NOT NULL OR (outbox.state = 'refused' AND NOT is_repeated)
                       AS is_refused
                   FROM batch_row LEFT JOIN credential USING (credential_id)
                   LEFT JOIN outbox ON outbox.event_id = credential.event_id
                   WHERE batch_row.batch_id = batch.batch_id AND NOT batch.is_background
               ) AS row
           ) AS counted ON true
           ORDER BY batch.created_at DESC, batch.batch_id DESC""",
        institution_id,
        *(before or LAST),
        limit,
    )
    return rows


async def add_parts(connection: Connection | Pool, batch_id: BatchId, first: int, sealed: Sequence[bytes]) -> None:
    """Store parts of an upload, numbered from `first`."""
    await connection.execute(
        """INSERT INTO batch_part (batch_id, part, sealed)
           SELECT $1::uuid, $2 + place - 1, sealed FROM unnest($3::bytea[]) WITH ORDINALITY AS new (sealed, place)""",
        batch_id,
        first,
        list(sealed),
    )


async def drop_parts(connection: Connection | Pool, batch_id: BatchId) -> None:
    """Take away what is left of a batch's input."""
    await connection.execute("DELETE FROM batch_part WHERE batch_id = $1", batch_id)


async def drop_part(connection: Connection, batch_id: BatchId, part: int) -> None:
    """Take away a part whose rows have their results."""
    await connection.execute("DELETE FROM batch_part WHERE batch_id = $1 AND part = $2", batch_id, part)


async def sweep(connection: Connection | Pool, *, hours: int) -> None:
    """Take away parts of uploads that broke off so many hours ago."""
    await connection.execute(
        """DELETE FROM batch_part WHERE created_at < now() - make_interval(hours => $1)
           AND NOT EXISTS (SELECT FROM batch WHERE batch.batch_id = batch_part.batch_id)""",
        hours,
    )


async def add(connection: Connection, batch: NewBatch) -> bool:
    """Let a batch be worked on; False where its idempotency key has one already."""
    status = await connection.execute(
        """INSERT INTO batch (batch_id, institution_id, key_fingerprint, request_fingerprint, row_count, kind,
               is_background, is_dry_run, media_type, may_issue, key_id, api_key_id,
               on_repeat, may_revoke, reading)
           VALUES ($1, $2, $3, $4, $5, $6, true, $7, $8, $9, $10, $11, $12, $13, $14)
           ON CONFLICT (institution_id, key_fingerprint) DO NOTHING""",
        batch.batch_id,
        batch.institution_id,
        batch.key_fingerprint,
        batch.request_fingerprint,
        batch.row_count,
        batch.kind,
        batch.is_dry_run,
        batch.media_type,
        batch.may_issue,
        batch.key_id,
        batch.api_key_id,
        batch.on_repeat,
        batch.may_revoke,
        batch.reading,
    )
    return status == "INSERT 0 1"


async def take(connection: Connection, *, but: Sequence[BatchId] = ()) -> BackgroundBatch | None:
    """Return the batch that waited longest for its turn, for this transaction alone; None where there is none.

    Those of `but` are passed over.
    """
    return _batch(
        await connection.fetchrow(
            f"""{_SELECT} WHERE is_background AND state IN ('waiting', 'running') AND batch_id <> ALL($1::uuid[])
                ORDER BY worked_at LIMIT 1 FOR UPDATE SKIP LOCKED""",
            list(but),
        )
    )


async def next_parts(connection: Connection, batch_id: BatchId) -> list[tuple[int, bytes]]:
    """Return the first two parts that are left, with their numbers."""
    rows = await connection.fetch(
        "SELECT part, sealed FROM batch_part WHERE batch_id = $1 ORDER BY part LIMIT 2", batch_id
    )
    return [(row["part"], row["sealed"]) for row in rows]


async def count(connection: Connection, batch_id: BatchId, *, accepted: int, refused: int, repeated: int = 0) -> None:
    """Count rows that have their results now, and give the next batch its turn."""
    await connection.execute(
        """UPDATE batch SET state = 'running', accepted_count = accepted_count + $2, refused_count = refused_count + $3,
               repeated_count = repeated_count + $4, worked_at = clock_timestamp() WHERE batch_id = $1""",
        batch_id,
        accepted,
        refused,
        repeated,
    )


async def end(connection: Connection | Pool, batch_id: BatchId, state: BatchState) -> None:
    """End a batch that is not over, and note that its key is to be destroyed: nobody can read what input is left."""
    await connection.execute(
        """WITH ended AS (
               SELECT batch_id, key_id FROM batch WHERE batch_id = $1 AND state IN ('waiting', 'running') FOR UPDATE
           ), noted AS (
               INSERT INTO batch_key_ended (key_id) SELECT key_id FROM ended WHERE key_id IS NOT NULL
               ON CONFLICT DO NOTHING
           )
           UPDATE batch SET state = $2, key_id = NULL, sealed_key = NULL, finished_at = clock_timestamp()
           FROM ended WHERE batch.batch_id = ended.batch_id""",
        batch_id,
        state,
    )


async def add_results(connection: Connection, batch_id: BatchId, results: Sequence[RowResult]) -> None:
    """Keep the results of rows, in the same transaction as what they made."""
    rows = [
        (
            batch_id,
            row.line,
            bytes.fromhex(row.credential_id) if row.credential_id else None,
            bytes.fromhex(row.event_id) if row.event_id else None,
            row.is_checked,
            row.sealed_problem,
            row.fingerprint,
            row.sealed_notes,
            row.held_fingerprint,
            row.is_repeated,
            row.pair_fingerprint,
            bytes.fromhex(row.changed) if row.changed else None,
        )
        for row in results
    ]
    await add_rows(connection, "batch_row", _ROW_COLUMNS, rows)


async def results(connection: Connection | Pool, batch_id: BatchId, *, after: int, limit: int) -> list[RowResult]:
    """Return results by line, behind `after`; a change names the credential that it is about."""
    rows = await connection.fetch(
        """SELECT line, coalesce(batch_row.credential_id, changed, stream) AS credential_id, changed,
               outbox.event_id, is_checked, sealed_problem, sealed_notes, is_repeated,
               CASE WHEN state = 'refused' AND NOT is_repeated THEN outbox.problem END AS refusal
           FROM batch_row LEFT JOIN credential ON credential.credential_id = batch_row.credential_id
           LEFT JOIN outbox ON outbox.event_id = coalesce(batch_row.event_id, credential.event_id)
           WHERE batch_id = $1 AND line > $2 ORDER BY line LIMIT $3""",
        batch_id,
        after,
        limit,
    )
    return [
        RowResult(
            line=row["line"],
            credential_id=CredentialId(row["credential_id"].hex()) if row["credential_id"] else None,
            event_id=EventId(row["event_id"].hex()) if row["event_id"] else None,
            is_checked=row["is_checked"],
            sealed_problem=row["sealed_problem"],
            sealed_notes=row["sealed_notes"],
            is_repeated=row["is_repeated"],
            changed=CredentialId(row["changed"].hex()) if row["changed"] else None,
            refusal=_DECODE_PROBLEM(row["refusal"]) if row["refusal"] else None,
        )
        for row in rows
    ]


async def count_published(connection: Connection | Pool, batch_id: BatchId) -> int:
    """Return how many rows of a batch in the background have their event in a published checkpoint."""
    found: int = await connection.fetchval(
        """SELECT count(*) FROM batch_row
           LEFT JOIN credential ON credential.credential_id = batch_row.credential_id
           JOIN outbox ON outbox.event_id = coalesce(batch_row.event_id, credential.event_id)
           WHERE batch_id = $1 AND NOT is_repeated AND outbox.state = 'published'""",
        batch_id,
    )
    return found


async def count_refused(
    connection: Connection, event_id: EventId, credential_ids: Sequence[CredentialId], *, are_issued: bool
) -> None:
    """Count as refused the rows that issued these credentials, or changed them by this event: the log refused them."""
    if not credential_ids:
        return
    await connection.execute(
        _COUNT_REFUSED_ISSUES if are_issued else _COUNT_REFUSED_CHANGES,
        [bytes.fromhex(each) for each in credential_ids],
        *([] if are_issued else [bytes.fromhex(event_id)]),
    )


async def give_event(
    connection: Connection, credential_ids: Sequence[CredentialId], *, before: EventId, now: EventId
) -> None:
    """Give rows that changed these credentials another event in place of the one that they had."""
    await connection.execute(
        "UPDATE batch_row SET event_id = $3 WHERE event_id = $2 AND changed = ANY($1::bytea[])",
        [bytes.fromhex(each) for each in credential_ids],
        bytes.fromhex(before),
        bytes.fromhex(now),
    )
