"""SQL of how many applications wait and how they were decided. Reads what is in clear only."""

from typing import Any

from proto.ids import InstitutionId
from services.persistence.postgres import Connection, Pool


async def counts(connection: Connection | Pool, institution_id: InstitutionId) -> dict[str, Any]:
    """Return how many pieces of evidence are open, overdue and appealed, how many were decided each way, and how fast.

    `median_hours` is that of first decisions by persons, from the application on; None where there is none.
    """
    row = await connection.fetchrow(
        """SELECT count(*) FILTER (WHERE state = 'open' AND open_now) AS open_count,
               count(*) FILTER (WHERE state = 'open' AND open_now AND due_at < now()) AS overdue_count,
               count(*) FILTER (WHERE decision = 'full') AS full_count,
               count(*) FILTER (WHERE decision = 'partial') AS partial_count,
               count(*) FILTER (WHERE decision = 'refused') AS refused_count,
               count(*) FILTER (WHERE sealed_appeal IS NOT NULL) AS appealed_count,
               count(*) FILTER (WHERE is_first_by_rule) AS at_once_count,
               count(*) FILTER (WHERE decision <> first_decision) AS changed_on_appeal_count,
               floor(percentile_cont(0.5) WITHIN GROUP (ORDER BY hours) FILTER (WHERE NOT is_first_by_rule))::integer
                   AS median_hours
           FROM (SELECT state, due_at, coalesce(anew.decision, first.decision) AS decision, sealed_appeal,
                     first.decision AS first_decision,
                     first.decision IS NULL OR (sealed_appeal IS NOT NULL AND anew.decision IS NULL) AS open_now,
                     first.api_key_id IS NULL AND first.decision IS NOT NULL AS is_first_by_rule,
                     extract(epoch FROM first.decided_at - application.created_at) / 3600 AS hours
                 FROM application JOIN application_item AS item USING (application_id)
                     LEFT JOIN application_decision AS first ON first.of_institution = $1
                         AND first.application_id = item.application_id AND first.number = item.number
                         AND first.round = 1
                     LEFT JOIN application_decision AS anew ON anew.of_institution = $1
                         AND anew.application_id = item.application_id AND anew.number = item.number AND anew.round = 2
                 WHERE institution_id = $1 AND item.of_institution = $1) AS items""",
        institution_id,
    )
    assert row is not None, "an aggregate has a row"
    return dict(row)
