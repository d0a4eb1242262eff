"""SQL of what imported documents became. Fingerprints come made, by keys of the caller's."""

from collections.abc import Sequence

from proto.ids import CredentialId, InstitutionId, LearnerId
from services.issuer_gateway.store import locks
from services.persistence.postgres import Connection, Pool


async def lock(connection: Connection, fingerprints: Sequence[bytes]) -> None:
    """Let nobody else import what has these fingerprints until the transaction ends; taken in order of their keys."""
    await locks.lock(connection, fingerprints)


async def became(
    connection: Connection | Pool, institution_id: InstitutionId, fingerprint: bytes
) -> CredentialId | None:
    """Return the credential that a document with this fingerprint became."""
    found: bytes | None = await connection.fetchval(
        "SELECT credential_id FROM imported WHERE institution_id = $1 AND fingerprint = $2", institution_id, fingerprint
    )
    return CredentialId(found.hex()) if found else None


async def add(
    connection: Connection, institution_id: InstitutionId, fingerprint: bytes, credential_id: CredentialId
) -> None:
    """Remember what a document became, at last where it was made anew."""
    await connection.execute(
        """INSERT INTO imported (institution_id, fingerprint, credential_id) VALUES ($1, $2, $3)
           ON CONFLICT (institution_id, fingerprint) DO UPDATE SET credential_id = excluded.credential_id""",
        institution_id,
        fingerprint,
        bytes.fromhex(credential_id),
    )


async def forget(connection: Connection | Pool, learner_ids: Sequence[LearnerId]) -> None:
    """Forget what became credentials of these learners."""
    await connection.execute(
        """DELETE FROM imported USING credential
           WHERE credential.credential_id = imported.credential_id AND learner_id = ANY($1::uuid[])""",
        list(learner_ids),
    )


async def refs(
    connection: Connection | Pool, institution_id: InstitutionId, learner_ids: Sequence[LearnerId]
) -> dict[LearnerId, str]:
    """Return by id the institution's own names of those of these learners who are there and were not erased."""
    rows = await connection.fetch(
        """SELECT learner_id::text, ref FROM learner
           WHERE institution_id = $1 AND learner_id = ANY($2::uuid[]) AND ref IS NOT NULL""",
        institution_id,
        list(learner_ids),
    )
    return {row["learner_id"]: row["ref"] for row in rows}
