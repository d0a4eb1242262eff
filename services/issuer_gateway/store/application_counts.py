"""SQL of how many applications wait and how they were decided. Reads what is in clear only."""

from proto.ids import InstitutionId
from services.persistence.postgres import Connection, Pool


async def counts(connection: Connection | Pool, institution_id: InstitutionId) -> dict[str, int]:
    """Return how many pieces of evidence are open, overdue and appealed, how many were decided each way."""
    row = await connection.fetchrow(
        """WITH last AS (
               SELECT DISTINCT ON (application_id, number) application_id, number, decision, round
               FROM application_decision ORDER BY application_id, number, round DESC)
           SELECT count(*) FILTER (WHERE state = 'open' AND open_now) AS open_count,
               count(*) FILTER (WHERE state = 'open' AND open_now AND due_at < now()) AS overdue_count,
               count(*) FILTER (WHERE decision = 'full') AS full_count,
               count(*) FILTER (WHERE decision = 'partial') AS partial_count,
               count(*) FILTER (WHERE decision = 'refused') AS refused_count,
               count(*) FILTER (WHERE sealed_appeal IS NOT NULL) AS appealed_count
           FROM (SELECT state, due_at, decision, sealed_appeal,
                     decision IS NULL OR (sealed_appeal IS NOT NULL AND round = 1) AS open_now
                 FROM application JOIN application_item USING (application_id)
                     LEFT JOIN last USING (application_id, number)
                 WHERE institution_id = $1) AS items""",
        institution_id,
    )
    assert row is not None, "an aggregate has a row"
    return dict(row)
