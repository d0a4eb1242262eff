"""SQL of proofs that were made of documents. They come and go sealed under the learner's key."""

import msgspec

from proto.ids import CredentialId, KeyId
from services.persistence.postgres import Connection, Pool


class StoredProof(msgspec.Struct, frozen=True, kw_only=True):
    """A proof of a document, sealed, and the key that made it."""

    key_id: KeyId
    sealed_proof: bytes


async def get(connection: Connection | Pool, credential_id: CredentialId, suite: str) -> StoredProof | None:
    """Return the proof of a document in this suite."""
    row = await connection.fetchrow(
        "SELECT key_id, sealed_proof FROM document_proof WHERE credential_id = $1 AND suite = $2",
        bytes.fromhex(credential_id),
        suite,
    )
    return StoredProof(**dict(row)) if row else None


async def keep(connection: Connection | Pool, credential_id: CredentialId, suite: str, proof: StoredProof) -> None:
    """Keep a proof in place of the one that was there."""
    await connection.execute(
        """INSERT INTO document_proof (credential_id, suite, key_id, sealed_proof) VALUES ($1, $2, $3, $4)
           ON CONFLICT (credential_id, suite) DO UPDATE
               SET key_id = excluded.key_id, sealed_proof = excluded.sealed_proof, created_at = now()""",
        bytes.fromhex(credential_id),
        suite,
        proof.key_id,
        proof.sealed_proof,
    )
