"""SQL of the audit trail: records as they come, then chained. Both are append-only in the database itself."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from proto.audit_trail import AuditEntry, AuditRecord, record_bytes, record_from
from proto.ids import InstitutionId
from services.persistence.postgres import Connection, Pool

_CHAIN_LOCK = 0x61_75_64_69
"""Key of the advisory lock under which one process at a time chains ("audi")."""


class UnchainedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that has no place in its chain yet."""

    record_id: int
    institution_id: InstitutionId
    record: bytes


class ChainEnd(msgspec.Struct, frozen=True, kw_only=True):
    """Where the chain of an institution ends, and how far retention has taken its beginning away."""

    institution_id: InstitutionId
    number: int
    hash: str
    purged_number: int = 0
    purged_hash: str = "0" * 64


class ChainedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A link of the chain to be added."""

    institution_id: InstitutionId
    number: int
    record_id: int
    recorded_at: datetime
    previous: str
    hash: str
    record: bytes


async def add(connection: Connection | Pool, records: Sequence[AuditRecord]) -> None:
    """Write records down, in the caller's transaction where there is one."""
    await connection.execute(
        """INSERT INTO audit_record (institution_id, record)
           SELECT * FROM unnest($1::uuid[], $2::bytea[])""",
        [each.institution for each in records],
        [record_bytes(each) for each in records],
    )


async def unchained(connection: Connection, *, limit: int) -> list[UnchainedRecord]:
    """Return records that have no place yet, in order, and let nobody else chain until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _CHAIN_LOCK)
    rows = await connection.fetch(
        "SELECT record_id, institution_id::text, record FROM audit_record ORDER BY record_id LIMIT $1", limit
    )
    return [UnchainedRecord(**dict(row)) for row in rows]


async def chain_ends(
    connection: Connection | Pool, institution_ids: Sequence[InstitutionId]
) -> dict[InstitutionId, ChainEnd]:
    """Return where the chains of institutions end, of those that have one."""
    rows = await connection.fetch(
        """SELECT institution_id::text, number, encode(hash, 'hex') AS hash, purged_number,
               encode(purged_hash, 'hex') AS purged_hash
           FROM audit_chain WHERE institution_id = ANY($1::uuid[])""",
        list(institution_ids),
    )
    return {row["institution_id"]: ChainEnd(**dict(row)) for row in rows}


async def all_chain_ends(connection: Connection | Pool) -> list[ChainEnd]:
    """Return where every chain ends."""
    rows = await connection.fetch(
        """SELECT institution_id::text, number, encode(hash, 'hex') AS hash, purged_number,
               encode(purged_hash, 'hex') AS purged_hash
           FROM audit_chain ORDER BY institution_id"""
    )
    return [ChainEnd(**dict(row)) for row in rows]


async def chain(connection: Connection, entries: Sequence[ChainedRecord], ends: Sequence[ChainEnd]) -> None:
    """Add entries to their chains, whose new ends are given, and take away what waited for its place."""
    await connection.execute(
        """INSERT INTO audit_entry (institution_id, number, record_id, recorded_at, previous, hash, record)
           SELECT institution_id, number, record_id, recorded_at, decode(previous, 'hex'), decode(hash, 'hex'), record
           FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::bytea[])
               AS new (institution_id, number, record_id, recorded_at, previous, hash, record)""",
        *([getattr(each, name) for each in entries] for name in ChainedRecord.__struct_fields__),
    )
    await connection.execute(
        """INSERT INTO audit_chain (institution_id, number, hash)
           SELECT institution_id, number, decode(hash, 'hex')
           FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS new (institution_id, number, hash)
           ON CONFLICT (institution_id) DO UPDATE SET number = excluded.number, hash = excluded.hash""",
        [each.institution_id for each in ends],
        [each.number for each in ends],
        [each.hash for each in ends],
    )
    await connection.execute(
        "DELETE FROM audit_record WHERE record_id = ANY($1::bigint[])", [each.record_id for each in entries]
    )


async def entries(
    connection: Connection | Pool, institution_id: InstitutionId, *, after: int, limit: int
) -> list[AuditEntry]:
    """Return entries of one institution's chain behind a number, in order."""
    rows = await connection.fetch(
        """SELECT number, encode(previous, 'hex') AS previous, encode(hash, 'hex') AS hash, record
           FROM audit_entry WHERE institution_id = $1 AND number > $2 ORDER BY number LIMIT $3""",
        institution_id,
        after,
        limit,
    )
    return [AuditEntry(**(dict(row) | {"record": record_from(row["record"])})) for row in rows]


async def purge(connection: Connection, institution_id: InstitutionId, *, days: int, limit: int) -> int:
    """Take away the oldest entries that are older than so many days, and return how many; the last one stays."""
    count: int = await connection.fetchval("SELECT purge_audit_trail($1, $2, $3)", institution_id, days, limit)
    return count
