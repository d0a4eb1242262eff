"""SQL of proofs that were made of documents. They come and go sealed under the learner's key."""

from collections.abc import Mapping, Sequence

import msgspec

from proto.ids import CredentialId, KeyId
from services.persistence.postgres import Connection, Pool


class StoredProof(msgspec.Struct, frozen=True, kw_only=True):
    """A proof of a document, sealed, and the key that made it."""

    key_id: KeyId
    sealed_proof: bytes


async def get_many(
    connection: Connection | Pool, credential_ids: Sequence[CredentialId], suite: str
) -> dict[CredentialId, StoredProof]:
    """Return the proofs of documents in this suite, of those that have one."""
    rows = await connection.fetch(
        """SELECT encode(credential_id, 'hex') AS credential_id, key_id, sealed_proof FROM document_proof
           WHERE credential_id = ANY($1::bytea[]) AND suite = $2""",
        [bytes.fromhex(name) for name in credential_ids],
        suite,
    )
    return {row["credential_id"]: StoredProof(key_id=row["key_id"], sealed_proof=row["sealed_proof"]) for row in rows}


async def keep(connection: Connection | Pool, suite: str, made: Mapping[CredentialId, StoredProof]) -> None:
    """Keep proofs in place of those that were there."""
    names = sorted(made)  # in one order, so that two who keep the same ones wait for each other
    await connection.execute(
        """INSERT INTO document_proof (credential_id, suite, key_id, sealed_proof)
           SELECT credential_id, $1, key_id, sealed_proof
           FROM unnest($2::bytea[], $3::text[], $4::bytea[]) AS new (credential_id, key_id, sealed_proof)
           ON CONFLICT (credential_id, suite) DO UPDATE
               SET key_id = excluded.key_id, sealed_proof = excluded.sealed_proof, created_at = now()""",
        suite,
        [bytes.fromhex(name) for name in names],
        [made[name].key_id for name in names],
        [made[name].sealed_proof for name in names],
    )
