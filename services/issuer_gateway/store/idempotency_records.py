"""SQL of requests that were answered, and of batches: what makes a repeated request do nothing twice."""

from collections.abc import Sequence
from typing import Any

import msgspec

from proto.ids import ApiKeyId, BatchId, CredentialId, EventId, InstitutionId
from services.persistence.postgres import Connection, Pool

_DECODE_PROBLEM = msgspec.json.Decoder(dict[str, Any]).decode
OPERATOR = InstitutionId("00000000-0000-0000-0000-000000000000")
"""Stands where an institution would, for requests of the operator."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was carried out: its answer, sealed, or the event from which the answer can be made again."""

    key_fingerprint: bytes
    request_fingerprint: bytes
    event_id: EventId | None = None
    status: int | None = None
    sealed_answer: bytes | None = None
    is_secret: bool = False


class StoredRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a row of a batch: a credential, or a sealed problem."""

    line: int
    credential_id: CredentialId | None = None
    event_id: EventId | None = None
    sealed_problem: bytes | None = None
    is_repeated: bool = False
    """Whether the credential was issued before, and not by this batch."""
    refusal: dict[str, Any] | None = None
    """Why the log refused for good what was accepted here."""


class StoredBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that was begun."""

    batch_id: BatchId
    request_fingerprint: bytes
    row_count: int
    reading: str | None = None


async def find(connection: Connection | Pool, institution_id: InstitutionId, key_fingerprint: bytes) -> Answered | None:
    """Return what was answered under this idempotency key."""
    return (await find_many(connection, institution_id, [key_fingerprint])).get(key_fingerprint)


async def find_many(
    connection: Connection | Pool, institution_id: InstitutionId, key_fingerprints: Sequence[bytes]
) -> dict[bytes, Answered]:
    """Return what was answered under these idempotency keys."""
    rows = await connection.fetch(
        """SELECT key_fingerprint, request_fingerprint, event_id, status, sealed_answer, is_secret
           FROM answered WHERE institution_id = $1 AND key_fingerprint = ANY($2::bytea[])""",
        institution_id,
        list(key_fingerprints),
    )
    found = [dict(row) for row in rows]
    for values in found:
        values["event_id"] = EventId(values["event_id"].hex()) if values["event_id"] else None
    return {values["key_fingerprint"]: Answered(**values) for values in found}


async def add(connection: Connection, institution_id: InstitutionId, answered: Answered) -> None:
    """Remember an answer; waits for a parallel request of the same key, then raises `asyncpg.UniqueViolationError`."""
    await add_many(connection, [(institution_id, answered)])


async def add_many(connection: Connection, answered: Sequence[tuple[InstitutionId, Answered]]) -> None:
    """Remember answers of institutions, as `add` does, in the order of their keys."""
    ordered = sorted(answered, key=lambda each: each[1].key_fingerprint)
    await connection.execute(
        """INSERT INTO answered (institution_id, key_fingerprint, request_fingerprint, event_id, status,
               sealed_answer, is_secret)
           SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[], $5::integer[], $6::bytea[],
               $7::boolean[])""",
        [institution_id for institution_id, _ in ordered],
        [each.key_fingerprint for _, each in ordered],
        [each.request_fingerprint for _, each in ordered],
        [bytes.fromhex(each.event_id) if each.event_id else None for _, each in ordered],
        [each.status for _, each in ordered],
        [each.sealed_answer for _, each in ordered],
        [each.is_secret for _, each in ordered],
    )


async def keep_answers(connection: Connection | Pool, answered: Sequence[tuple[InstitutionId, Answered]]) -> None:
    """Keep the answers that were given, each unless one is kept already."""
    await connection.execute(
        """UPDATE answered SET status = given.status, sealed_answer = given.sealed_answer
           FROM (SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::integer[], $4::bytea[])
                   AS rows (institution_id, key_fingerprint, status, sealed_answer)) AS given
           WHERE answered.institution_id = given.institution_id AND answered.key_fingerprint = given.key_fingerprint
               AND answered.sealed_answer IS NULL""",
        [institution_id for institution_id, _ in answered],
        [each.key_fingerprint for _, each in answered],
        [each.status for _, each in answered],
        [each.sealed_answer for _, each in answered],
    )


async def forget_secrets(connection: Connection | Pool, *, hours: int) -> int:
    """Drop answers with secrets in them that are older than so many hours; return how many."""
    status: str = await connection.execute(
        """UPDATE answered SET sealed_answer = NULL
           WHERE is_secret AND sealed_answer IS NOT NULL AND created_at < now() - make_interval(hours => $1)""",
        hours,
    )
    return int(status.rpartition(" ")[2])


async def begin_batch(
    connection: Connection,
    institution_id: InstitutionId,
    *,
    batch_id: BatchId,
    key_fingerprint: bytes,
    request_fingerprint: bytes,
    row_count: int,
    reading: str | None,
    api_key_id: ApiKeyId | None,
) -> StoredBatch:
    """Return the batch of this idempotency key, begun now if it was not."""
    await connection.execute(
        """INSERT INTO batch (batch_id, institution_id, key_fingerprint, request_fingerprint, row_count, api_key_id,
               reading)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (institution_id, key_fingerprint) DO NOTHING""",
        batch_id,
        institution_id,
        key_fingerprint,
        request_fingerprint,
        row_count,
        api_key_id,
        reading,
    )
    row = await connection.fetchrow(
        """SELECT batch_id::text, request_fingerprint, row_count, reading FROM batch
           WHERE institution_id = $1 AND key_fingerprint = $2""",
        institution_id,
        key_fingerprint,
    )
    assert row is not None, "it was inserted, or was there"
    return StoredBatch(**dict(row))


async def batch(connection: Connection | Pool, institution_id: InstitutionId, batch_id: BatchId) -> StoredBatch | None:
    """Return a batch of the institution."""
    row = await connection.fetchrow(
        """SELECT batch_id::text, request_fingerprint, row_count, reading FROM batch
           WHERE institution_id = $1 AND batch_id = $2""",
        institution_id,
        batch_id,
    )
    return StoredBatch(**dict(row)) if row else None


async def lock_batch(connection: Connection, batch_id: BatchId) -> None:
    """Let nobody else work on the batch until the transaction ends."""
    await connection.execute("SELECT FROM batch WHERE batch_id = $1 FOR UPDATE", batch_id)


async def rows(connection: Connection | Pool, batch_id: BatchId, lines: Sequence[int] | None = None) -> list[StoredRow]:
    """Return the results of a batch, or of these lines, by line."""
    found = await connection.fetch(
        """SELECT line, credential_id, credential.event_id, sealed_problem, is_repeated,
               CASE WHEN state = 'refused' AND NOT is_repeated THEN problem END AS refusal
           FROM batch_row LEFT JOIN credential USING (credential_id)
           LEFT JOIN outbox ON outbox.event_id = credential.event_id
           WHERE batch_id = $1 AND ($2::integer[] IS NULL OR line = ANY($2)) ORDER BY line""",
        batch_id,
        list(lines) if lines is not None else None,
    )
    return [
        StoredRow(
            line=row["line"],
            credential_id=CredentialId(row["credential_id"].hex()) if row["credential_id"] else None,
            event_id=EventId(row["event_id"].hex()) if row["event_id"] else None,
            sealed_problem=row["sealed_problem"],
            is_repeated=row["is_repeated"],
            refusal=_DECODE_PROBLEM(row["refusal"]) if row["refusal"] else None,
        )
        for row in found
    ]


async def count_published(connection: Connection | Pool, batch_id: BatchId) -> int:
    """Return how many credentials of a batch are in a published checkpoint."""
    count: int = await connection.fetchval(
        """SELECT count(*) FROM batch_row JOIN credential USING (credential_id)
           JOIN outbox ON outbox.event_id = credential.event_id
           WHERE batch_id = $1 AND NOT is_repeated AND state = 'published'""",
        batch_id,
    )
    return count


async def add_rows(connection: Connection, batch_id: BatchId, results: Sequence[StoredRow]) -> None:
    """Keep the results of rows, in the same transaction as what they made."""
    await connection.execute(
        """INSERT INTO batch_row (batch_id, line, credential_id, sealed_problem, is_repeated)
           SELECT $1::uuid, * FROM unnest($2::integer[], $3::bytea[], $4::bytea[], $5::boolean[])""",
        batch_id,
        [row.line for row in results],
        [bytes.fromhex(row.credential_id) if row.credential_id else None for row in results],
        [row.sealed_problem for row in results],
        [row.is_repeated for row in results],
    )
