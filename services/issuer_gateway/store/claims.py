"""SQL of one-time links by which credentials are claimed. Awards come and go sealed; of links only hashes are here."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from proto.ids import AchievementId, ApiKeyId, BatchId, ClaimId, CredentialId, InstitutionId, LearnerId
from services.persistence.postgres import Connection, Pool

_SELECT = """
    SELECT claim_id::text, taker_hash, coalesce(used_at > now() - interval '24 hours', false) AS is_fetchable,
        claim.institution_id::text, learner_id::text, achievement_id, sealed_award, credential_id,
        api_key_id::text, claim.created_at, expires_at, used_at, cancelled_at, expires_at <= now() AS is_over,
        erased_at IS NOT NULL AS is_erased, opens_all
    FROM claim JOIN learner USING (learner_id)"""


class NewClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A link to be added: to a sealed award, or to a credential."""

    claim_id: ClaimId
    institution_id: InstitutionId
    learner_id: LearnerId
    achievement_id: AchievementId
    token_hash: bytes
    sealed_award: bytes | None = None
    credential_id: CredentialId | None = None
    batch_id: BatchId | None = None
    api_key_id: ApiKeyId | None = None
    """The API key that made it, and stated its award."""
    opens_all: bool = False
    """Whether it also leads to all that its learner holds."""


class StoredClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A link as it lies there; `is_over` by the database's clock."""

    claim_id: ClaimId
    institution_id: InstitutionId
    learner_id: LearnerId
    achievement_id: AchievementId
    sealed_award: bytes | None
    credential_id: CredentialId | None
    api_key_id: ApiKeyId | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    cancelled_at: datetime | None
    is_over: bool
    taker_hash: bytes | None
    """Hash of the token with which it was used."""
    is_fetchable: bool
    """Whether it was used less than a day ago: its taker may fetch the credential again."""
    is_erased: bool
    opens_all: bool


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that a line of a batch led to."""

    line: int
    credential_id: CredentialId
    learner_id: LearnerId
    achievement_id: AchievementId


def _stored(row: asyncpg.Record) -> StoredClaim:
    values = dict(row)
    values["credential_id"] = CredentialId(row["credential_id"].hex()) if row["credential_id"] else None
    return StoredClaim(**values)


async def add(connection: Connection, new: Sequence[NewClaim], *, hours: int) -> datetime:
    """Add links that work for so many hours, and return until when."""
    expires_at: datetime = await connection.fetchval("SELECT now() + make_interval(hours => $1)", hours)
    await connection.executemany(
        """INSERT INTO claim (claim_id, institution_id, learner_id, achievement_id, token_hash, sealed_award,
               credential_id, batch_id, api_key_id, expires_at, opens_all)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        [
            (
                item.claim_id,
                item.institution_id,
                item.learner_id,
                item.achievement_id,
                item.token_hash,
                item.sealed_award,
                bytes.fromhex(item.credential_id) if item.credential_id else None,
                item.batch_id,
                item.api_key_id,
                expires_at,
                item.opens_all,
            )
            for item in new
        ],
    )
    return expires_at


async def by_token(connection: Connection | Pool, token_hash: bytes) -> StoredClaim | None:
    """Return the link that has this hash."""
    row = await connection.fetchrow(f"{_SELECT} WHERE token_hash = $1", token_hash)
    return _stored(row) if row else None


async def of_learner(connection: Connection | Pool, learner_id: LearnerId, *, limit: int) -> list[StoredClaim]:
    """Return the links of a learner, the newest first."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE learner_id = $1 ORDER BY claim.created_at DESC, claim_id LIMIT $2", learner_id, limit
    )
    return [_stored(row) for row in rows]


async def get(connection: Connection | Pool, institution_id: InstitutionId, claim_id: ClaimId) -> StoredClaim | None:
    """Return a link of the institution."""
    row = await connection.fetchrow(
        f"{_SELECT} WHERE claim_id = $1 AND claim.institution_id = $2", claim_id, institution_id
    )
    return _stored(row) if row else None


async def lock(connection: Connection, claim_id: ClaimId) -> StoredClaim:
    """Return a link, which is there, and let nobody else use it until the transaction ends."""
    await connection.execute("SELECT FROM claim WHERE claim_id = $1 FOR UPDATE", claim_id)
    row = await connection.fetchrow(f"{_SELECT} WHERE claim_id = $1", claim_id)
    assert row is not None, "nothing removes a link"
    return _stored(row)


async def use(
    connection: Connection, claim_id: ClaimId, credential_id: CredentialId, taker_hash: bytes | None = None
) -> None:
    """Use up a link that the caller has locked: it led to this credential, and the award in it goes.

    Who comes with the token of this hash may fetch the credential again.
    """
    await connection.execute(
        """UPDATE claim SET used_at = now(), credential_id = $2, sealed_award = NULL, taker_hash = $3
           WHERE claim_id = $1""",
        claim_id,
        bytes.fromhex(credential_id),
        taker_hash,
    )


async def cancel(connection: Connection | Pool, institution_id: InstitutionId, claim_id: ClaimId) -> bool:
    """Cancel a link of the institution that was not used; False where there is none."""
    status = await connection.execute(
        """UPDATE claim SET cancelled_at = coalesce(cancelled_at, now()), sealed_award = NULL
           WHERE claim_id = $1 AND institution_id = $2 AND used_at IS NULL""",
        claim_id,
        institution_id,
    )
    return status == "UPDATE 1"


async def cancel_for(connection: Connection, credential_ids: Sequence[CredentialId]) -> None:
    """Cancel what links to these credentials and was not used."""
    await connection.execute(
        """UPDATE claim SET cancelled_at = now()
           WHERE credential_id = ANY($1::bytea[]) AND used_at IS NULL AND cancelled_at IS NULL""",
        [bytes.fromhex(each) for each in credential_ids],
    )


async def cancel_all(connection: Connection, learner_id: LearnerId) -> None:
    """Cancel the links of a learner who is being erased."""
    await connection.execute(
        """UPDATE claim SET cancelled_at = coalesce(cancelled_at, now()), sealed_award = NULL
           WHERE learner_id = $1 AND used_at IS NULL""",
        learner_id,
    )


async def forget_expired(connection: Connection | Pool) -> None:
    """Take away the awards of links that have expired."""
    await connection.execute(
        "UPDATE claim SET sealed_award = NULL WHERE sealed_award IS NOT NULL AND expires_at <= now()"
    )


async def issued_by(connection: Connection | Pool, batch_id: BatchId, *, after: int, limit: int) -> list[Issued]:
    """Return by line the credentials that a batch issued to learners who were not erased."""
    rows = await connection.fetch(
        """SELECT line, credential_id, learner_id::text, achievement_id
           FROM batch_row JOIN credential USING (credential_id) JOIN learner USING (learner_id)
           WHERE batch_id = $1 AND line > $2 AND NOT is_repeated AND erased_at IS NULL ORDER BY line LIMIT $3""",
        batch_id,
        after,
        limit,
    )
    return [Issued(**(dict(row) | {"credential_id": CredentialId(row["credential_id"].hex())})) for row in rows]
