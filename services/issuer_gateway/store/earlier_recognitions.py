"""SQL of what an institution has recognised of a credential already, in applications that were not erased."""

from collections.abc import Collection, Mapping

from proto.ids import ApplicationId, CredentialId, InstitutionId
from proto.wire.applications import CountedPlace
from services.issuer_gateway.store import locks
from services.persistence.postgres import Connection, Pool

_PLACES_MAX = 100


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


async def counted_in(pool: Pool, application_id: ApplicationId) -> Mapping[int, tuple[CountedPlace, ...]]:
    """Return by the numbers of an application's evidence where else the same credentials count towards its programme.

    Of very many places the first are told.
    """
    rows = await pool.fetch(
        """SELECT shown.number AS shown, item.application_id::text, item.number
           FROM application_item AS shown JOIN application AS whose USING (application_id)
               JOIN application_item AS item ON item.credential_id = shown.credential_id
               JOIN application AS other ON other.application_id = item.application_id
           WHERE shown.application_id = $1 AND other.institution_id = whose.institution_id
               AND other.programme = whose.programme
               AND (item.application_id, item.number) <> (shown.application_id, shown.number)
               AND (SELECT decision FROM application_decision AS made
                   WHERE made.application_id = item.application_id AND made.number = item.number
                   ORDER BY round DESC LIMIT 1) IN ('full', 'partial')
           ORDER BY shown.number, other.created_at, item.application_id, item.number LIMIT $2""",
        application_id,
        _PLACES_MAX,
    )
    found: dict[int, tuple[CountedPlace, ...]] = {}
    for row in rows:
        place = CountedPlace(application_id=ApplicationId(row["application_id"]), number=row["number"])
        found[row["shown"]] = (*found.get(row["shown"], ()), place)
    return found
