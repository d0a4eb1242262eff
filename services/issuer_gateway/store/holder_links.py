"""SQL of the secret links of learners. What a share says comes and goes sealed; of secrets only hashes are here."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from proto.ids import CredentialId, HolderLinkId, InstitutionId, LearnerId
from services.persistence.postgres import Connection, Pool

_SELECT = """
    SELECT link_id::text, holder_link.institution_id::text, learner_id::text, credential_id, shared_from::text,
        sealed_terms, view_count, holder_link.created_at, expires_at, ended_at, expires_at <= now() AS is_over,
        erased_at IS NOT NULL AS is_erased, ref
    FROM holder_link JOIN learner USING (learner_id)"""


class NewHolderLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link to be added; without `credential_id` it leads to all that its learner holds."""

    link_id: HolderLinkId
    institution_id: InstitutionId
    learner_id: LearnerId
    token_hash: bytes
    credential_id: CredentialId | None = None
    shared_from: HolderLinkId | None = None
    sealed_terms: bytes | None = None
    source: str | None = None


class StoredHolderLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link as it lies there; `is_over` by the database's clock."""

    link_id: HolderLinkId
    institution_id: InstitutionId
    learner_id: LearnerId
    credential_id: CredentialId | None
    shared_from: HolderLinkId | None
    sealed_terms: bytes | None
    view_count: int
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    is_over: bool
    is_erased: bool
    ref: str | None
    """The institution's own name of the learner; None once the learner was erased."""

    @property
    def works(self) -> bool:
        """Whether it leads anywhere now."""
        return self.ended_at is None and not self.is_over and not self.is_erased


def _stored(row: asyncpg.Record) -> StoredHolderLink:
    values = dict(row)
    values["credential_id"] = CredentialId(row["credential_id"].hex()) if row["credential_id"] else None
    return StoredHolderLink(**values)


async def add(connection: Connection | Pool, new: NewHolderLink, *, days: int, until: datetime | None = None) -> None:
    """Add a link that works for so many days, and not longer than `until`."""
    await connection.execute(
        """INSERT INTO holder_link (link_id, institution_id, learner_id, credential_id, shared_from, source, token_hash,
               sealed_terms, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, least(now() + make_interval(days => $9), $10))""",
        new.link_id,
        new.institution_id,
        new.learner_id,
        bytes.fromhex(new.credential_id) if new.credential_id else None,
        new.shared_from,
        new.source,
        new.token_hash,
        new.sealed_terms,
        days,
        until,
    )


async def by_token(connection: Connection | Pool, token_hash: bytes) -> StoredHolderLink | None:
    """Return the link that has this hash."""
    row = await connection.fetchrow(f"{_SELECT} WHERE token_hash = $1", token_hash)
    return _stored(row) if row else None


async def get(
    connection: Connection | Pool, institution_id: InstitutionId, link_id: HolderLinkId
) -> StoredHolderLink | None:
    """Return a link of the institution's learners."""
    row = await connection.fetchrow(
        f"{_SELECT} WHERE link_id = $1 AND holder_link.institution_id = $2", link_id, institution_id
    )
    return _stored(row) if row else None


async def living_of_source(connection: Connection, source: str) -> StoredHolderLink | None:
    """Return the link that works and came of this claim or request; nobody makes another of it until the end."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('holder-link ' || $1, 0))", source)
    row = await connection.fetchrow(
        f"""{_SELECT} WHERE source = $1 AND ended_at IS NULL AND expires_at > now()
            ORDER BY holder_link.created_at DESC LIMIT 1""",
        source,
    )
    return _stored(row) if row else None


async def shares_of(connection: Connection | Pool, link_id: HolderLinkId, *, limit: int) -> list[StoredHolderLink]:
    """Return what was shared from a link and is not over, the newest first."""
    rows = await connection.fetch(
        f"""{_SELECT} WHERE shared_from = $1 AND ended_at IS NULL AND expires_at > now()
            ORDER BY holder_link.created_at DESC, link_id LIMIT $2""",
        link_id,
        limit,
    )
    return [_stored(row) for row in rows]


async def of_learner(connection: Connection | Pool, learner_id: LearnerId, *, limit: int) -> list[StoredHolderLink]:
    """Return the links of a learner, the newest first."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE learner_id = $1 ORDER BY holder_link.created_at DESC, link_id LIMIT $2", learner_id, limit
    )
    return [_stored(row) for row in rows]


async def count_working(connection: Connection | Pool, learner_id: LearnerId) -> int:
    """Return how many links of a learner work."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM holder_link WHERE learner_id = $1 AND ended_at IS NULL AND expires_at > now()", learner_id
    )
    return count


async def count_view(connection: Connection | Pool, link_id: HolderLinkId) -> None:
    """Count that somebody looked."""
    await connection.execute(
        "UPDATE holder_link SET view_count = view_count + 1 WHERE link_id = $1 AND view_count < 2147483647", link_id
    )


async def end(connection: Connection | Pool, link_ids: Sequence[HolderLinkId]) -> None:
    """End links, and what was shared from them; those that were ended stay as they were."""
    await connection.execute(
        """UPDATE holder_link SET ended_at = now()
           WHERE ended_at IS NULL AND (link_id = ANY($1::uuid[]) OR shared_from = ANY($1::uuid[]))""",
        list(link_ids),
    )


async def forget(connection: Connection, learner_ids: Sequence[LearnerId]) -> None:
    """Take away all links of learners who are being erased."""
    await connection.execute("DELETE FROM holder_link WHERE learner_id = ANY($1::uuid[])", list(learner_ids))
