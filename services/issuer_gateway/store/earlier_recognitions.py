"""SQL of what an institution has recognised of a credential already, in applications that were not erased."""

from collections.abc import Collection

from proto.ids import CredentialId, InstitutionId
from services.issuer_gateway.store import locks
from services.persistence.postgres import Connection, Pool


async def lock(
    connection: Connection, institution_id: InstitutionId, credential_ids: Collection[CredentialId], programme: str
) -> None:
    """Let nobody else decide at once on these credentials towards a programme, until the transaction ends."""
    names = (locks.digest_of("counts", institution_id, each, programme) for each in credential_ids)
    await locks.lock(connection, names)


async def counts_already(
    connection: Connection | Pool, institution_id: InstitutionId, credential_id: CredentialId, programme: str
) -> bool:
    """Tell whether a credential counts towards a programme already, by the last decision on it in an application."""
    found: bool = await connection.fetchval(
        """SELECT EXISTS (
               SELECT FROM application_item AS item JOIN application USING (application_id)
               WHERE item.credential_id = $2 AND institution_id = $1 AND programme = $3
                   AND (SELECT decision FROM application_decision AS made
                       WHERE made.application_id = item.application_id AND made.number = item.number
                       ORDER BY round DESC LIMIT 1) IN ('full', 'partial'))""",
        institution_id,
        bytes.fromhex(credential_id),
        programme,
    )
    return found
